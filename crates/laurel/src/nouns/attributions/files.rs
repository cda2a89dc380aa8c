//! `laurel attributions import|export`: attributions out of a CSV file, and as one.

use std::collections::HashMap;
use std::path::PathBuf;

use clap::Args;
use proto::attribution::{
    ExportAttributionsRequest, ExportAttributionsResponse, ImportAttributionsOptions,
    ImportAttributionsProgress, ImportAttributionsRequest, ImportAttributionsResponse, Outcome,
    UnattributedRow,
};

use super::super::download::{Noun, save};
use super::super::upload::{Answer, mappings, upload};
use super::super::{Session, call};
use super::Selection;
use crate::arguments::mapping;
use crate::import::line_of;

/// Arguments of `laurel attributions export`.
#[derive(Debug, Clone, Args)]
pub struct Export {
    /// The file; without one, standard output. It is there only when it is whole
    file: Option<PathBuf>,
    #[command(flatten)]
    selection: Selection,
}

/// Arguments of `laurel attributions import`.
#[derive(Debug, Clone, Args)]
pub struct Upload {
    /// The file
    file: PathBuf,
    /// A column that is not named as the contract has it; `-` ignores the column. May be repeated
    ///
    /// Columns: action (RECORD, ACTIVATE, DEACTIVATE, REASSIGN), attribution_id, campaign, contact, contact_id, contact_email,
    /// contact_uid, advocate, advocate_id, advocate_email, advocate_uid, shortcode, coupon_code, occurred_at, reason, state.
    #[arg(long = "map", value_name = "HEADER=COLUMN", value_parser = mapping)]
    columns: Vec<(String, String)>,
    /// Your id of this import: the same file again with the same one changes nothing and counts no attempt twice, for 7 days
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    import_id: String,
    /// Where the attempts came from
    #[arg(long, default_value = "", hide_default_value = true)]
    source: String,
}

/// Writes to a file, or to standard output.
pub(super) async fn export(session: &Session, Export { file, selection }: Export) -> anyhow::Result<()> {
    let Selection { campaign_id, state, contact, advocate, filter } = selection;
    let (state, filter) = (state.unwrap_or_default(), filter.filter);
    let request = ExportAttributionsRequest { campaign_id, state, filter, contact, advocate };
    let call = async { Ok(call!(session.attributions.export_attributions(request))) };
    let noun = Noun { one: "attribution", many: "attributions" };
    let read = |ExportAttributionsResponse { chunk, rows }| (chunk, rows);
    save(session, file.as_deref(), noun, call, read).await
}

/// Imports a file; rejected rows, and those that came to nobody, go to standard error, and rejected ones are an error in the end.
pub(super) async fn import(session: &Session, arguments: &Upload) -> anyhow::Result<()> {
    let columns: HashMap<String, String> = mappings(&arguments.columns)?;
    let (import_id, source) = (arguments.import_id.clone(), arguments.source.clone());
    let options = Some(ImportAttributionsOptions { columns, import_id, source });
    let first = ImportAttributionsRequest { options, chunk: Vec::new() };
    let rest = |chunk| ImportAttributionsRequest { options: None, chunk };
    let call = async |pieces| session.clients.attributions.clone().import_attributions(pieces).await;
    let read = |answer: ImportAttributionsResponse| {
        let rejected = answer.rejected.iter().map(|row| line_of(row.line, &row.column, &row.message));
        let unattributed = answer.unattributed.iter().map(|row| line_of(row.line, "", &lost(row)));
        Answer {
            told: rejected.chain(unattributed).collect(),
            rows: answer.progress.unwrap_or_default().rows,
            summary: answer.summary,
        }
    };
    upload(session, &arguments.file, (first, rest), call, read, |done| (told(done), done.rejected)).await
}

fn told(summary: &ImportAttributionsProgress) -> String {
    let ImportAttributionsProgress { recorded, activated, deactivated, reassigned, .. } = summary;
    let ImportAttributionsProgress { unchanged, logged_inactive, unresolved, rejected, .. } = summary;
    format!(
        "{recorded} recorded, {activated} activated, {deactivated} deactivated, {reassigned} reassigned, \
         {unchanged} unchanged, {logged_inactive} logged inactive, {unresolved} unresolved, {rejected} rejected"
    )
}

/// What became of an attempt that attributed the contact to nobody, or not to the advocate.
fn lost(row: &UnattributedRow) -> String {
    let inactive = row.inactive_reason().as_str_name().trim_start_matches("INACTIVE_REASON_");
    let unresolved = row.unresolved_reason().as_str_name().trim_start_matches("UNRESOLVED_REASON_");
    match row.outcome() {
        Outcome::LoggedInactive => format!("logged inactive, {inactive}"),
        _ => format!("unresolved, {unresolved}"),
    }
}

#[cfg(test)]
mod tests {
    use proto::attribution::{InactiveReason, UnresolvedReason};

    use super::*;

    #[test]
    fn a12_a_row_that_lost_says_why() {
        let duplicate = UnattributedRow {
            line: 3,
            outcome: Outcome::LoggedInactive.into(),
            inactive_reason: InactiveReason::Duplicate.into(),
            unresolved_reason: 0,
        };
        assert_eq!(lost(&duplicate), "logged inactive, DUPLICATE");
        let nobody = UnattributedRow {
            line: 4,
            outcome: Outcome::Unresolved.into(),
            inactive_reason: 0,
            unresolved_reason: UnresolvedReason::UnknownCode.into(),
        };
        assert_eq!(lost(&nobody), "unresolved, UNKNOWN_CODE");
    }
}
