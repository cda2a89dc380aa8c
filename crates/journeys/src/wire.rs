//! Domain to proto, for answers and for the stream.

use outbox::erasure::Open;
use proto::common::ErrorReason as Reason;
use proto::google::r#type::{Date, Money as WireMoney};
use proto::journeys as wire;
use proto::journeys::journey_event::Fact as WireFact;
use rpc::fields::{wire_money, wire_time};
use types::{CampaignId, EventId, Money, RunId, Timestamp, new_id};

use crate::domain::definition::{self, Definition};
use crate::domain::event::{Cause, Order, Transition};
use crate::domain::lint::Finding;
use crate::domain::slice::{Fact, Reversal};
use crate::domain::timers::Timer;
use crate::store::definitions::campaigns;
use crate::store::read::{JourneyRow, PendingRow, RunRow};
use crate::store::versions::VersionRow;

/// A fact as the stream tells it, caused under a trace.
pub(crate) fn event(fact: &Fact, traceparent: Option<&str>, recorded_at: Timestamp) -> wire::JourneyEvent {
    let (id, tenant, occurred_at, fact) = match fact {
        Fact::Entered(made) => {
            let id = EventId::from(made.id.as_uuid());
            let entered = wire::StageEntered { transition: Some(transition(made)) };
            (id, &made.place.tenant, made.entry.occurred_at, WireFact::StageEntered(entered))
        }
        Fact::OrderRefunded(reversal) => {
            let (contact_id, campaign_id, order, amount) = reversed(reversal);
            let refunded = wire::OrderRefunded { contact_id, campaign_id, order, amount };
            (reversal.id, &reversal.place.tenant, reversal.occurred_at, WireFact::OrderRefunded(refunded))
        }
        Fact::OrderCancelled(reversal) => {
            let (contact_id, campaign_id, order, amount) = reversed(reversal);
            let cancelled = wire::OrderCancelled { contact_id, campaign_id, order, amount };
            (reversal.id, &reversal.place.tenant, reversal.occurred_at, WireFact::OrderCancelled(cancelled))
        }
        Fact::ContactStatusChanged { id, tenant, contact, status, occurred_at } => {
            let changed =
                wire::ContactStatusChanged { contact_id: contact.to_string(), status: status.clone() };
            (*id, tenant, *occurred_at, WireFact::ContactStatusChanged(changed))
        }
        Fact::ContactFlagged { id, tenant, contact, cause, occurred_at } => {
            let flagged = wire::ContactFlagged { contact_id: contact.to_string(), cause: cause.clone() };
            (*id, tenant, *occurred_at, WireFact::ContactFlagged(flagged))
        }
        Fact::ContactUnflagged { id, tenant, contact, occurred_at } => {
            let unflagged = wire::ContactUnflagged { contact_id: contact.to_string() };
            (*id, tenant, *occurred_at, WireFact::ContactUnflagged(unflagged))
        }
        Fact::ClockMoved { id, tenant, to } => {
            let moved = wire::ClockMoved { to: Some(wire_time(*to)) };
            (*id, tenant, *to, WireFact::ClockMoved(moved))
        }
    };

    wire::JourneyEvent {
        traceparent: traceparent.unwrap_or_default().to_owned(),
        event_id: id.to_string(),
        tenant_id: tenant.to_string(),
        cursor: String::new(),
        occurred_at: Some(wire_time(occurred_at)),
        recorded_at: Some(wire_time(recorded_at)),
        fact: Some(fact),
    }
}

/// The fact that a contact is erased up to here (A13).
pub(crate) fn erased(done: &Open, recorded_at: Timestamp) -> wire::JourneyEvent {
    let parts = done.receipt.parts.clone();
    let erased = wire::ContactErased { contact_id: done.contact.to_string(), parts };
    wire::JourneyEvent {
        traceparent: done.traceparent.as_deref().unwrap_or_default().to_owned(),
        event_id: new_id::<EventId>(recorded_at).to_string(),
        tenant_id: done.tenant.to_string(),
        cursor: String::new(),
        occurred_at: done.receipt.erased_at,
        recorded_at: Some(wire_time(recorded_at)),
        fact: Some(WireFact::ContactErased(erased)),
    }
}

/// Contact, campaign, order and amount.
fn reversed(reversal: &Reversal) -> (String, String, Option<wire::OrderContext>, Option<WireMoney>) {
    let Reversal { place, order: after, amount, .. } = reversal;
    let campaign_id = campaign(place.campaign.as_ref());
    (place.contact.to_string(), campaign_id, Some(order(after)), Some(wire_money(*amount)))
}

fn campaign(campaign: Option<&CampaignId>) -> String {
    campaign.map(ToString::to_string).unwrap_or_default()
}

/// A timer that is set.
pub(crate) fn timer(timer: &Timer) -> wire::Timer {
    wire::Timer {
        stage: timer.stage.to_string(),
        after_stage: timer.after.to_string(),
        occurrence_key: timer.key.to_string(),
        cause_transition_id: timer.cause.to_string(),
        due_at: Some(wire_time(timer.due_at)),
    }
}

/// A transition.
pub(crate) fn transition(made: &Transition) -> wire::Transition {
    let cause = match made.cause {
        Cause::Call => wire::TransitionCause::Call,
        Cause::Trigger => wire::TransitionCause::Trigger,
        Cause::Waited => wire::TransitionCause::Waited,
        Cause::Inferred => wire::TransitionCause::Inferred,
        Cause::Timer => wire::TransitionCause::Timer,
    };
    let entry = &made.entry;
    wire::Transition {
        transition_id: made.id.to_string(),
        run_id: made.run.to_string(),
        journey: made.journey.to_string(),
        journey_version: made.version,
        campaign_id: campaign(made.place.campaign.as_ref()),
        contact_id: made.place.contact.to_string(),
        advocate_id: entry.referral.map(|r| r.advocate.to_string()).unwrap_or_default(),
        attribution_id: entry.referral.map(|r| r.attribution.to_string()).unwrap_or_default(),
        from_stage: made.from.as_ref().map(ToString::to_string).unwrap_or_default(),
        to_stage: entry.stage.to_string(),
        occurrence_key: entry.key.to_string(),
        cause: cause.into(),
        cause_event_id: entry.cause_event.map(|id| id.to_string()).unwrap_or_default(),
        order: entry.order.as_ref().map(order),
        occurred_at: Some(wire_time(entry.occurred_at)),
        number: made.number,
    }
}

fn order(order: &Order) -> wire::OrderContext {
    let currency = order.revenue.currency;
    wire::OrderContext {
        order_id: order.order_id.to_string(),
        source: order.source.clone(),
        revenue: Some(wire_money(order.revenue)),
        refunded: Some(wire_money(Money::new(order.refunded_minor, currency))),
        external_status: order.external_status.clone(),
        hubspot_dealstage: order.hubspot_dealstage.clone(),
        occurred_at: Some(wire_time(order.occurred_at)),
    }
}

/// A journey at one version.
pub(crate) fn journey(row: JourneyRow, definition: &Definition) -> Result<wire::Journey, pg::Error> {
    let sequence = match definition.sequence {
        definition::Sequence::Required => wire::Sequence::Required,
        definition::Sequence::Optional => wire::Sequence::Optional,
    };
    let (all_campaigns, campaign_ids) = match campaigns(&row.campaign_mode, row.campaigns)? {
        definition::Campaigns::All => (true, Vec::new()),
        definition::Campaigns::None => (false, Vec::new()),
        definition::Campaigns::Listed(listed) => (false, listed.iter().map(ToString::to_string).collect()),
    };
    Ok(wire::Journey {
        journey: row.journey.to_string(),
        name: definition.name.clone(),
        version: row.version,
        sequence: sequence.into(),
        stages: definition.stages.iter().map(stage).collect(),
        definition: row.definition,
        applied_at: Some(wire_time(row.applied_at)),
        all_campaigns,
        campaign_ids,
        goal: definition.goal.as_ref().map(goal),
    })
}

/// What a journey is to achieve.
pub(crate) fn goal(goal: &definition::Goal) -> wire::Goal {
    wire::Goal {
        stage: goal.stage.to_string(),
        // at most 10,000
        rate_basis_points: i32::try_from(goal.rate.0).unwrap_or(0),
        by: Some(Date {
            year: goal.by.year(),
            month: u8::from(goal.by.month()).into(),
            day: goal.by.day().into(),
        }),
    }
}

fn stage(stage: &definition::Stage) -> wire::Stage {
    let kind = match stage.kind {
        definition::Kind::Step => wire::StageKind::Step,
        definition::Kind::Exception => wire::StageKind::Exception,
    };
    wire::Stage {
        stage: stage.key.to_string(),
        name: stage.name.clone(),
        kind: kind.into(),
        optional: stage.optional,
        repeatable: stage.repeatable,
        terminal: stage.terminal,
        description: stage.description.clone(),
        touch_points: stage.notes.touch_points.clone(),
        pain_points: stage.notes.pain_points.iter().map(pain_point).collect(),
        moment_of_truth: stage.notes.moment_of_truth,
    }
}

fn pain_point(point: &definition::PainPoint) -> wire::PainPoint {
    wire::PainPoint { pain: point.pain.clone(), remedy: point.remedy.clone() }
}

/// A version of a journey.
pub(crate) fn version(row: VersionRow) -> wire::JourneyVersion {
    wire::JourneyVersion {
        version: row.version,
        applied_at: Some(wire_time(row.applied_at)),
        definition: row.definition,
        in_force: row.in_force,
    }
}

/// What is wrong with a definition, or odd about it.
pub(crate) fn finding(Finding { rule, problem }: Finding) -> wire::Finding {
    let level = if rule.is_error() { wire::Level::Error } else { wire::Level::Warning };
    let number = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
    wire::Finding {
        level: level.into(),
        rule: rule.name().to_owned(),
        message: problem.message,
        line: number(problem.line),
        column: number(problem.column),
        path: problem.path,
        in_program: rule.is_of_program(),
    }
}

/// A run.
pub(crate) fn run(row: RunRow) -> wire::Run {
    let state = if row.ended { wire::RunState::Ended } else { wire::RunState::Active };
    wire::Run {
        run_id: row.run_id.to_string(),
        journey: row.journey.to_string(),
        campaign_id: row.campaign_id,
        contact_id: row.contact_id.to_string(),
        state: state.into(),
        current_stage: row.current_stage.to_string(),
        transitions: row.transitions,
        started_at: Some(wire_time(row.started_at)),
    }
}

/// An entry that waits, for `run` if it has started.
pub(crate) fn waiting(row: PendingRow, run: Option<RunId>) -> wire::PendingEntry {
    refused(PendingRow { run_id: run, reason: Reason::StageOutOfOrder.into(), ..row })
}

/// An entry that was refused.
pub(crate) fn refused(row: PendingRow) -> wire::PendingEntry {
    wire::PendingEntry {
        run_id: row.run_id.map(|run| run.to_string()).unwrap_or_default(),
        journey: row.journey.to_string(),
        campaign_id: row.campaign_id,
        contact_id: row.contact_id.to_string(),
        stage: row.stage,
        occurrence_key: row.occurrence_key,
        cause_event_id: row.cause_event_id.to_string(),
        reason: row.reason,
        expected_stage: row.expected_stage,
        occurred_at: Some(wire_time(row.occurred_at)),
        detail: row.detail,
    }
}
