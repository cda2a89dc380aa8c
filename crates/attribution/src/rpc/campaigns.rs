//! CampaignService.

use std::collections::BTreeSet;
use std::sync::Arc;

use proto::attribution as v1;
use proto::attribution::campaign_service_server::CampaignService;
use rpc::mask::Mask;
use rpc::page::Page;
use rpc::{Error, Reason, caller, fields};
use tonic::{Request, Response, Status};
use types::CampaignId;

use super::read;
use crate::commands::{create_campaign, update_campaign};
use crate::domain::campaign::{CampaignChange, Eligibility, NewCampaign, Policies, SelfReferral, Window};
use crate::domain::{Books, Violation};
use crate::store::CampaignKeys;
use crate::{App, store, wire};

/// Serves campaigns.
#[derive(Debug)]
pub(super) struct Campaigns(pub(super) Arc<App>);

#[tonic::async_trait]
impl CampaignService for Campaigns {
    async fn create_campaign(
        &self,
        request: Request<v1::CreateCampaignRequest>,
    ) -> Result<Response<v1::CreateCampaignResponse>, Status> {
        let tenant = caller::tenant(&request)?;
        let new = new_campaign(request.get_ref())?;
        let App { db, clock, .. } = &*self.0;
        let by = (&tenant, &caller::origin(&request)?);
        let campaign = create_campaign::run(db, &**clock, by, &new).await.map_err(Error::from)?;
        Ok(Response::new(v1::CreateCampaignResponse { campaign: Some(wire::campaign(&campaign)) }))
    }

    async fn get_campaign(
        &self,
        request: Request<v1::GetCampaignRequest>,
    ) -> Result<Response<v1::GetCampaignResponse>, Status> {
        let tenant = caller::tenant(&request)?;
        let id: CampaignId = fields::parse("campaign_id", &request.get_ref().campaign_id)?;
        let mut conn = self.0.db.read().acquire().await.map_err(Error::from)?;
        let mut books = Books::default();
        let mut keys = CampaignKeys::default();
        keys.add(&tenant, id.clone());
        store::load_campaigns(&mut conn, &keys, &mut books).await.map_err(Error::from)?;
        let found = books.of(&tenant).campaigns.remove(&id);
        let campaign = found.ok_or_else(|| Error::from(Violation::CampaignNotFound(id)))?;
        Ok(Response::new(v1::GetCampaignResponse { campaign: Some(wire::campaign(&campaign)) }))
    }

    async fn list_campaigns(
        &self,
        request: Request<v1::ListCampaignsRequest>,
    ) -> Result<Response<v1::ListCampaignsResponse>, Status> {
        let tenant = caller::tenant(&request)?;
        let wire = request.get_ref();
        let page = Page::read(&tenant, "ListCampaigns", &[], wire.page_size, &wire.page_token)?;
        let mut conn = self.0.db.read().acquire().await.map_err(Error::from)?;
        let after = page.after().unwrap_or_default();
        let listed = store::list_campaigns(&mut conn, &tenant, after, page.limit()).await;
        let campaigns = listed.map_err(Error::from)?;
        let (campaigns, next_page_token) = page.cut(campaigns, |c| c.id.to_string(), |c| wire::campaign(&c));
        Ok(Response::new(v1::ListCampaignsResponse { campaigns, next_page_token }))
    }

    async fn update_campaign(
        &self,
        request: Request<v1::UpdateCampaignRequest>,
    ) -> Result<Response<v1::UpdateCampaignResponse>, Status> {
        let tenant = caller::tenant(&request)?;
        let change = change(request.get_ref())?;
        let App { db, clock, .. } = &*self.0;
        let by = (&tenant, &caller::origin(&request)?);
        let campaign = update_campaign::run(db, &**clock, by, &change).await.map_err(Error::from)?;
        Ok(Response::new(v1::UpdateCampaignResponse { campaign: Some(wire::campaign(&campaign)) }))
    }
}

fn new_campaign(wire: &v1::CreateCampaignRequest) -> Result<NewCampaign, Error> {
    let id: CampaignId = fields::parse("campaign_id", &wire.campaign_id)?;
    let name = wire.name.trim().to_owned();
    Ok(NewCampaign {
        name: if name.is_empty() { id.to_string() } else { name },
        id,
        currency: fields::currency("currency_code", &wire.currency_code)?,
        segments: read::segments("segment_ids", &wire.segment_ids)?,
        starts_at: fields::timestamp("starts_at", wire.starts_at.as_ref())?,
        ends_at: fields::timestamp("ends_at", wire.ends_at.as_ref())?,
        policies: Policies {
            self_referral: self_referral(wire.self_referral()),
            eligibility: eligibility(wire.eligibility()),
            window: window(wire.attribution_window_days)?,
            is_paused: wire.paused,
        },
    })
}

/// What becomes of self-referrals; unset is the default.
fn self_referral(wire: v1::SelfReferralPolicy) -> SelfReferral {
    match wire {
        v1::SelfReferralPolicy::Unspecified | v1::SelfReferralPolicy::Block => SelfReferral::Block,
        v1::SelfReferralPolicy::Flag => SelfReferral::Flag,
        v1::SelfReferralPolicy::Allow => SelfReferral::Allow,
    }
}

/// Who may be referred; unset is the default.
fn eligibility(wire: v1::EligibilityPolicy) -> Eligibility {
    match wire {
        v1::EligibilityPolicy::Unspecified | v1::EligibilityPolicy::AnyContact => Eligibility::AnyContact,
        v1::EligibilityPolicy::NewContactsOnly => Eligibility::NewContactsOnly,
    }
}

/// For how long a visit counts; unset is the default.
fn window(days: i32) -> Result<Window, Error> {
    match days {
        0 => Ok(Window::default()),
        _ => Window::of_days(days).ok_or_else(|| Error::field("attribution_window_days", "must be 1 to 365")),
    }
}

fn change(wire: &v1::UpdateCampaignRequest) -> Result<CampaignChange, Error> {
    let name = wire.name.trim().to_owned();
    let starts_at = fields::timestamp("starts_at", wire.starts_at.as_ref())?;
    let ends_at = fields::timestamp("ends_at", wire.ends_at.as_ref())?;
    let mask = Mask::read(
        wire.update_mask.as_ref(),
        &[
            ("name", !name.is_empty()),
            ("segment_ids", !wire.segment_ids.is_empty()),
            ("starts_at", starts_at.is_some()),
            ("ends_at", ends_at.is_some()),
            ("self_referral", wire.self_referral != 0),
            ("eligibility", wire.eligibility != 0),
            ("attribution_window_days", wire.attribution_window_days != 0),
            ("paused", wire.paused),
        ],
    )?;
    let emptied = [
        ("name", name.is_empty()),
        ("segment_ids", wire.segment_ids.is_empty()),
        ("starts_at", starts_at.is_none()),
    ];
    let emptied = emptied.into_iter().filter(|(field, is_empty)| *is_empty && mask.has(field));
    let breaches: Vec<_> = emptied.map(|(field, _)| (field.to_owned(), "is required".to_owned())).collect();
    if !breaches.is_empty() {
        return Err(Error::fields(Reason::InvalidField, breaches));
    }
    let segments = read::segments("segment_ids", &wire.segment_ids)?;
    Ok(CampaignChange {
        id: fields::parse("campaign_id", &wire.campaign_id)?,
        name: mask.has("name").then_some(name),
        segments: if mask.has("segment_ids") { segments } else { BTreeSet::new() },
        starts_at: starts_at.filter(|_| mask.has("starts_at")),
        ends_at: ends_at.filter(|_| mask.has("ends_at")),
        is_endless: mask.has("ends_at") && ends_at.is_none(),
        self_referral: mask.has("self_referral").then(|| self_referral(wire.self_referral())),
        eligibility: mask.has("eligibility").then(|| eligibility(wire.eligibility())),
        window: Some(window(wire.attribution_window_days)?).filter(|_| mask.has("attribution_window_days")),
        is_paused: mask.has("paused").then_some(wire.paused),
    })
}
