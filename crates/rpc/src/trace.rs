//! One span and one measurement per call, and the trace's context on calls that go out.
//!
//! Only methods of our contracts are seen: a path that a caller made up becomes neither a span's name nor a label.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, LazyLock, OnceLock};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::{HeaderMap, Request, Response};
use http_body::Frame;
use observe::metrics::{Histogram, rpc_duration};
use observe::trace::{TARGET, TRACEPARENT, continue_from, is_sampled, is_wanted};
use prost::Message;
use prost_types::MethodOptions;
use prost_types::method_options::IdempotencyLevel;
use tonic::body::Body;
use tonic::codegen::Bytes;
use tonic::{Code, Status};
use tracing::field::Empty;
use tracing::{Instrument, Span};

/// Carries out a call of one of our methods under a span of its own, and measures it until its answer begins. A stream is counted
/// when it is over, by the code that it ended with.
pub(crate) async fn observed<F>(
    request: Request<Body>,
    call: impl FnOnce(Request<Body>) -> F,
) -> Response<Body>
where
    F: Future<Output = Response<Body>>,
{
    let Some(method) = METHODS.get(request.uri().path()) else { return call(request).await };
    let mut measured = Measured { method, begun: Instant::now(), took: None, code: Code::Cancelled };
    let span = method.span(request.headers());
    let response = call(request).instrument(span.clone()).await;
    let code = code_of(response.headers());
    finish(&span, code.unwrap_or(Code::Ok));
    measured.took = Some(measured.begun.elapsed());
    if method.streams && code.is_none() {
        return response.map(|inner| Body::new(Counted { inner, measured }));
    }
    measured.code = code.unwrap_or(Code::Ok);
    response
}

/// The body of a stream.
struct Counted {
    inner: Body,
    measured: Measured,
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = std::task::ready!(Pin::new(&mut self.inner).poll_frame(context));
        self.measured.code = match &frame {
            Some(Ok(frame)) => match frame.trailers_ref() {
                Some(trailers) => code_of(trailers).unwrap_or(Code::Ok),
                None => self.measured.code,
            },
            Some(Err(status)) => status.code(),
            None => self.measured.code,
        };
        Poll::Ready(frame)
    }
}

/// The trace that what a call does is part of: the span of the call where calls are traced, else what the caller sent. None for
/// a call that does nothing but read, since nothing comes of it.
pub(crate) fn traceparent(path: &str, headers: &HeaderMap) -> Option<Arc<str>> {
    if METHODS.get(path).is_some_and(|method| method.only_reads) {
        return None;
    }
    // it is passed on in every event, so it is what it says, or nothing
    let sent = || {
        headers
            .get(TRACEPARENT)
            .and_then(|value| value.to_str().ok())
            .filter(|text| is_sampled(text).is_some())
    };
    observe::trace::traceparent().as_deref().or_else(sent).map(Into::into)
}

/// Makes a call that goes out part of the trace one is in.
pub(crate) fn inject(mut request: Request<Body>) -> Request<Body> {
    observe::trace::inject(request.headers_mut());
    request
}

/// Every method of our contracts, by its path.
static METHODS: LazyLock<HashMap<String, Method>> = LazyLock::new(|| {
    let descriptors = prost_types::FileDescriptorSet::decode(proto::DESCRIPTORS).unwrap_or_default();
    let mut methods = HashMap::new();
    for file in descriptors.file {
        for service in &file.service {
            let service_name = format!("{}.{}", file.package(), service.name());
            for method in &service.method {
                let streams = method.client_streaming() || method.server_streaming();
                let level = method.options.as_ref().map(MethodOptions::idempotency_level);
                let only_reads = level == Some(IdempotencyLevel::NoSideEffects);
                let method = Method::new(&service_name, method.name(), streams, only_reads);
                methods.insert(format!("/{}", method.name), method);
            }
        }
    }
    methods
});

/// Codes are numbered from 0 to 16.
const CODES: usize = 17;

struct Method {
    /// Such as `laurel.orders.v1.OrderService/RecordOrder`.
    name: String,
    /// Length of what is before the slash.
    service: usize,
    streams: bool,
    only_reads: bool,
    durations: [OnceLock<Histogram>; CODES],
}

impl Method {
    fn new(service: &str, method: &str, streams: bool, only_reads: bool) -> Self {
        let name = format!("{service}/{method}");
        Self { name, service: service.len(), streams, only_reads, durations: Default::default() }
    }

    fn parts(&self) -> (&str, &str) {
        (&self.name[..self.service], &self.name[self.service + 1..])
    }

    fn span(&self, headers: &HeaderMap) -> Span {
        if !is_wanted(headers) {
            return Span::none();
        }
        let (service, method) = self.parts();
        let span = tracing::info_span!(
            target: TARGET,
            "call",
            otel.name = self.name,
            otel.kind = "server",
            rpc.system = "grpc",
            rpc.service = service,
            rpc.method = method,
            rpc.grpc.status_code = Empty,
            otel.status_code = Empty,
        );
        continue_from(&span, headers);
        span
    }

    fn duration(&self, code: Code) -> &Histogram {
        let (service, method) = self.parts();
        // a `Code` is one of the 17
        let slot = usize::try_from(i32::from(code)).unwrap_or_default().min(CODES - 1);
        self.durations[slot].get_or_init(|| rpc_duration(service, method, name_of(code)))
    }
}

/// Measures a call also when its caller goes away before it is answered.
struct Measured {
    method: &'static Method,
    begun: Instant,
    /// Until the answer began, if it did.
    took: Option<Duration>,
    code: Code,
}

impl Drop for Measured {
    fn drop(&mut self) {
        let took = self.took.unwrap_or_else(|| self.begun.elapsed());
        self.method.duration(self.code).observe(took.as_secs_f64());
    }
}

/// What headers or trailers tell: an error that comes before any message has a code in the headers.
fn code_of(headers: &HeaderMap) -> Option<Code> {
    headers.get("grpc-status").map(|status| Code::from_bytes(status.as_bytes()))
}

fn finish(span: &Span, code: Code) {
    if span.is_disabled() {
        return;
    }
    span.record("rpc.grpc.status_code", i32::from(code));
    // what the caller did wrong is no failure of ours
    if matches!(
        code,
        Code::Unknown
            | Code::DeadlineExceeded
            | Code::Unimplemented
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss
    ) {
        span.record("otel.status_code", "ERROR");
    }
}

fn name_of(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, StreamBody};

    use super::*;

    fn request(path: &str) -> Request<Body> {
        Request::builder().uri(path).body(Body::empty()).unwrap()
    }

    fn counted(line: &str) -> bool {
        observe::metrics::text().lines().any(|l| l == line)
    }

    #[tokio::test]
    async fn a_call_is_measured_by_method_and_code() {
        let not_found = async |_| Status::not_found("").into_http();
        observed(request("/laurel.orders.v1.OrderService/GetOrder"), not_found).await;
        let labels = r#"rpc_service="laurel.orders.v1.OrderService",rpc_method="GetOrder",code="NOT_FOUND""#;
        assert!(counted(&format!("laurel_rpc_server_duration_seconds_count{{{labels}}} 1")));
    }

    #[tokio::test]
    async fn a_path_that_is_no_method_becomes_no_label() {
        let path = "/laurel.orders.v1.OrderService/bob@example.com";
        let answer = observed(request(path), async |_| Status::unimplemented("").into_http()).await;
        assert_eq!(code_of(answer.headers()), Some(Code::Unimplemented));
        assert!(!observe::metrics::text().contains("bob"));
    }

    #[tokio::test]
    async fn a_call_whose_caller_goes_away_is_measured_as_cancelled() {
        let call = observed(request("/laurel.orders.v1.OrderService/ListOrders"), |_| std::future::pending());
        assert!(futures::FutureExt::now_or_never(call).is_none());
        let labels =
            r#"rpc_service="laurel.orders.v1.OrderService",rpc_method="ListOrders",code="CANCELLED""#;
        assert!(counted(&format!("laurel_rpc_server_duration_seconds_count{{{labels}}} 1")));
    }

    #[tokio::test]
    async fn a_stream_is_counted_when_it_is_over_by_how_it_ended() {
        let path = "/laurel.rewards.v1.RewardService/WatchRewardEvents";
        let count = |code: &str| {
            let labels = format!(
                r#"rpc_service="laurel.rewards.v1.RewardService",rpc_method="WatchRewardEvents",code="{code}""#
            );
            format!("laurel_rpc_server_duration_seconds_count{{{labels}}} 1")
        };
        let mut trailers = HeaderMap::new();
        Status::data_loss("").add_header(&mut trailers).unwrap();
        let ends = StreamBody::new(futures::stream::iter([Ok::<_, Status>(Frame::trailers(trailers))]));
        let answer = observed(request(path), async |_| Response::new(Body::new(ends))).await;
        assert!(!counted(&count("DATA_LOSS")), "it has only begun");
        drop(answer.into_body().collect().await);
        assert!(counted(&count("DATA_LOSS")));
        // its client went away
        let goes_on = StreamBody::new(futures::stream::pending::<Result<Frame<Bytes>, Status>>());
        drop(observed(request(path), async |_| Response::new(Body::new(goes_on))).await);
        assert!(counted(&count("CANCELLED")));
    }

    #[test]
    fn without_traces_the_callers_context_is_passed_on_if_it_is_one() {
        const WRITE: &str = "/laurel.orders.v1.OrderService/RecordOrder";
        let mut headers = HeaderMap::new();
        assert_eq!(traceparent(WRITE, &headers), None);
        headers.insert(TRACEPARENT, http::HeaderValue::from_static("00-1-2-01, and much more"));
        assert_eq!(traceparent(WRITE, &headers), None);
        headers.insert(
            TRACEPARENT,
            http::HeaderValue::from_static("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        );
        assert_eq!(
            traceparent(WRITE, &headers).as_deref(),
            Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
        );
        assert_eq!(
            traceparent("/laurel.orders.v1.OrderService/GetOrder", &headers),
            None,
            "nothing comes of it"
        );
    }
}
