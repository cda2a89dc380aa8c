//! The contracts, held against a running process. Every test walks all methods from the descriptors, so that a new one
//! cannot escape.

#[cfg(test)]
mod algorithms;
#[cfg(test)]
mod audit;
#[cfg(test)]
mod comments;
#[cfg(test)]
mod constraints;
#[cfg(test)]
mod identity;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod lists;
#[cfg(test)]
mod maker;
#[cfg(test)]
mod random;
#[cfg(test)]
mod reasons;
#[cfg(test)]
mod seed;
#[cfg(test)]
mod streams;
#[cfg(test)]
mod tenants;
#[cfg(test)]
mod transport;
#[cfg(test)]
mod values;
#[cfg(test)]
mod world;
