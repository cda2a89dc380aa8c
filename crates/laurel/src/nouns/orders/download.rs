//! `laurel orders export`: orders as a CSV file.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use proto::orders::ExportOrdersRequest;
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

/// Writes to a file, or to standard output. A file takes its name only when it is whole.
pub(super) async fn export(session: &Session, arguments: Export) -> anyhow::Result<()> {
    let Selection { campaign_id, contact_id, filter, order_by } = arguments.selection;
    let contact_id = session.contact_id(contact_id.as_ref()).await?;
    let request = ExportOrdersRequest { campaign_id, contact_id, filter: filter.filter, order_by };
    let Some(path) = arguments.file else {
        write(session, request, &mut io::stdout().lock(), &Progress::beside_output("orders")).await?;
        return Ok(());
    };
    let name = path.display();
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
    let mut part = NamedTempFile::new_in(directory.unwrap_or(Path::new(".")))
        .with_context(|| format!("cannot write {name}"))?;
    let rows = write(session, request, part.as_file_mut(), &Progress::of("orders")).await?;
    part.as_file().sync_all()?;
    part.persist(&path).with_context(|| format!("cannot write {name}"))?;
    show::print([if session.json { json!({ "rows": rows }).to_string() } else { counted(rows, "order") }])
}

/// All pieces, one after the other: how many orders they are.
async fn write(
    session: &Session,
    request: ExportOrdersRequest,
    to: &mut impl Write,
    progress: &Progress,
) -> anyhow::Result<i64> {
    let mut pieces = call!(session.orders.export_orders(request));
    let mut rows = 0;
    while let Some(piece) = pieces.message().await.map_err(explain)? {
        to.write_all(&piece.chunk)?;
        rows += i64::from(piece.rows);
        progress.at(rows.unsigned_abs());
    }
    to.flush()?;
    Ok(rows)
}
