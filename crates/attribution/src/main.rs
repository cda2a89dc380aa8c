//! The attribution service as a process of its own.

/// The service's own port.
const PORT: u16 = 7601;

fn main() -> anyhow::Result<()> {
    runtime::process::run(PORT, attribution::SCHEMA, attribution::MIGRATIONS, |start| async move {
        attribution::start(start.db, start.clock, &start.lifecycle).await
    })
}
