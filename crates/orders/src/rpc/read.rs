//! GetOrder and ListOrders.

use proto::orders as wire;
use rpc::page::Page;
use rpc::{Error, fields};
use tonic::Request;
use types::TenantId;
use uuid::Uuid;

use super::Orders;
use super::convert::wire_order;
use super::properties::family;
use crate::domain::Violation;
use crate::store;
use crate::store::list::{self, Filter};

impl Orders {
    pub(super) async fn get(
        &self,
        request: Request<wire::GetOrderRequest>,
    ) -> Result<wire::GetOrderResponse, Error> {
        let tenant = rpc::caller::tenant(&request)?;
        let request = request.into_inner();
        let key = self.order_key(&tenant, &request.source, &request.order_id)?;
        let order = list::get(&self.db, &key).await?;
        let order = order.ok_or(Violation::NotFound(key.order_id))?;
        Ok(wire::GetOrderResponse { order: Some(wire_order(&order)) })
    }

    pub(super) async fn list(
        &self,
        request: Request<wire::ListOrdersRequest>,
    ) -> Result<wire::ListOrdersResponse, Error> {
        let tenant = rpc::caller::tenant(&request)?;
        let request = request.into_inner();
        let query = [request.campaign_id.as_str(), &request.contact_id, &request.filter, &request.order_by];
        let page = Page::read(&tenant, "ListOrders", &query, request.page_size, &request.page_token)?;
        let matching = self.matching(&tenant, &request.filter).await?;
        let filter = Filter {
            tenant,
            campaign_id: fields::parse_optional("campaign_id", &request.campaign_id)?,
            contact_id: fields::parse_optional("contact_id", &request.contact_id)?,
            order: rpc::order::read(&list::ORDERS, &request.order_by)?,
            up_to: None,
            matching,
        };
        let orders = list::page(&self.db, &filter, page.after_as::<Uuid>()?, page.limit()).await;
        let orders = orders.map_err(|error| filter.matching.refused(error))?;
        let (orders, next_page_token) = page.cut(orders, |order| order.id.to_string(), |o| wire_order(&o));
        Ok(wire::ListOrdersResponse { orders, next_page_token })
    }

    /// What a filter lets pass. What the tenant defines is read only where it may be asked for.
    pub(super) async fn matching(
        &self,
        tenant: &TenantId,
        filter: &str,
    ) -> Result<rpc::filter::Filter, Error> {
        if filter.is_empty() {
            return Ok(rpc::filter::Filter::default());
        }
        let definitions = store::properties::DEFINITIONS.of(self.db.read(), tenant).await?;
        rpc::filter::Filter::read_with(list::FIELDS, &family(&definitions), filter)
    }
}
