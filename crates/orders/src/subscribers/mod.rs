//! Upstream streams, one file per stream.

mod attribution;

pub(crate) use attribution::AttributionStream;
