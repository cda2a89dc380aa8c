//! Bounds of the edge: how much may be under way at once, and how fast one tenant may call.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};
use types::TenantId;

use crate::{Caller, Error};

/// Tenants whose limits are remembered before the idle ones are forgotten.
const REMEMBERED: usize = 10_000;

/// Bounds of the edge.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Calls of one service that may be under way at once, streams apart.
    pub in_flight: usize,
    /// Streams of one service that may be open at once: watches, imports and exports.
    pub streams: usize,
    /// Calls of one tenant that may be under way at once; 0 for no other limit than that of the service.
    pub tenant_in_flight: usize,
    /// Streams of one tenant that may be open at once; 0 for no other limit than that of the service.
    pub tenant_streams: usize,
    /// Calls a second of one tenant, with as many at once; 0 for no limit.
    pub tenant_per_second: u32,
    /// Time a call may take if it does not say itself.
    pub deadline: Duration,
    /// A stream ends when it has lasted so long, or up to a tenth longer; none: it goes on as long as it likes.
    pub stream_age: Option<Duration>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            in_flight: 2048,
            streams: 1024,
            tenant_in_flight: 0,
            tenant_streams: 0,
            tenant_per_second: 0,
            deadline: Duration::from_mins(1),
            stream_age: None,
        }
    }
}

/// What a call counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One question, one answer; over when the answer begins.
    Call,
    /// Over when the last message has gone.
    Stream,
}

/// What a call holds while it is under way.
pub(crate) type Places = Vec<OwnedSemaphorePermit>;

/// Places for each kind; none where there is no limit.
#[derive(Debug, Clone)]
struct Room {
    calls: Option<Arc<Semaphore>>,
    streams: Option<Arc<Semaphore>>,
}

impl Room {
    /// Room for so many; 0 for any number.
    fn new(calls: usize, streams: usize) -> Self {
        let places = |count| (count > 0).then(|| Arc::new(Semaphore::new(count)));
        Self { calls: places(calls), streams: places(streams) }
    }

    /// A place, or none where none is needed; an error if all are taken.
    fn place(&self, kind: Kind) -> Result<Option<OwnedSemaphorePermit>, TryAcquireError> {
        let places = match kind {
            Kind::Call => &self.calls,
            Kind::Stream => &self.streams,
        };
        places.as_ref().map(|places| Arc::clone(places).try_acquire_owned()).transpose()
    }

    /// Whether somebody has a place.
    fn is_used(&self) -> bool {
        [&self.calls, &self.streams].into_iter().flatten().any(|places| Arc::strong_count(places) > 1)
    }
}

/// Counts what is under way, by service and by tenant.
#[derive(Debug)]
pub(crate) struct Meter {
    /// By package, such as `laurel.orders.v1`.
    services: HashMap<String, Room>,
    /// Streams that are of no service of ours: health and reflection.
    others: Room,
    tenants: Mutex<HashMap<TenantId, Room>>,
    limits: Limits,
    rate: Option<DefaultKeyedRateLimiter<TenantId>>,
    /// So many tenants' rates are remembered before idle ones are looked for.
    sweep: AtomicUsize,
}

impl Meter {
    pub(crate) fn new(names: &[&str], limits: Limits) -> Self {
        // 0 calls would be no service at all
        let room = |name: &&str| {
            (package(name).to_owned(), Room::new(limits.in_flight.max(1), limits.streams.max(1)))
        };
        let rate = NonZeroU32::new(limits.tenant_per_second);
        Self {
            services: names.iter().map(room).collect(),
            others: Room::new(0, limits.streams.max(1)),
            tenants: Mutex::default(),
            limits,
            rate: rate.map(|rate| RateLimiter::keyed(Quota::per_second(rate))),
            sweep: AtomicUsize::new(REMEMBERED),
        }
    }

    /// A place among the calls or streams of the service at `path`.
    pub(crate) fn service(&self, path: &str, kind: Kind) -> Result<Places, Error> {
        let room = self.services.get(package(path)).unwrap_or(&self.others);
        room.place(kind).map(Places::from_iter).map_err(|_| Error::overloaded())
    }

    /// A place among those of the caller's tenant. Services have no limit of their own: what they do is caused by calls that
    /// had one.
    pub(crate) fn tenant(&self, caller: &Caller, kind: Kind) -> Result<Places, Error> {
        let Some(tenant) = caller.acts_for().filter(|_| !caller.is_service()) else {
            return Ok(Places::new());
        };
        if let Some(rate) = &self.rate {
            self.forget_idle(rate);
            rate.check_key(tenant).map_err(|_| Error::rate_limited())?;
        }
        if self.limits.tenant_in_flight == 0 && self.limits.tenant_streams == 0 {
            return Ok(Places::new());
        }
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if tenants.len() > REMEMBERED && !tenants.contains_key(tenant) {
            tenants.retain(|_, room| room.is_used());
        }
        let new = || Room::new(self.limits.tenant_in_flight, self.limits.tenant_streams);
        let place = tenants.entry(tenant.clone()).or_insert_with(new).place(kind);
        place.map(Places::from_iter).map_err(|_| Error::rate_limited())
    }

    /// Looks for them when there are twice as many as last time, so that many busy tenants do not make it costly.
    fn forget_idle(&self, rate: &DefaultKeyedRateLimiter<TenantId>) {
        if rate.len() > self.sweep.load(Ordering::Relaxed) {
            rate.retain_recent();
            self.sweep.store(REMEMBERED.max(rate.len() * 2), Ordering::Relaxed);
        }
    }
}

/// `laurel.orders.v1` of `laurel.orders.v1.OrderService` or `/laurel.orders.v1.OrderService/RecordOrder`.
fn package(path: &str) -> &str {
    let service = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    service.rsplit_once('.').map_or("", |(package, _)| package)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Reason;

    fn caller(tenant: &str) -> Caller {
        Caller::for_tenant("p", tenant.parse().unwrap())
    }

    #[test]
    fn one_tenant_does_not_use_up_what_others_may() {
        let meter = Meter::new(&[], Limits { tenant_in_flight: 1, tenant_streams: 1, ..Limits::default() });
        for kind in [Kind::Call, Kind::Stream] {
            let held = meter.tenant(&caller("a"), kind).unwrap();
            assert_eq!(meter.tenant(&caller("a"), kind).unwrap_err().reason(), Reason::RateLimited);
            assert!(meter.tenant(&caller("b"), kind).is_ok());
            drop(held);
            assert!(meter.tenant(&caller("a"), kind).is_ok());
        }
    }

    #[test]
    fn calls_above_a_tenants_rate_are_refused_and_services_are_not() {
        let meter = Meter::new(&[], Limits { tenant_per_second: 1, ..Limits::default() });
        assert!(meter.tenant(&caller("a"), Kind::Call).is_ok());
        assert_eq!(meter.tenant(&caller("a"), Kind::Call).unwrap_err().reason(), Reason::RateLimited);
        assert!(meter.tenant(&caller("b"), Kind::Call).is_ok());
        let service = Caller::service("orders").narrowed(Some("a".parse().unwrap()));
        assert!(meter.tenant(&service, Kind::Call).is_ok());
    }

    #[test]
    fn a_service_that_has_too_much_under_way_refuses_and_streams_do_not_take_the_places_of_calls() {
        let limits = Limits { in_flight: 1, streams: 1, ..Limits::default() };
        let meter = Meter::new(&["laurel.orders.v1.OrderService"], limits);
        let watch = meter.service("/laurel.orders.v1.OrderService/WatchOrderEvents", Kind::Stream).unwrap();
        assert_eq!(watch.len(), 1);
        assert!(meter.service("/laurel.orders.v1.OrderService/ImportOrders", Kind::Stream).is_err());
        let call = meter.service("/laurel.orders.v1.OrderService/GetOrder", Kind::Call).unwrap();
        assert_eq!(call.len(), 1);
        assert!(meter.service("/laurel.orders.v1.AuditService/ListAuditEntries", Kind::Call).is_err());
        assert!(meter.service("/grpc.health.v1.Health/Check", Kind::Call).unwrap().is_empty());
        let _watch = meter.service("/grpc.health.v1.Health/Watch", Kind::Stream).unwrap();
        assert!(meter.service("/grpc.health.v1.Health/Watch", Kind::Stream).is_err());
    }

    #[test]
    fn tenants_that_have_nothing_under_way_are_forgotten() {
        let meter = Meter::new(&[], Limits { tenant_in_flight: 1, ..Limits::default() });
        let held = meter.tenant(&caller("busy"), Kind::Call).unwrap();
        for n in 0..=REMEMBERED {
            meter.tenant(&caller(&format!("t{n}")), Kind::Call).unwrap();
        }
        assert!(meter.tenants.lock().unwrap().len() < 10);
        assert!(meter.tenant(&caller("busy"), Kind::Call).is_err());
        drop(held);
    }
}
