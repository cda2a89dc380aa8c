//! Exports: a CSV file, or standard output.

use std::io::{self, Write};
use std::path::Path;

use anyhow::Context;
use serde_json::json;
use tempfile::NamedTempFile;
use tonic::Streaming;

use super::Session;
use crate::refusal::explain;
use crate::show::{self, Progress};
use crate::tools::counted;

/// What is exported, by the words for one and for many.
#[derive(Debug, Clone, Copy)]
pub(super) struct Noun {
    pub(super) one: &'static str,
    pub(super) many: &'static str,
}

/// Writes what a call yields to a file, or to standard output; `read` tells the bytes of a piece and how many rows they are. A
/// file takes its name only when it is whole.
pub(super) async fn save<P>(
    session: &Session,
    file: Option<&Path>,
    noun: Noun,
    call: impl Future<Output = anyhow::Result<Streaming<P>>>,
    read: impl Fn(P) -> (Vec<u8>, i32),
) -> anyhow::Result<()> {
    let Some(path) = file else {
        write(call.await?, read, &mut io::stdout().lock(), &Progress::beside_output(noun.many)).await?;
        return Ok(());
    };
    let name = path.display();
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
    let mut part = NamedTempFile::new_in(directory.unwrap_or(Path::new(".")))
        .with_context(|| format!("cannot write {name}"))?;
    let rows = write(call.await?, read, part.as_file_mut(), &Progress::of(noun.many)).await?;
    part.as_file().sync_all()?;
    part.persist(path).with_context(|| format!("cannot write {name}"))?;
    show::print([if session.json { json!({ "rows": rows }).to_string() } else { counted(rows, noun.one) }])
}

/// All pieces, one after the other: how many rows they are.
async fn write<P>(
    mut pieces: Streaming<P>,
    read: impl Fn(P) -> (Vec<u8>, i32),
    to: &mut impl Write,
    progress: &Progress,
) -> anyhow::Result<i64> {
    let mut all = 0;
    while let Some(piece) = pieces.message().await.map_err(explain)? {
        let (chunk, rows) = read(piece);
        to.write_all(&chunk)?;
        all += i64::from(rows);
        progress.at(all.unsigned_abs());
    }
    to.flush()?;
    Ok(all)
}
