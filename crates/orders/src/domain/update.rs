//! Changing an order that is stored: its content (O6), and whose it is, once (O4).

use types::{Currency, Money};

use super::{Attributed, Definitions, LineItem, Order, Outcome, Properties, Unresolved, Violation, check};

/// What an update replaces of an order's content (O6); what is `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Patch {
    /// What it is worth.
    pub(crate) revenue: Option<Money>,
    /// State in the caller's system.
    pub(crate) external_status: Option<String>,
    /// Deal stage in HubSpot.
    pub(crate) hubspot_dealstage: Option<String>,
    /// The lines, all in this currency if there are any.
    pub(crate) line_items: Option<(Option<Currency>, Vec<LineItem>)>,
    /// Custom properties, all of them.
    pub(crate) properties: Option<Properties>,
}

/// What becomes of an order that is stored already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Updated {
    /// It has this content.
    Same,
    /// It becomes this; a lowered revenue gives the difference back.
    Changed(Box<Order>, Option<Money>),
}

/// Replaces content of an order, whoever asks for it (O6): revenue is never lowered below what was refunded, and that of a
/// cancelled order stays. Properties that change are held to what is defined (O9); others may be from before.
pub(crate) fn update(stored: &Order, patch: Patch, definitions: &Definitions) -> Result<Updated, Violation> {
    let revenue = patch.revenue.unwrap_or(stored.revenue);
    if revenue.currency != stored.currency() {
        return Err(Violation::OtherCurrency("revenue.currency_code"));
    }
    let priced_in = patch.line_items.as_ref().and_then(|(currency, _)| *currency);
    if priced_in.is_some_and(|currency| currency != stored.currency()) {
        return Err(Violation::OtherCurrency("line_items[0].unit_price.currency_code"));
    }
    if stored.cancelled_at.is_some() && revenue != stored.revenue {
        return Err(Violation::Cancelled);
    }
    if revenue.minor < stored.refunded_minor {
        return Err(Violation::BelowRefunded);
    }
    let mut updated = Order { revenue, ..stored.clone() };
    patch.external_status.into_iter().for_each(|status| updated.external_status = status);
    patch.hubspot_dealstage.into_iter().for_each(|stage| updated.hubspot_dealstage = stage);
    patch.line_items.into_iter().for_each(|(_, lines)| updated.line_items = lines);
    if let Some(properties) = patch.properties {
        updated.properties = stored.kept(properties, definitions);
    }
    if updated.properties != stored.properties {
        check(&updated.properties, definitions)?;
    }
    if updated == *stored {
        return Ok(Updated::Same);
    }
    let lowered = stored.revenue.minor - revenue.minor;
    let refund = (lowered > 0).then(|| Money::new(lowered, stored.currency()));
    Ok(Updated::Changed(Box::new(updated), refund))
}

/// Links an order that was recorded without attribution, on attribution's word, once (O4). `None` if it is the advocate's
/// already whom the evidence names.
pub(crate) fn link(stored: &Order, answer: &Attributed) -> Result<Option<Order>, Violation> {
    if let Some(attribution) = stored.attribution {
        let is_same = answer.named == Some(attribution.advocate_id);
        return if is_same { Ok(None) } else { Err(Violation::Attributed) };
    }
    if answer.outcome == Outcome::Unresolved(Unresolved::CampaignMismatch) {
        return Err(Violation::CampaignMismatch);
    }
    let Some(in_force) = answer.in_force else { return Err(Violation::Unattributed(answer.outcome)) };
    Ok(Some(Order {
        campaign_id: stored.campaign_id.clone().or_else(|| answer.campaign_id.clone()),
        attribution: Some(in_force),
        inactive_attribution_id: answer.inactive.or(stored.inactive_attribution_id),
        outcome: answer.outcome,
        ..stored.clone()
    }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use types::ContactId;
    use uuid::Uuid;

    use super::*;
    use crate::domain::{Head, InForce, Inactive, reversal};

    fn order(cents: i64) -> Order {
        reversal::tests::order(cents)
    }

    fn revised(order: &Order, patch: Patch) -> Result<Updated, Violation> {
        update(order, patch, &Definitions::new())
    }

    fn dollars(cents: i64) -> Money {
        Money::new(cents, "USD".parse().unwrap())
    }

    fn advocate(n: u128) -> ContactId {
        Uuid::from_u128(n).into()
    }

    fn in_force(n: u128) -> InForce {
        InForce { attribution_id: Uuid::from_u128(n).into(), advocate_id: advocate(n) }
    }

    fn answer(outcome: Outcome, in_force: Option<InForce>, named: Option<ContactId>) -> Attributed {
        Attributed {
            contact_id: advocate(9),
            campaign_id: Some("spring".parse().unwrap()),
            in_force,
            named,
            inactive: None,
            outcome,
            head: Head { epoch: 1, position: 1 },
        }
    }

    #[test]
    fn o6_what_is_not_given_stays() {
        let stored = Order { external_status: "open".to_owned(), ..order(500) };
        let patch = Patch { hubspot_dealstage: Some("won".to_owned()), ..Patch::default() };
        let Ok(Updated::Changed(updated, None)) = revised(&stored, patch.clone()) else {
            panic!("unchanged")
        };
        assert_eq!(*updated, Order { hubspot_dealstage: "won".to_owned(), ..stored });
        assert_eq!(revised(&updated, patch), Ok(Updated::Same));
        assert_eq!(revised(&updated, Patch::default()), Ok(Updated::Same));
    }

    #[test]
    fn m5_an_order_keeps_its_currency() {
        let yen = Patch { revenue: Some(Money::new(5, "JPY".parse().unwrap())), ..Patch::default() };
        assert_eq!(revised(&order(500), yen), Err(Violation::OtherCurrency("revenue.currency_code")));
        let lines = Patch { line_items: Some((Some("JPY".parse().unwrap()), vec![])), ..Patch::default() };
        let refused = revised(&order(500), lines);
        assert_eq!(refused, Err(Violation::OtherCurrency("line_items[0].unit_price.currency_code")));
    }

    #[test]
    fn o4_an_order_takes_what_is_in_force_once() {
        let stored = order(500);
        let lost = Attributed {
            inactive: Some(Uuid::from_u128(7).into()),
            ..answer(Outcome::LoggedInactive(Inactive::Duplicate), Some(in_force(1)), Some(advocate(7)))
        };
        let linked = link(&stored, &lost).unwrap().unwrap();
        assert_eq!(linked.attribution, Some(in_force(1)), "what is in force, whoever is named (A11)");
        assert_eq!(linked.inactive_attribution_id, Some(Uuid::from_u128(7).into()));
        assert_eq!((linked.campaign_id.as_ref(), linked.outcome), (lost.campaign_id.as_ref(), lost.outcome));
        // from now on it is a question of who is named, not of who is in force
        assert_eq!(link(&linked, &lost), Err(Violation::Attributed));
        let again = answer(Outcome::AlreadyAttributed, Some(in_force(1)), Some(advocate(1)));
        assert_eq!(link(&linked, &again), Ok(None));
        let nobody = answer(Outcome::Unresolved(Unresolved::UnknownCode), Some(in_force(1)), None);
        assert_eq!(link(&linked, &nobody), Err(Violation::Attributed));
    }

    #[test]
    fn o4_an_order_keeps_its_campaign() {
        let stored = Order { campaign_id: Some("autumn".parse().unwrap()), ..order(500) };
        let given = answer(Outcome::Attributed, Some(in_force(1)), Some(advocate(1)));
        assert_eq!(link(&stored, &given).unwrap().unwrap().campaign_id, stored.campaign_id);
        let mismatch = answer(Outcome::Unresolved(Unresolved::CampaignMismatch), None, None);
        assert_eq!(link(&stored, &mismatch), Err(Violation::CampaignMismatch));
    }

    #[test]
    fn o4_evidence_that_comes_to_nobody_links_nothing() {
        let outcome = Outcome::LoggedInactive(Inactive::SelfReferral);
        let refused = link(&order(500), &answer(outcome, None, Some(advocate(9))));
        assert_eq!(refused, Err(Violation::Unattributed(outcome)));
    }

    proptest! {
        #[test]
        fn o6_updates_give_back_what_they_lower_and_never_more_than_was_left(
            refunded in 0_i64..300,
            figures in prop::collection::vec(0_i64..1_000, 0..20),
        ) {
            let mut order = Order { refunded_minor: refunded, ..order(500) };
            for cents in figures {
                let patch = Patch { revenue: Some(dollars(cents)), ..Patch::default() };
                let before = order.revenue.minor;
                match revised(&order, patch) {
                    Ok(Updated::Changed(after, given_back)) => {
                        let back = given_back.map_or(0, |amount| amount.minor);
                        prop_assert_eq!(back, (before - cents).max(0));
                        order = *after;
                    }
                    Ok(Updated::Same) => prop_assert_eq!(before, cents),
                    Err(violation) => {
                        prop_assert_eq!(violation, Violation::BelowRefunded);
                        prop_assert!(cents < refunded);
                    }
                }
                prop_assert!(order.revenue.minor >= order.refunded_minor);
            }
        }
    }
}
