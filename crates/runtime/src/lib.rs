//! What every process of Laurel does besides its service: configuration, telemetry, lifecycle.
//!
//! | module | what |
//! |---|---|
//! | [`config`] | settings of one service process, from a file and the environment |
//! | [`config_table`] | what each setting means |
//! | [`edge`] | from settings to who is let in |
//! | [`lifecycle`] | tasks that live as long as the process, and its end in two stages |
//! | [`process`] | a whole service process: pool, migrations, serving, drain |
//! | [`telemetry`] | structured logs, traces to a collector, metrics for Prometheus |

pub mod config;
pub mod config_table;
pub mod edge;
pub mod lifecycle;
pub mod process;
pub mod telemetry;

/// Much of a busy service's time is small allocations; this allocator takes a fraction of the system's for them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

pub use config::Config;
pub use lifecycle::Lifecycle;
