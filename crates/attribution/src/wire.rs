//! The domain in the form of the contract, for answers and events alike.

use outbox::erasure::Open;
use proto::attribution as v1;
use proto::attribution::attribution_event::Fact as WireFact;
use rpc::fields::wire_time;
use types::property::Definition;
use types::{EventId, SegmentId, TenantId, Timestamp, new_id};

use crate::domain::code::{CodeKind, CodeState};
use crate::domain::coupon::Coupon;
use crate::domain::history::{AttributionChange, StatusChange};
use crate::domain::visit::Visit;
use crate::domain::{
    Attribution, Campaign, Contact, ContactStatus, Event, EvidenceKind, Fact, Flag, FlagCause,
    InactiveReason, Judgement, LoggedAttempt, Standing, UnresolvedReason,
};
use crate::store::{ListedCode, Segment};

/// A contact.
pub(crate) fn contact(contact: &Contact) -> v1::Contact {
    v1::Contact {
        contact_id: contact.id.to_string(),
        email: contact.email.as_ref().map_or_else(String::new, |email| email.as_str().to_owned()),
        uid: contact.uid.as_ref().map_or_else(String::new, |uid| uid.as_str().to_owned()),
        first_name: contact.profile.first_name.clone(),
        last_name: contact.profile.last_name.clone(),
        company: contact.profile.company.clone(),
        locale: contact.profile.locale.clone(),
        tags: contact.tags.iter().cloned().collect(),
        status: contact.status.number().into(),
        segment_ids: contact.segments.iter().map(SegmentId::to_string).collect(),
        created_at: Some(wire_time(contact.created_at)),
        flags: contact.flags.iter().map(|(cause, flag)| contact_flag(*cause, flag)).collect(),
        erased_at: contact.erased_at.map(wire_time),
        properties: rpc::properties::wire(&contact.properties),
    }
}

/// What a tenant defines.
pub(crate) fn property(definition: &Definition) -> v1::ContactProperty {
    v1::ContactProperty {
        name: definition.name.to_string(),
        r#type: definition.kind.number(),
        required: definition.required,
        personal: definition.personal,
        description: definition.description.clone(),
        created_at: Some(wire_time(definition.created_at)),
    }
}

fn contact_flag(cause: FlagCause, flag: &Flag) -> v1::ContactFlag {
    let (raised, lifted) = (flag.statement.as_ref(), flag.lifted.as_ref());
    v1::ContactFlag {
        cause: cause.number().into(),
        reason: raised.map(|s| s.reason.clone()).unwrap_or_default(),
        principal: raised.map(|s| s.principal.to_string()).unwrap_or_default(),
        flagged_at: Some(wire_time(flag.flagged_at)),
        lifted_at: lifted.map(|(at, _)| wire_time(*at)),
        lift_reason: lifted.map(|(_, s)| s.reason.clone()).unwrap_or_default(),
        lift_principal: lifted.map(|(_, s)| s.principal.to_string()).unwrap_or_default(),
    }
}

/// A segment.
pub(crate) fn segment(segment: &Segment) -> v1::Segment {
    let state = if segment.is_building { v1::SegmentState::Building } else { v1::SegmentState::Ready };
    v1::Segment {
        segment_id: segment.id.to_string(),
        name: segment.name.clone(),
        members: segment.members,
        rule: segment.rule.clone().unwrap_or_default(),
        state: state.into(),
    }
}

/// A campaign.
pub(crate) fn campaign(campaign: &Campaign) -> v1::Campaign {
    v1::Campaign {
        campaign_id: campaign.id.to_string(),
        name: campaign.name.clone(),
        currency_code: campaign.currency.code().to_owned(),
        segment_ids: campaign.segments.iter().map(SegmentId::to_string).collect(),
        starts_at: Some(wire_time(campaign.starts_at)),
        ends_at: campaign.ends_at.map(wire_time),
        self_referral: campaign.policies.self_referral.number().into(),
        eligibility: campaign.policies.eligibility.number().into(),
        attribution_window_days: campaign.policies.window.days().into(),
        paused: campaign.policies.is_paused,
    }
}

/// A coupon code.
pub(crate) fn coupon(coupon: &Coupon) -> v1::Code {
    let used_by = coupon.used_by.as_ref().map(|(contact, _)| *contact);
    let state = CodeState::of(coupon.advocate, used_by);
    v1::Code {
        code: coupon.code.to_string(),
        kind: CodeKind::Coupon.number().into(),
        campaign_id: coupon.campaign.as_ref().map_or_else(String::new, ToString::to_string),
        advocate_id: coupon.advocate.map_or_else(String::new, |id| id.to_string()),
        state: state.number().into(),
        single_use: coupon.is_single_use,
        used_by: used_by.map_or_else(String::new, |id| id.to_string()),
        issued_at: Some(wire_time(coupon.issued_at)),
    }
}

/// A code of either kind.
pub(crate) fn listed_code(listed: ListedCode) -> v1::Code {
    v1::Code {
        kind: listed.kind.into(),
        campaign_id: listed.campaign_id.map_or_else(String::new, |id| id.to_string()),
        advocate_id: listed.advocate_id.map_or_else(String::new, |id| id.to_string()),
        state: CodeState::of(listed.advocate_id, listed.used_by).number().into(),
        single_use: listed.single_use,
        used_by: listed.used_by.map_or_else(String::new, |id| id.to_string()),
        issued_at: Some(wire_time(listed.issued_at)),
        code: listed.code,
    }
}

/// A visit.
pub(crate) fn visit(visit: &Visit) -> v1::Visit {
    let about = &visit.about;
    v1::Visit {
        visit_id: visit.id.to_string(),
        visitor_id: visit.visitor.as_str().to_owned(),
        shortcode: visit.shortcode.to_string(),
        campaign_id: visit.campaign.to_string(),
        advocate_id: visit.advocate.to_string(),
        channel: about.channel.clone(),
        source: about.source.clone(),
        landing_path: about.landing_path.clone(),
        user_agent: about.user_agent.clone(),
        network: about.network.as_ref().map_or_else(String::new, |network| network.as_str().to_owned()),
        bot: about.is_bot,
        occurred_at: Some(wire_time(visit.occurred_at)),
    }
}

/// An attribution.
pub(crate) fn attribution(attribution: &Attribution) -> v1::Attribution {
    let state = match attribution.inactive {
        None => v1::AttributionState::Active,
        Some(_) => v1::AttributionState::Inactive,
    };
    v1::Attribution {
        attribution_id: attribution.id.to_string(),
        campaign_id: attribution.campaign.to_string(),
        advocate_id: attribution.advocate.to_string(),
        contact_id: attribution.contact.to_string(),
        state: state.into(),
        inactive_reason: inactive_reason(attribution.inactive),
        evidence: attribution.evidence.number().into(),
        source: attribution.source.clone(),
        effective_from: Some(wire_time(attribution.effective_from)),
        deactivated_at: attribution.deactivated_at.map(wire_time),
        attempts: attribution.attempts,
    }
}

/// What became of an attribution.
pub(crate) fn attribution_change(change: &AttributionChange) -> v1::AttributionChange {
    let state = |standing: Standing| match standing {
        Standing::Active => (v1::AttributionState::Active.into(), 0),
        Standing::Inactive(reason) => (v1::AttributionState::Inactive.into(), reason.number().into()),
    };
    let (from_state, from_reason) = change.from.map_or((0, 0), state);
    let (to_state, to_reason) = state(change.to);
    v1::AttributionChange {
        attribution_id: change.attribution.to_string(),
        advocate_id: change.advocate.to_string(),
        from_state,
        from_reason,
        to_state,
        to_reason,
        principal: change.by.principal.to_string(),
        method: change.by.method.to_string(),
        reason: change.by.reason.clone(),
        occurred_at: Some(wire_time(change.by.occurred_at)),
        recorded_at: Some(wire_time(change.by.recorded_at)),
    }
}

/// What became of a contact.
pub(crate) fn contact_change(change: &StatusChange) -> v1::ContactChange {
    v1::ContactChange {
        from_status: change.from.number().into(),
        to_status: change.to.number().into(),
        principal: change.by.principal.to_string(),
        method: change.by.method.to_string(),
        reason: change.by.reason.clone(),
        occurred_at: Some(wire_time(change.by.occurred_at)),
        recorded_at: Some(wire_time(change.by.recorded_at)),
    }
}

/// The answer to an attempt.
pub(crate) fn attempt_result(judgement: &Judgement) -> v1::AttemptResult {
    v1::AttemptResult {
        outcome: judgement.outcome.number().into(),
        inactive_reason: inactive_reason(judgement.outcome.inactive_reason()),
        unresolved_reason: unresolved_reason(judgement.outcome.unresolved_reason()),
        contact_id: judgement.contact.map_or_else(String::new, |id| id.to_string()),
        campaign_id: judgement.campaign.as_ref().map_or_else(String::new, ToString::to_string),
        in_force: judgement.in_force.as_ref().map(attribution),
        inactive: judgement.inactive.as_ref().map(attribution),
        passed_over: kinds(&judgement.passed_over),
    }
}

/// An attempt as it was logged.
pub(crate) fn logged_attempt(attempt: &LoggedAttempt) -> v1::LoggedAttempt {
    v1::LoggedAttempt {
        contact_id: attempt.contact.to_string(),
        campaign_id: attempt.campaign.as_ref().map_or_else(String::new, ToString::to_string),
        shortcode: attempt.shortcode.clone().unwrap_or_default(),
        coupon_code: attempt.coupon_code.clone().unwrap_or_default(),
        advocate_id: attempt.advocate.map_or_else(String::new, |id| id.to_string()),
        source: attempt.source.clone(),
        outcome: attempt.outcome.number().into(),
        inactive_reason: inactive_reason(attempt.outcome.inactive_reason()),
        unresolved_reason: unresolved_reason(attempt.outcome.unresolved_reason()),
        occurred_at: Some(wire_time(attempt.occurred_at)),
        passed_over: kinds(&attempt.passed_over),
    }
}

/// An event, recorded at `now`.
pub(crate) fn event(tenant: &TenantId, event: &Event, now: Timestamp) -> v1::AttributionEvent {
    v1::AttributionEvent {
        traceparent: event.traceparent.as_deref().unwrap_or_default().to_owned(),
        event_id: new_id::<EventId>(now).to_string(),
        tenant_id: tenant.to_string(),
        cursor: String::new(),
        occurred_at: Some(wire_time(event.occurred_at)),
        recorded_at: Some(wire_time(now)),
        fact: Some(fact(&event.fact)),
    }
}

/// The fact that a contact was erased here.
pub(crate) fn erased(done: &Open, now: Timestamp) -> v1::AttributionEvent {
    let erased =
        v1::ContactErased { contact_id: done.contact.to_string(), parts: done.receipt.parts.clone() };
    v1::AttributionEvent {
        traceparent: done.traceparent.as_deref().unwrap_or_default().to_owned(),
        event_id: new_id::<EventId>(now).to_string(),
        tenant_id: done.tenant.to_string(),
        cursor: String::new(),
        occurred_at: done.receipt.erased_at,
        recorded_at: Some(wire_time(now)),
        fact: Some(WireFact::ContactErased(erased)),
    }
}

fn fact(fact: &Fact) -> WireFact {
    match fact {
        Fact::ContactCreated(id) => WireFact::ContactCreated(v1::ContactCreated {
            contact_id: id.to_string(),
            status: ContactStatus::Prospect.number().into(),
        }),
        Fact::ContactStatusChanged { contact, from, to } => {
            WireFact::ContactStatusChanged(v1::ContactStatusChanged {
                contact_id: contact.to_string(),
                from: from.number().into(),
                to: to.number().into(),
            })
        }
        Fact::ContactTagged { contact, added, removed } => WireFact::ContactTagged(v1::ContactTagged {
            contact_id: contact.to_string(),
            added: added.clone(),
            removed: removed.clone(),
        }),
        Fact::SegmentJoined(contact, segment) => WireFact::SegmentJoined(v1::SegmentJoined {
            contact_id: contact.to_string(),
            segment_id: segment.to_string(),
        }),
        Fact::SegmentLeft(contact, segment) => WireFact::SegmentLeft(v1::SegmentLeft {
            contact_id: contact.to_string(),
            segment_id: segment.to_string(),
        }),
        Fact::AttributionActivated(row) => {
            WireFact::AttributionActivated(v1::AttributionActivated { attribution: Some(attribution(row)) })
        }
        Fact::AttributionLoggedInactive(row) => {
            WireFact::AttributionLoggedInactive(v1::AttributionLoggedInactive {
                attribution: Some(attribution(row)),
            })
        }
        Fact::AttributionDeactivated(row) => WireFact::AttributionDeactivated(v1::AttributionDeactivated {
            attribution: Some(attribution(row)),
        }),
        Fact::ContactFlagged { contact, cause } => WireFact::ContactFlagged(v1::ContactFlagged {
            contact_id: contact.to_string(),
            cause: cause.number().into(),
        }),
        Fact::ContactUnflagged(contact) => {
            WireFact::ContactUnflagged(v1::ContactUnflagged { contact_id: contact.to_string() })
        }
        Fact::ClockMoved(to) => WireFact::ClockMoved(v1::ClockMoved { to: Some(wire_time(*to)) }),
    }
}

fn kinds(kinds: &[EvidenceKind]) -> Vec<i32> {
    kinds.iter().map(|kind| kind.number().into()).collect()
}

fn inactive_reason(reason: Option<InactiveReason>) -> i32 {
    reason.map_or(0, InactiveReason::number).into()
}

fn unresolved_reason(reason: Option<UnresolvedReason>) -> i32 {
    reason.map_or(0, UnresolvedReason::number).into()
}
