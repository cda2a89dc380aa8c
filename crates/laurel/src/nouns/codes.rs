//! `laurel codes`.

use clap::Subcommand;
use proto::attribution::{IssueShortcodeRequest, ResolveCodeRequest};
use proto::common::ContactRef;

use super::{Session, call};
use crate::arguments::{WHO, who};

/// What to do with codes.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Give an enrolled advocate a shortcode in a campaign
    Issue {
        /// The campaign's id
        #[arg(long = "campaign", value_name = "CAMPAIGN")]
        campaign_id: String,
        #[arg(long, value_name = "CONTACT", value_parser = who, help = WHO)]
        advocate: ContactRef,
        /// The code wanted: 3 to 32 letters and digits [default: the advocate's first one, or one that Laurel makes]
        #[arg(long = "code", value_name = "CODE", default_value = "", hide_default_value = true)]
        shortcode: String,
    },
    /// Say whose code this is, and for which campaign
    Resolve {
        /// The code, in any case
        code: String,
    },
}

pub(super) async fn run(command: &Command, session: &Session) -> anyhow::Result<()> {
    match command.clone() {
        Command::Issue { campaign_id, advocate, shortcode } => {
            let request = IssueShortcodeRequest { campaign_id, advocate: Some(advocate), shortcode };
            session.answer(&call!(session.codes.issue_shortcode(request)))
        }
        Command::Resolve { code } => {
            session.answer(&call!(session.codes.resolve_code(ResolveCodeRequest { code })))
        }
    }
}
