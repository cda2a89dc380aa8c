//! What the platform says about its own work: metrics, and contexts of traces. Where they go is up to `runtime::telemetry`;
//! without it, metrics are counted and not read, and traces do not exist.
//!
//! | module | what |
//! |---|---|
//! | [`metrics`] | every metric there is, defined once |
//! | [`trace`] | contexts of traces: in and out of calls and events, and links where slices join them |

pub mod metrics;
pub mod trace;
