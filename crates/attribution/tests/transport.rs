//! What never reaches a handler.

mod common;

use common::*;
use proto::attribution as v1;
use proto::common::StreamStart;
use tonic::Code;

#[tokio::test]
async fn a_message_that_is_too_large_says_so() {
    let service = Service::start().await;
    let acme = service.of("acme");
    let large = v1::CreateSegmentRequest { name: "x".repeat(5 << 20), ..Default::default() };
    refused(acme.segments().create_segment(large).await, Code::ResourceExhausted, "MESSAGE_TOO_LARGE");
}

#[tokio::test]
async fn a_start_that_is_none_is_refused() {
    let service = Service::start().await;
    let acme = service.of("acme");
    let request = v1::WatchAttributionEventsRequest { start: 99, ..Default::default() };
    bad_field(acme.attributions().watch_attribution_events(request).await, "start");
    let request = v1::WatchAttributionEventsRequest { start: StreamStart::Now.into(), ..Default::default() };
    assert!(acme.attributions().watch_attribution_events(request).await.is_ok());
}
