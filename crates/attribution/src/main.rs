//! The attribution service as a process of its own.

use std::process::ExitCode;

/// The service's own port.
const PORT: u16 = 7601;

fn main() -> ExitCode {
    runtime::process::run(PORT, attribution::SCHEMA, attribution::MIGRATIONS, |start| async move {
        attribution::start(start.db, start.clock, &start.lifecycle).await
    })
}
