//! `laurel segments`.

use clap::Subcommand;
use prost_types::FieldMask;
use proto::attribution::{
    CreateSegmentRequest, GetSegmentRequest, ListSegmentsRequest, UpdateSegmentMembersRequest,
    UpdateSegmentRequest,
};
use proto::common::ContactRef;

use super::{Limit, Session, call};
use crate::arguments::{WHO, When, who};

pub(super) const COLUMNS: &[&str] = &["segment_id", "name", "members", "state", "rule"];

/// What to do with segments.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Create a segment
    Create {
        /// Your id: lower-case letters, digits and inner hyphens
        segment_id: String,
        /// For people [default: the id]
        #[arg(long, default_value = "", hide_default_value = true)]
        name: String,
        /// Who is in it: a condition in CEL, such as `contact.status == "ENROLLED" && "vip" in contact.tags` [default: static]
        #[arg(long, default_value = "", hide_default_value = true)]
        rule: String,
    },
    /// Change what is given; with another rule all contacts are held to it
    Update {
        /// Its id
        segment_id: String,
        /// For people; empty is the id
        #[arg(long)]
        name: Option<String>,
        /// Who is in it
        #[arg(long)]
        rule: Option<String>,
    },
    /// Show a segment
    Get {
        /// Its id
        segment_id: String,
    },
    /// List segments by id
    List {
        #[command(flatten)]
        limit: Limit,
    },
    /// Add contacts, all of them or none
    Add {
        /// The segment's id
        segment_id: String,
        #[arg(value_name = "CONTACT", required = true, value_parser = who, help = WHO)]
        add: Vec<ContactRef>,
        #[command(flatten)]
        when: When,
    },
    /// Remove contacts, all of them or none
    Remove {
        /// The segment's id
        segment_id: String,
        #[arg(value_name = "CONTACT", required = true, value_parser = who, help = WHO)]
        remove: Vec<ContactRef>,
        #[command(flatten)]
        when: When,
    },
}

pub(super) async fn run(command: &Command, session: &Session) -> anyhow::Result<()> {
    match command.clone() {
        Command::Create { segment_id, name, rule } => {
            let request = CreateSegmentRequest { segment_id, name, rule };
            session.answer(&call!(session.segments.create_segment(request)))
        }
        Command::Update { segment_id, name, rule } => {
            let given = [("name", name.is_some()), ("rule", rule.is_some())];
            let paths = given.into_iter().filter(|(_, given)| *given).map(|(path, _)| path.to_owned());
            let update_mask = Some(FieldMask { paths: paths.collect() });
            let (name, rule) = (name.unwrap_or_default(), rule.unwrap_or_default());
            let request = UpdateSegmentRequest { segment_id, name, rule, update_mask };
            session.answer(&call!(session.segments.update_segment(request)))
        }
        Command::Get { segment_id } => {
            session.answer(&call!(session.segments.get_segment(GetSegmentRequest { segment_id })))
        }
        Command::List { limit } => list(session, &limit).await,
        Command::Add { segment_id, add, when } => {
            let remove = Vec::new();
            let request = UpdateSegmentMembersRequest { segment_id, add, remove, occurred_at: when.wire() };
            session.answer(&call!(session.segments.update_segment_members(request)))
        }
        Command::Remove { segment_id, remove, when } => {
            let add = Vec::new();
            let request = UpdateSegmentMembersRequest { segment_id, add, remove, occurred_at: when.wire() };
            session.answer(&call!(session.segments.update_segment_members(request)))
        }
    }
}

async fn list(session: &Session, limit: &Limit) -> anyhow::Result<()> {
    let page = async |page_size, page_token| {
        let page = call!(session.segments.list_segments(ListSegmentsRequest { page_size, page_token }));
        anyhow::Ok((page.segments, page.next_page_token))
    };
    session.list(limit, COLUMNS, page).await
}
