//! Event streams between services (3-architecture, Streams): append to the outbox in the writing transaction, serve it
//! as a watch, follow another service's watch with effects and cursor in one transaction.
//!
//! Only this crate knows where events come from.
//!
//! | module | what |
//! |---|---|
//! | [`contract`] | what the events and watch messages of the four contracts have in common |
//! | [`cursor`] | opaque cursors: epoch, position, scope |
//! | [`append`] | writing events |
//! | [`source`] | serving events as a watch |
//! | [`follow`] | a follower: fenced cursor, parking, back-off |
//! | [`subscription`] | where a follower stands |
//! | [`parked`] | events set aside |
//! | [`erasure`] | erasures of contacts on their way through the services |
//! | [`properties`] | defining custom properties, which may take up erasures again |

pub mod append;
pub mod contract;
pub mod cursor;
pub mod erasure;
pub mod follow;
mod observed;
pub mod parked;
pub mod properties;
pub mod source;
pub mod subscription;

pub use append::append;
pub use contract::{Event, WatchResponse};
pub use cursor::{Cursor, Scope};
pub use erasure::{EraseError, Eraser, Erasures};
pub use follow::{ApplyError, Follower, Subscriber};
pub use properties::{DefineError, Registry};
pub use source::Source;

/// The tables behind this crate, for every service's schema.
pub static MIGRATIONS: pg::sqlx::migrate::Migrator = pg::sqlx::migrate!("./migrations");
