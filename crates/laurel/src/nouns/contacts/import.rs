//! `laurel contacts import`: a CSV file, with progress where somebody watches.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use proto::attribution::{ImportContactsOptions, ImportContactsProgress, ImportContactsRequest};

use super::super::Session;
use super::super::orders::upload::{mappings, open, partly_rejected};
use crate::arguments::mapping;
use crate::import::{line_of, next_answer, pieces, refused};
use crate::show::{self, Progress};

/// Arguments of `laurel contacts import`.
#[derive(Debug, Clone, Args)]
pub struct ImportArguments {
    /// The file
    file: PathBuf,
    /// A column that is not named as its field; `-` as the field ignores the column. May be repeated
    ///
    /// Fields: email, uid, first_name, last_name, company, locale, tags, status, segments, property.NAME.
    #[arg(long = "map", value_name = "HEADER=FIELD", value_parser = mapping)]
    columns: Vec<(String, String)>,
    /// Read and check all rows, and write nothing
    #[arg(long)]
    dry_run: bool,
}

/// Imports a file; rejected rows go to standard error, and are an error in the end.
pub(super) async fn import_file(session: &Session, arguments: &ImportArguments) -> anyhow::Result<()> {
    let options =
        ImportContactsOptions { columns: mappings(&arguments.columns)?, dry_run: arguments.dry_run };
    let first = ImportContactsRequest { options: Some(options), chunk: Vec::new() };
    let rest = |chunk| ImportContactsRequest { options: None, chunk };
    let (pieces, reader) = pieces(open(&arguments.file)?, first, rest);
    let call = session.clients.contacts.clone().import_contacts(pieces).await;
    let mut answers = call.map_err(refused)?.into_inner();
    let (progress, mut summary) = (Progress::of("rows"), None);
    let mut reader = Some(reader);
    while let Some(answer) = next_answer(&mut answers, &mut reader).await? {
        for row in &answer.rejected {
            progress.say(&line_of(row.line, &row.column, &row.message));
        }
        progress.at(answer.progress.unwrap_or_default().rows.unsigned_abs());
        summary = answer.summary.or(summary);
    }
    if let Some(reader) = reader {
        reader.await??;
    }
    drop(progress);
    let summary = summary.context("the import ended without a summary; run it again")?;
    if session.json {
        session.answer(&summary)?;
    } else {
        let tried = if arguments.dry_run { "nothing was written, it would be: " } else { "" };
        let ImportContactsProgress { created, updated, unchanged, rejected, .. } = summary;
        show::print([format!(
            "{tried}{created} created, {updated} updated, {unchanged} unchanged, {rejected} rejected"
        )])?;
    }
    partly_rejected(summary.rejected)
}
