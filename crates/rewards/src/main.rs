//! The rewards service as a process of its own.

use std::process::ExitCode;

/// Where it listens unless told otherwise.
const PORT: u16 = 7604;

fn main() -> ExitCode {
    runtime::process::run(PORT, rewards::SCHEMA, rewards::MIGRATIONS, |start| async move {
        let upstream = rewards::Upstream {
            journeys: rpc::channel::connect_as(&start.config.journeys_url, &start.access)?,
        };
        rewards::start(start.db, start.clock, &start.lifecycle, upstream).await
    })
}
