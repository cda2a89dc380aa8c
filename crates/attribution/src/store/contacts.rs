//! Contacts and their segment memberships.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use pg::{Inserts, WriteTx};
use sqlx::PgConnection;
use types::{ContactId, Email, SegmentId, TenantId, Timestamp};

use super::properties::DEFINITIONS;
use crate::domain::{Book, Books, Contact, ContactRef, ContactStatus, Profile, Tracked, Uid};

/// Separates tags on their way into an array of arrays, which SQL has not; no text of ours holds it.
const SEPARATOR: &str = "\u{1f}";

/// Keys of the contacts to load.
#[derive(Debug, Default)]
pub(crate) struct ContactKeys<'a> {
    ids: HashSet<(&'a TenantId, ContactId)>,
    emails: HashSet<(&'a TenantId, &'a Email)>,
    uids: HashSet<(&'a TenantId, &'a Uid)>,
}

impl<'a> ContactKeys<'a> {
    /// The contacts that a reference may mean.
    pub(crate) fn add(&mut self, tenant: &'a TenantId, who: &'a ContactRef) {
        self.ids.extend(who.id.map(|id| (tenant, id)));
        self.emails.extend(who.email.as_ref().map(|email| (tenant, email)));
        self.uids.extend(who.uid.as_ref().map(|uid| (tenant, uid)));
    }

    /// One contact by id.
    pub(crate) fn add_id(&mut self, tenant: &'a TenantId, id: ContactId) {
        self.ids.insert((tenant, id));
    }
}

/// A contact as it is stored.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct Row {
    tenant_id: TenantId,
    contact_id: ContactId,
    email: Option<String>,
    uid: Option<String>,
    first_name: String,
    last_name: String,
    company: String,
    locale: String,
    tags: Vec<String>,
    status: i16,
    created_at: Timestamp,
    flags: String,
    erased_at: Option<Timestamp>,
    properties: String,
    segment_ids: Vec<SegmentId>,
}

impl Row {
    /// The contact.
    pub(super) fn read(self) -> Result<Contact, pg::Error> {
        let email = self.email.map(|text| Email::parse(&text)).transpose();
        let uid = self.uid.map(|text| text.parse::<Uid>()).transpose();
        Ok(Contact {
            id: self.contact_id,
            // the value itself must not get into the log
            email: email.map_err(|e| pg::Error::unreadable("contacts.email", e))?,
            uid: uid.map_err(|e| pg::Error::unreadable("contacts.uid", e))?,
            profile: Profile {
                first_name: self.first_name,
                last_name: self.last_name,
                company: self.company,
                locale: self.locale,
            },
            tags: self.tags.into_iter().collect(),
            status: super::number(ContactStatus::from_number(self.status), "contacts.status", self.status)?,
            segments: self.segment_ids.into_iter().collect(),
            created_at: self.created_at,
            flags: super::flags::read(&self.flags)?,
            erased_at: self.erased_at,
            properties: pg::properties::read(&self.properties)
                .ok_or_else(|| pg::Error::unreadable("contacts.properties", "not as they are written"))?,
        })
    }
}

/// Loads the contacts with these keys, and the segments they are in.
pub(crate) async fn load(
    conn: &mut PgConnection,
    keys: &ContactKeys<'_>,
    books: &mut Books,
) -> Result<(), pg::Error> {
    let (id_tenants, ids): (Vec<_>, Vec<_>) = keys.ids.iter().map(|(t, id)| (t.as_str(), *id)).unzip();
    let (email_tenants, emails): (Vec<_>, Vec<_>) =
        keys.emails.iter().map(|(t, email)| (t.as_str(), email.as_str())).unzip();
    let (uid_tenants, uids): (Vec<_>, Vec<_>) =
        keys.uids.iter().map(|(t, uid)| (t.as_str(), uid.as_str())).unzip();
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT c.tenant_id, c.contact_id, c.email, c.uid, c.first_name, c.last_name, c.company, c.locale, c.tags,
                c.status, c.created_at, c.flags::text AS flags, c.erased_at, c.properties::text AS properties,
                ARRAY (SELECT m.segment_id FROM segment_members m
                        WHERE m.tenant_id = c.tenant_id AND m.contact_id = c.contact_id) AS segment_ids
           FROM (SELECT c.* FROM unnest($1::text[], $2::uuid[]) AS k (tenant_id, contact_id)
                  CROSS JOIN LATERAL (
                      SELECT * FROM contacts
                       WHERE tenant_id = k.tenant_id AND contact_id = k.contact_id OFFSET 0) c
                 UNION ALL
                 SELECT c.* FROM unnest($3::text[], $4::text[]) AS k (tenant_id, email)
                  CROSS JOIN LATERAL (
                      SELECT * FROM contacts
                       WHERE email = k.email AND tenant_id IS NOT DISTINCT FROM k.tenant_id OFFSET 0) c
                 UNION ALL
                 SELECT c.* FROM unnest($5::text[], $6::text[]) AS k (tenant_id, uid)
                  CROSS JOIN LATERAL (
                      SELECT * FROM contacts
                       WHERE uid = k.uid AND tenant_id IS NOT DISTINCT FROM k.tenant_id OFFSET 0) c) AS c",
    )
    .bind(id_tenants)
    .bind(ids)
    .bind(email_tenants)
    .bind(emails)
    .bind(uid_tenants)
    .bind(uids)
    .fetch_all(conn)
    .await?;
    for row in rows {
        let tenant = row.tenant_id.clone();
        books.of(&tenant).people.add(row.read()?);
    }
    Ok(())
}

/// Loads a tenant's contacts after one, in the order of their ids, which it gives.
pub(crate) async fn load_after(
    conn: &mut PgConnection,
    tenant: &TenantId,
    after: ContactId,
    limit: usize,
    books: &mut Books,
) -> Result<Vec<ContactId>, pg::Error> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT c.tenant_id, c.contact_id, c.email, c.uid, c.first_name, c.last_name, c.company, c.locale, c.tags,
                c.status, c.created_at, c.flags::text AS flags, c.erased_at, c.properties::text AS properties,
                ARRAY (SELECT m.segment_id FROM segment_members m
                        WHERE m.tenant_id = c.tenant_id AND m.contact_id = c.contact_id) AS segment_ids
           FROM contacts c WHERE c.tenant_id = $1 AND c.contact_id > $2 ORDER BY c.contact_id LIMIT $3",
    )
    .bind(tenant)
    .bind(after)
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .fetch_all(conn)
    .await?;
    let ids = rows.iter().map(|row| row.contact_id).collect();
    for row in rows {
        books.of(tenant).people.add(row.read()?);
    }
    Ok(ids)
}

/// Writes new and changed contacts, and memberships. Changes first: a key given up may be taken over by a new contact.
/// Whether there were any of these.
pub(super) async fn save(tx: &mut WriteTx, inserts: &mut Inserts, books: &Books) -> Result<bool, pg::Error> {
    let (mut changed, mut created) = (Columns::default(), Columns::default());
    for (tenant, book) in books.iter() {
        for contact in book.people.iter() {
            if contact.is_changed() {
                changed.push(tenant, contact)?;
            } else if contact.is_created() {
                created.push(tenant, contact)?;
            }
        }
    }
    mark_used(tx, books).await?;
    update(tx, &changed).await?;
    let left = leave(tx, books).await?;
    count_members(tx, books).await?;
    insert(inserts, &created);
    join(inserts, books);
    Ok(!changed.ids.is_empty() || left)
}

/// Keeps that there are values of properties of which there never were any.
async fn mark_used(tx: &mut WriteTx, books: &Books) -> Result<(), pg::Error> {
    let mut used = BTreeSet::new();
    for (tenant, book) in books.iter() {
        let unused = book.definitions.values().filter(|definition| !definition.used);
        let is_held = |name| book.people.iter().any(|contact| contact.get().properties.contains_key(name));
        used.extend(unused.filter(|definition| is_held(&definition.name)).map(|d| (tenant, &d.name)));
    }
    DEFINITIONS.mark_used(tx, &used).await
}

#[derive(Debug, Default)]
struct Columns<'a> {
    tenants: Vec<&'a str>,
    ids: Vec<ContactId>,
    emails: Vec<Option<&'a str>>,
    uids: Vec<Option<&'a str>>,
    first_names: Vec<&'a str>,
    last_names: Vec<&'a str>,
    companies: Vec<&'a str>,
    locales: Vec<&'a str>,
    tags: Vec<String>,
    statuses: Vec<i16>,
    created_at: Vec<Timestamp>,
    flags: Vec<String>,
    erased_at: Vec<Option<Timestamp>>,
    properties: Vec<String>,
}

impl<'a> Columns<'a> {
    fn push(&mut self, tenant: &'a TenantId, contact: &'a Tracked<Contact>) -> Result<(), pg::Error> {
        let contact = contact.get();
        self.tenants.push(tenant.as_str());
        self.ids.push(contact.id);
        self.emails.push(contact.email.as_ref().map(Email::as_str));
        self.uids.push(contact.uid.as_ref().map(Uid::as_str));
        self.first_names.push(&contact.profile.first_name);
        self.last_names.push(&contact.profile.last_name);
        self.companies.push(&contact.profile.company);
        self.locales.push(&contact.profile.locale);
        self.tags.push(contact.tags.iter().map(String::as_str).collect::<Vec<_>>().join(SEPARATOR));
        self.statuses.push(contact.status.number());
        self.created_at.push(contact.created_at);
        self.flags.push(super::flags::write(&contact.flags)?);
        self.erased_at.push(contact.erased_at);
        self.properties.push(pg::properties::write(&contact.properties));
        Ok(())
    }
}

fn insert(inserts: &mut Inserts, new: &Columns<'_>) {
    if new.ids.is_empty() {
        return;
    }
    inserts.add(
        "INSERT INTO contacts (tenant_id, contact_id, email, uid, first_name, last_name, company, locale, tags,
                               status, created_at, flags, properties)
         SELECT tenant_id, contact_id, email, uid, first_name, last_name, company, locale,
                string_to_array(tags, $14), status, created_at, flags::jsonb, properties::jsonb
           FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
                       $8::text[], $9::text[], $10::smallint[], $11::timestamptz[], $12::text[],
                       $13::text[])
                AS n (tenant_id, contact_id, email, uid, first_name, last_name, company, locale, tags, status,
                      created_at, flags, properties)",
    )
    .bind(&new.tenants)
    .bind(&new.ids)
    .bind(&new.emails)
    .bind(&new.uids)
    .bind(&new.first_names)
    .bind(&new.last_names)
    .bind(&new.companies)
    .bind(&new.locales)
    .bind(&new.tags)
    .bind(&new.statuses)
    .bind(&new.created_at)
    .bind(&new.flags)
    .bind(&new.properties)
    .bind(SEPARATOR);
}

async fn update(tx: &mut WriteTx, changed: &Columns<'_>) -> Result<(), pg::Error> {
    if changed.ids.is_empty() {
        return Ok(());
    }
    let done = sqlx::query(
        "UPDATE contacts c
            SET email = n.email, uid = n.uid, first_name = n.first_name, last_name = n.last_name,
                company = n.company, locale = n.locale, tags = string_to_array(n.tags, $13), status = n.status,
                flags = n.flags::jsonb, erased_at = n.erased_at, properties = n.properties::jsonb
           FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
                       $8::text[], $9::text[], $10::smallint[], $11::text[], $12::timestamptz[], $14::text[])
                AS n (tenant_id, contact_id, email, uid, first_name, last_name, company, locale, tags, status,
                      flags, erased_at, properties)
          WHERE c.tenant_id = n.tenant_id AND c.contact_id = n.contact_id",
    )
    .bind(&changed.tenants)
    .bind(&changed.ids)
    .bind(&changed.emails)
    .bind(&changed.uids)
    .bind(&changed.first_names)
    .bind(&changed.last_names)
    .bind(&changed.companies)
    .bind(&changed.locales)
    .bind(&changed.tags)
    .bind(&changed.statuses)
    .bind(&changed.flags)
    .bind(&changed.erased_at)
    .bind(SEPARATOR)
    .bind(&changed.properties)
    .execute(&mut **tx)
    .await?;
    super::all_changed("contacts", done.rows_affected(), changed.ids.len())
}

type Memberships<'a> = (Vec<&'a str>, (Vec<ContactId>, Vec<&'a str>));

fn memberships(books: &Books, of: impl Fn(&Book) -> &BTreeSet<(ContactId, SegmentId)>) -> Memberships<'_> {
    books
        .iter()
        .flat_map(|(tenant, book)| {
            of(book).iter().map(move |(id, segment)| (tenant.as_str(), (*id, segment.as_str())))
        })
        .unzip()
}

/// Keeps the numbers of members; memberships change by less than a slice has room for.
async fn count_members(tx: &mut WriteTx, books: &Books) -> Result<(), pg::Error> {
    let mut counts: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    for (tenant, book) in books.iter() {
        for (memberships, by) in [(book.people.joined(), 1), (book.people.left(), -1)] {
            for (_, segment) in memberships {
                *counts.entry((tenant.as_str(), segment.as_str())).or_default() += by;
            }
        }
    }
    if counts.is_empty() {
        return Ok(());
    }
    let (segments, counts): (Vec<(&str, &str)>, Vec<i64>) = counts.into_iter().unzip();
    let (tenants, segments): (Vec<&str>, Vec<&str>) = segments.into_iter().unzip();
    sqlx::query(
        "UPDATE segments s SET members = s.members + n.by
           FROM unnest($1::text[], $2::text[], $3::bigint[]) AS n (tenant_id, segment_id, by)
          WHERE s.tenant_id = n.tenant_id AND s.segment_id = n.segment_id",
    )
    .bind(tenants)
    .bind(segments)
    .bind(counts)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

fn join(inserts: &mut Inserts, books: &Books) {
    let (tenants, (contacts, segments)) = memberships(books, |book| book.people.joined());
    if tenants.is_empty() {
        return;
    }
    inserts
        .add(
            "INSERT INTO segment_members (tenant_id, contact_id, segment_id)
         SELECT * FROM unnest($1::text[], $2::uuid[], $3::text[])",
        )
        .bind(&tenants)
        .bind(contacts)
        .bind(segments);
}

async fn leave(tx: &mut WriteTx, books: &Books) -> Result<bool, pg::Error> {
    let (tenants, (contacts, segments)) = memberships(books, |book| book.people.left());
    if tenants.is_empty() {
        return Ok(false);
    }
    let done = sqlx::query(
        "DELETE FROM segment_members m
          USING unnest($1::text[], $2::uuid[], $3::text[]) AS n (tenant_id, contact_id, segment_id)
          WHERE m.tenant_id = n.tenant_id AND m.contact_id = n.contact_id AND m.segment_id = n.segment_id",
    )
    .bind(&tenants)
    .bind(contacts)
    .bind(segments)
    .execute(&mut **tx)
    .await?;
    super::all_changed("segment_members", done.rows_affected(), tenants.len())?;
    Ok(true)
}
