//! `laurel orders import`: a CSV file, with progress where somebody watches.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use proto::orders::ImportOrdersOptions;
use types::{Clock, SystemClock, new_id};
use uuid::Uuid;

use super::super::Session;
use super::download;
use crate::arguments::{mapping, one_of};
use crate::import::{import, rejected_line};
use crate::refusal::{ConnectionError, Exit, Refused};
use crate::show::{self, Progress};
use crate::tools::counted;

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

/// An error if rows were rejected.
pub(in crate::nouns) fn partly_rejected(rows: i64) -> anyhow::Result<()> {
    if rows == 0 {
        return Ok(());
    }
    let verb = if rows == 1 { "was" } else { "were" };
    Err(Refused::new(Exit::PartlyRejected, format!("{} {verb} rejected", counted(rows, "row"))).into())
}

/// Opens a file that has something in it.
pub(in crate::nouns) fn open(path: &Path) -> anyhow::Result<BufReader<File>> {
    let name = path.display();
    let file = File::open(path).with_context(|| format!("cannot read {name}"))?;
    anyhow::ensure!(!file.metadata()?.is_dir(), "{name} is a directory");
    let mut file = BufReader::new(file);
    let begin = file.fill_buf().with_context(|| format!("cannot read {name}"))?;
    anyhow::ensure!(!begin.is_empty(), "{name} is empty: it must begin with a header line");
    Ok(file)
}

/// What each column is mapped to, once.
fn mappings(columns: &[(String, String)]) -> Result<HashMap<String, String>, Refused> {
    let mut all = HashMap::new();
    for (header, field) in columns {
        let earlier = all.insert(header.clone(), field.clone());
        if earlier.is_some() {
            return Err(Refused::new(Exit::Usage, format!("--map `{header}` is given twice")));
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_and_an_empty_file_are_told_in_one_line() {
        let said = |path: &str| open(Path::new(path)).map(|_| ()).unwrap_err().to_string();
        assert_eq!(said("/"), "/ is a directory");
        assert_eq!(said("/dev/null"), "/dev/null is empty: it must begin with a header line");
        assert_eq!(said("/no/such/file"), "cannot read /no/such/file");
    }

    #[test]
    fn a_column_is_mapped_once() {
        let pair = |header: &str, field: &str| (header.to_owned(), field.to_owned());
        let all = mappings(&[pair("Who", "email"), pair("Junk", "-")]).unwrap();
        assert_eq!(all.get("Junk").map(String::as_str), Some("-"));
        let twice = mappings(&[pair("Who", "email"), pair("Who", "uid")]).unwrap_err();
        assert_eq!(twice.to_string(), "--map `Who` is given twice");
    }
}
