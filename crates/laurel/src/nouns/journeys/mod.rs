//! `laurel journey`.

mod code;
mod stuck;

use clap::Subcommand;

use super::Session;
#[cfg(test)]
pub(super) use code::{COLUMNS, VERSIONS};
#[cfg(test)]
pub(super) use stuck::COLUMNS as STUCK;

/// What to do with journeys.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Definitions.
    #[command(flatten)]
    Code(code::Command),
    /// List who has stood in a stage for days, oldest first
    Stuck(stuck::Stuck),
}

pub(super) async fn run(command: &Command, session: &Session) -> anyhow::Result<()> {
    match command.clone() {
        Command::Code(command) => code::run(&command, session).await,
        Command::Stuck(which) => stuck::run(session, which).await,
    }
}
