//! Where a command comes from: who asked, by which method, and under which trace.

use std::sync::Arc;

/// The origin of a command. It travels with the command through its slice, to the audit row and the events that come of
/// it. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    /// Who: the subject of a credential, `anonymous` where there is no authentication, `service:orders` for a service.
    pub principal: Arc<str>,
    /// By what: a method such as `laurel.orders.v1.OrderService/RecordOrder`, or a subscription such as `journeys.orders`.
    pub method: Arc<str>,
    /// W3C trace context of the call, if it is traced.
    pub traceparent: Option<Arc<str>>,
}

impl Origin {
    /// The service `name` itself, at work on `task`, such as a subscription.
    pub fn service(name: &str, task: &str) -> Self {
        Self { principal: format!("service:{name}").into(), method: task.into(), traceparent: None }
    }

    /// The same, as part of the trace that an event was caused in; empty if it was not traced.
    #[must_use]
    pub fn traced(self, traceparent: &str) -> Self {
        Self { traceparent: (!traceparent.is_empty()).then(|| traceparent.into()), ..self }
    }
}
