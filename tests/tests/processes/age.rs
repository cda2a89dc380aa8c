//! Streams that have lasted longer than connection age and grace.

use std::time::Instant;

use rpc::Channel;
use tests::process::Deployment;
use tokio::time::timeout;
use tokio_stream::StreamExt;
use tonic::{Code, Status, Streaming};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_types::StatusExt;

use crate::drain::plain;
use crate::load::{Load, PATIENCE};
use crate::replicas::Replicas;
use crate::watch::Seen;

/// How a stream ends that would go on for ever.
async fn end<M>(mut stream: Streaming<M>) -> anyhow::Result<(Code, String)> {
    let end = async {
        loop {
            match stream.message().await {
                Ok(Some(_heartbeat)) => {}
                Ok(None) => return Status::ok("as if all had been told"),
                Err(status) => return status,
            }
        }
    };
    let status = timeout(PATIENCE, end).await?;
    let reason = status.get_error_details().error_info().map(|info| info.reason.clone());
    Ok((status.code(), reason.unwrap_or_default()))
}

fn aged() -> (Code, String) {
    (Code::Unavailable, "UNAVAILABLE".to_owned())
}

async fn health(channel: Channel) -> anyhow::Result<(Code, String)> {
    let request = HealthCheckRequest { service: "ready".to_owned() };
    end(HealthClient::new(channel).watch(request).await?.into_inner()).await
}

async fn reflection(channel: Channel) -> anyhow::Result<(Code, String)> {
    let request = MessageRequest::ListServices(String::new());
    let asked = ServerReflectionRequest { host: String::new(), message_request: Some(request) };
    let goes_on = tokio_stream::once(asked).chain(tokio_stream::pending());
    end(ServerReflectionClient::new(channel).server_reflection_info(goes_on).await?.into_inner()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_of_age_ends_and_goes_on_at_another_replica_after_its_cursor() -> anyhow::Result<()> {
    let deployment = Deployment::new().await?;
    let deployment =
        deployment.set("LAUREL_CONNECTION_AGE_SECONDS", "1").set("LAUREL_CONNECTION_GRACE_SECONDS", "1");
    let replicas = Replicas::start(&deployment)?;
    let [first, second] = &replicas.clients;
    let load = Load::start(1, &replicas.clients, plain)?;

    let mut seen = Seen::default();
    let mut watch = seen.resume(first).await?;
    assert!(seen.read(&mut watch, 10).await?);
    // what is of no contract of ours holds connections as well
    let begun = Instant::now();
    let channel = || rpc::channel::connect_as(&deployment.url(replicas.first.address()), &replicas.access);
    let ends = tokio::join!(end(watch), health(channel()?), reflection(channel()?));
    assert_eq!((ends.0?, ends.1?, ends.2?), (aged(), aged(), aged()));
    assert!(begun.elapsed().as_secs() >= 2, "not before age and grace are over");

    let recorded = load.stop().await?;
    let rest = async {
        // it may take more than one more
        while !seen.read(&mut seen.resume(second).await?, recorded).await? {}
        anyhow::Ok(())
    };
    timeout(PATIENCE, rest).await??;
    seen.each_once(recorded);
    Ok(())
}
