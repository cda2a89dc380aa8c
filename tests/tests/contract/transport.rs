//! What no method may get wrong whatever it does: messages, deadlines, reflection.

use std::collections::BTreeMap;
use std::time::Duration;

use prost::Message;
use prost_types::{FileDescriptorProto, FileDescriptorSet};
use tokio_stream::StreamExt;
use tonic::{Code, Request};

use crate::world::{World, bearer, methods, told};

/// More than a message may have.
const TOO_MUCH: usize = 5 * 1024 * 1024;

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
            request.metadata_mut().insert("grpc-timeout", "50m".parse().unwrap());
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

/// What reflection tells of a file, in a version of its protocol: they differ in nothing but their names.
macro_rules! told_by {
    ($version:ident, $channel:expr, $name:expr) => {{
        use tonic_reflection::pb::$version as pb;

        use pb::server_reflection_request::MessageRequest;
        use pb::server_reflection_response::MessageResponse;

        let mut client = pb::server_reflection_client::ServerReflectionClient::new($channel);
        let message_request = Some(MessageRequest::FileByFilename($name.to_string()));
        let ask = pb::ServerReflectionRequest { host: String::new(), message_request };
        let mut answers = client.server_reflection_info(tokio_stream::once(ask)).await?.into_inner();
        let answer = answers.next().await.unwrap()?.message_response.unwrap();
        let MessageResponse::FileDescriptorResponse(answer) = answer else { panic!("{}: {answer:?}", $name) };
        FileDescriptorProto::decode(answer.file_descriptor_proto[0].as_slice())?
    }};
}

#[tokio::test]
async fn reflection_tells_the_contracts_as_they_are() -> anyhow::Result<()> {
    let world = World::start()?;
    let channel = world.channel_with_token()?;
    let ours = FileDescriptorSet::decode(proto::DESCRIPTORS)?;
    let ours: BTreeMap<&str, &FileDescriptorProto> =
        ours.file.iter().map(|file| (file.name(), file)).collect();
    let mut seen = 0;
    for (name, file) in ours.iter().filter(|(name, _)| name.starts_with("laurel/")) {
        for told in [told_by!(v1, channel.clone(), name), told_by!(v1alpha, channel.clone(), name)] {
            assert_eq!(&told.service, &file.service, "{name}");
            assert_eq!(&told.message_type, &file.message_type, "{name}");
            assert_eq!(&told.enum_type, &file.enum_type, "{name}");
            seen += 1;
        }
    }
    assert!(seen > 20);
    Ok(())
}
