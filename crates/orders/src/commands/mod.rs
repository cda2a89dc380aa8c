//! What changes state: one file per command.

mod attribute;
mod book;
mod check_orders;
mod erase;
mod error;
mod events;
mod import_orders;
mod journal;
mod record;
mod record_orders;
mod reverse_orders;
mod try_import;
mod update_orders;

pub(crate) use attribute::Declined;
pub(crate) use erase::Sweeper;
pub(crate) use error::Error;
pub(crate) use events::clock_moved;
pub(crate) use import_orders::{BadRow, Importer, Report, Row, Telling, Unreadable};
pub(crate) use journal::{Begin, Journal, Opening, forget as forget_imports};
pub(crate) use record_orders::{RecordOrder, RecordOrders, RecordResult, Recorded, RequestId};
pub(crate) use reverse_orders::{ReverseOrder, ReverseOrders, Reversed};
pub(crate) use try_import::Trial;
pub(crate) use update_orders::{Revised, UpdateOrder, UpdateOrders};
