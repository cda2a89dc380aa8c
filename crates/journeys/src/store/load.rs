//! What a slice of events or calls starts from: one query per table, whatever its size.

use std::collections::{HashMap, HashSet};

use pg::WriteTx;
use types::{
    AttributionId, CampaignId, ContactId, EventId, JourneyKey, RunId, StageKey, TenantId, Timestamp,
    TransitionId,
};

use super::campaign_text;
use super::definitions::Definitions;
use super::order::OrderRow;
use crate::domain::event::{Entry, Event, OccurrenceKey, Place, Referral};
use crate::domain::run::{Run, Stored, Track, Waiting};
use crate::domain::slice::{EnterStage, Loaded};

/// What one event or call may act on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    place: &'a Place,
    key: &'a OccurrenceKey,
    event: Option<EventId>,
}

impl<'a> Wanted<'a> {
    pub(crate) fn by_event(event: &'a Event) -> Self {
        Self { place: &event.place, key: &event.key, event: Some(event.id) }
    }

    pub(crate) fn by_call(call: &'a EnterStage) -> Self {
        Self { place: &call.place, key: &call.key, event: None }
    }
}

type Tracks = HashMap<Place, HashMap<JourneyKey, Track>>;

#[derive(sqlx::FromRow)]
struct RunRow {
    tenant_id: TenantId,
    contact_id: ContactId,
    campaign_id: Option<CampaignId>,
    journey: JourneyKey,
    run_id: RunId,
    generation: i32,
    version: i32,
    ended: bool,
    current_stage: StageKey,
    stages: Vec<StageKey>,
    transitions: i32,
    started_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct WaitingRow {
    tenant_id: TenantId,
    contact_id: ContactId,
    campaign_id: Option<CampaignId>,
    journey: JourneyKey,
    cause_event_id: EventId,
    stage: StageKey,
    occurrence_key: String,
    expected_stage: StageKey,
    advocate_id: Option<ContactId>,
    attribution_id: Option<AttributionId>,
    #[sqlx(flatten)]
    order: OrderRow,
    occurred_at: Timestamp,
    recorded_at: Timestamp,
}

/// Everything that these events and calls can act on. Clocks are loaded apart.
pub(crate) async fn load(
    tx: &mut WriteTx,
    definitions: &Definitions,
    wanted: &[Wanted<'_>],
) -> Result<Loaded, pg::Error> {
    let tenants: HashSet<&TenantId> = wanted.iter().map(|w| &w.place.tenant).collect();
    if tenants.is_empty() {
        return Ok(Loaded::default());
    }
    let journeys = definitions.in_force(tx, &Vec::from_iter(tenants)).await?;
    let concerned = |place: &Place| {
        let applied = journeys.get(&place.tenant);
        applied.is_some_and(|all| all.iter().any(|j| j.campaigns.include(place.campaign.as_ref())))
    };
    let wanted: Vec<Wanted<'_>> = wanted.iter().copied().filter(|w| concerned(w.place)).collect();
    let mut loaded = Loaded { journeys, ..Loaded::default() };
    if wanted.is_empty() {
        return Ok(loaded);
    }
    let places: Vec<&Place> = wanted.iter().map(|w| w.place).collect::<HashSet<_>>().into_iter().collect();
    runs(tx, &places, &mut loaded.tracks).await?;
    waiting(tx, &places, &mut loaded.tracks).await?;
    entries(tx, &wanted, &mut loaded.tracks).await?;
    loaded.caused = caused(tx, &wanted, &loaded.tracks).await?;
    Ok(loaded)
}

/// Arrays of the columns that make a place.
fn place_arrays<'a>(places: &[&'a Place]) -> (Vec<&'a str>, Vec<ContactId>, Vec<&'a str>) {
    let tenants = places.iter().map(|p| p.tenant.as_str()).collect();
    let contacts = places.iter().map(|p| p.contact).collect();
    let campaigns = places.iter().map(|p| campaign_text(p.campaign.as_ref())).collect();
    (tenants, contacts, campaigns)
}

async fn runs(tx: &mut WriteTx, places: &[&Place], tracks: &mut Tracks) -> Result<(), pg::Error> {
    let (tenants, contacts, campaigns) = place_arrays(places);
    let rows: Vec<RunRow> = sqlx::query_as(
        "SELECT tenant_id, contact_id, nullif(campaign_id, '') AS campaign_id, journey, run_id, generation, version,
                ended, current_stage, stages, transitions, started_at
           FROM unnest($1::text[], $2::uuid[], $3::text[]) AS p (tenant_id, contact_id, campaign_id)
           JOIN runs USING (tenant_id, contact_id, campaign_id)
          ORDER BY generation",
    )
    .bind(tenants)
    .bind(contacts)
    .bind(campaigns)
    .fetch_all(&mut **tx)
    .await?;
    for row in rows {
        let place = Place { tenant: row.tenant_id, contact: row.contact_id, campaign: row.campaign_id };
        let track = tracks.entry(place).or_default().entry(row.journey).or_default();
        track.runs.push(Run {
            id: row.run_id,
            generation: row.generation,
            version: row.version,
            stages: row.stages,
            current: row.current_stage,
            ended: row.ended,
            transitions: row.transitions,
            started_at: row.started_at,
            entries: HashMap::new(),
            stored: Some(Stored::Unchanged),
        });
    }
    Ok(())
}

async fn waiting(tx: &mut WriteTx, places: &[&Place], tracks: &mut Tracks) -> Result<(), pg::Error> {
    let (tenants, contacts, campaigns) = place_arrays(places);
    let rows: Vec<WaitingRow> = sqlx::query_as(
        "SELECT tenant_id, contact_id, nullif(campaign_id, '') AS campaign_id, journey, cause_event_id, stage,
                occurrence_key, expected_stage, advocate_id, attribution_id, order_id, source, revenue_minor,
                refunded_minor, currency, external_status, hubspot_dealstage, ordered_at, occurred_at, recorded_at
           FROM unnest($1::text[], $2::uuid[], $3::text[]) AS p (tenant_id, contact_id, campaign_id)
           JOIN waiting_entries USING (tenant_id, contact_id, campaign_id)
          ORDER BY recorded_at, cause_event_id",
    )
    .bind(tenants)
    .bind(contacts)
    .bind(campaigns)
    .fetch_all(&mut **tx)
    .await?;
    for row in rows {
        let place = Place { tenant: row.tenant_id, contact: row.contact_id, campaign: row.campaign_id };
        let track = tracks.entry(place).or_default().entry(row.journey).or_default();
        let entry = Entry {
            stage: row.stage,
            key: key(&row.occurrence_key, "waiting_entries.occurrence_key")?,
            cause_event: Some(row.cause_event_id),
            order: row.order.read()?,
            referral: referral(row.attribution_id, row.advocate_id),
            occurred_at: row.occurred_at,
        };
        let since = row.recorded_at;
        track.waiting.push(Waiting { entry, event: row.cause_event_id, expected: row.expected_stage, since });
    }
    for track in tracks.values_mut().flat_map(HashMap::values_mut) {
        track.stored_waiting.clone_from(&track.waiting);
    }
    Ok(())
}

/// What was entered in the runs under the keys that may be asked for: those of events and calls, of waiting entries, none.
async fn entries(tx: &mut WriteTx, wanted: &[Wanted<'_>], tracks: &mut Tracks) -> Result<(), pg::Error> {
    let mut asked: HashSet<(&str, RunId, &str)> = HashSet::new();
    for Wanted { place, key, .. } in wanted {
        for track in tracks.get(*place).into_iter().flat_map(HashMap::values) {
            for run in &track.runs {
                let waiting = track.waiting.iter().map(|w| &w.entry.key);
                let keys = waiting.chain([*key]).map(OccurrenceKey::as_str).chain([""]);
                asked.extend(keys.map(|key| (place.tenant.as_str(), run.id, key)));
            }
        }
    }
    if asked.is_empty() {
        return Ok(());
    }
    let rows: Vec<(RunId, String, StageKey, TransitionId)> = sqlx::query_as(
        "SELECT t.run_id, t.occurrence_key, t.to_stage, t.transition_id
           FROM unnest($1::text[], $2::uuid[], $3::text[]) AS k (tenant_id, run_id, occurrence_key)
           JOIN transitions t USING (tenant_id, run_id, occurrence_key)",
    )
    .bind(asked.iter().map(|k| k.0).collect::<Vec<_>>())
    .bind(asked.iter().map(|k| k.1).collect::<Vec<_>>())
    .bind(asked.iter().map(|k| k.2).collect::<Vec<_>>())
    .fetch_all(&mut **tx)
    .await?;
    let mut runs: HashMap<RunId, &mut Run> = HashMap::new();
    for track in tracks.values_mut().flat_map(HashMap::values_mut) {
        runs.extend(track.runs.iter_mut().map(|run| (run.id, run)));
    }
    for (run, text, stage, transition) in rows {
        let key = key(&text, "transitions.occurrence_key")?;
        if let Some(run) = runs.get_mut(&run) {
            run.entries.entry(key).or_default().push((stage, transition));
        }
    }
    Ok(())
}

/// Events that caused an entry before: they are not judged again for that run.
async fn caused(
    tx: &mut WriteTx,
    wanted: &[Wanted<'_>],
    tracks: &Tracks,
) -> Result<HashSet<(EventId, RunId)>, pg::Error> {
    let known = |w: &&Wanted<'_>| tracks.contains_key(w.place);
    let asked: Vec<(&str, EventId)> =
        wanted.iter().filter(known).filter_map(|w| Some((w.place.tenant.as_str(), w.event?))).collect();
    if asked.is_empty() {
        return Ok(HashSet::new());
    }
    let rows: Vec<(EventId, RunId)> = sqlx::query_as(
        "SELECT t.cause_event_id, t.run_id
           FROM unnest($1::text[], $2::uuid[]) AS e (tenant_id, cause_event_id)
           JOIN transitions t USING (tenant_id, cause_event_id)
          WHERE t.cause IN (2, 3)",
    )
    .bind(asked.iter().map(|k| k.0).collect::<Vec<_>>())
    .bind(asked.iter().map(|k| k.1).collect::<Vec<_>>())
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows.into_iter().collect())
}

fn key(text: &str, place: &str) -> Result<OccurrenceKey, pg::Error> {
    text.parse().map_err(|_| pg::Error::unreadable(place, text))
}

/// Both columns of a referral, or neither.
pub(crate) fn referral(attribution: Option<AttributionId>, advocate: Option<ContactId>) -> Option<Referral> {
    attribution.zip(advocate).map(|(attribution, advocate)| Referral { attribution, advocate })
}
