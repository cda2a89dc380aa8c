//! Every metric there is, defined once; `docs/telemetry.md` has the table.
//!
//! Labels are names that the code knows: of methods, kinds of work, subscriptions, schemas, outcomes. Nothing that a caller
//! sends becomes a label, so there is no personal data among them, and their number is bounded.
//!
//! A handle is made once and kept where it is used: using it costs an atomic or a short lock, and no look-up.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::{gauge, histogram};
use prometheus_client::registry::{Metric, Registry};

/// Counts what only grows.
pub type Counter = counter::Counter;
/// What goes up and down.
pub type Gauge = gauge::Gauge;
/// How values are distributed.
pub type Histogram = histogram::Histogram;

type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// Content type of [`text`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Call {
    rpc_service: String,
    rpc_method: String,
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Work {
    work: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Subscription {
    subscription: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Connections {
    schema: &'static str,
    state: &'static str,
}

/// All families, and the registry they are in.
struct Metrics {
    registry: Registry,
    rpc: Histograms<Call>,
    queue: Family<Work, Gauge>,
    slices: Histograms<Work>,
    connected: Family<Subscription, Gauge>,
    lag: Family<Subscription, Gauge>,
    parked: Family<Subscription, Gauge>,
    duplicates: Family<Reason, Counter>,
    decisions: Family<Outcome, Counter>,
    timers: Timers,
    pool: Family<Connections, Gauge>,
}

/// Of timers that go by the real clock.
struct Timers {
    lag: Histogram,
    due: Gauge,
}

impl Timers {
    fn define(registry: &mut Registry) -> Self {
        let lag = "Timers that fired by the real clock: how many, and how long after they were due";
        let due = "Timers that are due by the real clock and have not fired, as last seen; up to 1,000";
        Self {
            lag: define(registry, "timer_lag_seconds", lag, latencies()),
            due: define(registry, "timers_due", due, Gauge::default()),
        }
    }
}

static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::define);

impl Metrics {
    fn define() -> Self {
        let mut registry = Registry::with_prefix("laurel");
        Self {
            rpc: define(
                &mut registry,
                "rpc_server_duration_seconds",
                "Calls answered: how many, with which code, and how long until the answer began; streams when they are over",
                Family::new_with_constructor(latencies as fn() -> Histogram),
            ),
            queue: define(
                &mut registry,
                "batch_queue_depth",
                "Commands that wait to be written or are being written",
                Family::default(),
            ),
            slices: define(
                &mut registry,
                "batch_slice_size",
                "Commands that were taken together into one transaction",
                Family::new_with_constructor(sizes as fn() -> Histogram),
            ),
            connected: define(
                &mut registry,
                "stream_connected",
                "Whether the follower has its stream open: 1, else 0",
                Family::default(),
            ),
            lag: define(
                &mut registry,
                "stream_lag_events",
                "Positions between the head of the stream and what is applied, as the follower last saw it",
                Family::default(),
            ),
            parked: define(
                &mut registry,
                "parked_events",
                "Events set aside because they cannot be applied, and those that wait behind them",
                Family::default(),
            ),
            duplicates: define(
                &mut registry,
                "duplicates_suppressed",
                "Things that came again and changed nothing",
                Family::default(),
            ),
            decisions: define(
                &mut registry,
                "decisions",
                "Decisions of reward rules that were stored",
                Family::default(),
            ),
            timers: Timers::define(&mut registry),
            pool: define(
                &mut registry,
                "pool_connections",
                "Connections of the database pool",
                Family::default(),
            ),
            registry,
        }
        .with_zeros()
    }

    /// What may stay at zero for long is there from the start, so that its first step shows as one.
    fn with_zeros(self) -> Self {
        for duplicate in Duplicate::ALL {
            drop(self.duplicates.get_or_create(&Reason { reason: duplicate.reason() }));
        }
        self
    }
}

fn define<M: Metric + Clone>(registry: &mut Registry, name: &str, help: &str, metric: M) -> M {
    registry.register(name, help, metric.clone());
    metric
}

/// A quarter of a millisecond to eight seconds, in doubles: a lone call takes a few milliseconds, the deadline is a minute.
fn latencies() -> Histogram {
    Histogram::new(histogram::exponential_buckets(0.000_25, 2.0, 16))
}

/// 1 to 256, which is as large as a slice gets.
fn sizes() -> Histogram {
    Histogram::new(histogram::exponential_buckets(1.0, 2.0, 9))
}

/// `laurel_rpc_server_duration_seconds`: time until the answer begins, of calls of `service/method` that ended with `code`.
pub fn rpc_duration(service: &str, method: &str, code: &'static str) -> Histogram {
    let call = Call { rpc_service: service.to_owned(), rpc_method: method.to_owned(), code };
    METRICS.rpc.get_or_create_owned(&call)
}

/// `laurel_batch_queue_depth`: commands of this kind that wait or are being worked on.
pub fn queue_depth(work: &str) -> Gauge {
    METRICS.queue.get_or_create_owned(&Work { work: work.to_owned() })
}

/// `laurel_batch_slice_size`: commands of this kind in one slice.
pub fn slice_size(work: &str) -> Histogram {
    METRICS.slices.get_or_create_owned(&Work { work: work.to_owned() })
}

/// `laurel_stream_connected` of a subscription: 0 also for who stands by.
pub fn stream_connected(subscription: &'static str) -> Gauge {
    METRICS.connected.get_or_create_owned(&Subscription { subscription })
}

/// `laurel_stream_lag_events` of a subscription. Only who follows reports it.
pub fn stream_lag(subscription: &'static str) -> Gauge {
    METRICS.lag.get_or_create_owned(&Subscription { subscription })
}

/// `laurel_parked_events` of a subscription. Only who follows reports it.
pub fn parked_events(subscription: &'static str) -> Gauge {
    METRICS.parked.get_or_create_owned(&Subscription { subscription })
}

/// Another process follows now: what was last seen of a subscription here is no news any more.
pub fn forget_subscription(subscription: &'static str) {
    METRICS.lag.remove(&Subscription { subscription });
    METRICS.parked.remove(&Subscription { subscription });
}

/// Why something that came again changed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duplicate {
    /// A call with a `request_id` that was answered before.
    RequestId,
    /// The same thing under the same natural key: an order, an entry of a stage.
    NaturalKey,
    /// An event that had been applied by somebody else meanwhile.
    RedeliveredEvent,
    /// A decision that had been made for the same transition, rule and beneficiary.
    TwinReward,
}

impl Duplicate {
    const ALL: [Self; 4] = [Self::RequestId, Self::NaturalKey, Self::RedeliveredEvent, Self::TwinReward];

    fn reason(self) -> &'static str {
        match self {
            Self::RequestId => "request_id",
            Self::NaturalKey => "natural_key",
            Self::RedeliveredEvent => "redelivered_event",
            Self::TwinReward => "twin_reward",
        }
    }
}

/// `laurel_duplicates_suppressed_total`: so many more.
pub fn duplicates(why: Duplicate, count: usize) {
    static COUNTERS: LazyLock<[Counter; 4]> = LazyLock::new(|| {
        Duplicate::ALL.map(|why| METRICS.duplicates.get_or_create_owned(&Reason { reason: why.reason() }))
    });
    COUNTERS[why as usize].inc_by(as_u64(count));
}

/// `laurel_decisions_total`: so many more decisions with this outcome.
pub fn decisions(outcome: &'static str, count: usize) {
    METRICS.decisions.get_or_create(&Outcome { outcome }).inc_by(as_u64(count));
}

/// `laurel_timer_lag_seconds`: timers that fired so many seconds after they were due.
pub fn timers_fired(lags: &[f64]) {
    for lag in lags {
        METRICS.timers.lag.observe(*lag);
    }
}

/// `laurel_timers_due`: timers that should have fired.
pub fn timers_due(count: i64) {
    METRICS.timers.due.set(count);
}

/// `laurel_pool_connections`: of a schema's pool, those at work and those that are not.
pub fn pool_connections(schema: &'static str, idle: usize, used: usize) {
    for (state, count) in [("idle", idle), ("used", used)] {
        let gauge = METRICS.pool.get_or_create_owned(&Connections { schema, state });
        gauge.set(as_i64(count));
    }
}

/// A count as a gauge has it.
pub fn as_i64(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn as_u64(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

type Look = Box<dyn Fn() + Send>;

/// What is looked at only when somebody reads the metrics, by number.
static LOOKS: Mutex<Vec<(u64, Look)>> = Mutex::new(Vec::new());

/// Keeps something looked at whenever metrics are read, until it is dropped.
#[derive(Debug)]
#[must_use = "it is looked at no more once this is dropped"]
pub struct Watched(u64);

/// Runs `look` before metrics are read; it sets gauges, must be quick, and must not add or drop another.
pub fn on_read(look: impl Fn() + Send + 'static) -> Watched {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    LOOKS.lock().unwrap_or_else(PoisonError::into_inner).push((number, Box::new(look)));
    Watched(number)
}

impl Drop for Watched {
    fn drop(&mut self) {
        let gone = {
            let mut looks = LOOKS.lock().unwrap_or_else(PoisonError::into_inner);
            let at = looks.iter().position(|(number, _)| *number == self.0);
            at.map(|at| looks.swap_remove(at))
        };
        // outside the lock: what it holds may hold others
        drop(gone);
    }
}

/// All metrics, in the text format that Prometheus reads.
pub fn text() -> String {
    for (_, look) in LOOKS.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        look();
    }
    let mut text = String::new();
    // writing to a string does not fail
    let _ = text::encode(&mut text, &METRICS.registry);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_dashboard() {
        rpc_duration("laurel.orders.v1.OrderService", "GetOrder", "NOT_FOUND").observe(0.001);
        let watched = on_read(|| pool_connections("orders", 3, 1));
        slice_size("orders.RecordOrders").observe(3.0);
        queue_depth("orders.RecordOrders").set(2);
        stream_connected("journeys.orders").set(1);
        stream_lag("journeys.orders").set(7);
        parked_events("journeys.orders").set(1);
        decisions("CREATED", 2);
        duplicates(Duplicate::NaturalKey, 1);
        let read = text();
        for line in [
            r#"laurel_rpc_server_duration_seconds_count{rpc_service="laurel.orders.v1.OrderService",rpc_method="GetOrder",code="NOT_FOUND"} 1"#,
            r#"laurel_pool_connections{schema="orders",state="idle"} 3"#,
            r#"laurel_pool_connections{schema="orders",state="used"} 1"#,
            r#"laurel_batch_slice_size_bucket{le="4.0",work="orders.RecordOrders"} 1"#,
            r#"laurel_batch_queue_depth{work="orders.RecordOrders"} 2"#,
            r#"laurel_stream_connected{subscription="journeys.orders"} 1"#,
            r#"laurel_stream_lag_events{subscription="journeys.orders"} 7"#,
            r#"laurel_parked_events{subscription="journeys.orders"} 1"#,
            r#"laurel_decisions_total{outcome="CREATED"} 2"#,
            r#"laurel_duplicates_suppressed_total{reason="natural_key"} 1"#,
            r#"laurel_duplicates_suppressed_total{reason="twin_reward"} 0"#,
        ] {
            assert!(read.lines().any(|l| l == line), "{line} in\n{read}");
        }
        drop(watched);
        forget_subscription("journeys.orders");
        assert!(!text().contains(r#"laurel_stream_lag_events{subscription="journeys.orders"}"#));
    }
}
