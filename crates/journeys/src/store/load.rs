//! What a slice of events or calls starts from: one query per table, whatever its size.

use std::collections::{HashMap, HashSet};

use pg::WriteTx;
use types::{
    AttributionId, CampaignId, ContactId, EventId, JourneyKey, RunId, SegmentId, StageKey, TenantId,
    Timestamp, TransitionId,
};

use super::definitions::Definitions;
use super::order::OrderRow;
use super::save::cause_number;
use super::{campaign_text, projections, timers};
use crate::domain::definition::Restart;
use crate::domain::event::{Cause, Entry, Event, OccurrenceKey, Place, Referral};
use crate::domain::funnel::Gained;
use crate::domain::run::{Made, Run, Stored, Track, Waiting};
use crate::domain::slice::{Applied, EnterStage, Loaded};
use crate::domain::timers::Timer;

/// What one event or call may act on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    place: &'a Place,
    key: &'a OccurrenceKey,
}

impl<'a> Wanted<'a> {
    pub(crate) fn by_event(event: &'a Event) -> Self {
        Self { place: &event.place, key: &event.key }
    }

    pub(crate) fn by_call(call: &'a EnterStage) -> Self {
        Self { place: &call.place, key: &call.key }
    }

    pub(crate) fn by_timer(timer: &'a Timer) -> Self {
        Self { place: &timer.place, key: &timer.key }
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
    segments: Vec<SegmentId>,
    current_since: Timestamp,
    current_key: String,
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

/// Everything that these events and calls can act on, and the timers that are due: those given, and with `now` those of the
/// runs loaded that are late by then. Of clocks only those that say what is late are loaded.
pub(crate) async fn load(
    tx: &mut WriteTx,
    definitions: &Definitions,
    wanted: &[Wanted<'_>],
    due: Vec<Timer>,
    now: Option<Timestamp>,
) -> Result<Loaded, pg::Error> {
    let wanted: Vec<Wanted<'_>> = wanted.iter().copied().chain(due.iter().map(Wanted::by_timer)).collect();
    let tenants: HashSet<&TenantId> = wanted.iter().map(|w| &w.place.tenant).collect();
    if tenants.is_empty() {
        return Ok(Loaded::default());
    }
    let journeys = definitions.in_force(tx, &Vec::from_iter(tenants)).await?;
    let concerned = |place: &Place| {
        let applied = journeys.get(&place.tenant);
        applied.is_some_and(|all| all.iter().any(|j| j.campaigns.include(place.campaign.as_ref())))
    };
    let wanted: Vec<Wanted<'_>> = wanted.into_iter().filter(|w| concerned(w.place)).collect();
    let mut loaded = Loaded { journeys, ..Loaded::default() };
    if wanted.is_empty() {
        loaded.timers = due;
        return Ok(loaded);
    }
    let places: Vec<&Place> = wanted.iter().map(|w| w.place).collect::<HashSet<_>>().into_iter().collect();
    runs(tx, &places, &mut loaded.tracks).await?;
    waiting(tx, &places, &mut loaded.tracks).await?;
    let late = match now {
        Some(now) => late_timers(tx, &mut loaded, now).await?,
        None => Vec::new(),
    };
    let late: Vec<Timer> = late.into_iter().filter(|timer| !due.contains(timer)).collect();
    let wanted: Vec<Wanted<'_>> = wanted.into_iter().chain(late.iter().map(Wanted::by_timer)).collect();
    entries(tx, &wanted, &mut loaded).await?;
    loaded.segments = projections::segments(tx, starting(&places, &loaded)).await?;
    loaded.timers = due.iter().cloned().chain(late).collect();
    // what has no order asks who referred the contact when it is due (J9)
    let asking: HashSet<&Place> =
        loaded.timers.iter().filter(|timer| timer.order.is_none()).map(|timer| &timer.place).collect();
    if !asking.is_empty() {
        loaded.attributions = projections::attributions(tx, &Vec::from_iter(asking)).await?;
    }
    Ok(loaded)
}

/// Timers of the runs loaded that should have fired by the tenant's clock: those that were set too late for that, and those
/// whose turn has not come.
async fn late_timers(tx: &mut WriteTx, loaded: &mut Loaded, now: Timestamp) -> Result<Vec<Timer>, pg::Error> {
    let (mut runs, mut sandboxes) = (Vec::new(), HashSet::new());
    for (place, tracks) in &loaded.tracks {
        for (journey, track) in tracks {
            let of_journey = |applied: &&Applied| applied.definition.journey == *journey;
            let applied = loaded.journeys.get(&place.tenant).and_then(|all| all.iter().find(of_journey));
            if applied.is_some_and(|applied| applied.definition.has_timers()) {
                runs.extend(track.runs.iter().filter(|run| !run.ended).map(|run| (&place.tenant, run.id)));
                sandboxes.extend(Some(&place.tenant).filter(|tenant| tenant.is_sandbox()));
            }
        }
    }
    if runs.is_empty() {
        return Ok(Vec::new());
    }
    let clocks = projections::clocks(&mut **tx, &Vec::from_iter(sandboxes)).await?;
    let shown = |tenant: &TenantId| clocks.get(tenant).and_then(|clock| clock.shown);
    let until = |tenant: &TenantId| if tenant.is_sandbox() { shown(tenant) } else { Some(now) };
    let runs: Vec<(&TenantId, RunId, Timestamp)> =
        runs.into_iter().filter_map(|(tenant, run)| Some((tenant, run, until(tenant)?))).collect();
    let late = timers::due_of(tx, &runs).await?;
    loaded.clocks = clocks;
    Ok(late)
}

/// Contacts that may start a run: their segments are counted with it (J11).
fn starting(places: &[&Place], loaded: &Loaded) -> HashSet<(TenantId, ContactId)> {
    let may_start = |place: &Place, applied: &Applied| {
        let track = loaded.tracks.get(place).and_then(|tracks| tracks.get(&applied.definition.journey));
        applied.campaigns.include(place.campaign.as_ref())
            && (track.is_none_or(|track| track.runs.is_empty())
                || applied.definition.restart == Restart::AfterTerminal)
    };
    let journeys = |place: &Place| loaded.journeys.get(&place.tenant).into_iter().flat_map(|all| all.iter());
    let starting = places.iter().filter(|place| journeys(place).any(|applied| may_start(place, applied)));
    starting.map(|place| (place.tenant.clone(), place.contact)).collect()
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
        "SELECT r.tenant_id, r.contact_id, nullif(r.campaign_id, '') AS campaign_id, r.journey, r.run_id, r.generation,
                r.version, r.ended, r.current_stage, r.stages, r.transitions, r.started_at, r.segments, r.current_since,
                r.current_key
           FROM unnest($1::text[], $2::uuid[], $3::text[]) AS p (tenant_id, contact_id, campaign_id)
          CROSS JOIN LATERAL (
              SELECT * FROM runs
               WHERE tenant_id = p.tenant_id AND contact_id = p.contact_id AND campaign_id = p.campaign_id
               OFFSET 0) r
          ORDER BY r.generation",
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
            segments: row.segments,
            since: row.current_since,
            current_key: key(&row.current_key, "runs.current_key")?,
            entries: HashMap::new(),
            gained: Gained::default(),
            stored: Some(Stored::Unchanged),
        });
    }
    Ok(())
}

async fn waiting(tx: &mut WriteTx, places: &[&Place], tracks: &mut Tracks) -> Result<(), pg::Error> {
    let (tenants, contacts, campaigns) = place_arrays(places);
    // mostly nothing waits at all: one probe instead of one per place
    let any: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM unnest($1::text[]) AS t (tenant_id)
                         CROSS JOIN LATERAL (SELECT FROM waiting_entries WHERE tenant_id = t.tenant_id LIMIT 1) w)",
    )
    .bind(tenants.iter().copied().collect::<HashSet<_>>().into_iter().collect::<Vec<_>>())
    .fetch_one(&mut **tx)
    .await?;
    if !any {
        return Ok(());
    }
    let rows: Vec<WaitingRow> = sqlx::query_as(
        "SELECT w.tenant_id, w.contact_id, nullif(w.campaign_id, '') AS campaign_id, w.journey, w.cause_event_id,
                w.stage, w.occurrence_key, w.expected_stage, w.advocate_id, w.attribution_id, w.order_id, w.source,
                w.revenue_minor, w.refunded_minor, w.currency, w.external_status, w.hubspot_dealstage, w.ordered_at,
                w.occurred_at, w.recorded_at
           FROM unnest($1::text[], $2::uuid[], $3::text[]) AS p (tenant_id, contact_id, campaign_id)
          CROSS JOIN LATERAL (
              SELECT * FROM waiting_entries
               WHERE tenant_id = p.tenant_id AND contact_id = p.contact_id AND campaign_id = p.campaign_id
               OFFSET 0) w
          ORDER BY w.recorded_at, w.cause_event_id",
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

#[derive(sqlx::FromRow)]
struct EntryRow {
    run_id: RunId,
    occurrence_key: String,
    to_stage: StageKey,
    transition_id: TransitionId,
    number: i32,
    occurred_at: Timestamp,
    cause: i16,
    cause_event_id: Option<EventId>,
}

/// What was entered in the runs under the keys that may be asked for, and the events that caused it. What an event caused
/// has its key, so an event that is delivered again meets it here.
async fn entries(tx: &mut WriteTx, wanted: &[Wanted<'_>], loaded: &mut Loaded) -> Result<(), pg::Error> {
    let asked = asked(wanted, loaded);
    if asked.is_empty() {
        return Ok(());
    }
    let rows: Vec<EntryRow> = sqlx::query_as(
        "SELECT t.run_id, t.occurrence_key, t.to_stage, t.transition_id, t.number, t.occurred_at, t.cause, t.cause_event_id
           FROM unnest($1::text[], $2::uuid[], $3::text[]) AS k (tenant_id, run_id, occurrence_key)
          CROSS JOIN LATERAL (
              SELECT * FROM transitions
               WHERE tenant_id = k.tenant_id AND run_id = k.run_id AND occurrence_key = k.occurrence_key
               OFFSET 0) t",
    )
    .bind(asked.iter().map(|k| k.0).collect::<Vec<_>>())
    .bind(asked.iter().map(|k| k.1).collect::<Vec<_>>())
    .bind(asked.iter().map(|k| k.2).collect::<Vec<_>>())
    .fetch_all(&mut **tx)
    .await?;
    let mut runs: HashMap<RunId, &mut Run> = HashMap::new();
    for track in loaded.tracks.values_mut().flat_map(HashMap::values_mut) {
        runs.extend(track.runs.iter_mut().map(|run| (run.id, run)));
    }
    let by_event = [cause_number(Cause::Trigger), cause_number(Cause::Waited)];
    for row in rows {
        let key = key(&row.occurrence_key, "transitions.occurrence_key")?;
        if let Some(event) = row.cause_event_id.filter(|_| by_event.contains(&row.cause)) {
            loaded.caused.insert((event, row.run_id));
        }
        if let Some(run) = runs.get_mut(&row.run_id) {
            let EntryRow { to_stage: stage, transition_id: id, number, occurred_at, .. } = row;
            run.entries.entry(key).or_default().push(Made { stage, id, number, occurred_at });
        }
    }
    Ok(())
}

/// Runs and keys: those of events and calls, those of waiting entries, and none, which counts for every key: in the order of
/// stages (J5), and where a stage is left (J11).
fn asked<'a>(wanted: &[Wanted<'a>], loaded: &'a Loaded) -> HashSet<(&'a str, RunId, &'a str)> {
    let mut asked = HashSet::new();
    for Wanted { place, key } in wanted {
        for track in loaded.tracks.get(*place).into_iter().flat_map(HashMap::values) {
            for run in &track.runs {
                let waiting = track.waiting.iter().map(|w| w.entry.key.as_str());
                let keys = waiting.chain([key.as_str(), ""]);
                asked.extend(keys.map(|key| (place.tenant.as_str(), run.id, key)));
            }
        }
    }
    asked
}

/// An occurrence key as it is stored.
pub(super) fn key(text: &str, place: &str) -> Result<OccurrenceKey, pg::Error> {
    text.parse().map_err(|_| pg::Error::unreadable(place, text))
}

/// Both columns of a referral, or neither.
pub(crate) fn referral(attribution: Option<AttributionId>, advocate: Option<ContactId>) -> Option<Referral> {
    attribution.zip(advocate).map(|(attribution, advocate)| Referral { attribution, advocate })
}
