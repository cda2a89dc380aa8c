//! `laurel contacts`.

mod import;
mod properties;

use clap::Subcommand;
use proto::attribution::{
    EnrollContactRequest, FlagContactRequest, GetContactHistoryRequest, GetContactRequest,
    ListContactsRequest, TagContactRequest, UnflagContactRequest, UpdateContactStatusRequest,
    UpsertContactRequest,
};
use proto::common::ContactRef;

use super::properties::{Command as PropertyCommand, PropertyArguments};
use super::{Filter, Limit, RequestId, Session, call, erasures};
use crate::arguments::{WHO, When, one_of, who};

pub(super) const COLUMNS: &[&str] = &[
    "contact_id",
    "email",
    "uid",
    "status",
    "first_name",
    "last_name",
    "tags",
    "segments=segment_ids",
    "created_at",
];

pub(super) const HISTORY: &[&str] =
    &["recorded_at", "from_status", "to_status", "principal", "method", "reason", "occurred_at"];

/// What to do with contacts.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Create a contact, or change the one that the e-mail address or uid belongs to; what is left out stays as it is
    Upsert {
        /// E-mail address
        #[arg(long, required_unless_present = "uid")]
        email: Option<String>,
        /// Your own id of the contact
        #[arg(long)]
        uid: Option<String>,
        /// First name
        #[arg(long, default_value = "", hide_default_value = true)]
        first_name: String,
        /// Last name
        #[arg(long, default_value = "", hide_default_value = true)]
        last_name: String,
        /// Company
        #[arg(long, default_value = "", hide_default_value = true)]
        company: String,
        /// Language, such as `de-AT`
        #[arg(long, default_value = "", hide_default_value = true)]
        locale: String,
        #[command(flatten)]
        properties: PropertyArguments,
        #[command(flatten)]
        request: RequestId,
    },
    /// Import contacts from a CSV file; rejected rows go to standard error
    Import(import::ImportArguments),
    /// Show a contact
    Get {
        #[arg(value_parser = who, help = WHO)]
        contact: ContactRef,
    },
    /// List contacts, newest first
    List {
        #[command(flatten)]
        filter: Filter,
        #[command(flatten)]
        limit: Limit,
    },
    /// Make a contact an advocate-to-be; creates it if it is unknown
    Enroll {
        #[arg(value_parser = who, help = WHO)]
        contact: ContactRef,
        /// A segment to join; may be repeated
        #[arg(long = "segment", value_name = "SEGMENT")]
        segment_ids: Vec<String>,
        #[command(flatten)]
        when: When,
    },
    /// Set a contact's status, whatever it was
    Status {
        #[arg(value_parser = who, help = WHO)]
        contact: ContactRef,
        /// The status it is to have
        #[arg(value_parser = one_of("laurel.attribution.v1.ContactStatus"))]
        status: i32,
        /// Why; for people
        #[arg(long, default_value = "", hide_default_value = true)]
        reason: String,
        #[command(flatten)]
        when: When,
    },
    /// Say how a contact's status changed, oldest first
    History {
        #[arg(value_parser = who, help = WHO)]
        contact: ContactRef,
        #[command(flatten)]
        limit: Limit,
    },
    /// Flag a contact: its rewards wait for a person
    Flag {
        #[arg(value_parser = who, help = WHO)]
        contact: ContactRef,
        /// Why; for people
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        when: When,
    },
    /// Lift all flags of a contact
    Unflag {
        #[arg(value_parser = who, help = WHO)]
        contact: ContactRef,
        /// Why; for people
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        when: When,
    },
    /// Give a contact tags
    Tag {
        #[arg(value_parser = who, help = WHO)]
        contact: ContactRef,
        /// The tags
        #[arg(value_name = "TAG", required = true)]
        add: Vec<String>,
        #[command(flatten)]
        when: When,
    },
    /// What contacts have beside their fields: custom properties
    #[command(subcommand)]
    Properties(PropertyCommand),
    /// Take tags from a contact
    Untag {
        #[arg(value_parser = who, help = WHO)]
        contact: ContactRef,
        /// The tags
        #[arg(value_name = "TAG", required = true)]
        remove: Vec<String>,
        #[command(flatten)]
        when: When,
    },
    /// Erase a contact in all services, for good, and wait for the receipt; its id stays
    Erase {
        #[arg(value_parser = who, help = WHO)]
        contact: ContactRef,
        /// An id that you gave a browser of the contact: its visits go, too; may be repeated
        #[arg(long = "visitor-id", value_name = "ID")]
        visitor_ids: Vec<String>,
        #[command(flatten)]
        when: When,
        /// Do not wait until all services have done it
        #[arg(long)]
        no_wait: bool,
    },
    /// Show what was removed of an erased contact, and where
    Erasure {
        /// The contact's id
        contact_id: String,
    },
}

pub(super) async fn run(command: &Command, session: &Session) -> anyhow::Result<()> {
    match command.clone() {
        Command::Upsert { email, uid, first_name, last_name, company, locale, properties, request } => {
            let request = UpsertContactRequest {
                email: email.unwrap_or_default(),
                uid: uid.unwrap_or_default(),
                first_name,
                last_name,
                company,
                locale,
                properties: properties::wire(properties, session).await?,
                request_id: request.request_id,
            };
            session.answer(&call!(session.contacts.upsert_contact(request)))
        }
        Command::Import(arguments) => import::import_file(session, &arguments).await,
        Command::Get { contact } => {
            let request = GetContactRequest { contact: Some(contact) };
            session.answer(&call!(session.contacts.get_contact(request)))
        }
        Command::List { filter, limit } => list(session, &filter, &limit).await,
        Command::Enroll { contact, segment_ids, when } => {
            let contact = Some(contact);
            let request = EnrollContactRequest { contact, segment_ids, occurred_at: when.wire() };
            session.answer(&call!(session.contacts.enroll_contact(request)))
        }
        Command::Status { contact, status, reason, when } => {
            let (contact, occurred_at) = (Some(contact), when.wire());
            let request = UpdateContactStatusRequest { contact, status, occurred_at, reason };
            session.answer(&call!(session.contacts.update_contact_status(request)))
        }
        Command::History { contact, limit } => history(session, &contact, &limit).await,
        Command::Flag { contact, reason, when } => {
            let request = FlagContactRequest { contact: Some(contact), reason, occurred_at: when.wire() };
            session.answer(&call!(session.contacts.flag_contact(request)))
        }
        Command::Unflag { contact, reason, when } => {
            let request = UnflagContactRequest { contact: Some(contact), reason, occurred_at: when.wire() };
            session.answer(&call!(session.contacts.unflag_contact(request)))
        }
        Command::Tag { contact, add, when } => tag(session, contact, (add, Vec::new()), &when).await,
        Command::Properties(command) => properties::run(command, session).await,
        Command::Untag { contact, remove, when } => tag(session, contact, (Vec::new(), remove), &when).await,
        Command::Erase { contact, visitor_ids, when, no_wait } => {
            erasures::erase(session, contact, visitor_ids, &when, no_wait).await
        }
        Command::Erasure { contact_id } => erasures::show(session, &contact_id).await,
    }
}

async fn list(session: &Session, filter: &Filter, limit: &Limit) -> anyhow::Result<()> {
    let page = async |page_size, page_token| {
        let request = ListContactsRequest { page_size, page_token, filter: filter.filter.clone() };
        let page = call!(session.contacts.list_contacts(request));
        anyhow::Ok((page.contacts, page.next_page_token))
    };
    session.list(limit, COLUMNS, page).await
}

async fn history(session: &Session, contact: &ContactRef, limit: &Limit) -> anyhow::Result<()> {
    let page = async |page_size, page_token| {
        let request = GetContactHistoryRequest { contact: Some(contact.clone()), page_size, page_token };
        let page = call!(session.contacts.get_contact_history(request));
        anyhow::Ok((page.changes, page.next_page_token))
    };
    session.list(limit, HISTORY, page).await
}

async fn tag(
    session: &Session,
    contact: ContactRef,
    (add, remove): (Vec<String>, Vec<String>),
    when: &When,
) -> anyhow::Result<()> {
    let request = TagContactRequest { contact: Some(contact), add, remove, occurred_at: when.wire() };
    session.answer(&call!(session.contacts.tag_contact(request)))
}
