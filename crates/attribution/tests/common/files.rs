//! Attributions out of CSV files, and as such.

use proto::attribution as v1;
use tonic::Status;
use v1::{ImportAttributionsOptions, ImportAttributionsProgress, ImportAttributionsRequest};

use super::Tenant;

/// What an import said.
#[derive(Debug, Default)]
pub(crate) struct Imported {
    pub(crate) rejected: Vec<v1::RejectedAttributionRow>,
    pub(crate) unattributed: Vec<v1::UnattributedRow>,
    pub(crate) summary: ImportAttributionsProgress,
}

/// Sends a file in pieces of this size.
pub(crate) async fn import_in_pieces(
    of: &Tenant,
    file: &[u8],
    size: usize,
    options: ImportAttributionsOptions,
) -> Result<Imported, Status> {
    let first = ImportAttributionsRequest { options: Some(options), chunk: Vec::new() };
    let rest =
        file.chunks(size).map(|chunk| ImportAttributionsRequest { options: None, chunk: chunk.to_vec() });
    let messages: Vec<_> = [first].into_iter().chain(rest).collect();
    let answers = of.attributions().import_attributions(futures::stream::iter(messages)).await;
    let mut imported = Imported::default();
    let read = |answer: v1::ImportAttributionsResponse| {
        imported.rejected.extend(answer.rejected);
        imported.unattributed.extend(answer.unattributed);
        answer.summary
    };
    let summary = testkit::summary(answers, read).await?;
    Ok(Imported { summary, ..imported })
}

/// The same without options, in few pieces.
pub(crate) async fn import(of: &Tenant, file: &[u8]) -> Imported {
    import_in_pieces(of, file, 64 * 1024, ImportAttributionsOptions::default()).await.unwrap()
}

/// The same as one that has an id.
pub(crate) async fn import_as(of: &Tenant, file: &str, import_id: &str) -> Imported {
    let options = ImportAttributionsOptions { import_id: import_id.into(), ..Default::default() };
    import_in_pieces(of, file.as_bytes(), 64 * 1024, options).await.unwrap()
}

/// The whole file, and the rows that its pieces say it has.
pub(crate) async fn export(
    of: &Tenant,
    ask: v1::ExportAttributionsRequest,
) -> Result<(Vec<u8>, i32), Status> {
    let mut pieces = of.attributions().export_attributions(ask).await?.into_inner();
    let (mut file, mut rows) = (Vec::new(), 0);
    while let Some(piece) = pieces.message().await? {
        file.extend(piece.chunk);
        rows += piece.rows;
    }
    Ok((file, rows))
}

/// The values of a column.
pub(crate) fn column(file: &[u8], name: &str) -> Vec<String> {
    let mut reader = csv::Reader::from_reader(file);
    let place = reader.headers().unwrap().iter().position(|header| header == name).unwrap();
    reader.records().map(|record| record.unwrap()[place].to_owned()).collect()
}
