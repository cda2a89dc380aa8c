//! What no method may get wrong whatever it does: messages, deadlines, reflection.

use std::time::Duration;

use prost::Message;
use prost_types::FileDescriptorProto;
use tokio_stream::StreamExt;
use tonic::{Code, Request};

use crate::world::{World, bearer, methods, told};

/// More than a message may have.
const TOO_MUCH: usize = 5 * 1024 * 1024;

/// What every server has beside our services.
const BESIDE: [&str; 3] = [
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
];

#[tokio::test]
async fn every_method_refuses_messages_that_are_too_large_or_not_protobuf() -> anyhow::Result<()> {
    let world = World::start()?;
    // field 1, length-delimited, longer than what follows
    let truncated = vec![0x0a, 0xff, 0x7f, 0x00];
    let cases = [
        (vec![0; TOO_MUCH], (Code::ResourceExhausted, "MESSAGE_TOO_LARGE")),
        (truncated, (Code::InvalidArgument, "MALFORMED_REQUEST")),
    ];
    for method in methods() {
        let token = world.token(&method);
        for (bytes, (code, reason)) in &cases {
            let sent = world.send(&method, bytes.clone(), |request| bearer(request, &token)).await;
            let status = sent.expect_err(&method.path());
            assert_eq!(told(&status), (*code, (*reason).to_owned()), "{}", method.path());
        }
    }
    Ok(())
}

#[tokio::test]
async fn every_method_ends_at_the_deadline_of_its_caller() -> anyhow::Result<()> {
    let world = World::start()?;
    for method in methods() {
        let token = world.token(&method);
        let status = world.begin(&method, |request| {
            bearer(request, &token);
            request.metadata_mut().insert("grpc-timeout", "200m".parse().unwrap());
        });
        let status = status.await.expect_err(&method.path());
        assert_eq!(
            told(&status),
            (Code::DeadlineExceeded, "DEADLINE_EXCEEDED".to_owned()),
            "{}",
            method.path()
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_client_takes_its_own_deadline_for_no_lost_connection() -> anyhow::Result<()> {
    let world = World::start()?;
    let method = methods().into_iter().find(|method| method.0.name() == "RecordOrder").unwrap();
    let mut request = Request::new(tokio_stream::pending());
    bearer(&mut request, &world.token(&method));
    request.set_timeout(Duration::from_millis(50));
    let status = world.run(&method, request).await.unwrap_err();
    assert_eq!(told(&status), (Code::DeadlineExceeded, "DEADLINE_EXCEEDED".to_owned()));
    Ok(())
}

/// What reflection answers, in a version of its protocol: they differ in nothing but their names.
macro_rules! told_by {
    ($version:ident, $channel:expr, $ask:ident($what:expr), $answer:ident) => {{
        use tonic_reflection::pb::$version as pb;

        use pb::server_reflection_request::MessageRequest;
        use pb::server_reflection_response::MessageResponse;

        let mut client = pb::server_reflection_client::ServerReflectionClient::new($channel);
        let message_request = Some(MessageRequest::$ask($what.to_string()));
        let ask = pb::ServerReflectionRequest { host: String::new(), message_request };
        let mut answers = client.server_reflection_info(tokio_stream::once(ask)).await?.into_inner();
        match answers.next().await.unwrap()?.message_response.unwrap() {
            MessageResponse::$answer(answer) => answer,
            other => panic!("{}: {other:?}", $what),
        }
    }};
}

/// The files of a `FileDescriptorSet` as they are encoded, with what `prost_types` would drop: the options that are our own.
#[derive(prost::Message)]
struct RawFiles {
    #[prost(bytes = "vec", repeated, tag = "1")]
    file: Vec<Vec<u8>>,
}

#[tokio::test]
async fn reflection_tells_the_contracts_as_they_are_to_the_byte() -> anyhow::Result<()> {
    let world = World::start()?;
    let channel = world.channel_with_token()?;
    let files = RawFiles::decode(proto::DESCRIPTORS)?.file;
    let mut ours = 0;
    for file in &files {
        let name = FileDescriptorProto::decode(file.as_slice())?.name().to_owned();
        ours += usize::from(name.starts_with("laurel/"));
        let v1 = told_by!(v1, channel.clone(), FileByFilename(name), FileDescriptorResponse);
        let v1alpha = told_by!(v1alpha, channel.clone(), FileByFilename(name), FileDescriptorResponse);
        for told in [v1.file_descriptor_proto, v1alpha.file_descriptor_proto] {
            assert!(told == [file.clone()], "{name}");
        }
    }
    assert!(ours > 10, "only {ours} files");
    Ok(())
}

#[tokio::test]
async fn reflection_lists_the_services_that_are_served_and_no_other() -> anyhow::Result<()> {
    let world = World::start()?;
    let channel = world.channel_with_token()?;
    let ours = methods().into_iter().map(|method| method.0.parent_service().full_name().to_owned());
    let mut served: Vec<String> = ours.chain(BESIDE.map(str::to_owned)).collect();
    served.sort();
    served.dedup();
    let v1 = told_by!(v1, channel.clone(), ListServices(""), ListServicesResponse);
    let v1alpha = told_by!(v1alpha, channel, ListServices(""), ListServicesResponse);
    let v1 = v1.service.into_iter().map(|service| service.name).collect();
    let v1alpha = v1alpha.service.into_iter().map(|service| service.name).collect();
    for told in [v1, v1alpha] {
        let mut told: Vec<String> = told;
        told.sort();
        assert_eq!(told, served);
    }
    Ok(())
}
