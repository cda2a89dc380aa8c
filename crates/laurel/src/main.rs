//! The `laurel` command.

use std::io::Write;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};
use laurel::cli::{Cli, Command};
use laurel::refusal::Flags;
use laurel::{demo, nouns, tokens, tools, up};

fn main() -> ExitCode {
    let command = Cli::command();
    let matches = command.clone().get_matches();
    let cli =
        Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.format(&mut Cli::command()).exit());
    let result = match &cli.command {
        Command::Up(arguments) => up::run(arguments),
        Command::Demo(arguments) => demo::run(arguments),
        Command::Keys { out } => tokens::keys(out),
        Command::Token(arguments) => tokens::token(arguments),
        Command::Noun(command) => nouns::run(command),
        Command::Client(command) => tools::run(command),
        Command::Completion { shell } => completion(*shell),
    };
    let Some((line, code)) = result.err().and_then(|error| Flags::of(&command, &matches).report(&error))
    else {
        return ExitCode::SUCCESS;
    };
    let _ = writeln!(std::io::stderr(), "laurel: {line}");
    code
}

fn completion(shell: clap_complete::Shell) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "laurel", &mut script);
    Ok(std::io::stdout().write_all(&script)?)
}
