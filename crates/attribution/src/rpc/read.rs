//! Reading what several requests have in common.

use std::collections::BTreeSet;

use proto::common;
use rpc::{Error, fields};
use types::{SegmentId, TenantId};
use uuid::Uuid;

use crate::App;
use crate::commands::Request;
use crate::domain::{Books, Contact, ContactRef, Violation};
use crate::store::{self, ContactKeys};

/// A reference to a contact; at least one of its keys is required.
pub(super) fn contact_ref(path: &str, wire: Option<&common::ContactRef>) -> Result<ContactRef, Error> {
    let wire = fields::required(path, wire)?;
    let who = ContactRef {
        id: fields::parse_optional(&format!("{path}.contact_id"), &wire.contact_id)?,
        email: email(&format!("{path}.email"), &wire.email)?,
        uid: fields::parse_optional(&format!("{path}.uid"), &wire.uid)?,
    };
    if who == ContactRef::default() {
        return Err(Error::field(path, "needs a contact_id, email or uid"));
    }
    Ok(who)
}

/// What a reference names, for the query that a page token is bound to.
pub(super) fn named(who: &ContactRef) -> String {
    let id = who.id.map(|id| id.to_string()).unwrap_or_default();
    let email = who.email.as_ref().map_or("", types::Email::as_str);
    let uid = who.uid.as_ref().map_or("", crate::domain::Uid::as_str);
    [&id, email, uid].join("\n")
}

/// An e-mail address, if given.
pub(super) fn email(path: &str, text: &str) -> Result<Option<types::Email>, Error> {
    if text.is_empty() {
        return Ok(None);
    }
    types::Email::parse(text).map(Some).map_err(|e| Error::field(path, e))
}

/// A list of segments.
pub(super) fn segments(path: &str, ids: &[String]) -> Result<BTreeSet<SegmentId>, Error> {
    ids.iter().enumerate().map(|(n, id)| fields::parse(&format!("{path}[{n}]"), id)).collect()
}

/// A request id, if given, with the hash of `request`, which is encoded without the id.
pub(super) fn request(
    app: &App,
    tenant: &TenantId,
    method: &'static str,
    request_id: &str,
    request: &impl prost::Message,
) -> Option<Request> {
    request_of(app, tenant, method, request_id, &request.encode_to_vec())
}

/// The same with the hash of these bytes.
pub(super) fn request_of(
    app: &App,
    tenant: &TenantId,
    method: &'static str,
    request_id: &str,
    bytes: &[u8],
) -> Option<Request> {
    if request_id.is_empty() {
        return None;
    }
    let key = pg::requests::Key { tenant: tenant.clone(), method, request_id: request_id.to_owned() };
    Some(Request { key, hash: app.hasher.hash(bytes) })
}

/// The id after which a page begins.
pub(super) fn after(page: &rpc::page::Page) -> Result<Option<Uuid>, Error> {
    page.after_as()
}

/// The contact that `who` names, and the book it is in; one that was erased is found by its id.
pub(super) async fn known_contact(
    app: &App,
    tenant: &TenantId,
    who: &ContactRef,
) -> Result<(Books, Contact), Error> {
    let mut conn = app.db.read().acquire().await?;
    let mut books = Books::default();
    let mut keys = ContactKeys::default();
    keys.add(tenant, who);
    store::load_contacts(&mut conn, &keys, &mut books).await?;
    let book = books.get(tenant).ok_or(Violation::ContactNotFound(who.id))?;
    let contact = book.people.find_stored(who)?.clone();
    Ok((books, contact))
}
