//! What goes on after its answer began: watches are counted, and none outlives its credential.

use std::time::Duration;

use prost_reflect::DynamicMessage;
use tokio_stream::StreamExt;
use tonic::codegen::Bytes;
use tonic::{Code, Status, Streaming};

use crate::world::{Method, TENANT, World, bearer, methods, now, told};

/// Longer than any wait of these tests, and short enough to tell which one hangs.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn watches() -> impl Iterator<Item = Method> {
    methods().into_iter().filter(Method::is_watch)
}

fn list_orders() -> Method {
    methods().into_iter().find(|method| method.0.name() == "ListOrders").unwrap()
}

/// How a watch ends.
async fn end(mut answers: Streaming<Bytes>) -> Status {
    loop {
        match answers.next().await {
            Some(Ok(_heartbeat)) => {}
            Some(Err(status)) => return status,
            None => return Status::ok("as if all had been told"),
        }
    }
}

#[tokio::test]
async fn every_watch_ends_when_its_credential_does_and_says_so() -> anyhow::Result<()> {
    let world = World::start_with(&[("LAUREL_CLOCK_SKEW_SECONDS", "0")])?;
    let mut open = Vec::new();
    for method in watches() {
        let mut claims = World::claims(TENANT, &method.scope());
        claims["exp"] = (now() + 2).into();
        open.push((method.path(), world.open(&method, &world.sign(&claims)).await?));
    }
    assert!(open.len() >= 4, "one for each service");
    for (path, answers) in open {
        let status = tokio::time::timeout(PATIENCE, end(answers)).await?;
        assert_eq!(told(&status), (Code::Unauthenticated, "CREDENTIAL_EXPIRED".to_owned()), "{path}");
    }
    Ok(())
}

#[tokio::test]
async fn every_watch_that_has_begun_ends_at_the_deadline_of_its_caller() -> anyhow::Result<()> {
    let world = World::start()?;
    for method in watches() {
        let token = world.token(&method);
        let answers = world.open_with(&method, |request| {
            bearer(request, &token);
            request.metadata_mut().insert("grpc-timeout", "200m".parse().unwrap());
        });
        let status = tokio::time::timeout(PATIENCE, end(answers.await?)).await?;
        let expected = (Code::DeadlineExceeded, "DEADLINE_EXCEEDED".to_owned());
        assert_eq!(told(&status), expected, "{}", method.path());
    }
    Ok(())
}

#[tokio::test]
async fn a_tenants_watches_are_counted_as_long_as_they_last_and_apart_from_its_calls() -> anyhow::Result<()> {
    let world = World::start_with(&[("LAUREL_TENANT_STREAMS", "1"), ("LAUREL_TENANT_IN_FLIGHT", "1")])?;
    let token = world.all_scopes();
    for method in watches() {
        // its answer has begun, so it would not count if it were a call
        let held = open_when_there_is_room(&world, &method, &token).await?;
        let status = world.open(&method, &token).await.unwrap_err();
        assert_eq!(told(&status), (Code::ResourceExhausted, "RATE_LIMITED".to_owned()), "{}", method.path());
        world.open(&method, &world.all_scopes_of("test-other")).await?;
        world.send(&list_orders(), Vec::new(), |request| bearer(request, &token)).await?;
        drop(held);
    }
    Ok(())
}

#[tokio::test]
async fn every_watch_refuses_a_cursor_of_another_epoch() -> anyhow::Result<()> {
    // the same tenant, on two databases: as after a restore
    let (before, after) = (World::start()?, World::start()?);
    for method in watches() {
        let mut request = DynamicMessage::new(method.0.input());
        let token = before.token(&method);
        let answer = before.call_patiently(&method, &token, std::slice::from_ref(&request)).await?.remove(0);
        let checkpoint = answer.get_field_by_name("checkpoint").unwrap().into_owned();
        let cursor = checkpoint.as_message().unwrap().get_field_by_name("cursor").unwrap().into_owned();
        request.set_field_by_name("cursor", cursor);
        before.call_patiently(&method, &token, std::slice::from_ref(&request)).await?;
        let status = after.call_patiently(&method, &after.token(&method), &[request]).await.unwrap_err();
        assert_eq!(told(&status), (Code::OutOfRange, "CURSOR_OUT_OF_RANGE".to_owned()), "{}", method.path());
    }
    Ok(())
}

/// The place of a watch that was left is free as soon as the server hears of it.
async fn open_when_there_is_room(
    world: &World,
    method: &Method,
    token: &str,
) -> anyhow::Result<Streaming<Bytes>> {
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    let open = async {
        loop {
            match world.open(method, token).await {
                Err(status) if status.code() == Code::ResourceExhausted => drop(tick.tick().await),
                answers => return answers,
            }
        }
    };
    Ok(tokio::time::timeout(PATIENCE, open).await??)
}
