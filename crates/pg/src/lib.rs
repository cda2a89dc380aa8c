//! Postgres: connections, roles, migrations, and the one function that opens a writing transaction.
//!
//! | module | what |
//! |---|---|
//! | [`database`] | connections, and [`Database::write`]: the writing transaction with its sequencer lock |
//! | [`inserts`] | what a slice adds, sent as one statement |
//! | `lane` | one connection, taken in turns: what writes and hot reads use |
//! | [`error`] | SQLSTATE classes: what may be retried, what is the data's fault |
//! | [`provision`] | database, schemas and roles of the services; migrations |
//! | [`audit`] | who did what, row by transaction |
//! | [`properties`] | what tenants define, and the values of it in a row |
//! | [`requests`] | `request_id`s and what they made (kept 7 days) |
//! | [`embedded`] | a private cluster for development, started and stopped by our process |

pub mod audit;
pub mod database;
pub mod embedded;
pub mod error;
pub mod inserts;
mod lane;
pub mod properties;
pub mod provision;
pub mod requests;

pub use audit::Audit;
pub use database::{Database, WriteTx};
pub use error::Error;
pub use inserts::Inserts;
pub use lane::Turn;
pub use provision::{Access, Schema, Server};
pub use sqlx;
