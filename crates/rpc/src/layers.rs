//! What every call passes through, outside in. The same stack serves sockets and calls within the process.

use std::convert::Infallible;
use std::error::Error as _;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use http::request::Parts;
use http::{Request, Response};
use tonic::body::Body;
use tonic::service::Routes;
use tonic::{Code, Status};
use tower::{Service, ServiceExt};
use types::Origin;

use crate::auth::Gate;
use crate::limits::{Limits, Meter};
use crate::{Caller, Error, Reason};

/// One service's routes inside the stack.
#[derive(Debug, Clone)]
pub struct Stack {
    routes: Routes,
    limits: Limits,
    /// None for calls within the process: they carry what the edge let in, and a limit there would make one call wait for
    /// another it has caused.
    edge: Option<Edge>,
}

#[derive(Debug, Clone)]
struct Edge {
    gate: Gate,
    meter: Arc<Meter>,
}

impl Stack {
    /// For the edge: callers are let in by `gate`, and calls beyond the limits are refused.
    pub fn edge(routes: Routes, names: &[&str], limits: Limits, gate: Gate) -> Self {
        let meter = Arc::new(Meter::new(names, limits));
        Self { routes: routes.prepare(), limits, edge: Some(Edge { gate, meter }) }
    }

    /// For calls within the process.
    pub fn inner(routes: Routes, limits: Limits) -> Self {
        Self { routes: routes.prepare(), limits, edge: None }
    }

    async fn run(mut self, request: Request<Body>) -> Result<Response<Body>, Error> {
        let (mut head, body) = request.into_parts();
        // 1. limit of the service: cheapest first, so that an overload costs little; held until the answer begins
        let permit = self.edge.as_ref().map(|edge| edge.meter.service(head.uri.path())).transpose()?;
        // 2. identity: no handler runs without one
        let caller = match &self.edge {
            Some(edge) => edge.gate.admit(&head).await?,
            None => Caller::from_headers(&head.headers)?,
        };
        // 3. limits of the tenant, which is known now
        let share = self.edge.as_ref().map(|edge| edge.meter.tenant(&caller)).transpose()?;
        // 4. origin: what the command will be known by, in the audit and in the events that come of it
        let origin = origin(&head, &caller);
        head.extensions.insert(caller);
        head.extensions.insert(origin);
        // 5. deadline: the caller's, else ours; in memory nothing else looks at it
        let deadline = timeout_of(&head.headers).map_or(self.limits.deadline, ahead_of_transport);
        // 6. panics: one INTERNAL for the caller, not a dead process or a dead caller
        let call =
            AssertUnwindSafe(self.routes.ready_and_call(Request::from_parts(head, body))).catch_unwind();
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
        drop((permit, share));
        transport_error(&response).map_or(Ok(response), Err)
    }
}

fn origin(request: &Parts, caller: &Caller) -> Origin {
    Origin {
        principal: Arc::clone(caller.principal()),
        method: request.uri.path().trim_start_matches('/').into(),
        traceparent: crate::trace::traceparent(&request.headers),
    }
}

fn transport_error(response: &Response<Body>) -> Option<Error> {
    Status::from_header_map(response.headers()).as_ref().and_then(refused_by_transport)
}

/// What the transport itself refuses comes without details, unlike all that we say: a message it cannot read as INTERNAL, one
/// that is too large as OUT_OF_RANGE, or as RESOURCE_EXHAUSTED if it was compressed. All are the caller's fault. A broken
/// connection is none of them: its status has a source.
pub fn refused_by_transport(status: &Status) -> Option<Error> {
    if !status.details().is_empty() || status.source().is_some() {
        return None;
    }
    match status.code() {
        Code::Internal => {
            let message = "the message cannot be read";
            Some(Error::new(Code::InvalidArgument, Reason::MalformedRequest, message))
        }
        Code::OutOfRange | Code::ResourceExhausted => {
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
        let run = async |request| stack.run(request).await.unwrap_or_else(|e| Status::from(e).into_http());
        // 0. telemetry: whatever is refused below is seen, too
        Box::pin(async move { Ok(crate::trace::observed(request, run).await) })
    }
}

/// A little less: on a socket the transport ends the call at the deadline itself, as CANCELLED and without a reason.
fn ahead_of_transport(timeout: Duration) -> Duration {
    timeout.saturating_sub((timeout / 5).min(Duration::from_millis(10)))
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
    fn a_connection_that_broke_is_not_a_message_that_cannot_be_read() {
        let mut broken = Status::internal("h2 protocol error");
        broken.set_source(Arc::new(std::io::Error::other("reset")));
        assert_eq!(refused_by_transport(&broken), None);
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
