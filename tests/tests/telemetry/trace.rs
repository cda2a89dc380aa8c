//! One trace from the caller's span to the reward, in one process and through four.

use opentelemetry_proto::tonic::trace::v1::Span;
use tests::process::{Deployment, SERVICES, Service};
use tests::{DataDir, Up, story::SCOPES};

use crate::collector::{Collector, named};
use crate::story::{CALLER, TRACE, TRACESTATE, play};
use crate::{RECORD_ORDER, up};

const ATTRIBUTE: &str = "laurel.attribution.v1.AttributionService/BatchRecordAttributions";
const SLICE: &str = "slice orders.RecordOrders";
/// What journeys and rewards make of what came of the order.
const FOLLOWED: [&str; 2] = ["journeys.orders order_recorded", "rewards.journeys stage_entered"];

/// Waits for the trace of the order, and holds its spans to each other.
async fn one_trace(collector: &Collector) -> anyhow::Result<()> {
    let trace = TRACE.to_be_bytes();
    let all = [RECORD_ORDER, ATTRIBUTE, SLICE, FOLLOWED[0], FOLLOWED[1]];
    let spans = collector.spans(|spans| all.iter().all(|name| named(spans, &trace, name).is_ok())).await?;
    // call, slice and the call to attribution hang together
    let call = named(&spans, &trace, RECORD_ORDER)?;
    assert_eq!(call.parent_span_id, CALLER.to_be_bytes());
    let slice = named(&spans, &trace, SLICE)?;
    assert_eq!(slice.parent_span_id, call.span_id);
    assert!(slice.links.iter().any(|link| link.span_id == call.span_id));
    let attribute = named(&spans, &trace, ATTRIBUTE)?;
    assert_eq!((&attribute.parent_span_id, attribute.trace_state.as_str()), (&slice.span_id, TRACESTATE));
    for followed in FOLLOWED {
        assert_eq!(named(&spans, &trace, followed)?.parent_span_id, call.span_id, "{followed}");
    }
    // and the slices that journeys and rewards applied know where they come from
    for subscription in ["journeys.orders", "rewards.journeys"] {
        let name = format!("apply {subscription}");
        let linked = |spans: &[_]| {
            let mut applied = spans.iter().filter(|s: &&Span| s.name == name);
            applied.any(|span| span.links.iter().any(|link| link.trace_id == trace))
        };
        collector.spans(linked).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_leads_from_the_callers_span_to_the_reward() -> anyhow::Result<()> {
    let (data_dir, collector) = (DataDir::new()?, Collector::start().await?);
    let up = Up::spawn(up(&data_dir.path(), &collector.address)?)?;
    play(&up.clients("acme")?).await?;
    one_trace(&collector).await?;
    assert_eq!(collector.services(&TRACE.to_be_bytes()), ["laurel"]);
    assert!(up.terminate()?.success());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_leads_through_four_processes_over_calls_and_streams() -> anyhow::Result<()> {
    let collector = Collector::start().await?;
    let deployment = Deployment::new().await?;
    let deployment =
        deployment.set("LAUREL_OTLP_ENDPOINT", &collector.address).set("OTEL_BSP_SCHEDULE_DELAY", "50");
    let running = deployment.start_all()?;
    let addresses: Vec<&str> = running.iter().map(Service::address).collect();
    let access = deployment.token_access("acme", SCOPES)?;
    play(&deployment.clients(&addresses, "acme", &access)?).await?;
    one_trace(&collector).await?;
    let mut services = collector.services(&TRACE.to_be_bytes());
    services.sort_by_key(|service| SERVICES.iter().position(|name| name == service));
    assert_eq!(services, SERVICES);
    Ok(())
}
