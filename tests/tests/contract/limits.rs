//! What is beyond a limit is refused, whatever the method, and told when to come again.

use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::streams::watches;
use crate::world::{Method, World, bearer, methods, told};

/// Longer than any wait of these tests, and shorter than a call may be held.
const PATIENCE: Duration = Duration::from_secs(15);

fn is_beyond(status: &Status, reason: &str) -> bool {
    let is_exhausted = status.code() == Code::ResourceExhausted && told(status).1 == reason;
    assert!(!is_exhausted || status.get_details_retry_info().is_some(), "{status:?} says no time");
    is_exhausted
}

/// Calls one method, with an empty message, until it is refused for `reason`.
async fn until_refused(world: &World, method: &Method, token: &str, reason: &str) {
    let refused = async {
        loop {
            let sent = world.send(method, Vec::new(), |request| bearer(request, token)).await;
            if sent.is_err_and(|status| is_beyond(&status, reason)) {
                return;
            }
        }
    };
    let hangs = |_| panic!("{} is never refused as {reason}", method.path());
    tokio::time::timeout(PATIENCE, refused).await.unwrap_or_else(hangs);
}

/// The methods of a method's package that are streams, and those that are not.
fn beside(method: &Method) -> (Vec<Method>, Vec<Method>) {
    let package = method.0.parent_file().package_name().to_owned();
    let ours = methods().into_iter().filter(|other| other.0.parent_file().package_name() == package);
    ours.partition(|other| other.0.is_server_streaming() || other.0.is_client_streaming())
}

#[tokio::test]
async fn every_method_refuses_what_a_tenant_sends_beyond_its_rate() -> anyhow::Result<()> {
    let world = World::start_with(&[("LAUREL_TENANT_PER_SECOND", "1")])?;
    for method in methods() {
        until_refused(&world, &method, &world.token(&method), "RATE_LIMITED").await;
    }
    Ok(())
}

#[tokio::test]
async fn a_service_refuses_every_call_and_stream_while_one_takes_its_only_place() -> anyhow::Result<()> {
    let one = [("LAUREL_SERVICE_IN_FLIGHT", "1"), ("LAUREL_SERVICE_STREAMS", "1")];
    let world = World::start_with(&one)?;
    let token = world.all_scopes();
    for watch in watches() {
        let (streams, calls) = beside(&watch);
        let held_stream = world.open(&watch, &token).await?;
        // a call whose message never comes; begun again if another was there first
        let held_call = async {
            loop {
                drop(world.begin(&calls[0], |request| bearer(request, &token)).await);
            }
        };
        let all_refused = async {
            until_refused(&world, &calls[0], &token, "OVERLOADED").await;
            for method in streams.iter().chain(&calls) {
                let sent = world.send(method, Vec::new(), |request| bearer(request, &token)).await;
                let status = sent.expect_err(&method.path());
                assert!(is_beyond(&status, "OVERLOADED"), "{}: {status:?}", method.path());
            }
        };
        tokio::select! {
            () = held_call => (),
            () = all_refused => (),
        }
        drop(held_stream);
    }
    Ok(())
}
