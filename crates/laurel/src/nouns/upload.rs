//! Files that are sent in pieces: CSV, with progress where somebody watches.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::Context;
use prost::{Message, Name};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Response, Status, Streaming};

use super::Session;
use crate::import::{ended, send};
use crate::refusal::{Exit, Refused};
use crate::show::{self, Progress};
use crate::tools::counted;

/// What an answer of an import says.
#[derive(Debug)]
pub(super) struct Answer<S> {
    /// Rows to be told of, each in a line.
    pub(super) told: Vec<String>,
    /// Rows so far.
    pub(super) rows: i64,
    /// What became of all, in the last one.
    pub(super) summary: Option<S>,
}

/// Imports a file; rows to be told of go to standard error, and rejected ones are an error in the end. The first message and what
/// wraps the pieces after it make the `messages`; `counts` are the summary in words, and how many rows were rejected.
pub(super) async fn upload<M: Send + 'static, A, S: Message + Name>(
    session: &Session,
    file: &Path,
    messages: (M, impl Fn(Vec<u8>) -> M + Send + 'static),
    call: impl AsyncFnOnce(ReceiverStream<M>) -> Result<Response<Streaming<A>>, Status>,
    read: impl Fn(A) -> Answer<S>,
    counts: impl FnOnce(&S) -> (String, i64),
) -> anyhow::Result<()> {
    let (file, progress, mut summary) = (open(file)?, Progress::of("rows"), None);
    let each = |answer| {
        let answer = read(answer);
        answer.told.iter().for_each(|line| progress.say(line));
        progress.at(answer.rows.unsigned_abs());
        summary = answer.summary.or(summary.take());
    };
    send(file, messages, call, each).await?;
    drop(progress);
    let summary = ended(summary)?;
    let (told, rejected) = counts(&summary);
    if session.json {
        session.answer(&summary)?;
    } else {
        show::print([told])?;
    }
    partly_rejected(rejected)
}

/// An error if rows were rejected.
pub(super) fn partly_rejected(rows: i64) -> anyhow::Result<()> {
    if rows == 0 {
        return Ok(());
    }
    let verb = if rows == 1 { "was" } else { "were" };
    Err(Refused::new(Exit::PartlyRejected, format!("{} {verb} rejected", counted(rows, "row"))).into())
}

/// Opens a file that has something in it.
pub(super) fn open(path: &Path) -> anyhow::Result<BufReader<File>> {
    let name = path.display();
    let file = File::open(path).with_context(|| format!("cannot read {name}"))?;
    anyhow::ensure!(!file.metadata()?.is_dir(), "{name} is a directory");
    let mut file = BufReader::new(file);
    let begin = file.fill_buf().with_context(|| format!("cannot read {name}"))?;
    anyhow::ensure!(!begin.is_empty(), "{name} is empty: it must begin with a header line");
    Ok(file)
}

/// What each column is mapped to, once.
pub(super) fn mappings(columns: &[(String, String)]) -> Result<HashMap<String, String>, Refused> {
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
