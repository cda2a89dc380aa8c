//! One client transport for both ways: to another process, or within this one.

use http::{Request, Response};
use tonic::Status;
use tonic::body::Body;
use tonic::transport::Endpoint;
use tower::ServiceExt;
use tower::util::BoxCloneSyncService;

/// What generated clients speak through.
pub type Channel = BoxCloneSyncService<Request<Body>, Response<Body>, Status>;

/// A channel to `address`, such as `http://127.0.0.1:7600`; connects when first used, and again when lost.
pub fn connect(address: &str) -> Result<Channel, tonic::transport::Error> {
    let endpoint = Endpoint::from_shared(address.to_owned())?
        .tcp_nodelay(true)
        .http2_keep_alive_interval(std::time::Duration::from_secs(20))
        .connect_timeout(std::time::Duration::from_secs(5));
    let channel = endpoint.connect_lazy();
    Ok(BoxCloneSyncService::new(channel.map_err(|_| Status::unavailable("connection failed"))))
}

/// The same channel, with `name: value` added to the metadata of every call.
pub fn with_metadata(channel: Channel, name: &'static str, value: &http::HeaderValue) -> Channel {
    let value = value.clone();
    BoxCloneSyncService::new(channel.map_request(move |mut request: Request<Body>| {
        request.headers_mut().insert(name, value.clone());
        request
    }))
}

/// A channel that acts for `tenant`, where there is no authentication.
pub fn for_tenant(channel: Channel, tenant: &types::TenantId) -> Channel {
    // a tenant id is plain ASCII
    let value = http::HeaderValue::from_str(tenant.as_str()).unwrap_or(http::HeaderValue::from_static(""));
    with_metadata(channel, crate::caller::TENANT_METADATA, &value)
}

/// A channel that acts as one of our services, where there is no authentication.
pub fn for_service(channel: Channel, service: &'static str) -> Channel {
    with_metadata(channel, crate::caller::SERVICE_METADATA, &http::HeaderValue::from_static(service))
}
