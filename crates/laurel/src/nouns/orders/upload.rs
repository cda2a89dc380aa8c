//! `laurel orders import`: a CSV file, with progress where somebody watches.

use std::path::PathBuf;

use clap::Args;
use proto::orders::ImportOrdersOptions;
use types::{Clock, SystemClock, new_id};
use uuid::Uuid;

use super::super::Session;
use super::super::upload::{mappings, open, partly_rejected};
use super::download;
use crate::arguments::{mapping, one_of};
use crate::import::{import, rejected_line};
use crate::refusal::ConnectionError;
use crate::show::{self, Progress};

/// Arguments of `laurel orders import`.
#[derive(Debug, Clone, Args)]
pub struct ImportArguments {
    /// The file
    file: PathBuf,
    /// Currency of rows that give none
    #[arg(long, default_value = "", hide_default_value = true)]
    currency: String,
    /// Source of rows that give none
    #[arg(long, default_value = "", hide_default_value = true)]
    source: String,
    /// If an order is stored with different content [default: refuse]
    #[arg(long, value_parser = one_of("laurel.orders.v1.OnConflict"))]
    on_conflict: Option<i32>,
    /// A column that is not named as its field; `-` as the field ignores the column. May be repeated
    ///
    /// Fields: order_id, source, email, uid, contact_id, revenue, currency, campaign, shortcode, advocate_email,
    /// external_status, hubspot_dealstage, line_items, occurred_at, coupon_code, visitor_id, property.NAME.
    #[arg(long = "map", value_name = "HEADER=FIELD", value_parser = mapping)]
    columns: Vec<(String, String)>,
    /// Read and check all rows, and record nothing
    #[arg(long)]
    dry_run: bool,
    /// Your id of this import: if it breaks off, the same command goes on where it was
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    import_id: String,
    /// Where to write the rejected rows, if there are any: a CSV to be mended and imported, as it is
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

impl ImportArguments {
    /// The id of the import: one of ours if there is to be a report, which it is known by.
    fn import_id(&self) -> String {
        if self.import_id.is_empty() && self.report.is_some() {
            return new_id::<Uuid>(SystemClock.now()).to_string();
        }
        self.import_id.clone()
    }
}

/// Imports a file; rejected rows go to standard error, and are an error in the end.
pub(super) async fn import_file(session: &Session, arguments: &ImportArguments) -> anyhow::Result<()> {
    let import_id = arguments.import_id();
    let options = ImportOrdersOptions {
        columns: mappings(&arguments.columns)?,
        default_currency: arguments.currency.clone(),
        default_source: arguments.source.clone(),
        on_conflict: arguments.on_conflict.unwrap_or_default(),
        import_id: import_id.clone(),
        dry_run: arguments.dry_run,
    };
    let file = open(&arguments.file)?;
    let progress = Progress::of("rows");
    let imported = import(
        &session.clients,
        file,
        options,
        |counts| progress.at(counts.rows.unsigned_abs()),
        |row| progress.say(&rejected_line(row)),
    )
    .await;
    if arguments.import_id != import_id && imported.as_ref().is_err_and(anyhow::Error::is::<ConnectionError>)
    {
        progress.say(&format!("--import-id {import_id} goes on where it was"));
    }
    let summary = imported?;
    drop(progress);
    if session.json {
        session.answer(&summary)?;
    } else {
        let tried = if arguments.dry_run { "nothing was recorded, it would be: " } else { "" };
        show::print([format!(
            "{tried}{} recorded, {} already recorded, {} updated, {} rejected",
            summary.recorded, summary.already_recorded, summary.updated, summary.rejected
        )])?;
    }
    if let Some(path) = arguments.report.as_deref().filter(|_| summary.rejected > 0) {
        let refused = download::save_report(session, import_id, Some(path)).await?;
        if !session.json {
            show::print([format!("{}: {}", path.display(), refused.told())])?;
        }
    }
    partly_rejected(summary.rejected)
}
