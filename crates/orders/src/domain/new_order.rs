//! An order as a caller gives it.

use std::sync::Arc;

use types::{CampaignId, Money, Timestamp};

use super::{ContactRef, LineItem, OrderKey, Properties, PropertyName};

/// What to do when the order is stored with different content (O6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnConflict {
    /// Refuse it.
    Refuse,
    /// Update what may change.
    Update,
}

/// What to do when the evidence comes to nobody (O7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnUnattributed {
    /// Record the order all the same.
    Record,
    /// Refuse it.
    Reject,
}

/// Whose referral it is claimed to be (A4); attribution judges it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Evidence {
    /// Shortcode as given.
    pub(crate) shortcode: String,
    /// Coupon code as given.
    pub(crate) coupon_code: String,
    /// The advocate.
    pub(crate) advocate: Option<ContactRef>,
    /// The browser, as it was told when it visited.
    pub(crate) visitor_id: String,
}

impl Evidence {
    /// Whether nothing is claimed.
    pub(crate) fn is_empty(&self) -> bool {
        self.shortcode.is_empty()
            && self.coupon_code.is_empty()
            && self.advocate.is_none()
            && self.visitor_id.is_empty()
    }
}

/// An order as a caller gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewOrder {
    /// What it is known by.
    pub(crate) key: OrderKey,
    /// The system it comes from.
    pub(crate) source: String,
    /// Who bought.
    pub(crate) customer: ContactRef,
    /// What it is worth.
    pub(crate) revenue: Money,
    /// The campaign, if given.
    pub(crate) campaign_id: Option<CampaignId>,
    /// Whose referral it is.
    pub(crate) evidence: Evidence,
    /// State in the caller's system.
    pub(crate) external_status: String,
    /// Deal stage in HubSpot.
    pub(crate) hubspot_dealstage: String,
    /// The lines.
    pub(crate) line_items: Vec<LineItem>,
    /// Custom properties (O9).
    pub(crate) properties: Properties,
    /// The properties it tells of, whether it has a value of them or not; `None` if it is all there are.
    pub(crate) told_properties: Option<Arc<[PropertyName]>>,
    /// When it was placed, if given.
    pub(crate) occurred_at: Option<Timestamp>,
    /// If it is stored with different content.
    pub(crate) on_conflict: OnConflict,
    /// If the evidence comes to nobody.
    pub(crate) on_unattributed: OnUnattributed,
}

impl NewOrder {
    /// All its properties, where an order is stored that has `stored`: those it does not tell of stay as they are (O6).
    pub(crate) fn properties_over(&self, stored: &Properties) -> Properties {
        let Some(told) = &self.told_properties else { return self.properties.clone() };
        let others = stored.iter().filter(|(name, _)| !told.contains(name));
        let others = others.map(|(name, value)| (name.clone(), value.clone()));
        others.chain(self.properties.clone()).collect()
    }
}
