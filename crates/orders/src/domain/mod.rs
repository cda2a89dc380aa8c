//! The rules of orders, pure: strict types and decisions; no IO, no clock.

mod attributed;
mod clock;
mod contact_ref;
mod history;
mod import;
mod names;
mod new_order;
mod order;
mod record;
mod reversal;
mod update;

pub(crate) use attributed::{Answer, Attributed, Head, InForce, Inactive, Outcome, Unresolved};
pub(crate) use clock::advance;
pub(crate) use contact_ref::{ContactRef, Uid};
pub(crate) use history::{Change, ChangeKind, FieldChange, changed_fields, linked_fields};
pub(crate) use import::{Fault, Import, ImportKey, Kept, Progress, Rejected, Sent};
pub(crate) use names::{names, names_anywhere, names_of, normal, text};
pub(crate) use new_order::{Evidence, NewOrder, OnConflict, OnUnattributed};
pub(crate) use order::{LineItem, Order, OrderKey};
pub(crate) use record::{Facts, Violation, record_again, record_new};
pub(crate) use reversal::{Cancellation, NewRefund, Reversal, cancel, refund, refund_again};
pub(crate) use types::property::{
    Definition, Definitions, MAX_DEFINITIONS, Properties, PropertyFaults, PropertyName, PropertyType,
    PropertyValue,
};
pub(crate) use update::{Patch, Updated, link, update};

#[cfg(test)]
pub(crate) use reversal::tests::order as test_order;
/// Holds properties of an order to what the tenant defines (O9).
pub(crate) fn check(properties: &Properties, definitions: &Definitions) -> Result<(), Violation> {
    types::property::check(properties, definitions).map_err(Violation::Properties)
}
