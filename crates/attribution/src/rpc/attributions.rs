//! AttributionService.

use std::str::FromStr;
use std::sync::Arc;

use futures::stream::BoxStream;
use outbox::Scope;
use outbox::source::Watch;
use proto::attribution as v1;
use proto::attribution::attribution_service_server::AttributionService;
use rpc::page::Page;
use rpc::{Caller, Error, Reason, caller, fields};
use tonic::{Request, Response, Status, Streaming};
use types::{AttributionId, CampaignId, Origin, TenantId};

use super::{import_attributions, read};
use crate::commands::record_attempts::{Command, Recorded};
use crate::domain::{Attempt, Evidence, InactiveReason, Sent, UnresolvedReason, Violation};
use crate::store::{AttemptPage, CampaignKeys};
use crate::{App, store, wire};

/// Attempts in one call.
const BATCH: usize = 1000;

/// Serves attributions.
#[derive(Debug)]
pub(super) struct Attributions(pub(super) Arc<App>);

#[tonic::async_trait]
impl AttributionService for Attributions {
    async fn record_attribution(
        &self,
        request: Request<v1::RecordAttributionRequest>,
    ) -> Result<Response<v1::RecordAttributionResponse>, Status> {
        let caller = Caller::of(&request)?;
        let origin = caller::origin(&request)?;
        let command = single(&self.0, &caller, origin, request.into_inner())?;
        let recorded = self.0.attempts.run(command).await;
        let Recorded { judgement, replayed } = recorded.map_err(|e| Error::from(e).under("attempt"))?;
        let result = Some(wire::attempt_result(&judgement));
        Ok(Response::new(v1::RecordAttributionResponse { result, replayed }))
    }

    async fn batch_record_attributions(
        &self,
        request: Request<v1::BatchRecordAttributionsRequest>,
    ) -> Result<Response<v1::BatchRecordAttributionsResponse>, Status> {
        let caller = Caller::of(&request)?;
        let origin = caller::origin(&request)?;
        let attempts = request.into_inner().attempts;
        if !(1..=BATCH).contains(&attempts.len()) {
            return Err(Error::field("attempts", format!("must have 1 to {BATCH} items")).into());
        }
        let results = batch(&self.0, &caller, &origin, &attempts).await;
        // read after every answer is known, so that all they rest on is at or below it
        let position = self.0.source.head().await.map_err(Error::from)?;
        let epoch = u64::from_ne_bytes(self.0.source.epoch().to_ne_bytes());
        let head = Some(v1::StreamHead { epoch, position });
        Ok(Response::new(v1::BatchRecordAttributionsResponse { results, head }))
    }

    async fn lookup_attribution(
        &self,
        request: Request<v1::LookupAttributionRequest>,
    ) -> Result<Response<v1::LookupAttributionResponse>, Status> {
        let tenant = caller::tenant(&request)?;
        let attribution = look_up(&self.0, &tenant, request.get_ref()).await?;
        Ok(Response::new(v1::LookupAttributionResponse { attribution: Some(attribution) }))
    }

    async fn get_attribution(
        &self,
        request: Request<v1::GetAttributionRequest>,
    ) -> Result<Response<v1::GetAttributionResponse>, Status> {
        let tenant = caller::tenant(&request)?;
        let id: AttributionId = fields::parse("attribution_id", &request.get_ref().attribution_id)?;
        let mut conn = self.0.db.read().acquire().await.map_err(Error::from)?;
        let found = store::get_attribution(&mut conn, &tenant, id).await.map_err(Error::from)?;
        let found = found.as_ref().map(wire::attribution);
        let attribution = Some(found.ok_or_else(|| not_found(id.to_string()))?);
        Ok(Response::new(v1::GetAttributionResponse { attribution }))
    }

    async fn list_attributions(
        &self,
        request: Request<v1::ListAttributionsRequest>,
    ) -> Result<Response<v1::ListAttributionsResponse>, Status> {
        Ok(Response::new(self.list(request).await?))
    }

    type ExportAttributionsStream = BoxStream<'static, Result<v1::ExportAttributionsResponse, Status>>;

    async fn export_attributions(
        &self,
        request: Request<v1::ExportAttributionsRequest>,
    ) -> Result<Response<Self::ExportAttributionsStream>, Status> {
        Ok(Response::new(self.export(request).await?))
    }

    type ImportAttributionsStream = BoxStream<'static, Result<v1::ImportAttributionsResponse, Status>>;

    async fn import_attributions(
        &self,
        request: Request<Streaming<v1::ImportAttributionsRequest>>,
    ) -> Result<Response<Self::ImportAttributionsStream>, Status> {
        Ok(Response::new(import_attributions::start(&self.0, request)?))
    }

    async fn list_attempts(
        &self,
        request: Request<v1::ListAttemptsRequest>,
    ) -> Result<Response<v1::ListAttemptsResponse>, Status> {
        let tenant = caller::tenant(&request)?;
        let wire = request.get_ref();
        let numbers = [wire.outcome, wire.inactive_reason, wire.unresolved_reason].map(|n| n.to_string());
        let [outcome, inactive, unresolved] = &numbers;
        let query =
            [outcome.as_str(), inactive, unresolved, &wire.shortcode, &wire.coupon_code, &wire.source];
        let page = Page::read(&tenant, "ListAttempts", &query, wire.page_size, &wire.page_token)?;
        let selection = attempt_page(wire, &page)?;
        let mut conn = self.0.db.read().acquire().await.map_err(Error::from)?;
        let attempts = store::list_attempts(&mut conn, &tenant, &selection).await.map_err(Error::from)?;
        let (attempts, next_page_token) =
            page.cut(attempts, |a| a.id.0.to_string(), |a| wire::logged_attempt(&a));
        Ok(Response::new(v1::ListAttemptsResponse { attempts, next_page_token }))
    }

    async fn activate_attribution(
        &self,
        request: Request<v1::ActivateAttributionRequest>,
    ) -> Result<Response<v1::ActivateAttributionResponse>, Status> {
        Ok(Response::new(self.activate(request).await?))
    }

    async fn deactivate_attribution(
        &self,
        request: Request<v1::DeactivateAttributionRequest>,
    ) -> Result<Response<v1::DeactivateAttributionResponse>, Status> {
        Ok(Response::new(self.deactivate(request).await?))
    }

    async fn reassign_attribution(
        &self,
        request: Request<v1::ReassignAttributionRequest>,
    ) -> Result<Response<v1::ReassignAttributionResponse>, Status> {
        Ok(Response::new(self.reassign(request).await?))
    }

    async fn get_attribution_history(
        &self,
        request: Request<v1::GetAttributionHistoryRequest>,
    ) -> Result<Response<v1::GetAttributionHistoryResponse>, Status> {
        Ok(Response::new(self.history(request).await?))
    }

    type WatchAttributionEventsStream = Watch<v1::WatchAttributionEventsResponse>;

    async fn watch_attribution_events(
        &self,
        request: Request<v1::WatchAttributionEventsRequest>,
    ) -> Result<Response<Self::WatchAttributionEventsStream>, Status> {
        let scope = Scope::of(&Caller::of(&request)?);
        Ok(Response::new(self.0.source.watch(scope, request.get_ref()).await?))
    }
}

fn single(
    app: &App,
    caller: &Caller,
    origin: Origin,
    mut wire: v1::RecordAttributionRequest,
) -> Result<Command, Error> {
    let id = std::mem::take(&mut wire.request_id);
    let attempt = fields::required("attempt", wire.attempt.as_ref())?;
    let mut command = command(caller, origin, attempt).map_err(|e| e.under("attempt"))?;
    if command.attempt.evidence.is_empty() {
        return Err(Error::field("attempt.evidence", "is required"));
    }
    command.request = read::request(app, &command.tenant, "RecordAttribution", &id, &wire);
    Ok(command)
}

/// Records what can be read; the other items are answered with what is wrong with them.
async fn batch(
    app: &App,
    caller: &Caller,
    origin: &Origin,
    attempts: &[v1::Attempt],
) -> Vec<v1::BatchRecordAttributionsResult> {
    let mut commands = Vec::with_capacity(attempts.len());
    let mut refused = Vec::with_capacity(attempts.len());
    for attempt in attempts {
        match fields::item(attempt).and_then(|()| command(caller, origin.clone(), attempt)) {
            Ok(command) => {
                commands.push(command);
                refused.push(None);
            }
            Err(error) => refused.push(Some(error)),
        }
    }
    let mut answers = app.attempts.run_all(commands).await.into_iter();
    let answer = |refused: Option<Error>| match refused {
        Some(error) => Err(error),
        None => answers.next().map_or_else(|| Err(Error::internal()), |answer| answer.map_err(Error::from)),
    };
    refused.into_iter().map(answer).map(item).collect()
}

fn item(answer: Result<Recorded, Error>) -> v1::BatchRecordAttributionsResult {
    match answer {
        Ok(recorded) => {
            let result = Some(wire::attempt_result(&recorded.judgement));
            v1::BatchRecordAttributionsResult { result, error: None }
        }
        Err(error) => v1::BatchRecordAttributionsResult { result: None, error: Some((&error).into()) },
    }
}

fn command(caller: &Caller, origin: Origin, wire: &v1::Attempt) -> Result<Command, Error> {
    let tenant = caller.item_tenant(&wire.tenant_id, "tenant_id")?;
    let attempt = Attempt {
        contact: read::contact_ref("contact", wire.contact.as_ref())?,
        campaign: fields::parse_optional("campaign_id", &wire.campaign_id)?,
        evidence: evidence(wire.evidence.as_ref())?,
        source: wire.source.clone(),
        known_contact_only: wire.known_contact_only,
    };
    if attempt.known_contact_only && !attempt.evidence.is_empty() {
        return Err(Error::field("known_contact_only", "is for look-ups, which come without evidence"));
    }
    Ok(Command {
        tenant,
        origin,
        attempt,
        occurred_at: fields::timestamp("occurred_at", wire.occurred_at.as_ref())?,
        request: None,
    })
}

fn evidence(wire: Option<&v1::Evidence>) -> Result<Evidence, Error> {
    let Some(wire) = wire else { return Ok(Evidence::default()) };
    let advocate = wire.advocate.as_ref().map(|who| read::contact_ref("evidence.advocate", Some(who)));
    Ok(Evidence {
        shortcode: sent_code(&wire.shortcode),
        coupon: sent_code(&wire.coupon_code),
        advocate: advocate.transpose()?,
        visitor: fields::parse_optional("evidence.visitor_id", &wire.visitor_id)?,
    })
}

/// A code as it was sent, if any was: one that cannot be any is not the caller's error (O7).
pub(super) fn sent_code<C: FromStr + AsRef<str>>(text: &str) -> Option<Sent<C>> {
    (!text.is_empty()).then(|| Sent::new(text))
}

fn attempt_page(wire: &v1::ListAttemptsRequest, page: &Page) -> Result<AttemptPage, Error> {
    Ok(AttemptPage {
        outcome: i16::try_from(wire.outcome).ok().filter(|outcome| *outcome != 0),
        inactive_reason: reason("inactive_reason", wire.inactive_reason, InactiveReason::from_number)?,
        unresolved_reason: reason(
            "unresolved_reason",
            wire.unresolved_reason,
            UnresolvedReason::from_number,
        )?,
        shortcode: sent_code(&wire.shortcode),
        coupon_code: sent_code(&wire.coupon_code),
        source: (!wire.source.is_empty()).then(|| wire.source.clone()),
        after: read::after(page)?,
        limit: page.limit(),
    })
}

/// A reason by its number; 0 means any.
fn reason<T>(path: &str, number: i32, read: impl Fn(i16) -> Option<T>) -> Result<Option<T>, Error> {
    match number {
        0 => Ok(None),
        _ => match i16::try_from(number).ok().and_then(read) {
            Some(reason) => Ok(Some(reason)),
            None => Err(Error::field(path, "is not a reason")),
        },
    }
}

async fn look_up(
    app: &App,
    tenant: &TenantId,
    wire: &v1::LookupAttributionRequest,
) -> Result<v1::Attribution, Error> {
    let campaign: CampaignId = fields::parse("campaign_id", &wire.campaign_id)?;
    let who = read::contact_ref("contact", wire.contact.as_ref())?;
    let at = fields::timestamp("at", wire.at.as_ref())?;
    let (mut books, contact) = read::known_contact(app, tenant, &who).await?;
    let mut campaigns = CampaignKeys::default();
    campaigns.add(tenant, campaign.clone());
    let mut conn = app.db.read().acquire().await?;
    store::load_campaigns(&mut conn, &campaigns, &mut books).await?;
    store::load_clocks(&mut conn, [tenant], &mut books).await?;
    store::load_attributions(&mut conn, &mut books).await?;
    let book = books.of(tenant);
    if !book.campaigns.contains_key(&campaign) {
        return Err(Violation::CampaignNotFound(campaign).into());
    }
    let at = at.unwrap_or_else(|| fields::tenant_now(tenant, book.test_clock, &*app.clock));
    let found = book.attributions.in_force(&campaign, contact.id, at, &[]);
    found.map(wire::attribution).ok_or_else(|| not_found(String::new()))
}

fn not_found(name: String) -> Error {
    Error::not_found(Reason::AttributionNotFound, "attribution", name)
}
