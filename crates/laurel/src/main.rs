//! The `laurel` command.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use laurel::cli::{Cli, Command};
use laurel::{demo, tokens, tools, up};
use runtime::process::one_line;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match &cli.command {
        Command::Up(arguments) => up::run(arguments),
        Command::Demo(arguments) => demo::run(arguments),
        Command::Keys { out } => tokens::keys(out),
        Command::Token(arguments) => tokens::token(arguments),
        Command::Client(command) => tools::run(command),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "laurel: {}", one_line(&error));
            ExitCode::FAILURE
        }
    }
}
