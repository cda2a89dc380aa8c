//! `laurel codes`.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use proto::attribution::{
    ImportCouponCodesProgress, ImportCouponCodesRequest, ImportCouponCodesResponse, IssueCouponCodesRequest,
    IssueShortcodeRequest, ListCodesRequest, ResolveCodeRequest,
};
use proto::common::ContactRef;

use super::upload::{Answer, upload};
use super::{Limit, Session, call};
use crate::arguments::{WHO, one_of, who};
use crate::import::line_of;

pub(super) const COLUMNS: &[&str] =
    &["code", "kind", "campaign_id", "advocate_id", "state", "single_use", "used_by", "issued_at"];

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
    /// Make coupon codes: one for each advocate named, or some for a campaign's pool, from which those who are enrolled draw
    IssueCoupons(IssueCoupons),
    /// Import coupon codes from a CSV file with the columns code, campaign and advocate; rejected rows go to standard error
    Import {
        /// The file
        file: PathBuf,
        /// One contact only may use each
        #[arg(long)]
        single_use: bool,
    },
    /// List shortcodes and coupon codes
    List(List),
    /// Say whose code this is, and for which campaign
    Resolve {
        /// The code, in any case
        code: String,
    },
}

/// Arguments of `laurel codes issue-coupons`.
#[derive(Debug, Clone, Args)]
pub struct IssueCoupons {
    /// The campaign's id [default: global, the codes take the campaign from the call they come with]
    #[arg(long = "campaign", value_name = "CAMPAIGN", default_value = "", hide_default_value = true)]
    campaign_id: String,
    #[arg(long = "advocate", value_name = "CONTACT", value_parser = who, required_unless_present = "count",
        conflicts_with = "count", help = "An advocate to get one, named like a contact; may be repeated")]
    advocates: Vec<ContactRef>,
    /// So many for the pool of the campaign, at most 1,000
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    count: i32,
    /// What they begin with
    #[arg(long, default_value = "", hide_default_value = true)]
    prefix: String,
    /// One contact only may use each
    #[arg(long)]
    single_use: bool,
    /// A repeat with the same one answers with the same codes, for 7 days
    #[arg(long, value_name = "ID")]
    request_id: String,
}

/// Arguments of `laurel codes list`.
#[derive(Debug, Clone, Args)]
pub struct List {
    /// Only those of this campaign
    #[arg(long = "campaign", value_name = "CAMPAIGN", default_value = "", hide_default_value = true)]
    campaign_id: String,
    #[arg(long, value_name = "CONTACT", value_parser = who, help = "Only those of this advocate, named like a contact")]
    advocate: Option<ContactRef>,
    /// Only those of this kind
    #[arg(long, value_parser = one_of("laurel.attribution.v1.CodeKind"))]
    kind: Option<i32>,
    /// Only those in this state
    #[arg(long, value_parser = one_of("laurel.attribution.v1.CodeState"))]
    state: Option<i32>,
    #[command(flatten)]
    limit: Limit,
}

async fn import(session: &Session, file: &Path, single_use: bool) -> anyhow::Result<()> {
    let first = ImportCouponCodesRequest { single_use, ..Default::default() };
    let rest = |chunk| ImportCouponCodesRequest { chunk, ..Default::default() };
    let call = async |pieces| session.clients.codes.clone().import_coupon_codes(pieces).await;
    let read = |answer: ImportCouponCodesResponse| Answer {
        told: answer.rejected.iter().map(|row| line_of(row.line, &row.column, &row.message)).collect(),
        rows: answer.progress.unwrap_or_default().rows,
        summary: answer.summary,
    };
    let counts = |summary: &ImportCouponCodesProgress| {
        let ImportCouponCodesProgress { imported, already_imported, rejected, .. } = summary;
        let told = format!("{imported} imported, {already_imported} already imported, {rejected} rejected");
        (told, *rejected)
    };
    upload(session, file, (first, rest), call, read, counts).await
}

async fn list(session: &Session, which: List) -> anyhow::Result<()> {
    let selected = ListCodesRequest {
        campaign_id: which.campaign_id,
        advocate: which.advocate,
        kind: which.kind.unwrap_or_default(),
        state: which.state.unwrap_or_default(),
        ..Default::default()
    };
    let page = async |page_size, page_token| {
        let request = ListCodesRequest { page_size, page_token, ..selected.clone() };
        let page = call!(session.codes.list_codes(request));
        anyhow::Ok((page.codes, page.next_page_token))
    };
    session.list(&which.limit, COLUMNS, page).await
}

pub(super) async fn run(command: &Command, session: &Session) -> anyhow::Result<()> {
    match command.clone() {
        Command::Issue { campaign_id, advocate, shortcode } => {
            let request = IssueShortcodeRequest { campaign_id, advocate: Some(advocate), shortcode };
            session.answer(&call!(session.codes.issue_shortcode(request)))
        }
        Command::IssueCoupons(new) => {
            let IssueCoupons { campaign_id, advocates, count, prefix, single_use, request_id } = new;
            let request =
                IssueCouponCodesRequest { campaign_id, advocates, count, prefix, single_use, request_id };
            session.answer(&call!(session.codes.issue_coupon_codes(request)))
        }
        Command::Import { file, single_use } => import(session, &file, single_use).await,
        Command::List(which) => list(session, which).await,
        Command::Resolve { code } => {
            session.answer(&call!(session.codes.resolve_code(ResolveCodeRequest { code })))
        }
    }
}
