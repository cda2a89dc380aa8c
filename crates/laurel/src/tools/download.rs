//! `laurel export`: orders as a CSV file.

use std::io::{self, Write};
use std::path::Path;

use anyhow::Context;
use proto::orders::ExportOrdersRequest;
use tempfile::NamedTempFile;

use super::counted;
use crate::client::{Clients, explain};

/// Writes to `file`, or to standard output. A file takes its name only when it is whole.
pub(super) async fn export(
    clients: &Clients,
    file: Option<&Path>,
    filter: &str,
    order_by: &str,
) -> anyhow::Result<()> {
    let (filter, order_by) = (filter.to_owned(), order_by.to_owned());
    let request = ExportOrdersRequest { filter, order_by, ..Default::default() };
    let Some(path) = file else {
        write(clients, request, &mut io::stdout().lock()).await?;
        return Ok(());
    };
    let name = path.display();
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
    let mut part = NamedTempFile::new_in(directory.unwrap_or(Path::new(".")))
        .with_context(|| format!("cannot write {name}"))?;
    let rows = write(clients, request, part.as_file_mut()).await?;
    part.as_file().sync_all()?;
    part.persist(path).with_context(|| format!("cannot write {name}"))?;
    println!("{}", counted(rows, "order"));
    Ok(())
}

/// All pieces, one after the other: how many orders they are.
async fn write(clients: &Clients, request: ExportOrdersRequest, to: &mut impl Write) -> anyhow::Result<i64> {
    let mut pieces = clients.orders.clone().export_orders(request).await.map_err(explain)?.into_inner();
    let mut rows = 0;
    while let Some(piece) = pieces.message().await.map_err(explain)? {
        to.write_all(&piece.chunk)?;
        rows += i64::from(piece.rows);
    }
    to.flush()?;
    Ok(rows)
}
