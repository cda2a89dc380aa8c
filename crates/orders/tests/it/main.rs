//! The orders service on real Postgres, with the attribution service beside it, rule by rule.

#[cfg(test)]
mod audit;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod batch;
#[cfg(test)]
mod common;
#[cfg(test)]
mod erasures;
#[cfg(test)]
mod evidence;
#[cfg(test)]
mod export;
#[cfg(test)]
mod failures;
#[cfg(test)]
mod filter;
#[cfg(test)]
mod import;
#[cfg(test)]
mod permanence;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod read;
#[cfg(test)]
mod record;
#[cfg(test)]
mod report;
#[cfg(test)]
mod resume;
#[cfg(test)]
mod reversals;
#[cfg(test)]
mod stream;
#[cfg(test)]
mod update;
