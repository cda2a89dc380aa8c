//! What happens to an order after it was recorded (O12).

use types::{Money, Timestamp};

use super::{LineItem, Order};

/// Bytes of lines that are kept, about.
const LINES: usize = 500;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChangeKind {
    /// Its content changed (O6).
    Updated,
    /// Part or all of its revenue was given back (O8).
    Refunded,
    /// It was cancelled (O8).
    Cancelled,
}

impl ChangeKind {
    const ALL: [(Self, &'static str); 3] =
        [(Self::Updated, "UPDATED"), (Self::Refunded, "REFUNDED"), (Self::Cancelled, "CANCELLED")];

    /// As it is stored.
    pub(crate) fn name(self) -> &'static str {
        Self::ALL.into_iter().find_map(|(kind, name)| (kind == self).then_some(name)).unwrap_or_default()
    }

    /// The inverse of [`ChangeKind::name`].
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find_map(|(kind, of_kind)| (name == of_kind).then_some(kind))
    }
}

/// A field that an update changed, with its values as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FieldChange {
    /// Its name in the contract.
    pub(crate) field: String,
    /// What it was.
    pub(crate) before: String,
    /// What it became.
    pub(crate) after: String,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    /// What.
    pub(crate) kind: ChangeKind,
    /// Who did it.
    pub(crate) principal: String,
    /// Of a refund: its id.
    pub(crate) refund_id: String,
    /// What was given back, if anything was.
    pub(crate) amount: Option<Money>,
    /// Why, if the caller said.
    pub(crate) reason: String,
    /// Of an update: what changed.
    pub(crate) fields: Vec<FieldChange>,
    /// When it happened (business time, M3).
    pub(crate) occurred_at: Timestamp,
    /// When it was recorded (real clock).
    pub(crate) recorded_at: Timestamp,
}

/// What an update changed (O6).
pub(crate) fn changed_fields(before: &Order, after: &Order) -> Vec<FieldChange> {
    [
        ("revenue", before.revenue != after.revenue, before.revenue.to_string(), after.revenue.to_string()),
        (
            "external_status",
            before.external_status != after.external_status,
            before.external_status.clone(),
            after.external_status.clone(),
        ),
        (
            "hubspot_dealstage",
            before.hubspot_dealstage != after.hubspot_dealstage,
            before.hubspot_dealstage.clone(),
            after.hubspot_dealstage.clone(),
        ),
        ("line_items", before.line_items != after.line_items, lines(before), lines(after)),
    ]
    .into_iter()
    .filter(|(_, differs, ..)| *differs)
    .map(|(field, _, before, after)| FieldChange { field: field.to_owned(), before, after })
    .collect()
}

/// The lines as one text, shortened where there are many.
fn lines(order: &Order) -> String {
    let line = |line: &LineItem| {
        let price = Money::new(line.unit_price_minor, order.currency());
        format!("{} x {} at {price}", line.quantity, line.sku)
    };
    let all: Vec<String> = order.line_items.iter().map(line).collect();
    let mut text = all.join("; ");
    if text.len() > LINES {
        text.truncate(text.floor_char_boundary(LINES));
        text.push('…');
    }
    text
}
