//! What changes state: one file per command.

mod attribute;
mod book;
mod error;
mod events;
mod import_orders;
mod lane;
mod properties;
mod record;
mod record_orders;
mod reverse_orders;
mod update_orders;

pub(crate) use attribute::Declined;
pub(crate) use error::Error;
pub(crate) use events::clock_moved;
pub(crate) use import_orders::{BadRow, Importer, Progress, Report, Row};
pub(crate) use lane::{Lane, Place};
pub(crate) use properties::{
    By, DefinitionChange, create as create_property, delete as delete_property, update as update_property,
};
pub(crate) use record_orders::{RecordOrder, RecordOrders, RecordResult, Recorded, RequestId};
pub(crate) use reverse_orders::{ReverseOrder, ReverseOrders, Reversed};
pub(crate) use update_orders::{Revised, UpdateOrder, UpdateOrders};
