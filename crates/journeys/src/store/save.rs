//! What comes of a slice, set by set: a fixed number of statements, whatever its size. Rows that do not change are not
//! written.

use pg::{Inserts, WriteTx};
use types::Timestamp;
use uuid::Uuid;

use super::order::OrderArrays;
use super::{campaign_text, funnel, pending, projections, timers, times};
use crate::domain::effects::{Effects, Of};
use crate::domain::event::{Cause, Transition};
use crate::domain::run::Run;
use crate::domain::slice::Fact;

/// Removes what is settled, and adds to `inserts` everything but the events.
pub(crate) async fn save(
    tx: &mut WriteTx,
    inserts: &mut Inserts,
    effects: &Effects,
    now: Timestamp,
) -> Result<(), pg::Error> {
    pending::settle(tx, &effects.settled).await?;
    timers::remove(tx, &effects.moot).await?;
    projections::remove_members(tx, &effects.members).await?;
    upsert_runs(inserts, &effects.runs);
    let made: Vec<&Transition> = effects
        .facts
        .iter()
        .filter_map(|fact| if let Fact::Entered(made) = fact { Some(made) } else { None })
        .collect();
    insert_transitions(inserts, &made, now);
    timers::insert(inserts, &effects.timers);
    pending::upsert_waiting(inserts, &effects.waiting);
    pending::insert_refused(inserts, &effects.refused);
    funnel::add(inserts, &effects.funnel);
    times::add(inserts, &effects.funnel);
    projections::save_members(inserts, &effects.members);
    projections::save_clocks(inserts, &effects.clocks);
    Ok(())
}

/// Keys as one text: they hold no comma, and arrays of arrays cannot be ragged.
fn joined<'a>(keys: impl Iterator<Item = &'a str>) -> String {
    keys.collect::<Vec<_>>().join(",")
}

pub(super) fn tenants<T>(rows: &[Of<T>]) -> Vec<&str> {
    rows.iter().map(|(place, _, _)| place.tenant.as_str()).collect()
}

pub(super) fn campaigns<T>(rows: &[Of<T>]) -> Vec<&str> {
    rows.iter().map(|(place, _, _)| campaign_text(place.campaign.as_ref())).collect()
}

pub(super) fn contacts<T>(rows: &[Of<T>]) -> Vec<Uuid> {
    rows.iter().map(|(place, _, _)| place.contact.as_uuid()).collect()
}

pub(super) fn journeys<T>(rows: &[Of<T>]) -> Vec<&str> {
    rows.iter().map(|(_, journey, _)| journey.as_str()).collect()
}

/// New runs and changed ones alike: found by their key, never by a join.
fn upsert_runs(inserts: &mut Inserts, rows: &[Of<Run>]) {
    if rows.is_empty() {
        return;
    }
    let runs = || rows.iter().map(|(_, _, run)| run);
    inserts.add(
        "INSERT INTO runs (tenant_id, run_id, journey, campaign_id, contact_id, generation, version, ended,
                           current_stage, stages, transitions, started_at, segments, current_since, current_key)
         SELECT tenant_id, run_id, journey, campaign_id, contact_id, generation, version, ended, current_stage,
                string_to_array(stages, ','), transitions, started_at, string_to_array(segments, ','), current_since,
                current_key
           FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::uuid[], $6::int[], $7::int[], $8::bool[],
                       $9::text[], $10::text[], $11::int[], $12::timestamptz[], $13::text[], $14::timestamptz[],
                       $15::text[])
             AS r (tenant_id, run_id, journey, campaign_id, contact_id, generation, version, ended, current_stage,
                   stages, transitions, started_at, segments, current_since, current_key)
         ON CONFLICT (tenant_id, run_id) DO UPDATE
            SET ended = excluded.ended, current_stage = excluded.current_stage, stages = excluded.stages,
                transitions = excluded.transitions, current_since = excluded.current_since,
                current_key = excluded.current_key",
    )
    .bind(tenants(rows))
    .bind(runs().map(|r| r.id.as_uuid()).collect::<Vec<_>>())
    .bind(journeys(rows))
    .bind(campaigns(rows))
    .bind(contacts(rows))
    .bind(runs().map(|r| r.generation).collect::<Vec<_>>())
    .bind(runs().map(|r| r.version).collect::<Vec<_>>())
    .bind(runs().map(|r| r.ended).collect::<Vec<_>>())
    .bind(runs().map(|r| r.current.as_str()).collect::<Vec<_>>())
    .bind(runs().map(|r| joined(r.stages.iter().map(types::StageKey::as_str))).collect::<Vec<_>>())
    .bind(runs().map(|r| r.transitions).collect::<Vec<_>>())
    .bind(runs().map(|r| r.started_at).collect::<Vec<_>>())
    .bind(runs().map(|r| joined(r.segments.iter().map(types::SegmentId::as_str))).collect::<Vec<_>>())
    .bind(runs().map(|r| r.since).collect::<Vec<_>>())
    .bind(runs().map(|r| r.current_key.as_str()).collect::<Vec<_>>());
}

/// As stored, and as the contract numbers them.
pub(crate) fn cause_number(cause: Cause) -> i16 {
    match cause {
        Cause::Call => 1,
        Cause::Trigger => 2,
        Cause::Waited => 3,
        Cause::Inferred => 4,
        Cause::Timer => 5,
    }
}

fn insert_transitions(inserts: &mut Inserts, made: &[&Transition], now: Timestamp) {
    if made.is_empty() {
        return;
    }
    let orders = OrderArrays::of(&made.iter().map(|t| t.entry.order.as_ref()).collect::<Vec<_>>());
    inserts.add(
        "INSERT INTO transitions (tenant_id, transition_id, run_id, number, journey_version, from_stage, to_stage,
                occurrence_key, cause, cause_event_id, advocate_id, attribution_id, order_id, source, revenue_minor,
                refunded_minor, currency, external_status, hubspot_dealstage, ordered_at, occurred_at, recorded_at)
         SELECT t.*, $22
           FROM unnest($1::text[], $2::uuid[], $3::uuid[], $4::int[], $5::int[], $6::text[], $7::text[], $8::text[],
                       $9::smallint[], $10::uuid[], $11::uuid[], $12::uuid[], $13::text[], $14::text[], $15::bigint[],
                       $16::bigint[], $17::text[], $18::text[], $19::text[], $20::timestamptz[], $21::timestamptz[])
             AS t",
    )
    .bind(made.iter().map(|t| t.place.tenant.as_str()).collect::<Vec<_>>())
    .bind(made.iter().map(|t| t.id.as_uuid()).collect::<Vec<_>>())
    .bind(made.iter().map(|t| t.run.as_uuid()).collect::<Vec<_>>())
    .bind(made.iter().map(|t| t.number).collect::<Vec<_>>())
    .bind(made.iter().map(|t| t.version).collect::<Vec<_>>())
    .bind(made.iter().map(|t| t.from.as_ref().map(types::StageKey::as_str)).collect::<Vec<_>>())
    .bind(made.iter().map(|t| t.entry.stage.as_str()).collect::<Vec<_>>())
    .bind(made.iter().map(|t| t.entry.key.as_str()).collect::<Vec<_>>())
    .bind(made.iter().map(|t| cause_number(t.cause)).collect::<Vec<_>>())
    .bind(made.iter().map(|t| t.entry.cause_event.map(|e| e.as_uuid())).collect::<Vec<_>>())
    .bind(made.iter().map(|t| t.entry.referral.map(|r| r.advocate.as_uuid())).collect::<Vec<_>>())
    .bind(made.iter().map(|t| t.entry.referral.map(|r| r.attribution.as_uuid())).collect::<Vec<_>>())
    .bind(orders.order_ids)
    .bind(orders.sources)
    .bind(orders.revenues)
    .bind(orders.refunded)
    .bind(orders.currencies)
    .bind(orders.statuses)
    .bind(orders.dealstages)
    .bind(orders.times)
    .bind(made.iter().map(|t| t.entry.occurred_at).collect::<Vec<_>>())
    .bind(now);
}
