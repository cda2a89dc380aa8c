//! The journeys service as a process of its own.

use std::process::ExitCode;

use journeys::{MIGRATIONS, SCHEMA, Upstream};
use rpc::channel::connect_as;

/// Where it listens unless told otherwise.
const PORT: u16 = 7603;

fn main() -> ExitCode {
    runtime::process::run(PORT, SCHEMA, MIGRATIONS, |start| async move {
        let upstream = Upstream {
            attribution: connect_as(&start.config.attribution_url, &start.access)?,
            orders: connect_as(&start.config.orders_url, &start.access)?,
        };
        journeys::start(start.db, start.clock, &start.lifecycle, upstream).await
    })
}
