//! What every call passes through, outside in. The same stack serves sockets and calls within the process.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use http::{Request, Response};
use tokio::sync::Semaphore;
use tonic::body::Body;
use tonic::service::Routes;
use tonic::{Code, Status};
use tower::{Service, ServiceExt};
use types::Origin;

use crate::{Caller, Error, Reason};

/// Bounds of the edge.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Calls of one service that may be under way at once; a watch counts only until it has begun.
    pub in_flight: usize,
    /// Time a call may take if it does not say itself.
    pub deadline: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { in_flight: 2048, deadline: Duration::from_mins(1) }
    }
}

/// One service's routes inside the stack.
#[derive(Debug, Clone)]
pub struct Stack {
    routes: Routes,
    limits: Limits,
    /// By package, such as `laurel.orders.v1`. Empty for calls within the process: a limit there would make one call
    /// wait for another it has caused.
    permits: Arc<HashMap<String, Arc<Semaphore>>>,
}

impl Stack {
    /// For the edge: calls beyond the limit of their service are refused.
    pub fn edge(routes: Routes, names: &[&str], limits: Limits) -> Self {
        let permit = |name: &&str| (package(name).to_owned(), Arc::new(Semaphore::new(limits.in_flight)));
        Self { routes: routes.prepare(), limits, permits: Arc::new(names.iter().map(permit).collect()) }
    }

    /// For calls within the process.
    pub fn inner(routes: Routes, limits: Limits) -> Self {
        Self { routes: routes.prepare(), limits, permits: Arc::default() }
    }

    async fn run(mut self, mut request: Request<Body>) -> Result<Response<Body>, Error> {
        // 1. limit: cheapest first, so that an overload costs little; held until the answer begins
        let permit = match self.permits.get(package(request.uri().path())) {
            Some(permits) => Some(Arc::clone(permits).try_acquire_owned().map_err(|_| Error::overloaded())?),
            None => None,
        };
        // 2. identity: no handler runs without one
        let caller = Caller::from_headers(request.headers())?;
        let origin = Origin {
            principal: Arc::clone(caller.principal()),
            method: request.uri().path().trim_start_matches('/').into(),
            traceparent: request.headers().get("traceparent").and_then(|v| v.to_str().ok()).map(Into::into),
        };
        request.extensions_mut().insert(caller);
        request.extensions_mut().insert(origin);
        // 3. deadline: the caller's, else ours; in memory nothing else looks at it
        let deadline = timeout_of(request.headers()).unwrap_or(self.limits.deadline);
        // 4. panics: one INTERNAL for the caller, not a dead process or a dead caller
        let call = AssertUnwindSafe(self.routes.ready_and_call(request)).catch_unwind();
        let response = match tokio::time::timeout(deadline, call).await {
            Ok(Ok(Ok(response))) => response,
            Ok(Ok(Err(never))) => match never {},
            Ok(Err(_panic)) => {
                tracing::error!("handler panicked");
                return Err(Error::internal());
            }
            Err(_elapsed) => {
                let message = "the deadline passed";
                return Err(Error::new(Code::DeadlineExceeded, Reason::DeadlineExceeded, message));
            }
        };
        drop(permit);
        transport_error(&response).map_or(Ok(response), Err)
    }
}

/// What the transport itself refuses comes without details, unlike all that we say: a message it cannot read as INTERNAL, one
/// that is too large as OUT_OF_RANGE. Both are the caller's fault.
fn transport_error(response: &Response<Body>) -> Option<Error> {
    let status = Status::from_header_map(response.headers()).filter(|status| status.details().is_empty())?;
    match status.code() {
        Code::Internal => {
            let message = "the message cannot be read";
            Some(Error::new(Code::InvalidArgument, Reason::MalformedRequest, message))
        }
        Code::OutOfRange => {
            let message = "the message is too large";
            Some(Error::new(Code::ResourceExhausted, Reason::MessageTooLarge, message))
        }
        _ => None,
    }
}

trait ReadyAndCall {
    fn ready_and_call(
        &mut self,
        request: Request<Body>,
    ) -> impl Future<Output = Result<Response<Body>, Infallible>> + Send;
}

impl ReadyAndCall for Routes {
    async fn ready_and_call(&mut self, request: Request<Body>) -> Result<Response<Body>, Infallible> {
        ServiceExt::<Request<Body>>::ready(self).await?.call(request).await
    }
}

impl Service<Request<Body>> for Stack {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let stack = self.clone();
        Box::pin(async move { Ok(stack.run(request).await.unwrap_or_else(|e| Status::from(e).into_http())) })
    }
}

/// `laurel.orders.v1` of `laurel.orders.v1.OrderService` or `/laurel.orders.v1.OrderService/RecordOrder`.
fn package(path: &str) -> &str {
    let service = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    service.rsplit_once('.').map_or("", |(package, _)| package)
}

/// The `grpc-timeout` of a request: at most 8 digits and a unit.
fn timeout_of(headers: &http::HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let value: u64 = digits.parse().ok().filter(|_| digits.len() <= 8)?;
    match unit {
        "H" => Some(Duration::from_secs(value * 3600)),
        "M" => Some(Duration::from_secs(value * 60)),
        "S" => Some(Duration::from_secs(value)),
        "m" => Some(Duration::from_millis(value)),
        "u" => Some(Duration::from_micros(value)),
        "n" => Some(Duration::from_nanos(value)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_transport_refuses_is_the_callers_fault_and_has_a_reason() {
        let told = |status: Status| transport_error(&status.into_http()).map(|e| (e.code(), e.reason()));
        let unreadable = Status::internal("failed to decode Protobuf message");
        assert_eq!(told(unreadable), Some((Code::InvalidArgument, Reason::MalformedRequest)));
        let large = Status::out_of_range("decoded message length too large");
        assert_eq!(told(large), Some((Code::ResourceExhausted, Reason::MessageTooLarge)));
        assert_eq!(told(Error::internal().into()), None, "a bug of ours stays one");
        assert_eq!(told(Status::unimplemented("")), None);
    }

    #[test]
    fn grpc_timeouts_are_read() {
        let of = |text: &'static str| {
            let mut headers = http::HeaderMap::new();
            headers.insert("grpc-timeout", http::HeaderValue::from_static(text));
            timeout_of(&headers)
        };
        assert_eq!(of("250m"), Some(Duration::from_millis(250)));
        assert_eq!(of("3S"), Some(Duration::from_secs(3)));
        for text in ["", "S", "999999999S", "3x", "-3S"] {
            assert_eq!(of(text), None, "{text:?}");
        }
    }
}
