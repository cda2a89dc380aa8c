//! Spans to an OpenTelemetry collector, in batches, from a thread of their own. Whoever makes spans never waits: when the
//! queue is full, because the collector is slow or away, spans are dropped.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use observe::trace::{self, Sampling, TARGET};
use opentelemetry::global;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{ExporterBuildError, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, SpanData, SpanExporter};
use tracing::{Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;

use super::setting;

/// How long the collector may take for a batch.
const TIMEOUT: Duration = Duration::from_secs(3);

/// The collector's address, if one is named: Laurel's own setting before OpenTelemetry's.
pub(super) fn endpoint() -> Option<String> {
    let standard = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
    let given = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    setting("otlp_endpoint").or_else(|| standard.into_iter().find_map(given))
}

/// What the standard variables `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG` say; without them the caller decides, and calls
/// whose callers do not are all traced.
fn sampling(sampler: &str, argument: &str) -> Sampling {
    let (heeds_caller, own) = match sampler.strip_prefix("parentbased_") {
        Some(own) => (true, own),
        None => (false, sampler),
    };
    let share = argument.parse().ok().filter(|share| (0.0..=1.0).contains(share)).unwrap_or(1.0);
    match own {
        "always_on" => Sampling { heeds_caller, ratio: 1.0 },
        "always_off" => Sampling { heeds_caller, ratio: 0.0 },
        "traceidratio" => Sampling { heeds_caller, ratio: share },
        _ => Sampling { heeds_caller: true, ratio: 1.0 },
    }
}

/// Spans of `service` go to `endpoint`, over gRPC. Which calls have spans is decided before they are made ([`sampling`]), so that all
/// of those are exported. To be called on the executor that is to do the sending.
pub(super) fn provider(
    endpoint: &str,
    service: &'static str,
) -> Result<SdkTracerProvider, ExporterBuildError> {
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint)
        .with_timeout(TIMEOUT)
        .build()?;
    global::set_text_map_propagator(TraceContextPropagator::new());
    let standard = |name| std::env::var(name).unwrap_or_default();
    trace::sample(sampling(&standard("OTEL_TRACES_SAMPLER"), &standard("OTEL_TRACES_SAMPLER_ARG")));
    Ok(SdkTracerProvider::builder()
        .with_sampler(Sampler::AlwaysOn)
        .with_batch_exporter(Quiet { exporter, fails: AtomicBool::new(false) })
        .with_resource(Resource::builder().with_service_name(service).build())
        .build())
}

/// Takes our own spans. Not those of others: the exporter's connection makes spans, too.
pub(super) fn layer<S>(provider: &SdkTracerProvider) -> impl Layer<S> + use<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("laurel"))
        // where in the code, on which thread: four more attributes that nobody asks for
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        // whoever asks for the context asks the span: handing it to the thread with every poll costs more than all else here
        .with_context_activation(false)
        .with_target(false)
        .with_filter(Targets::new().with_target(TARGET, Level::INFO))
}

/// Says once that the collector is away, and once that it is back. An operator who has none in this hour has other worries
/// than a line for every batch.
#[derive(Debug)]
struct Quiet<E> {
    exporter: E,
    fails: AtomicBool,
}

impl<E: SpanExporter> SpanExporter for Quiet<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        match self.exporter.export(batch).await {
            Ok(()) => {
                if self.fails.swap(false, Ordering::Relaxed) {
                    tracing::info!("traces are exported again");
                }
            }
            Err(error) => {
                if !self.fails.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%error, "traces are not exported, spans are dropped; tried again with each batch");
                }
            }
        }
        Ok(())
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_samplers_are_understood() {
        let is = |sampler, argument, heeds_caller, ratio| {
            assert_eq!(sampling(sampler, argument), Sampling { heeds_caller, ratio }, "{sampler} {argument}");
        };
        is("", "", true, 1.0);
        is("parentbased_always_on", "", true, 1.0);
        is("parentbased_always_off", "", true, 0.0);
        is("parentbased_traceidratio", "0.1", true, 0.1);
        is("traceidratio", "0.25", false, 0.25);
        is("traceidratio", "many", false, 1.0);
        is("always_on", "", false, 1.0);
        is("always_off", "", false, 0.0);
        is("jaeger_remote", "", true, 1.0);
    }
}
