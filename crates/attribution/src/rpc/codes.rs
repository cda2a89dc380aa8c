//! CodeService.

use std::sync::Arc;

use proto::attribution as v1;
use proto::attribution::code_service_server::CodeService;
use rpc::{Error, Reason, caller, fields};
use tonic::{Request, Response, Status};
use types::{Shortcode, TenantId};

use super::read;
use crate::commands::issue_shortcodes::Command;
use crate::domain::Books;
use crate::domain::code::IssueShortcode;
use crate::store::{CodeKeys, ContactKeys};
use crate::{App, store};

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

    async fn resolve_code(
        &self,
        request: Request<v1::ResolveCodeRequest>,
    ) -> Result<Response<v1::ResolveCodeResponse>, Status> {
        let tenant = caller::tenant(&request)?;
        let code: Shortcode = fields::parse("code", &request.get_ref().code)?;
        let books = load(&self.0, &tenant, &code).await?;
        let owner = books.get(&tenant).and_then(|book| book.resolve(&code).ok());
        let (campaign, advocate) =
            owner.ok_or_else(|| Error::not_found(Reason::CodeNotFound, "code", code.to_string()))?;
        let (campaign_id, advocate_id) = (campaign.to_string(), advocate.to_string());
        Ok(Response::new(v1::ResolveCodeResponse { campaign_id, advocate_id }))
    }
}

async fn load(app: &App, tenant: &TenantId, code: &Shortcode) -> Result<Books, Error> {
    let mut conn = app.db.read().acquire().await?;
    let mut books = Books::default();
    let mut codes = CodeKeys::default();
    codes.add(tenant, code);
    store::load_codes(&mut conn, &codes, &mut books).await?;
    let mut contacts = ContactKeys::default();
    if let Some(owner) = books.get(tenant).and_then(|book| book.codes.owner(code)) {
        contacts.add_id(tenant, owner.advocate);
    }
    store::load_contacts(&mut conn, &contacts, &mut books).await?;
    Ok(books)
}
