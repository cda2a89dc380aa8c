//! Entries that wait for a missing stage, and entries that were refused (J4).

use pg::{Inserts, WriteTx};
use proto::common::ErrorReason as Reason;
use types::{EventId, StageKey};

use super::order::OrderArrays;
use super::save::{campaigns, contacts, journeys, tenants};
use super::{campaign_text, exactly};
use crate::domain::effects::Of;
use crate::domain::event::{Entry, Order, Refusal};
use crate::domain::run::Waiting;
use crate::domain::slice::Refused;

pub(super) async fn settle(tx: &mut WriteTx, rows: &[Of<(EventId, StageKey)>]) -> Result<(), pg::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let done = sqlx::query(
        "DELETE FROM waiting_entries
          WHERE ctid = ANY (ARRAY(
              SELECT w.at
                FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::uuid[], $6::text[])
                  AS s (tenant_id, contact_id, campaign_id, journey, cause_event_id, stage)
               CROSS JOIN LATERAL (
                   SELECT ctid AS at FROM waiting_entries
                    WHERE tenant_id = s.tenant_id AND contact_id = s.contact_id AND campaign_id = s.campaign_id
                      AND journey = s.journey AND cause_event_id = s.cause_event_id
                      AND stage = s.stage
                    OFFSET 0) w))",
    )
    .bind(tenants(rows))
    .bind(contacts(rows))
    .bind(campaigns(rows))
    .bind(journeys(rows))
    .bind(rows.iter().map(|(_, _, (event, _))| event.as_uuid()).collect::<Vec<_>>())
    .bind(rows.iter().map(|(_, _, (_, stage))| stage.as_str()).collect::<Vec<_>>())
    .execute(&mut **tx)
    .await?;
    exactly(rows.len(), &done, "waiting_entries")
}

pub(super) fn upsert_waiting(inserts: &mut Inserts, rows: &[Of<Waiting>]) {
    if rows.is_empty() {
        return;
    }
    let waiting = || rows.iter().map(|(_, _, waiting)| waiting);
    let entries: Vec<&Entry> = waiting().map(|w| &w.entry).collect();
    let orders = OrderArrays::of(&entries.iter().map(|e| e.order.as_ref()).collect::<Vec<Option<&Order>>>());
    inserts.add(
        "INSERT INTO waiting_entries (tenant_id, contact_id, campaign_id, journey, cause_event_id, stage,
                occurrence_key, expected_stage, advocate_id, attribution_id, order_id, source, revenue_minor,
                refunded_minor, currency, external_status, hubspot_dealstage, ordered_at, occurred_at, recorded_at)
         SELECT *
           FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::uuid[], $6::text[], $7::text[], $8::text[],
                       $9::uuid[], $10::uuid[], $11::text[], $12::text[], $13::bigint[], $14::bigint[], $15::text[],
                       $16::text[], $17::text[], $18::timestamptz[], $19::timestamptz[], $20::timestamptz[])
         ON CONFLICT (tenant_id, contact_id, campaign_id, journey, cause_event_id, stage) DO UPDATE
            SET expected_stage = excluded.expected_stage",
    )
    .bind(tenants(rows))
    .bind(contacts(rows))
    .bind(campaigns(rows))
    .bind(journeys(rows))
    .bind(waiting().map(|w| w.event.as_uuid()).collect::<Vec<_>>())
    .bind(entries.iter().map(|e| e.stage.as_str()).collect::<Vec<_>>())
    .bind(entries.iter().map(|e| e.key.as_str()).collect::<Vec<_>>())
    .bind(waiting().map(|w| w.expected.as_str()).collect::<Vec<_>>())
    .bind(entries.iter().map(|e| e.referral.map(|r| r.advocate.as_uuid())).collect::<Vec<_>>())
    .bind(entries.iter().map(|e| e.referral.map(|r| r.attribution.as_uuid())).collect::<Vec<_>>())
    .bind(orders.order_ids)
    .bind(orders.sources)
    .bind(orders.revenues)
    .bind(orders.refunded)
    .bind(orders.currencies)
    .bind(orders.statuses)
    .bind(orders.dealstages)
    .bind(orders.times)
    .bind(entries.iter().map(|e| e.occurred_at).collect::<Vec<_>>())
    .bind(waiting().map(|w| w.since).collect::<Vec<_>>());
}

/// An event that is delivered again is refused again: the first word stays.
pub(super) fn insert_refused(inserts: &mut Inserts, rows: &[Refused]) {
    if rows.is_empty() {
        return;
    }
    inserts.add(
        "INSERT INTO refused_entries (tenant_id, refused_id, contact_id, campaign_id, journey, cause_event_id, stage,
                run_id, occurrence_key, reason, expected_stage, detail, occurred_at)
         SELECT *
           FROM unnest($1::text[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::uuid[], $7::text[], $8::uuid[],
                       $9::text[], $10::int[], $11::text[], $12::text[], $13::timestamptz[])
         ON CONFLICT DO NOTHING",
    )
    .bind(rows.iter().map(|r| r.place.tenant.as_str()).collect::<Vec<_>>())
    .bind(rows.iter().map(|r| r.id).collect::<Vec<_>>())
    .bind(rows.iter().map(|r| r.place.contact.as_uuid()).collect::<Vec<_>>())
    .bind(rows.iter().map(|r| campaign_text(r.place.campaign.as_ref())).collect::<Vec<_>>())
    .bind(rows.iter().map(|r| r.journey.as_str()).collect::<Vec<_>>())
    .bind(rows.iter().map(|r| r.event.as_uuid()).collect::<Vec<_>>())
    .bind(rows.iter().map(|r| r.entry.stage.as_str()).collect::<Vec<_>>())
    .bind(rows.iter().map(|r| r.run.map(|run| run.as_uuid())).collect::<Vec<_>>())
    .bind(rows.iter().map(|r| r.entry.key.as_str()).collect::<Vec<_>>())
    .bind(rows.iter().map(|r| reason(&r.refusal) as i32).collect::<Vec<_>>())
    .bind(rows.iter().map(|r| expected(&r.refusal)).collect::<Vec<_>>())
    .bind(rows.iter().map(|r| detail(&r.refusal)).collect::<Vec<_>>())
    .bind(rows.iter().map(|r| r.entry.occurred_at).collect::<Vec<_>>());
}

fn detail(refusal: &Refusal) -> &str {
    if let Refusal::ConditionFailed { detail } = refusal { detail } else { "" }
}

/// The public reason of a refusal, whose number is stored.
pub(crate) fn reason(refusal: &Refusal) -> Reason {
    match refusal {
        Refusal::OutOfOrder { .. } => Reason::StageOutOfOrder,
        Refusal::OutOfReach { .. } | Refusal::NotRepeatable => Reason::StageNotRepeatable,
        Refusal::GoingBack => Reason::StageGoingBack,
        Refusal::RunEnded => Reason::RunEnded,
        Refusal::ExceptionCannotStart => Reason::ExceptionCannotStart,
        Refusal::StageNotFound => Reason::StageNotFound,
        Refusal::ConditionFailed { .. } => Reason::ConditionFailed,
    }
}

/// The stage that was missing; empty if none was.
fn expected(refusal: &Refusal) -> &str {
    match refusal {
        Refusal::OutOfOrder { expected } | Refusal::OutOfReach { expected } => expected.as_str(),
        _ => "",
    }
}
