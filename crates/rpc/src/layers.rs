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
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::service::Routes;
use tonic::{Code, Status};
use tower::{Service, ServiceExt};
use types::Origin;

use crate::auth::{Admitted, Gate, Method};
use crate::body::Tended;
use crate::limits::{Kind, Limits, Meter, Places};
use crate::{Caller, Error, Reason};

/// The question of a probe.
const HEALTH_CHECK: &str = "/grpc.health.v1.Health/Check";
/// The longest deadline of a caller that is heeded.
const LONGEST: Duration = Duration::from_hours(1);

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
    stream_age: Option<Duration>,
    /// Cancelled when the server stops.
    stop: CancellationToken,
}

/// What a call at the edge holds, and for how long.
#[derive(Debug)]
struct Held {
    kind: Kind,
    places: Places,
    left: Option<Duration>,
    deadline: Option<Instant>,
}

impl Edge {
    /// What a call to `path` counts as. What is not of our contracts goes on as long as it likes, but a probe's question.
    fn kind(&self, path: &str) -> Kind {
        let streams = self.gate.method(path).map_or(path != HEALTH_CHECK, Method::streams);
        if streams { Kind::Stream } else { Kind::Call }
    }

    async fn admit(&self, head: &Parts) -> Result<(Caller, Held), Error> {
        let path = head.uri.path();
        let kind = self.kind(path);
        // 1. limit of the service: cheapest first, so that an overload costs little
        let mut places = self.meter.service(path, kind)?;
        // 2. identity: no handler runs without one
        let Admitted { caller, left } = self.gate.admit(head).await?;
        // 3. limits of the tenant, which is known now
        places.extend(self.meter.tenant(&caller, kind)?);
        let named = timeout_of(&head.headers).map(ahead_of_transport);
        let deadline = named.and_then(|named| Instant::now().checked_add(named));
        Ok((caller, Held { kind, places, left, deadline }))
    }

    /// A stream keeps its places until it is over, and outlives neither its credential, nor the deadline of its caller, nor the age
    /// of streams. Our own streams end with the server by themselves.
    fn tend(&self, path: &str, held: Held, response: Response<Body>) -> Response<Body> {
        if held.kind == Kind::Call {
            return response;
        }
        response.map(|body| {
            let tended = Tended::new(body, held.places)
                .expiring(held.left)
                .until(held.deadline)
                .lasting(self.stream_age);
            let ours = self.gate.method(path).is_some();
            Body::new(if ours { tended } else { tended.stopping_with(self.stop.clone()) })
        })
    }
}

impl Stack {
    /// For the edge: callers are let in by `gate`, and calls beyond the limits are refused. `stop` is cancelled when the server
    /// stops.
    pub fn edge(routes: Routes, names: &[&str], limits: Limits, gate: Gate, stop: CancellationToken) -> Self {
        let meter = Arc::new(Meter::new(names, limits));
        let edge = Edge { gate, meter, stream_age: limits.stream_age, stop };
        Self { routes: routes.prepare(), limits, edge: Some(edge) }
    }

    /// For calls within the process.
    pub fn inner(routes: Routes, limits: Limits) -> Self {
        Self { routes: routes.prepare(), limits, edge: None }
    }

    async fn run(self, request: Request<Body>) -> Result<Response<Body>, Error> {
        // 1. deadline: in memory nothing else looks at it
        let deadline = deadline(request.headers(), self.limits.deadline);
        // 2. panics: one INTERNAL for the caller, not a dead process or a dead caller
        let call = AssertUnwindSafe(self.call_admitted(request)).catch_unwind();
        match tokio::time::timeout(deadline, call).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_panic)) => {
                tracing::error!("handler panicked");
                Err(Error::internal())
            }
            Err(_elapsed) => Err(Error::deadline_passed()),
        }
    }

    async fn call_admitted(mut self, request: Request<Body>) -> Result<Response<Body>, Error> {
        let (mut head, body) = request.into_parts();
        // 3. limits and identity
        let (caller, held) = match &self.edge {
            Some(edge) => edge.admit(&head).await.map(|(caller, held)| (caller, Some(held)))?,
            None => (Caller::from_headers(&head.headers)?, None),
        };
        // 4. origin: what the command will be known by, in the audit and in the events that come of it
        let origin = origin(&head, &caller);
        let path = head.uri.path().to_owned();
        head.extensions.insert(caller);
        head.extensions.insert(origin);
        let response = match self.routes.ready_and_call(Request::from_parts(head, body)).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        if let Some(refused) = transport_error(&response) {
            return Err(refused);
        }
        // 5. what goes on after this
        Ok(match self.edge.as_ref().zip(held) {
            Some((edge, held)) => edge.tend(&path, held, response),
            None => response,
        })
    }
}

fn origin(request: &Parts, caller: &Caller) -> Origin {
    Origin {
        principal: Arc::clone(caller.principal()),
        method: request.uri.path().trim_start_matches('/').into(),
        traceparent: crate::trace::traceparent(request.uri.path(), &request.headers),
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

/// How long a call may take: what its caller says, within reason, else `usual`.
fn deadline(headers: &http::HeaderMap, usual: Duration) -> Duration {
    timeout_of(headers).map_or(usual, |named| ahead_of_transport(named).min(LONGEST))
}

/// A little less: on a socket the transport ends the call at the deadline itself, as CANCELLED and without a reason. Its clock begins
/// earlier, by as much as a busy machine leaves the call waiting.
fn ahead_of_transport(timeout: Duration) -> Duration {
    timeout.saturating_sub((timeout / 5).min(Duration::from_millis(50)))
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
    use tonic::server::NamedService;
    use tonic_types::StatusExt;

    use super::*;

    /// A service with a bug.
    #[derive(Clone)]
    struct Broken;

    impl NamedService for Broken {
        const NAME: &'static str = "laurel.test.Broken";
    }

    impl Service<Request<Body>> for Broken {
        type Response = Response<Body>;
        type Error = Infallible;
        type Future = std::future::Ready<Result<Response<Body>, Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request<Body>) -> Self::Future {
            panic!("the password is secret")
        }
    }

    #[tokio::test]
    async fn a_handler_that_panics_is_internal_to_its_caller_who_learns_no_more() {
        let mut stack = Stack::inner(Routes::default().add_service(Broken), Limits::default());
        let request = Request::post("/laurel.test.Broken/Call").header("laurel-tenant", "acme");
        let response = stack.call(request.body(Body::empty()).unwrap()).await.unwrap();
        let status = Status::from_header_map(response.headers()).unwrap();
        assert_eq!((status.code(), status.message()), (Code::Internal, "internal error"));
        let info = status.get_details_error_info().unwrap();
        assert_eq!((info.domain.as_str(), info.reason.as_str()), ("laurel", "INTERNAL"));
        assert!(info.metadata.is_empty(), "{info:?}");
    }

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
    fn a_caller_names_the_deadline_within_reason() {
        let usual = Duration::from_mins(1);
        let mut headers = http::HeaderMap::new();
        assert_eq!(deadline(&headers, usual), usual);
        headers.insert("grpc-timeout", http::HeaderValue::from_static("20M"));
        assert_eq!(deadline(&headers, usual), ahead_of_transport(Duration::from_mins(20)));
        headers.insert("grpc-timeout", http::HeaderValue::from_static("99999999H"));
        assert_eq!(deadline(&headers, usual), LONGEST);
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
