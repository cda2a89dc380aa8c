//! What a follower tells about itself: whether it has its stream, how far behind it is, what it has parked, and spans for what it applies.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use observe::metrics::{self, Gauge};
use observe::trace::{self, TARGET};
use pg::Database;
use tracing::Span;

use crate::Event;

/// Calls that a slice's span is linked to, at most: more the exporter drops.
const LINKS: usize = 128;

/// Attempts in vain, one after the other, that are worth a line in the log: about a second's.
const ENOUGH: u32 = 5;

/// One follower, as metrics see it.
pub(crate) struct Observed {
    subscription: &'static str,
    /// Whether there may be parked events: then they are counted again from time to time.
    some_parked: AtomicBool,
    /// Attempts since the stream was last read.
    lost: AtomicU32,
}

impl Observed {
    pub(crate) fn new(subscription: &'static str) -> Self {
        metrics::stream_connected(subscription).set(0);
        Self { subscription, some_parked: AtomicBool::new(true), lost: AtomicU32::new(0) }
    }

    /// The stream is read.
    pub(crate) fn connected(&self) {
        metrics::stream_connected(self.subscription).set(1);
        if self.lost.swap(0, Ordering::Relaxed) >= ENOUGH {
            tracing::info!(subscription = self.subscription, "the stream is read again");
        }
    }

    /// The stream is lost, and will be tried again. Said once, when that was of no use: one that ends and can be opened again at
    /// another replica, or with a fresh token, is nothing to report.
    pub(crate) fn lost(&self, reason: &str, refused: bool) {
        metrics::stream_connected(self.subscription).set(0);
        let attempt = self.lost.fetch_add(1, Ordering::Relaxed) + 1;
        let subscription = self.subscription;
        match (attempt, refused) {
            (ENOUGH, true) => {
                tracing::error!(
                    subscription,
                    reason,
                    "the stream is refused: nothing is followed until that is mended"
                );
            }
            (ENOUGH, false) => {
                tracing::warn!(subscription, reason, "the stream is lost; tried again and again");
            }
            _ => tracing::debug!(subscription, reason, attempt, "follower retries"),
        }
    }

    /// So many positions are not applied yet.
    pub(crate) fn behind(&self, events: usize, beyond: u64) {
        let lag: Gauge = metrics::stream_lag(self.subscription);
        lag.set(metrics::as_i64(events).saturating_add(i64::try_from(beyond).unwrap_or(i64::MAX)));
    }

    /// Events may have been parked.
    pub(crate) fn parked(&self) {
        self.some_parked.store(true, Ordering::Relaxed);
    }

    /// Counts parked events again, if there were any: they are retried by others, too. A failure is made up for by the next.
    pub(crate) async fn count_parked(&self, db: &Database) {
        if !self.some_parked.load(Ordering::Relaxed) {
            return;
        }
        let count = pg::sqlx::query_scalar("SELECT count(*) FROM parked WHERE subscription = $1")
            .bind(self.subscription)
            .fetch_one(db.read());
        let Ok(count) = count.await else { return };
        metrics::parked_events(self.subscription).set(count);
        self.some_parked.store(count > 0, Ordering::Relaxed);
    }

    /// Another process follows.
    pub(crate) fn stands_by(&self) {
        metrics::stream_connected(self.subscription).set(0);
        metrics::forget_subscription(self.subscription);
        self.some_parked.store(true, Ordering::Relaxed);
    }
}

/// The spans of one slice: its own, and one in the trace of each call that caused its events, for each fact, so that one trace leads
/// from a call to all that came of it. They end when this is dropped.
pub(crate) struct Spans {
    slice: Span,
    _events: Vec<Span>,
}

impl Spans {
    /// Of events that come from calls that are recorded; no span if there are none.
    pub(crate) fn of<E: Event>(subscription: &'static str, events: &[E]) -> Self {
        // an import is one call with many events: it is seen once in a slice
        let mut seen = HashSet::new();
        let callers: Vec<_> = events
            .iter()
            .filter(|event| seen.insert((event.traceparent(), event.fact())))
            .filter_map(|event| trace::parse(event.traceparent()).map(|context| (event.fact(), context)))
            .filter(|(_, context)| context.is_sampled())
            .collect();
        if callers.is_empty() {
            return Self { slice: Span::none(), _events: Vec::new() };
        }
        let slice = tracing::info_span!(
            target: TARGET,
            parent: None,
            "apply",
            otel.name = format_args!("apply {subscription}"),
            subscription,
            events = events.len(),
        );
        if slice.is_disabled() {
            return Self { slice, _events: Vec::new() };
        }
        // there may be many callers: it belongs to none of their traces
        trace::root(&slice);
        trace::link(&slice, callers.iter().map(|(_, context)| context.clone()), LINKS);
        let span_of = |(fact, parent)| {
            let span = tracing::info_span!(
                target: TARGET,
                parent: None,
                "event",
                otel.name = format_args!("{subscription} {fact}"),
                otel.kind = "consumer",
                subscription,
            );
            trace::child_of(&span, parent);
            span
        };
        Self { slice, _events: callers.into_iter().map(span_of).collect() }
    }

    /// What applying the slice runs under.
    pub(crate) fn slice(&self) -> Span {
        self.slice.clone()
    }
}
