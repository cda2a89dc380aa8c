//! Files that come in pieces: on disk, or on standard output.

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

/// Writes what a call yields to a file, or to standard output; `read` tells the bytes of a piece and how many rows they are.
pub(super) async fn save<P>(
    session: &Session,
    path: Option<&Path>,
    noun: Noun,
    call: impl Future<Output = anyhow::Result<Streaming<P>>>,
    read: impl Fn(P) -> (Vec<u8>, i32),
) -> anyhow::Result<()> {
    let rows = saved(path, noun.many, async |to, progress| {
        let (mut pieces, mut rows) = (call.await?, 0);
        while let Some(piece) = pieces.message().await.map_err(explain)? {
            let (chunk, more) = read(piece);
            to.write_all(&chunk)?;
            rows += i64::from(more);
            progress.at(rows.unsigned_abs());
        }
        Ok(rows)
    });
    let rows = rows.await?;
    if path.is_none() {
        return Ok(());
    }
    show::print([if session.json { json!({ "rows": rows }).to_string() } else { counted(rows, noun.one) }])
}

/// Has something written to a file, which takes its name only when it is whole, or to standard output.
pub(super) async fn saved<T>(
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
