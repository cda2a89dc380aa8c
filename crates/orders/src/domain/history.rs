//! What happens to an order after it was recorded (O12).

use std::collections::BTreeSet;

use types::{Money, Timestamp};

use super::{Definitions, LineItem, Order, PropertyName, PropertyValue};

/// Bytes of lines that are kept, about.
const LINES: usize = 500;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChangeKind {
    /// Its content changed (O6).
    Updated,
    /// It was linked to an attribution after it was recorded (O4).
    Linked,
    /// Part or all of its revenue was given back (O8).
    Refunded,
    /// It was cancelled (O8).
    Cancelled,
}

impl ChangeKind {
    const ALL: [(Self, &'static str); 4] = [
        (Self::Updated, "UPDATED"),
        (Self::Linked, "LINKED"),
        (Self::Refunded, "REFUNDED"),
        (Self::Cancelled, "CANCELLED"),
    ];

    /// As it is stored.
    pub(crate) fn name(self) -> &'static str {
        Self::ALL.into_iter().find_map(|(kind, name)| (kind == self).then_some(name)).unwrap_or_default()
    }

    /// The inverse of [`ChangeKind::name`].
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find_map(|(kind, of_kind)| (name == of_kind).then_some(kind))
    }
}

/// A field that an update or a link changed, with its values as text.
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
    /// Of an update or a link: what changed.
    pub(crate) fields: Vec<FieldChange>,
    /// When it happened (business time, M3).
    pub(crate) occurred_at: Timestamp,
    /// When it was recorded (real clock).
    pub(crate) recorded_at: Timestamp,
}

/// What an update changed (O6). Values of personal properties are told nowhere but in the order itself (A13).
pub(crate) fn changed_fields(before: &Order, after: &Order, definitions: &Definitions) -> Vec<FieldChange> {
    let texts = [
        ("revenue", before.revenue != after.revenue, texts(before, after, |order| order.revenue.to_string())),
        (
            "external_status",
            before.external_status != after.external_status,
            texts(before, after, |order| order.external_status.clone()),
        ),
        (
            "hubspot_dealstage",
            before.hubspot_dealstage != after.hubspot_dealstage,
            texts(before, after, |order| order.hubspot_dealstage.clone()),
        ),
        ("line_items", before.line_items != after.line_items, texts(before, after, lines)),
    ];
    let mut changes = changes(texts);
    let names: BTreeSet<&PropertyName> = before.properties.keys().chain(after.properties.keys()).collect();
    changes.extend(names.into_iter().filter_map(|name| changed_property(before, after, name, definitions)));
    changes
}

fn changed_property(
    before: &Order,
    after: &Order,
    name: &PropertyName,
    definitions: &Definitions,
) -> Option<FieldChange> {
    let value = |order: &Order| order.properties.get(name).cloned();
    let (before, after) = (value(before), value(after));
    if before == after {
        return None;
    }
    let is_open = definitions.get(name).is_some_and(|definition| !definition.personal);
    let text =
        |value: Option<PropertyValue>| value.filter(|_| is_open).map(|v| v.to_string()).unwrap_or_default();
    Some(FieldChange { field: format!("properties.{name}"), before: text(before), after: text(after) })
}

/// What a link changed (O4).
pub(crate) fn linked_fields(before: &Order, after: &Order) -> Vec<FieldChange> {
    let campaign = |order: &Order| order.campaign_id.as_ref().map(ToString::to_string).unwrap_or_default();
    let attribution =
        |order: &Order| order.attribution.map(|a| a.attribution_id.to_string()).unwrap_or_default();
    let advocate = |order: &Order| order.attribution.map(|a| a.advocate_id.to_string()).unwrap_or_default();
    let outcome = |order: &Order| order.outcome.to_string();
    let texts = [
        ("campaign_id", before.campaign_id != after.campaign_id, texts(before, after, campaign)),
        ("attribution_id", true, texts(before, after, attribution)),
        ("advocate_id", true, texts(before, after, advocate)),
        ("outcome", before.outcome != after.outcome, texts(before, after, outcome)),
    ];
    changes(texts)
}

fn texts(before: &Order, after: &Order, text: impl Fn(&Order) -> String) -> (String, String) {
    (text(before), text(after))
}

/// Those of the fields that differ.
fn changes<const N: usize>(fields: [(&str, bool, (String, String)); N]) -> Vec<FieldChange> {
    let change = |(field, differs, (before, after)): (&str, bool, (String, String))| {
        differs.then(|| FieldChange { field: field.to_owned(), before, after })
    };
    fields.into_iter().filter_map(change).collect()
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
