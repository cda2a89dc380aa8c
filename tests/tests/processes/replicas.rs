//! Two replicas of orders, beside one attribution service.

use proto::orders::order_service_client::OrderServiceClient;
use rpc::Channel;
use rpc::channel::Access;
use tests::process::{Deployment, Service};

use crate::TENANT;

/// They run as long as this is held.
pub(crate) struct Replicas {
    pub(crate) first: Service,
    /// What callers bring.
    pub(crate) access: Access,
    /// A client of each.
    pub(crate) clients: [OrderServiceClient<Channel>; 2],
    _second: Service,
    _attribution: Service,
}

impl Replicas {
    pub(crate) fn start(deployment: &Deployment) -> anyhow::Result<Self> {
        let attribution = deployment.start("attribution", &[])?;
        let start = || deployment.start("orders", &[attribution.address()]);
        let (first, second) = (start()?, start()?);
        let access = deployment.token_access(TENANT, "orders.write orders.read")?;
        let client = |orders: &Service| {
            let clients = deployment.clients(&[attribution.address(), orders.address()], TENANT, &access);
            anyhow::Ok(clients?.orders)
        };
        let clients = [client(&first)?, client(&second)?];
        Ok(Self { first, access, clients, _second: second, _attribution: attribution })
    }
}
