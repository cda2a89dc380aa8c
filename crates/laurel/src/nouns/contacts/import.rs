//! `laurel contacts import`.

use std::path::PathBuf;

use clap::Args;
use proto::attribution::{
    ImportContactsOptions, ImportContactsProgress, ImportContactsRequest, ImportContactsResponse,
};

use super::super::Session;
use super::super::upload::{Answer, mappings, upload};
use crate::arguments::mapping;
use crate::import::line_of;

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
    let call = async |pieces| session.clients.contacts.clone().import_contacts(pieces).await;
    let read = |answer: ImportContactsResponse| Answer {
        told: answer.rejected.iter().map(|row| line_of(row.line, &row.column, &row.message)).collect(),
        rows: answer.progress.unwrap_or_default().rows,
        summary: answer.summary,
    };
    let tried = if arguments.dry_run { "nothing was written, it would be: " } else { "" };
    let counts = |summary: &ImportContactsProgress| {
        let ImportContactsProgress { created, updated, unchanged, rejected, .. } = summary;
        let told = format!(
            "{tried}{created} created, {updated} updated, {unchanged} unchanged, {rejected} rejected"
        );
        (told, *rejected)
    };
    upload(session, &arguments.file, (first, rest), call, read, counts).await
}
