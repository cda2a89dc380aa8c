//! Contexts of traces: in and out of calls and events, and links where slices join them.
//!
//! Spans are made with tracing, under [`TARGET`]: the exporter takes these and no others, the log none of them, so without
//! an exporter a span costs a look at a flag. W3C is spoken by the propagator that `runtime::telemetry` installs; without
//! it nothing is read and nothing is sent.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::propagation::{Extractor, Injector};
use opentelemetry::trace::{SpanContext, TraceContextExt};
use opentelemetry::{Context, global};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// Target of the spans that are exported.
pub const TARGET: &str = "laurel::span";
/// Header, and field of events, that holds a context.
pub const TRACEPARENT: &str = "traceparent";

/// What calls carry that are not traced, so that nobody behind them begins a trace in the middle: a context that says no.
const UNTRACED: HeaderValue =
    HeaderValue::from_static("00-00000000000000000000000000000001-0000000000000001-00");

/// Which calls are traced.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// Whether a caller that sends a context decides for its call.
    pub heeds_caller: bool,
    /// The share of the other calls that is traced, from 0 to 1.
    pub ratio: f64,
}

/// Whether there is an exporter.
static IS_ON: AtomicBool = AtomicBool::new(false);
static HEEDS_CALLER: AtomicBool = AtomicBool::new(true);
/// A call is traced if a random number is below this.
static BELOW: AtomicU64 = AtomicU64::new(u64::MAX);

/// Says which calls are traced from here on, now that there is an exporter.
pub fn sample(sampling: Sampling) {
    HEEDS_CALLER.store(sampling.heeds_caller, Ordering::Relaxed);
    // saturates: 1 is all of them
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a share"
    )]
    let below = (sampling.ratio * u64::MAX as f64) as u64;
    BELOW.store(below, Ordering::Relaxed);
    IS_ON.store(true, Ordering::Relaxed);
}

/// Whether a call with these headers is to be traced. It is asked before a span is made, since most of what a span costs it
/// costs whether it is exported or not.
pub fn is_wanted(headers: &HeaderMap) -> bool {
    let said = headers.get(TRACEPARENT).and_then(|value| is_sampled(value.to_str().ok()?));
    match said {
        Some(said) if HEEDS_CALLER.load(Ordering::Relaxed) => said,
        _ => match BELOW.load(Ordering::Relaxed) {
            u64::MAX => true,
            below => rand::random::<u64>() < below,
        },
    }
}

/// Whether a W3C context says that it is sampled; none if it is no context: version, trace, span and flags in hexadecimal.
pub fn is_sampled(context: &str) -> Option<bool> {
    let mut parts = context.split('-');
    let mut part = |length| {
        let part = parts.next().filter(|part| part.len() == length)?;
        part.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(part)
    };
    let (_version, _trace, _span, flags) = (part(2)?, part(32)?, part(16)?, part(2)?);
    let flags = u8::from_str_radix(flags, 16).ok()?;
    parts.next().is_none().then_some(flags & 1 == 1)
}

/// The context of the span one is in, if it is traced.
pub fn current() -> Option<SpanContext> {
    let context = Span::current().context();
    let context = context.span().span_context().clone();
    context.is_valid().then_some(context)
}

/// The same as text, for what outlives the call.
pub fn traceparent() -> Option<String> {
    current().map(|context| {
        let (trace, span, flags) = (context.trace_id(), context.span_id(), context.trace_flags());
        format!("00-{trace}-{span}-{flags:02x}")
    })
}

/// Reads what [`traceparent`] wrote; none if it is not a context, or nothing is traced here.
pub fn parse(traceparent: &str) -> Option<SpanContext> {
    if traceparent.is_empty() {
        return None;
    }
    let context = extract(&One(traceparent));
    let context = context.span().span_context().clone();
    context.is_valid().then_some(context)
}

/// Makes `span`, not yet entered, part of the trace that the headers of a call name, if they name one.
pub fn continue_from(span: &Span, headers: &HeaderMap) {
    if !span.is_disabled() && headers.contains_key(TRACEPARENT) {
        let parent = extract(&Headers(headers));
        if parent.span().span_context().is_valid() {
            // fails only where nothing is traced
            let _ = span.set_parent(parent);
        }
    }
}

/// Makes `span`, not yet entered, a child of `parent`.
pub fn child_of(span: &Span, parent: SpanContext) {
    let _ = span.set_parent(Context::new().with_remote_span_context(parent));
}

/// Makes `span`, not yet entered, the root of a trace of its own, wherever it is made.
pub fn root(span: &Span) {
    let _ = span.set_parent(Context::new());
}

/// Links `span` to each of `contexts` once, to `most` at most.
pub fn link(span: &Span, contexts: impl Iterator<Item = SpanContext>, most: usize) {
    if span.is_disabled() {
        return;
    }
    for context in distinct(contexts, most) {
        span.add_link(context);
    }
}

/// The first `most` different ones of `contexts`.
pub fn distinct(contexts: impl Iterator<Item = SpanContext>, most: usize) -> Vec<SpanContext> {
    let mut distinct: Vec<SpanContext> = Vec::new();
    for context in contexts {
        if distinct.len() == most {
            break;
        }
        // those of one call come one after the other
        if !distinct.iter().rev().any(|known| known.span_id() == context.span_id()) {
            distinct.push(context);
        }
    }
    distinct
}

/// Adds the context of the span one is in to the headers of a call that goes out; one that is in none is not to be traced.
pub fn inject(headers: &mut HeaderMap) {
    let context = Span::current().context();
    if context.span().span_context().is_valid() {
        global::get_text_map_propagator(|p| p.inject_context(&context, &mut HeadersMut(headers)));
    } else if IS_ON.load(Ordering::Relaxed) {
        headers.entry(TRACEPARENT).or_insert(UNTRACED);
    }
}

fn extract(from: &dyn Extractor) -> Context {
    global::get_text_map_propagator(|p| p.extract_with_context(&Context::new(), from))
}

struct One<'a>(&'a str);

impl Extractor for One<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        (key == TRACEPARENT).then_some(self.0)
    }

    fn keys(&self) -> Vec<&str> {
        vec![TRACEPARENT]
    }
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

struct HeadersMut<'a>(&'a mut HeaderMap);

impl Injector for HeadersMut<'_> {
    fn set(&mut self, key: &str, value: String) {
        // an empty state is as good as none
        if let (false, Ok(name), Ok(value)) =
            (value.is_empty(), HeaderName::try_from(key), HeaderValue::try_from(value))
        {
            self.0.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::TracerProvider;
    use opentelemetry_sdk::propagation::TraceContextPropagator;
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    const CALLER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    /// Where spans are traced, as `runtime::telemetry` has it, to nowhere.
    fn traced(within: impl FnOnce()) {
        global::set_text_map_propagator(TraceContextPropagator::new());
        let tracer = SdkTracerProvider::default().tracer("test");
        let layer = tracing_opentelemetry::layer().with_tracer(tracer).with_context_activation(false);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), within);
    }

    #[test]
    fn a_span_continues_its_callers_trace_and_what_it_calls_continues_the_span() {
        traced(|| {
            let caller = parse(CALLER).unwrap();
            assert!(caller.is_sampled() && caller.is_remote());
            let span = tracing::info_span!("call");
            child_of(&span, caller.clone());
            let _within = span.entered();
            let own = current().unwrap();
            assert_eq!(own.trace_id(), caller.trace_id());
            assert_ne!(own.span_id(), caller.span_id());
            let told = traceparent().unwrap();
            assert_eq!(parse(&told).map(|told| told.span_id()), Some(own.span_id()));
            let mut headers = HeaderMap::new();
            inject(&mut headers);
            assert_eq!((headers.len(), &headers[TRACEPARENT]), (1, &HeaderValue::from_str(&told).unwrap()));
        });
    }

    #[test]
    fn what_is_no_context_is_none() {
        global::set_text_map_propagator(TraceContextPropagator::new());
        let zero = "00-00000000000000000000000000000000-00f067aa0ba902b7-01";
        for text in ["", "nonsense", zero, &CALLER[..40]] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!((current(), traceparent()), (None, None));
        let mut headers = HeaderMap::new();
        inject(&mut headers);
        assert!(headers.is_empty());
    }

    #[test]
    fn the_caller_decides_and_else_the_share() {
        let with = |context: &'static str| {
            HeaderMap::from_iter([(HeaderName::from_static(TRACEPARENT), HeaderValue::from_static(context))])
        };
        let untraced = HeaderMap::from_iter([(HeaderName::from_static(TRACEPARENT), UNTRACED)]);
        let wanted = || [is_wanted(&with(CALLER)), is_wanted(&untraced), is_wanted(&HeaderMap::new())];
        assert_eq!(wanted(), [true, false, true]);
        assert!(is_wanted(&with("00-1-2-00")), "no context");
        sample(Sampling { heeds_caller: true, ratio: 0.0 });
        assert_eq!(wanted(), [true, false, false]);
        sample(Sampling { heeds_caller: false, ratio: 1.0 });
        assert_eq!(wanted(), [true; 3]);
        sample(Sampling { heeds_caller: true, ratio: 0.5 });
        let traced = (0..1000).filter(|_| is_wanted(&HeaderMap::new())).count();
        assert!((350..650).contains(&traced), "{traced} of 1000");
        // and those behind it hear of it
        let mut headers = HeaderMap::new();
        inject(&mut headers);
        assert_eq!(headers.get(TRACEPARENT), Some(&UNTRACED));
    }

    #[test]
    fn contexts_of_one_call_are_one_link_and_links_are_bounded() {
        global::set_text_map_propagator(TraceContextPropagator::new());
        let context = |n: usize| parse(&format!("00-{:032x}-{:016x}-01", n / 2 + 1, n / 2 + 1)).unwrap();
        assert_eq!(distinct((0..10).map(context), 32).len(), 5);
        assert_eq!(distinct((0..1000).map(context), 32).len(), 32);
    }
}
