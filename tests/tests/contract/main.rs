//! The contracts, held against a running process. Every test walks all methods from the descriptors, so that a new one
//! cannot escape.

mod constraints;
mod identity;
mod laws;
mod lists;
mod maker;
mod random;
mod reasons;
mod seed;
mod transport;
mod values;
mod world;
