//! The edge: everything about gRPC that the four services share.
//!
//! | module | what |
//! |---|---|
//! | [`error`] | one error type, mapped to `Status` with its details in one place |
//! | [`auth`] | who may do what: tokens, certificates, scopes |
//! | [`caller`] | who calls: the tenant, or a service (M6) |
//! | [`fields`] | wire types to strict ones, with the field's path in the error |
//! | [`audit`] | listing who did what, the same in every service |
//! | [`csv`] | CSV files in pieces: records and columns of those that come, and those that go out |
//! | [`mask`] | which fields an update touches |
//! | [`order`] | the orders a list can be had in |
//! | [`page`] | page sizes and page tokens |
//! | [`properties`] | custom properties: values from the wire and back, and in filters |
//! | [`filter`] | filters of lists: text to a condition on declared fields, and that to SQL |
//! | [`health`] | start-up, live and ready |
//! | [`layers`] | what every call passes through, as one commented list |
//! | `body` | answers that go on: their places, and their end |
//! | [`limits`] | how much may be under way at once |
//! | [`server`] | serving on a socket, or in memory for calls within the process |
//! | [`channel`] | one client transport for both |
//! | `trace` | a span and a measurement per call, and the context of calls that go out |

pub mod audit;
pub mod auth;
mod body;
pub mod caller;
pub mod channel;
pub mod csv;
pub mod error;
pub mod fields;
pub mod filter;
pub mod health;
pub mod layers;
pub mod limits;
pub mod mask;
pub mod order;
pub mod page;
pub mod properties;
pub mod server;
mod trace;

pub use caller::Caller;
pub use channel::Channel;
pub use error::Error;
pub use proto::common::ErrorReason as Reason;
