//! ContactService.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::stream::BoxStream;
use prost::Message;
use proto::attribution as v1;
use proto::attribution::contact_service_server::ContactService;
use rpc::filter::Filter;
use rpc::page::Page;
use rpc::{Error, caller, fields};
use tonic::{Request, Response, Status, Streaming};
use types::{Email, Origin, TenantId, Timestamp};

use super::{import_contacts, read};
use crate::commands::Request as Requested;
use crate::commands::change_contacts::{Changed, Command};
use crate::domain::contact_commands::ContactChange;
use crate::domain::{ContactStatus, Profile, Statement, Uid};
use crate::{App, store, wire};

/// Serves contacts.
#[derive(Debug)]
pub(super) struct Contacts(pub(super) Arc<App>);

impl Contacts {
    async fn change(
        &self,
        (tenant, origin): (TenantId, Origin),
        change: ContactChange,
        occurred_at: Option<Timestamp>,
    ) -> Result<Changed, Error> {
        Ok(self.0.contacts.run(Command { tenant, origin, change, occurred_at, request: None }).await?)
    }
}

impl Contacts {
    /// The request id of an upsert; a map has no order of its own, and hashes alike in any.
    fn upsert_request(&self, tenant: &TenantId, mut wire: v1::UpsertContactRequest) -> Option<Requested> {
        let id = std::mem::take(&mut wire.request_id);
        let properties: BTreeMap<_, _> = std::mem::take(&mut wire.properties).into_iter().collect();
        let mut bytes = wire.encode_length_delimited_to_vec();
        for (name, value) in properties {
            bytes.extend(name.encode_length_delimited_to_vec());
            bytes.extend(value.encode_length_delimited_to_vec());
        }
        read::request_of(&self.0, tenant, "UpsertContact", &id, &bytes)
    }
}

#[tonic::async_trait]
impl ContactService for Contacts {
    type ImportContactsStream = BoxStream<'static, Result<v1::ImportContactsResponse, Status>>;

    async fn import_contacts(
        &self,
        request: Request<Streaming<v1::ImportContactsRequest>>,
    ) -> Result<Response<Self::ImportContactsStream>, Status> {
        Ok(Response::new(import_contacts::start(&self.0, request)?))
    }

    async fn upsert_contact(
        &self,
        request: Request<v1::UpsertContactRequest>,
    ) -> Result<Response<v1::UpsertContactResponse>, Status> {
        let tenant = caller::tenant(&request)?;
        let origin = caller::origin(&request)?;
        let change = upsert(request.get_ref())?;
        let request = self.upsert_request(&tenant, request.into_inner());
        let command = Command { tenant, origin, change, occurred_at: None, request };
        let Changed { contact, created, replayed, .. } =
            self.0.contacts.run(command).await.map_err(Error::from)?;
        let contact = Some(wire::contact(&contact));
        Ok(Response::new(v1::UpsertContactResponse { contact, created, replayed }))
    }

    async fn get_contact(
        &self,
        request: Request<v1::GetContactRequest>,
    ) -> Result<Response<v1::GetContactResponse>, Status> {
        let tenant = caller::tenant(&request)?;
        let who = read::contact_ref("contact", request.get_ref().contact.as_ref())?;
        let (_, contact) = read::known_contact(&self.0, &tenant, &who).await?;
        Ok(Response::new(v1::GetContactResponse { contact: Some(wire::contact(&contact)) }))
    }

    async fn list_contacts(
        &self,
        request: Request<v1::ListContactsRequest>,
    ) -> Result<Response<v1::ListContactsResponse>, Status> {
        let tenant = caller::tenant(&request)?;
        let wire = request.get_ref();
        let page = Page::read(&tenant, "ListContacts", &[&wire.filter], wire.page_size, &wire.page_token)?;
        let mut conn = self.0.db.read().acquire().await.map_err(Error::from)?;
        let defined = store::DEFINITIONS.of(&mut *conn, &tenant).await.map_err(Error::from)?;
        let family = rpc::properties::family(&defined, pg::properties::sql);
        let matching = Filter::read_with(store::CONTACT_FIELDS, &family, &wire.filter)?;
        let listed =
            store::list_contacts(&mut conn, &tenant, &matching, read::after(&page)?, page.limit()).await;
        let contacts = listed.map_err(|error| matching.refused(error))?;
        let (contacts, next_page_token) = page.cut(contacts, |c| c.id.to_string(), |c| wire::contact(&c));
        Ok(Response::new(v1::ListContactsResponse { contacts, next_page_token }))
    }

    async fn get_contact_history(
        &self,
        request: Request<v1::GetContactHistoryRequest>,
    ) -> Result<Response<v1::GetContactHistoryResponse>, Status> {
        let tenant = caller::tenant(&request)?;
        let wire = request.get_ref();
        let who = read::contact_ref("contact", wire.contact.as_ref())?;
        let named = wire.contact.clone().unwrap_or_default();
        let query = [named.contact_id.as_str(), &named.email, &named.uid];
        let page = Page::read(&tenant, "GetContactHistory", &query, wire.page_size, &wire.page_token)?;
        let (_, contact) = read::known_contact(&self.0, &tenant, &who).await?;
        let after = page.after_as::<i64>()?.unwrap_or(0);
        let mut conn = self.0.db.read().acquire().await.map_err(Error::from)?;
        let changes = store::contact_changes(&mut conn, &tenant, contact.id, after, page.limit()).await;
        let changes = changes.map_err(Error::from)?;
        let (changes, next_page_token) =
            page.cut(changes, |(number, _)| number.to_string(), |(_, change)| wire::contact_change(&change));
        Ok(Response::new(v1::GetContactHistoryResponse { changes, next_page_token }))
    }

    async fn enroll_contact(
        &self,
        request: Request<v1::EnrollContactRequest>,
    ) -> Result<Response<v1::EnrollContactResponse>, Status> {
        let tenant = caller::tenant(&request)?;
        let wire = request.get_ref();
        let change = ContactChange::Enroll {
            who: read::contact_ref("contact", wire.contact.as_ref())?,
            segments: read::segments("segment_ids", &wire.segment_ids)?,
        };
        let at = fields::timestamp("occurred_at", wire.occurred_at.as_ref())?;
        let by = (tenant, caller::origin(&request)?);
        let changed = self.change(by, change, at).await?;
        let coupon_codes = changed.drawn.iter().map(ToString::to_string).collect();
        let contact = Some(wire::contact(&changed.contact));
        Ok(Response::new(v1::EnrollContactResponse { contact, coupon_codes }))
    }

    async fn update_contact_status(
        &self,
        request: Request<v1::UpdateContactStatusRequest>,
    ) -> Result<Response<v1::UpdateContactStatusResponse>, Status> {
        let tenant = caller::tenant(&request)?;
        let wire = request.get_ref();
        let change = ContactChange::SetStatus {
            who: read::contact_ref("contact", wire.contact.as_ref())?,
            status: status("status", wire.status)?,
            reason: wire.reason.clone(),
        };
        let at = fields::timestamp("occurred_at", wire.occurred_at.as_ref())?;
        let by = (tenant, caller::origin(&request)?);
        let changed = self.change(by, change, at).await?;
        Ok(Response::new(v1::UpdateContactStatusResponse { contact: Some(wire::contact(&changed.contact)) }))
    }

    async fn tag_contact(
        &self,
        request: Request<v1::TagContactRequest>,
    ) -> Result<Response<v1::TagContactResponse>, Status> {
        let tenant = caller::tenant(&request)?;
        let wire = request.get_ref();
        let change = ContactChange::Tag {
            who: read::contact_ref("contact", wire.contact.as_ref())?,
            add: tags(&wire.add),
            remove: tags(&wire.remove),
        };
        let at = fields::timestamp("occurred_at", wire.occurred_at.as_ref())?;
        let by = (tenant, caller::origin(&request)?);
        let changed = self.change(by, change, at).await?;
        Ok(Response::new(v1::TagContactResponse { contact: Some(wire::contact(&changed.contact)) }))
    }

    async fn flag_contact(
        &self,
        request: Request<v1::FlagContactRequest>,
    ) -> Result<Response<v1::FlagContactResponse>, Status> {
        let (tenant, origin) = (caller::tenant(&request)?, caller::origin(&request)?);
        let wire = request.get_ref();
        let who = read::contact_ref("contact", wire.contact.as_ref())?;
        let change = ContactChange::Flag { who, statement: statement(&wire.reason, &origin) };
        let at = fields::timestamp("occurred_at", wire.occurred_at.as_ref())?;
        let changed = self.change((tenant, origin), change, at).await?;
        Ok(Response::new(v1::FlagContactResponse { contact: Some(wire::contact(&changed.contact)) }))
    }

    async fn unflag_contact(
        &self,
        request: Request<v1::UnflagContactRequest>,
    ) -> Result<Response<v1::UnflagContactResponse>, Status> {
        let (tenant, origin) = (caller::tenant(&request)?, caller::origin(&request)?);
        let wire = request.get_ref();
        let who = read::contact_ref("contact", wire.contact.as_ref())?;
        let change = ContactChange::Unflag { who, statement: statement(&wire.reason, &origin) };
        let at = fields::timestamp("occurred_at", wire.occurred_at.as_ref())?;
        let changed = self.change((tenant, origin), change, at).await?;
        Ok(Response::new(v1::UnflagContactResponse { contact: Some(wire::contact(&changed.contact)) }))
    }
}

/// What the caller says about a contact.
fn statement(reason: &str, origin: &Origin) -> Statement {
    Statement { reason: reason.trim().to_owned(), principal: origin.principal.clone() }
}

fn upsert(wire: &v1::UpsertContactRequest) -> Result<ContactChange, Error> {
    let (email, uid, profile) = profile(wire)?;
    let properties = rpc::properties::read("properties", &wire.properties)?;
    Ok(ContactChange::Upsert { email, uid, profile, properties })
}

/// What a contact is known by, and what it is called.
pub(super) fn profile(
    wire: &v1::UpsertContactRequest,
) -> Result<(Option<Email>, Option<Uid>, Profile), Error> {
    let email = read::email("email", &wire.email)?;
    let uid = fields::parse_optional("uid", &wire.uid)?;
    if email.is_none() && uid.is_none() {
        return Err(Error::field("email", "is required if there is no uid"));
    }
    let profile = Profile {
        first_name: wire.first_name.trim().to_owned(),
        last_name: wire.last_name.trim().to_owned(),
        company: wire.company.trim().to_owned(),
        locale: wire.locale.clone(),
    };
    Ok((email, uid, profile))
}

fn status(path: &str, number: i32) -> Result<ContactStatus, Error> {
    let known = i16::try_from(number).ok().and_then(ContactStatus::from_number);
    known.ok_or_else(|| Error::field(path, "is not a status"))
}

/// Tags, without the spaces at their ends.
pub(super) fn tags(tags: &[String]) -> BTreeSet<String> {
    tags.iter().map(|tag| tag.trim().to_owned()).collect()
}
