//! What a service tells of itself by reflection.

use prost_reflect::DescriptorPool;
use rpc::channel::connect_as;
use tests::process::{Deployment, SERVICES};
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use crate::TENANT;

/// What every server has beside our services.
const BESIDE: [&str; 3] = [
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
];

async fn ask(channel: &rpc::Channel, message_request: MessageRequest) -> anyhow::Result<MessageResponse> {
    let ask = ServerReflectionRequest { host: String::new(), message_request: Some(message_request) };
    let mut client = ServerReflectionClient::new(channel.clone());
    let mut answers = client.server_reflection_info(tokio_stream::once(ask)).await?.into_inner();
    let answer = answers.message().await?.and_then(|answer| answer.message_response);
    answer.ok_or_else(|| anyhow::anyhow!("no answer"))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_service_lists_its_own_and_knows_the_files_of_all() -> anyhow::Result<()> {
    let deployment = Deployment::new().await?;
    let running = deployment.start_all()?;
    let access = deployment.token_access(TENANT, "orders.read")?;
    let pool = DescriptorPool::decode(proto::DESCRIPTORS)?;
    for (name, service) in SERVICES.iter().zip(&running) {
        let channel = connect_as(&deployment.url(service.address()), &access)?;
        let MessageResponse::ListServicesResponse(listed) =
            ask(&channel, MessageRequest::ListServices(String::new())).await?
        else {
            anyhow::bail!("{name} lists nothing")
        };
        let mut listed: Vec<String> = listed.service.into_iter().map(|service| service.name).collect();
        listed.sort();
        let package = format!("laurel.{name}.v1");
        let own = pool.services().filter(|service| service.package_name() == package);
        let own = own.map(|service| service.full_name().to_owned());
        let mut expected: Vec<String> = BESIDE.map(str::to_owned).into_iter().chain(own).collect();
        expected.sort();
        assert_eq!(listed, expected, "{name}");
        // what is listed is found, and so is what its files import
        for symbol in listed {
            let found = ask(&channel, MessageRequest::FileContainingSymbol(symbol.clone())).await?;
            assert!(
                matches!(found, MessageResponse::FileDescriptorResponse(_)),
                "{name}: {symbol}: {found:?}"
            );
        }
        for file in pool.files() {
            let found = ask(&channel, MessageRequest::FileByFilename(file.name().to_owned())).await?;
            assert!(matches!(found, MessageResponse::FileDescriptorResponse(_)), "{name}: {}", file.name());
        }
    }
    Ok(())
}
