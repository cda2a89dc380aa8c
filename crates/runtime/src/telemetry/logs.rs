//! Structured logs on standard error.

use std::fmt;
use std::io::IsTerminal;

use observe::trace;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{DefaultFields, Format, Full, Json, JsonFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, Layer};

use super::{install, setting, traces};

/// Starts logging: JSON lines if `LAUREL_LOG_FORMAT=json`, else text; what is logged is set by `LAUREL_LOG`
/// (`level` unless set, in the syntax of tracing's `EnvFilter`). Spans go to `traces`, and only there.
pub(super) fn start(level: &str, traces: Option<&SdkTracerProvider>) {
    // what migrations find in place already is no news
    let default = format!("{level},sqlx::postgres::notice=warn");
    let parsed = setting("log").map(|text| EnvFilter::try_new(&text).map_err(|error| (text, error)));
    let (filter, wrong) = match parsed {
        Some(Ok(filter)) => (filter, None),
        Some(Err(wrong)) => (EnvFilter::new(&default), Some(wrong)),
        None => (EnvFilter::new(&default), None),
    };
    let filter = without_spans(filter);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        // nobody reads standard error any more: that is no reason to die
        .log_internal_errors(false);
    let spans = traces.map(traces::layer);
    let registry = tracing_subscriber::registry();
    if setting("log_format").is_some_and(|format| format == "json") {
        let format = WithTrace(Format::default().json());
        let lines = lines.fmt_fields(JsonFields::new()).event_format(format).with_filter(filter);
        install(registry.with(spans).with(lines));
    } else {
        let ansi = std::io::stderr().is_terminal();
        let format = WithTrace(Format::default().with_ansi(ansi));
        let lines = lines.with_ansi(ansi).fmt_fields(DefaultFields::new()).event_format(format);
        install(registry.with(spans).with(lines.with_filter(filter)));
    }
    if let Some((text, error)) = wrong {
        tracing::warn!(LAUREL_LOG = text, %error, "log filter not understood, default used");
    }
}

/// A log that took spans would make each of them, with all its fields, also where nothing is exported.
fn without_spans(filter: EnvFilter) -> EnvFilter {
    match format!("{}=off", trace::TARGET).parse() {
        Ok(directive) => filter.add_directive(directive),
        Err(_) => filter,
    }
}

/// Adds `trace_id` and `span_id` to lines that are part of a trace.
struct WithTrace<F>(F);

/// A line, and where fields can be added to it.
trait Line {
    /// What the line ends with, after its last field.
    const END: &'static str;
    /// One more field.
    fn field(line: &mut String, name: &str, value: &dyn fmt::Display) -> fmt::Result;
}

impl<T> Line for Format<Full, T> {
    const END: &'static str = "\n";

    fn field(line: &mut String, name: &str, value: &dyn fmt::Display) -> fmt::Result {
        fmt::Write::write_fmt(line, format_args!(" {name}={value}"))
    }
}

impl<T> Line for Format<Json, T> {
    const END: &'static str = "}\n";

    fn field(line: &mut String, name: &str, value: &dyn fmt::Display) -> fmt::Result {
        fmt::Write::write_fmt(line, format_args!(",\"{name}\":\"{value}\""))
    }
}

impl<S, N, F> FormatEvent<S, N> for WithTrace<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N> + Line,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let Some(span) = trace::current() else { return self.0.format_event(context, writer, event) };
        let mut line = String::new();
        self.0.format_event(context, Writer::new(&mut line), event)?;
        let Some(body) = line.strip_suffix(F::END) else { return writer.write_str(&line) };
        line.truncate(body.len());
        F::field(&mut line, "trace_id", &span.trace_id())?;
        F::field(&mut line, "span_id", &span.span_id())?;
        line.push_str(F::END);
        writer.write_str(&line)
    }
}
