//! A CSV of any size through a call that takes it in pieces, such as `ImportOrders`; memory does not grow with the file.

use std::io::{self, Read};

use anyhow::Context;
use proto::orders::{
    ImportOrdersOptions, ImportOrdersRequest, ImportOrdersResponse, ImportProgress, RejectedRow,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Response, Status, Streaming};

use crate::client::Clients;
use crate::refusal::{ConnectionError, explain_fields};

const PIECE: usize = 64 * 1024;

/// What a call is sent: `first`, then everything that `csv` yields, in pieces that `message` wraps; and the task that reads.
fn pieces<M: Send + 'static>(
    mut csv: impl Read + Send + 'static,
    first: M,
    message: impl Fn(Vec<u8>) -> M + Send + 'static,
) -> (ReceiverStream<M>, JoinHandle<io::Result<()>>) {
    let (sender, pieces) = mpsc::channel(4);
    let reader = tokio::task::spawn_blocking(move || {
        let mut next = Some(first);
        while let Some(piece) = next.take() {
            // the call ended early: what it says is on the other stream
            if sender.blocking_send(piece).is_err() {
                break;
            }
            let mut chunk = vec![0; PIECE];
            let read = match csv.read(&mut chunk) {
                Ok(read) => read,
                Err(error) => {
                    // a stream that ends looks like a whole file: it stays open until the call is dropped
                    std::mem::forget(sender);
                    return Err(error);
                }
            };
            chunk.truncate(read);
            next = (read > 0).then(|| message(chunk));
        }
        Ok(())
    });
    (ReceiverStream::new(pieces), reader)
}

/// The next answer of a call, unless reading the file fails first.
async fn next_answer<A>(
    answers: &mut Streaming<A>,
    reader: &mut Option<JoinHandle<io::Result<()>>>,
) -> anyhow::Result<Option<A>> {
    while let Some(reading) = reader {
        tokio::select! {
            answer = answers.message() => return answer.map_err(broken_off),
            read = reading => {
                read??;
                *reader = None;
            }
        }
    }
    answers.message().await.map_err(broken_off)
}

/// Calls with everything that `csv` yields, after `first` and wrapped by `message`; hands on each answer as it comes.
pub(crate) async fn send<M: Send + 'static, A>(
    csv: impl Read + Send + 'static,
    (first, message): (M, impl Fn(Vec<u8>) -> M + Send + 'static),
    call: impl AsyncFnOnce(ReceiverStream<M>) -> Result<Response<Streaming<A>>, Status>,
    mut each: impl FnMut(A),
) -> anyhow::Result<()> {
    let (pieces, reader) = pieces(csv, first, message);
    let mut answers = call(pieces).await.map_err(refused)?.into_inner();
    let mut reader = Some(reader);
    while let Some(answer) = next_answer(&mut answers, &mut reader).await? {
        each(answer);
    }
    if let Some(reader) = reader {
        reader.await??;
    }
    Ok(())
}

/// The summary that an import ends with.
pub(crate) fn ended<S>(summary: Option<S>) -> anyhow::Result<S> {
    summary.context("the import ended without a summary; run it again")
}

/// Sends everything `csv` yields; calls `progress` and `rejected` as answers come back; returns the summary.
pub async fn import(
    clients: &Clients,
    csv: impl Read + Send + 'static,
    options: ImportOrdersOptions,
    mut progress: impl FnMut(&ImportProgress),
    mut rejected: impl FnMut(&RejectedRow),
) -> anyhow::Result<ImportProgress> {
    let first = ImportOrdersRequest { options: Some(options), chunk: Vec::new() };
    let rest = |chunk| ImportOrdersRequest { options: None, chunk };
    let mut orders = clients.orders.clone();
    let mut summary = None;
    let each = |answer: ImportOrdersResponse| {
        answer.rejected.iter().for_each(&mut rejected);
        if let Some(counts) = &answer.progress {
            progress(counts);
        }
        if let Some(counts) = answer.summary {
            progress(&counts);
            summary = Some(counts);
        }
    };
    send(csv, (first, rest), async |pieces| orders.import_orders(pieces).await, each).await?;
    ended(summary)
}

/// A rejected row as one line.
pub(crate) fn rejected_line(row: &RejectedRow) -> String {
    line_of(row.line, &row.column, &row.message)
}

/// What is wrong with a row, and where; the column is empty if none is at fault.
pub(crate) fn line_of(line: i64, column: &str, message: &str) -> String {
    let column = if column.is_empty() { String::new() } else { format!(", column {column}") };
    format!("line {line}{column}: {message}")
}

/// Why there is no import.
fn refused(status: Status) -> anyhow::Error {
    explain_fields(status, violation)
}

/// Why an import ended early.
fn broken_off(status: Status) -> anyhow::Error {
    let error = refused(status);
    if error.is::<ConnectionError>() { ConnectionError::ImportLost.into() } else { error }
}

/// What is wrong with file or options, in the words of the command: its options instead of the fields of the contract.
fn violation(field: &str, what: &str) -> String {
    let mapped = field.strip_prefix("options.columns[").and_then(|rest| rest.strip_suffix(']'));
    let subject = match (field, mapped, field.strip_prefix("header.")) {
        (_, Some(header), _) => format!("--map `{header}`"),
        (_, _, Some(header)) => format!("column `{header}`"),
        ("chunk", _, _) => "the file".to_owned(),
        _ => option_names(field),
    };
    format!("{subject} {}", option_names(what))
}

fn option_names(text: &str) -> String {
    text.replace("in options.columns", "with --map HEADER=FIELD")
        .replace("options.default_currency", "--currency")
        .replace("options.default_source", "--source")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rejected_row_has_a_column_only_if_one_is_at_fault() {
        let row = |column: &str| RejectedRow {
            line: 11,
            column: column.to_owned(),
            message: "is wrong".to_owned(),
            ..Default::default()
        };
        assert_eq!(rejected_line(&row("revenue")), "line 11, column revenue: is wrong");
        assert_eq!(rejected_line(&row("")), "line 11: is wrong");
    }

    #[test]
    fn o10_what_is_wrong_with_a_file_names_the_options_of_the_command() {
        let unknown = "is no field of an import; map it to one in options.columns, or to `-` to skip it";
        let wanted = "column `Who` is no field of an import; \
                      map it to one with --map HEADER=FIELD, or to `-` to skip it";
        assert_eq!(violation("header.Who", unknown), wanted);
        let wanted = "column `currency` is required, or else --currency";
        assert_eq!(violation("header.currency", "is required, or else options.default_currency"), wanted);
        let wanted = "--map `Order No` is no column of the file";
        assert_eq!(violation("options.columns[Order No]", "is no column of the file"), wanted);
        assert_eq!(violation("options.default_currency", "is no currency"), "--currency is no currency");
        assert_eq!(violation("chunk", "is empty"), "the file is empty");
    }

    #[test]
    fn a_lost_connection_says_that_the_import_can_be_run_again() {
        let lost = "connection lost; what was recorded stands: run it again";
        assert_eq!(broken_off(Status::unknown("broken pipe")).to_string(), lost);
        let said = broken_off(rpc::Error::field("chunk", "is longer than 1 MiB").into()).to_string();
        assert_eq!(said, "the file is longer than 1 MiB");
    }
}
