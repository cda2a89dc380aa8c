//! A CSV of any size through `ImportOrders`, in pieces; memory does not grow with the file.

use std::io::Read;

use proto::orders::{ImportOrdersOptions, ImportOrdersRequest, ImportProgress, RejectedRow};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::client::{Clients, explain};

const PIECE: usize = 64 * 1024;

/// Sends everything `csv` yields; calls `progress` and `rejected` as answers come back; returns the summary.
pub async fn import(
    clients: &Clients,
    mut csv: impl Read + Send + 'static,
    options: ImportOrdersOptions,
    mut progress: impl FnMut(&ImportProgress),
    mut rejected: impl FnMut(&RejectedRow),
) -> anyhow::Result<ImportProgress> {
    let (sender, pieces) = mpsc::channel(4);
    let reader = tokio::task::spawn_blocking(move || -> std::io::Result<()> {
        let first = ImportOrdersRequest { options: Some(options), chunk: Vec::new() };
        let mut next = Some(first);
        while let Some(message) = next.take() {
            // the call ended early: what it says is on the other stream
            if sender.blocking_send(message).is_err() {
                break;
            }
            let mut chunk = vec![0; PIECE];
            let read = csv.read(&mut chunk)?;
            chunk.truncate(read);
            next = (read > 0).then_some(ImportOrdersRequest { options: None, chunk });
        }
        Ok(())
    });
    let mut answers = clients
        .orders
        .clone()
        .import_orders(ReceiverStream::new(pieces))
        .await
        .map_err(explain)?
        .into_inner();
    let mut summary = None;
    while let Some(answer) = answers.message().await.map_err(explain)? {
        answer.rejected.iter().for_each(&mut rejected);
        if let Some(counts) = &answer.progress {
            progress(counts);
        }
        if let Some(counts) = answer.summary {
            progress(&counts);
            summary = Some(counts);
        }
    }
    reader.await??;
    summary.ok_or_else(|| anyhow::anyhow!("the import ended without a summary; run it again"))
}
