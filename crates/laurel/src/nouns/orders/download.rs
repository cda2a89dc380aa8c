//! `laurel orders export` and `laurel orders import-report`: CSV files that come in pieces.

use std::path::{Path, PathBuf};

use clap::Args;
use proto::orders::{DownloadImportReportRequest, ExportOrdersRequest, ExportOrdersResponse};
use serde_json::json;

use super::super::download::{Noun, save, saved};
use super::super::{Session, call};
use super::Selection;
use crate::refusal::explain;
use crate::show;
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

/// Writes to a file, or to standard output.
pub(super) async fn export(session: &Session, arguments: Export) -> anyhow::Result<()> {
    let Selection { campaign_id, contact_id, filter, order_by } = arguments.selection;
    let contact_id = session.contact_id(contact_id.as_ref()).await?;
    let request = ExportOrdersRequest { campaign_id, contact_id, filter: filter.filter, order_by };
    let call = async { Ok(call!(session.orders.export_orders(request))) };
    let noun = Noun { one: "order", many: "orders" };
    save(session, arguments.file.as_deref(), noun, call, |ExportOrdersResponse { chunk, rows }| (chunk, rows))
        .await
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
