//! What a batcher tells about itself: the depth of its queue, the sizes of its slices, and a span for each.

use std::sync::{Arc, Weak};

use observe::metrics::{self, Histogram, Watched};
use observe::trace::{self, TARGET};
use opentelemetry::trace::SpanContext;
use tokio::sync::Semaphore;
use tracing::Span;

/// Calls that a slice's span is linked to, at most: more the exporter drops.
const LINKS: usize = 128;

/// The queue, as metrics see it.
pub(crate) fn watch_queue(work: &str, count: &Arc<Semaphore>, capacity: usize) -> Watched {
    let (depth, count): (_, Weak<Semaphore>) = (metrics::queue_depth(work), Arc::downgrade(count));
    metrics::on_read(move || {
        let free = count.upgrade().map_or(capacity, |count| count.available_permits());
        depth.set(metrics::as_i64(capacity.saturating_sub(free)));
    })
}

/// `orders.RecordOrders` of `orders::commands::record_orders::RecordOrders`.
pub(crate) fn short_name(path: &str) -> String {
    let path = path.split('<').next().unwrap_or_default();
    match (path.split_once("::"), path.rsplit_once("::")) {
        (Some((crate_name, _)), Some((_, name))) => format!("{crate_name}.{name}"),
        _ => path.to_owned(),
    }
}

/// One kind of work, as spans and metrics name it.
pub(crate) struct Observed {
    work: String,
    sizes: Histogram,
}

impl Observed {
    pub(crate) fn new(work: String) -> Self {
        Self { sizes: metrics::slice_size(&work), work }
    }

    /// A slice of commands is taken. Its span belongs to the trace of the first of them that is recorded, so that what a lone
    /// caller's slice does is part of the caller's trace; and it is linked to the calls of all.
    pub(crate) fn slice<'a>(
        &self,
        size: usize,
        calls: impl Iterator<Item = &'a SpanContext> + Clone,
    ) -> Span {
        // a slice has 256 commands at most
        self.sizes.observe(f64::from(u32::try_from(size).unwrap_or(u32::MAX)));
        let mut all = calls.clone();
        // one that is not recorded hands on that decision to what the slice calls
        let Some(parent) = calls.clone().find(|call| call.is_sampled()).or_else(|| all.next()) else {
            return Span::none();
        };
        let span = tracing::info_span!(
            target: TARGET,
            parent: None,
            "slice",
            otel.name = format_args!("slice {}", self.work),
            work = self.work,
            commands = size,
        );
        if !span.is_disabled() {
            trace::child_of(&span, parent.clone());
            trace::link(&span, calls.filter(|call| call.is_sampled()).cloned(), LINKS);
        }
        span
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_named_by_its_crate_and_its_type() {
        assert_eq!(short_name("orders::commands::record_orders::RecordOrders"), "orders.RecordOrders");
        assert_eq!(short_name("batcher::Ledger<a::B>"), "batcher.Ledger");
        assert_eq!(short_name("Odd"), "Odd");
    }
}
