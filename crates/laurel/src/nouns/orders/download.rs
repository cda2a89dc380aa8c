//! `laurel orders export` and `laurel orders import-report`: CSV files that come in pieces.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use proto::orders::{DownloadImportReportRequest, ExportOrdersRequest};
use serde_json::json;
use tempfile::NamedTempFile;

use super::super::{Session, call};
use super::Selection;
use crate::refusal::explain;
use crate::show::{self, Progress};
use crate::tools::counted;

/// Arguments of `laurel orders export`.
#[derive(Debug, Clone, Args)]
pub struct Export {
    /// The file; without one, standard output. It is there only when it is whole
    file: Option<PathBuf>,
    #[command(flatten)]
    selection: Selection,
}

/// Arguments of `laurel orders import-report`.
#[derive(Debug, Clone, Args)]
pub struct Report {
    /// Id of the import
    #[arg(long, value_name = "ID")]
    import_id: String,
    /// The file; without one, standard output. It is there only when it is whole
    #[arg(long = "output", value_name = "FILE")]
    file: Option<PathBuf>,
}

/// What an import refused, as it was written to a file.
pub(super) struct Refused {
    /// Rows that are there.
    pub(super) rows: i64,
    /// Rows that were refused besides.
    pub(super) left_out: i64,
}

impl Refused {
    /// In words.
    pub(super) fn told(&self) -> String {
        let rows = counted(self.rows, "row");
        if self.left_out == 0 { rows } else { format!("{rows}; {} more are not kept", self.left_out) }
    }
}

pub(super) async fn export(session: &Session, arguments: Export) -> anyhow::Result<()> {
    let Selection { campaign_id, contact_id, filter, order_by } = arguments.selection;
    let contact_id = session.contact_id(contact_id.as_ref()).await?;
    let request = ExportOrdersRequest { campaign_id, contact_id, filter: filter.filter, order_by };
    let path = arguments.file.as_deref();
    let rows = saved(path, "orders", async |to, progress| {
        let mut pieces = call!(session.orders.export_orders(request));
        let mut rows = 0;
        while let Some(piece) = pieces.message().await.map_err(explain)? {
            to.write_all(&piece.chunk)?;
            rows += i64::from(piece.rows);
            progress.at(rows.unsigned_abs());
        }
        Ok(rows)
    });
    let rows = rows.await?;
    if path.is_none() {
        return Ok(());
    }
    show::print([if session.json { json!({ "rows": rows }).to_string() } else { counted(rows, "order") }])
}

pub(super) async fn import_report(session: &Session, arguments: Report) -> anyhow::Result<()> {
    let path = arguments.file.as_deref();
    let refused = save_report(session, arguments.import_id, path).await?;
    match path {
        Some(_) if session.json => {
            show::print([json!({ "rows": refused.rows, "left_out": refused.left_out }).to_string()])
        }
        Some(_) => show::print([refused.told()]),
        None => {
            if refused.left_out > 0 {
                eprintln!("{}", refused.told());
            }
            Ok(())
        }
    }
}

/// Writes what an import refused to a file, or to standard output.
pub(super) async fn save_report(
    session: &Session,
    import_id: String,
    path: Option<&Path>,
) -> anyhow::Result<Refused> {
    let report = saved(path, "rows", async |to, progress| {
        let request = DownloadImportReportRequest { import_id };
        let mut pieces = call!(session.orders.download_import_report(request));
        let mut refused = Refused { rows: 0, left_out: 0 };
        while let Some(piece) = pieces.message().await.map_err(explain)? {
            to.write_all(&piece.chunk)?;
            refused.rows += i64::from(piece.rows);
            refused.left_out += piece.left_out;
            progress.at(refused.rows.unsigned_abs());
        }
        Ok(refused)
    });
    report.await
}

/// Has something written to a file, which takes its name only when it is whole, or to standard output.
async fn saved<T>(
    path: Option<&Path>,
    unit: &'static str,
    write: impl AsyncFnOnce(&mut dyn Write, &Progress) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let Some(path) = path else {
        let mut out = io::stdout().lock();
        let written = write(&mut out, &Progress::beside_output(unit)).await?;
        out.flush()?;
        return Ok(written);
    };
    let name = path.display();
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
    let mut part = NamedTempFile::new_in(directory.unwrap_or(Path::new(".")))
        .with_context(|| format!("cannot write {name}"))?;
    let written = write(part.as_file_mut(), &Progress::of(unit)).await?;
    part.as_file().sync_all()?;
    part.persist(path).with_context(|| format!("cannot write {name}"))?;
    Ok(written)
}
