//! The orders service as a process of its own.

use std::process::ExitCode;

use orders::{MIGRATIONS, SCHEMA, Settings, Upstream};

/// Where it listens unless told otherwise.
const PORT: u16 = 7602;

fn main() -> ExitCode {
    runtime::process::run(PORT, SCHEMA, MIGRATIONS, |start| async move {
        let attribution = rpc::channel::connect_as(&start.config.attribution_url, &start.access)?;
        let tenants = start.config.scope_orders_by_source.split(',').map(str::trim).filter(|t| !t.is_empty());
        let scope_by_source = tenants.map(str::parse).collect::<Result<_, _>>()?;
        let settings = Settings { scope_by_source };
        orders::start(start.db, start.clock, &start.lifecycle, Upstream { attribution }, settings).await
    })
}
