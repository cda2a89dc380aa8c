//! `laurel journey lint`, `draw` and so on: journeys as code (J12).

use std::path::{Path, PathBuf};

use clap::Subcommand;
use proto::journeys::{
    DrawFormat, DrawJourneyRequest, Finding, GetJourneyRequest, Level, LintJourneyRequest,
    ListJourneyVersionsRequest, ListJourneysRequest,
};
use tonic::Status;
use tonic_types::StatusExt;

use crate::arguments::one_of;
use crate::nouns::{Limit, Session, call, download};
use crate::refusal::{Exit, Refused, explain};
use crate::show;
use crate::tools::{apply, counted};

pub(in crate::nouns) const COLUMNS: &[&str] = &[
    "journey",
    "name",
    "version",
    "sequence",
    "stages=stages.stage",
    "all_campaigns",
    "campaigns=campaign_ids",
];
pub(in crate::nouns) const VERSIONS: &[&str] = &["version", "applied_at", "in_force"];

/// What to do with definitions.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Say what is wrong with definitions, and what is odd about them; exits with 2 if one could not be applied
    Lint {
        /// YAML files
        #[arg(value_name = "FILE", required = true)]
        definition: Vec<PathBuf>,
        /// The reward program that goes with them, a YAML file
        #[arg(long, value_name = "FILE")]
        program: Option<PathBuf>,
    },
    /// Publish a definition
    Apply {
        /// A YAML file
        file: PathBuf,
    },
    /// Print a definition
    Get {
        /// The journey's key
        journey: String,
        /// Which version [default: the one in force]
        #[arg(long, value_name = "N", default_value = "0", hide_default_value = true)]
        version: i32,
    },
    /// List journeys by key
    List {
        #[command(flatten)]
        limit: Limit,
    },
    /// List the versions of a journey, newest first
    Versions {
        /// The journey's key
        journey: String,
        #[command(flatten)]
        limit: Limit,
    },
    /// Draw a journey, or a definition
    Draw(Draw),
    /// Print the JSON Schema of definitions, for editors
    Schema,
}

/// What to draw, and how.
#[derive(Debug, Clone, clap::Args)]
pub struct Draw {
    /// The journey's key
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    journey: Option<String>,
    /// A YAML file, instead of a journey that was applied
    #[arg(long)]
    file: Option<PathBuf>,
    /// Which version of the journey [default: the one in force]
    #[arg(long, value_name = "N", default_value = "0", hide_default_value = true, conflicts_with = "file")]
    version: i32,
    /// The reward program whose rewards are shown, a YAML file
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// As what [default: svg]
    #[arg(long, value_parser = one_of("laurel.journeys.v1.DrawFormat"))]
    format: Option<i32>,
    /// With how many runs entered each stage, and how many came on
    #[arg(long, conflicts_with = "file")]
    live: bool,
    /// With --live: only runs of this campaign
    #[arg(
        long = "campaign",
        value_name = "CAMPAIGN",
        default_value = "",
        hide_default_value = true,
        requires = "live"
    )]
    campaign_id: String,
    /// Where to put it [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) async fn run(command: &Command, session: &Session) -> anyhow::Result<()> {
    match command.clone() {
        Command::Lint { definition, program } => lint(session, &definition, program.as_deref()).await,
        Command::Apply { file } => {
            let answer = apply::apply_journey(&session.clients, &file).await?;
            if session.json {
                return session.answer(&answer);
            }
            apply::say_journey(&answer);
            Ok(())
        }
        Command::Get { journey, version } => {
            let answer = call!(session.journeys.get_journey(GetJourneyRequest { journey, version }));
            if session.json {
                return session.answer(&answer);
            }
            print_text(&answer.journey.unwrap_or_default().definition)
        }
        Command::List { limit } => list(session, &limit).await,
        Command::Versions { journey, limit } => versions(session, &journey, &limit).await,
        Command::Draw(arguments) => draw(session, arguments).await,
        Command::Schema => print_text(::journeys::DEFINITION_SCHEMA),
    }
}

/// A text as it is.
fn print_text(text: &str) -> anyhow::Result<()> {
    show::print([text.trim_end_matches('\n').to_owned()])
}

fn read_optional(path: Option<&Path>) -> anyhow::Result<String> {
    path.map(apply::read).transpose().map(Option::unwrap_or_default)
}

async fn lint(session: &Session, files: &[PathBuf], program: Option<&Path>) -> anyhow::Result<()> {
    let of_program = program.map(|path| path.display().to_string()).unwrap_or_default();
    let program = read_optional(program)?;
    let (mut errors, mut warnings) = (0, 0);
    for path in files {
        let request = LintJourneyRequest { definition: apply::read(path)?, program: program.clone() };
        let file = path.display().to_string();
        for finding in call!(session.journeys.lint_journey(request)).findings {
            if finding.level() == Level::Error {
                errors += 1;
            } else {
                warnings += 1;
            }
            tell(session, if finding.in_program { &of_program } else { &file }, &finding)?;
        }
    }
    let told = format!("{}, {}", counted(errors, "error"), counted(warnings, "warning"));
    if errors > 0 {
        return Err(Refused::new(Exit::Usage, told).into());
    }
    if session.json { Ok(()) } else { show::print([told]) }
}

/// One finding: `FILE:LINE:COLUMN level[rule] what`.
fn tell(session: &Session, file: &str, finding: &Finding) -> anyhow::Result<()> {
    if session.json {
        let mut value = show::json(finding)?;
        value["file"] = file.into();
        return show::print([value.to_string()]);
    }
    let level = if finding.level() == Level::Error { "error" } else { "warning" };
    let place =
        if finding.line > 0 { format!(":{}:{}", finding.line, finding.column) } else { String::new() };
    let path = if finding.path.is_empty() { String::new() } else { format!("{}: ", finding.path) };
    show::print([format!("{file}{place} {level}[{}] {path}{}", finding.rule, finding.message)])
}

async fn draw(session: &Session, arguments: Draw) -> anyhow::Result<()> {
    let Draw { journey, file, version, program, format, live, campaign_id, output } = arguments;
    let request = DrawJourneyRequest {
        journey: journey.unwrap_or_default(),
        version,
        definition: read_optional(file.as_deref())?,
        program: read_optional(program.as_deref())?,
        format: format.unwrap_or(DrawFormat::Svg.into()),
        live,
        campaign_id,
    };
    let drawn = session.clients.journeys.clone().draw_journey(request).await;
    // only one of the two can be wrong: a program is looked at when the definition is good
    let refused = |status: Status| match (&program, &file) {
        (Some(path), _) if is_of("program", &status) => apply::refused(status, "program", path),
        (_, Some(path)) => apply::refused(status, "definition", path),
        (_, None) => explain(status),
    };
    let answer = drawn.map_err(refused)?.into_inner();
    if session.json && output.is_none() {
        return session.answer(&answer);
    }
    let written = download::saved(output.as_deref(), "bytes", async |to, _| {
        Ok(to.write_all(answer.drawing.as_bytes())?)
    });
    written.await
}

/// Whether a field, or what was sent as it, is at fault.
fn is_of(field: &str, status: &Status) -> bool {
    let details = status.get_error_details();
    details.bad_request().is_some_and(|bad| bad.field_violations.iter().any(|v| v.field.starts_with(field)))
}

async fn list(session: &Session, limit: &Limit) -> anyhow::Result<()> {
    let page = async |page_size, page_token| {
        let page = call!(session.journeys.list_journeys(ListJourneysRequest { page_size, page_token }));
        anyhow::Ok((page.journeys, page.next_page_token))
    };
    session.list(limit, COLUMNS, page).await
}

async fn versions(session: &Session, journey: &str, limit: &Limit) -> anyhow::Result<()> {
    let page = async |page_size, page_token| {
        let request = ListJourneyVersionsRequest { journey: journey.to_owned(), page_size, page_token };
        let page = call!(session.journeys.list_journey_versions(request));
        anyhow::Ok((page.versions, page.next_page_token))
    };
    session.list(limit, VERSIONS, page).await
}
