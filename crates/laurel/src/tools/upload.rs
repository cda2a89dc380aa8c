//! `laurel import`: a CSV file, with progress where somebody watches.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal};
use std::path::Path;

use anyhow::Context;
use proto::orders::ImportOrdersOptions;

use super::counted;
use crate::client::Clients;
use crate::import::{import, rejected_line};

/// Imports a file; rejected rows go to standard error, and are an error in the end.
pub(super) async fn import_file(
    clients: &Clients,
    path: &Path,
    currency: &str,
    columns: &[(String, String)],
) -> anyhow::Result<()> {
    let options = ImportOrdersOptions {
        columns: mappings(columns)?,
        default_currency: currency.to_owned(),
        ..Default::default()
    };
    let file = open(path)?;
    let watched = std::io::stderr().is_terminal();
    // over what is left of the progress
    let start = if watched { "\r" } else { "" };
    let summary = import(
        clients,
        file,
        options,
        |counts| {
            if watched {
                eprint!("\r{}", counted(counts.rows, "row"));
            }
        },
        |row| eprintln!("{start}{}", rejected_line(row)),
    )
    .await;
    if watched {
        eprintln!();
    }
    let summary = summary?;
    println!(
        "{} recorded, {} already recorded, {} updated, {} rejected",
        summary.recorded, summary.already_recorded, summary.updated, summary.rejected
    );
    let verb = if summary.rejected == 1 { "was" } else { "were" };
    anyhow::ensure!(summary.rejected == 0, "{} {verb} rejected", counted(summary.rejected, "row"));
    Ok(())
}

/// Opens a file that has something in it.
fn open(path: &Path) -> anyhow::Result<BufReader<File>> {
    let name = path.display();
    let file = File::open(path).with_context(|| format!("cannot read {name}"))?;
    anyhow::ensure!(!file.metadata()?.is_dir(), "{name} is a directory");
    let mut file = BufReader::new(file);
    let begin = file.fill_buf().with_context(|| format!("cannot read {name}"))?;
    anyhow::ensure!(!begin.is_empty(), "{name} is empty: it must begin with a header line");
    Ok(file)
}

/// What each column is mapped to, once.
fn mappings(columns: &[(String, String)]) -> anyhow::Result<HashMap<String, String>> {
    let mut all = HashMap::new();
    for (header, field) in columns {
        let earlier = all.insert(header.clone(), field.clone());
        anyhow::ensure!(earlier.is_none(), "--map `{header}` is given twice");
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
