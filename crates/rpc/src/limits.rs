//! Bounds of the edge: how much may be under way at once, and how fast one tenant may call.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use types::TenantId;

use crate::{Caller, Error};

/// Tenants whose limits are remembered before the idle ones are forgotten.
const REMEMBERED: usize = 10_000;

/// Bounds of the edge.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Calls of one service that may be under way at once; a watch counts only until it has begun.
    pub in_flight: usize,
    /// The same for one tenant; 0 for no other limit than that of the service.
    pub tenant_in_flight: usize,
    /// Calls a second of one tenant, with as many at once; 0 for no limit.
    pub tenant_per_second: u32,
    /// Time a call may take if it does not say itself.
    pub deadline: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { in_flight: 2048, tenant_in_flight: 0, tenant_per_second: 0, deadline: Duration::from_mins(1) }
    }
}

/// Counts what is under way, by service and by tenant.
#[derive(Debug)]
pub(crate) struct Meter {
    /// By package, such as `laurel.orders.v1`.
    services: HashMap<String, Arc<Semaphore>>,
    tenants: Mutex<HashMap<TenantId, Arc<Semaphore>>>,
    tenant_in_flight: usize,
    rate: Option<DefaultKeyedRateLimiter<TenantId>>,
}

impl Meter {
    pub(crate) fn new(names: &[&str], limits: Limits) -> Self {
        let permits = |name: &&str| (package(name).to_owned(), Arc::new(Semaphore::new(limits.in_flight)));
        let rate = NonZeroU32::new(limits.tenant_per_second);
        Self {
            services: names.iter().map(permits).collect(),
            tenants: Mutex::default(),
            tenant_in_flight: limits.tenant_in_flight,
            rate: rate.map(|rate| RateLimiter::keyed(Quota::per_second(rate))),
        }
    }

    /// A place among the calls of the service at `path`.
    pub(crate) fn service(&self, path: &str) -> Result<Option<OwnedSemaphorePermit>, Error> {
        let permits = self.services.get(package(path));
        permits.map(|p| Arc::clone(p).try_acquire_owned().map_err(|_| Error::overloaded())).transpose()
    }

    /// A place among the calls of the caller's tenant. Services have no limit of their own: what they do is caused by
    /// calls that had one.
    pub(crate) fn tenant(&self, caller: &Caller) -> Result<Option<OwnedSemaphorePermit>, Error> {
        let Some(tenant) = caller.acts_for().filter(|_| !caller.is_service()) else { return Ok(None) };
        if let Some(rate) = &self.rate {
            if rate.len() > REMEMBERED {
                rate.retain_recent();
            }
            rate.check_key(tenant).map_err(|_| Error::rate_limited())?;
        }
        if self.tenant_in_flight == 0 {
            return Ok(None);
        }
        let permits = {
            let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
            if tenants.len() > REMEMBERED {
                tenants.retain(|_, permits| permits.available_permits() < self.tenant_in_flight);
            }
            let new = || Arc::new(Semaphore::new(self.tenant_in_flight));
            Arc::clone(tenants.entry(tenant.clone()).or_insert_with(new))
        };
        permits.try_acquire_owned().map(Some).map_err(|_| Error::rate_limited())
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
        let meter = Meter::new(&[], Limits { tenant_in_flight: 1, ..Limits::default() });
        let held = meter.tenant(&caller("a")).unwrap();
        assert_eq!(meter.tenant(&caller("a")).unwrap_err().reason(), Reason::RateLimited);
        assert!(meter.tenant(&caller("b")).is_ok());
        drop(held);
        assert!(meter.tenant(&caller("a")).is_ok());
    }

    #[test]
    fn calls_above_a_tenants_rate_are_refused_and_services_are_not() {
        let meter = Meter::new(&[], Limits { tenant_per_second: 1, ..Limits::default() });
        assert!(meter.tenant(&caller("a")).is_ok());
        assert_eq!(meter.tenant(&caller("a")).unwrap_err().reason(), Reason::RateLimited);
        assert!(meter.tenant(&caller("b")).is_ok());
        let service = Caller::service("orders").narrowed(Some("a".parse().unwrap()));
        assert!(meter.tenant(&service).is_ok());
    }

    #[test]
    fn a_service_that_has_too_much_under_way_refuses() {
        let meter =
            Meter::new(&["laurel.orders.v1.OrderService"], Limits { in_flight: 1, ..Limits::default() });
        let held = meter.service("/laurel.orders.v1.OrderService/GetOrder").unwrap();
        assert!(held.is_some());
        assert!(meter.service("/laurel.orders.v1.AuditService/ListAuditEntries").is_err());
        assert!(meter.service("/grpc.health.v1.Health/Check").unwrap().is_none());
    }
}
