//! The rules of the rewards service on real Postgres; each test is named after its rule.

#[cfg(test)]
mod audit;
#[cfg(test)]
mod common;
#[cfg(test)]
mod decisions;
#[cfg(test)]
mod end_to_end;
#[cfg(test)]
mod filters;
#[cfg(test)]
mod flags;
#[cfg(test)]
mod histories;
#[cfg(test)]
mod ledger;
#[cfg(test)]
mod programs;
#[cfg(test)]
mod refunds;
#[cfg(test)]
mod retries;
#[cfg(test)]
mod rewards;
#[cfg(test)]
mod told;
