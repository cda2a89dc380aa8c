//! CodeService.

use std::sync::Arc;

use futures::stream::BoxStream;
use proto::attribution as v1;
use proto::attribution::code_service_server::CodeService;
use rpc::page::Page;
use rpc::{Error, Reason, caller, fields};
use tonic::{Request, Response, Status, Streaming};
use types::{CampaignId, CouponCode, Shortcode, TenantId};

use super::{import_codes, read};
use crate::commands::issue_coupons;
use crate::commands::issue_shortcodes::Command;
use crate::domain::Books;
use crate::domain::code::{CodeKind, CodeState, IssueShortcode};
use crate::domain::coupon::{IssueCoupons, Takers};
use crate::store::{CodeKeys, CodePage, ContactKeys};
use crate::{App, store, wire};

/// Serves codes.
#[derive(Debug)]
pub(super) struct Codes(pub(super) Arc<App>);

#[tonic::async_trait]
impl CodeService for Codes {
    async fn issue_shortcode(
        &self,
        request: Request<v1::IssueShortcodeRequest>,
    ) -> Result<Response<v1::IssueShortcodeResponse>, Status> {
        let tenant = caller::tenant(&request)?;
        let wire = request.get_ref();
        let ask = IssueShortcode {
            campaign: fields::parse("campaign_id", &wire.campaign_id)?,
            advocate: read::contact_ref("advocate", wire.advocate.as_ref())?,
            code: fields::parse_optional("shortcode", &wire.shortcode)?,
            drawn: Vec::new(),
        };
        let origin = caller::origin(&request)?;
        let issued = self.0.codes.run(Command { tenant, origin, ask }).await.map_err(Error::from)?;
        let (shortcode, created) = (issued.code.to_string(), issued.created);
        Ok(Response::new(v1::IssueShortcodeResponse { shortcode, created }))
    }

    async fn issue_coupon_codes(
        &self,
        request: Request<v1::IssueCouponCodesRequest>,
    ) -> Result<Response<v1::IssueCouponCodesResponse>, Status> {
        let (tenant, origin) = (caller::tenant(&request)?, caller::origin(&request)?);
        let mut wire = request.into_inner();
        let id = std::mem::take(&mut wire.request_id);
        let request = read::request(&self.0, &tenant, "IssueCouponCodes", &id, &wire);
        let command = issue_coupons::Command {
            origin,
            ask: issue_coupons(&wire)?,
            prefix: wire.prefix,
            request: fields::required("request_id", request)?,
        };
        let App { db, clock, .. } = &*self.0;
        let issued = issue_coupons::run(db, &**clock, &tenant, command).await;
        let (coupons, replayed) = issued.map_err(Error::from)?;
        let codes = coupons.iter().map(wire::coupon).collect();
        Ok(Response::new(v1::IssueCouponCodesResponse { codes, replayed }))
    }

    type ImportCouponCodesStream = BoxStream<'static, Result<v1::ImportCouponCodesResponse, Status>>;

    async fn import_coupon_codes(
        &self,
        request: Request<Streaming<v1::ImportCouponCodesRequest>>,
    ) -> Result<Response<Self::ImportCouponCodesStream>, Status> {
        Ok(Response::new(import_codes::start(&self.0, request)?))
    }

    async fn list_codes(
        &self,
        request: Request<v1::ListCodesRequest>,
    ) -> Result<Response<v1::ListCodesResponse>, Status> {
        let tenant = caller::tenant(&request)?;
        let wire = request.get_ref();
        let advocate =
            wire.advocate.as_ref().map(|who| read::contact_ref("advocate", Some(who))).transpose()?;
        let who = advocate.as_ref().map(read::named).unwrap_or_default();
        let query = [wire.campaign_id.as_str(), &who, &wire.kind.to_string(), &wire.state.to_string()];
        let page = Page::read(&tenant, "ListCodes", &query, wire.page_size, &wire.page_token)?;
        let advocate = match advocate {
            Some(who) => Some(read::known_contact(&self.0, &tenant, &who).await?.1.id),
            None => None,
        };
        let selection = CodePage {
            campaign: fields::parse_optional("campaign_id", &wire.campaign_id)?,
            advocate,
            kind: i16::try_from(wire.kind).ok().and_then(CodeKind::from_number),
            state: i16::try_from(wire.state).ok().and_then(CodeState::from_number),
            after: page.after().unwrap_or_default().to_owned(),
            limit: page.limit(),
        };
        let mut conn = self.0.db.read().acquire().await.map_err(Error::from)?;
        let codes = store::list_codes(&mut conn, &tenant, &selection).await.map_err(Error::from)?;
        let (codes, next_page_token) = page.cut(codes, |c| c.code.clone(), wire::listed_code);
        Ok(Response::new(v1::ListCodesResponse { codes, next_page_token }))
    }

    async fn resolve_code(
        &self,
        request: Request<v1::ResolveCodeRequest>,
    ) -> Result<Response<v1::ResolveCodeResponse>, Status> {
        let tenant = caller::tenant(&request)?;
        let code: CouponCode = fields::parse("code", &request.get_ref().code)?;
        let books = load(&self.0, &tenant, &code).await?;
        let found = resolve(&books, &tenant, &code);
        Ok(Response::new(
            found.ok_or_else(|| Error::not_found(Reason::CodeNotFound, "code", code.to_string()))?,
        ))
    }
}

fn issue_coupons(wire: &v1::IssueCouponCodesRequest) -> Result<IssueCoupons, Error> {
    let campaign: Option<CampaignId> = fields::parse_optional("campaign_id", &wire.campaign_id)?;
    let advocate = |(n, who)| read::contact_ref(&format!("advocates[{n}]"), Some(who));
    let advocates: Vec<_> = wire.advocates.iter().enumerate().map(advocate).collect::<Result<_, _>>()?;
    let takers = match (advocates.is_empty(), usize::try_from(wire.count).unwrap_or(0)) {
        (false, 0) => Takers::Advocates(advocates),
        (false, _) => return Err(Error::field("count", "is for a pool: give it, or advocates")),
        (true, 0) => return Err(Error::field("count", "is required, or else advocates")),
        (true, _) if campaign.is_none() => {
            return Err(Error::field("campaign_id", "is required: a pool is a campaign's"));
        }
        (true, count) => Takers::Pool(count),
    };
    Ok(IssueCoupons { campaign, takers, is_single_use: wire.single_use, drawn: Vec::new() })
}

/// What a code of either kind resolves to; every shortcode has the form of a coupon code.
fn resolve(books: &Books, tenant: &TenantId, code: &CouponCode) -> Option<v1::ResolveCodeResponse> {
    let book = books.get(tenant)?;
    let shortcode = code.as_str().parse().ok().and_then(|code: Shortcode| book.resolve(&code).ok());
    if let Some((campaign, advocate)) = shortcode {
        return Some(v1::ResolveCodeResponse {
            campaign_id: campaign.to_string(),
            advocate_id: advocate.to_string(),
            kind: CodeKind::Shortcode.number().into(),
            state: CodeState::Assigned.number().into(),
        });
    }
    let (coupon, _) = book.coupon_of_advocate(code).ok()?;
    let v1::Code { campaign_id, advocate_id, kind, state, .. } = wire::coupon(coupon);
    Some(v1::ResolveCodeResponse { campaign_id, advocate_id, kind, state })
}

async fn load(app: &App, tenant: &TenantId, code: &CouponCode) -> Result<Books, Error> {
    let mut conn = app.db.read().acquire().await?;
    let mut books = Books::default();
    let mut codes = CodeKeys::default();
    codes.add(tenant, code.as_str());
    store::load_codes(&mut conn, &codes, &mut books).await?;
    store::load_coupons(&mut conn, &codes, &mut books).await?;
    let mut contacts = ContactKeys::default();
    if let Some(book) = books.get(tenant) {
        let shortcode = code.as_str().parse().ok().and_then(|code: Shortcode| book.codes.owner(&code));
        let coupon = book.coupons.get(code).and_then(|coupon| coupon.advocate);
        let advocates = shortcode.map(|owner| owner.advocate).into_iter().chain(coupon);
        advocates.for_each(|advocate| contacts.add_id(tenant, advocate));
    }
    store::load_contacts(&mut conn, &contacts, &mut books).await?;
    Ok(books)
}
