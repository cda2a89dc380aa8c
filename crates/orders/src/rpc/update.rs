//! UpdateOrder (O4, O6).

use proto::orders as wire;
use rpc::mask::Mask;
use rpc::{Error, caller, fields};
use tonic::Request;
use types::Currency;

use super::Orders;
use super::convert::{self, canonical, wire_order};
use super::errors::of_update;
use super::properties::properties;
use crate::commands::{RequestId, Revised, UpdateOrder};
use crate::domain::{LineItem, Patch};

impl Orders {
    pub(super) async fn update(
        &self,
        request: Request<wire::UpdateOrderRequest>,
    ) -> Result<wire::UpdateOrderResponse, Error> {
        let (tenant, origin) = (caller::tenant(&request)?, caller::origin(&request)?);
        let mut wire = request.into_inner();
        let asked = (!wire.request_id.is_empty()).then(|| {
            let properties = std::mem::take(&mut wire.properties);
            let hash = self.hasher.hash(&canonical(&wire, properties.clone()));
            wire.properties = properties;
            RequestId { id: wire.request_id.clone(), hash }
        });
        let command = UpdateOrder {
            key: self.order_key(&tenant, &wire.source, &wire.order_id)?,
            patch: patch(&wire)?,
            evidence: convert::evidence("evidence", wire.evidence.as_ref())?,
            origin,
            request: asked,
        };
        let Revised { order, replayed } = self.updates.run(command).await.map_err(of_update)?;
        Ok(wire::UpdateOrderResponse { order: Some(wire_order(&order)), replayed })
    }
}

fn patch(wire: &wire::UpdateOrderRequest) -> Result<Patch, Error> {
    let mask = Mask::read(
        wire.update_mask.as_ref(),
        &[
            ("revenue", wire.revenue.is_some()),
            ("external_status", !wire.external_status.is_empty()),
            ("hubspot_dealstage", !wire.hubspot_dealstage.is_empty()),
            ("line_items", !wire.line_items.is_empty()),
            ("properties", !wire.properties.is_empty()),
        ],
    )?;
    let text = |field, text: &str| mask.has(field).then(|| text.to_owned());
    Ok(Patch {
        revenue: if mask.has("revenue") {
            Some(fields::amount("revenue", wire.revenue.as_ref())?)
        } else {
            None
        },
        external_status: text("external_status", &wire.external_status),
        hubspot_dealstage: text("hubspot_dealstage", &wire.hubspot_dealstage),
        line_items: mask.has("line_items").then(|| line_items(&wire.line_items)).transpose()?,
        properties: mask.has("properties").then(|| properties("properties", &wire.properties)).transpose()?,
    })
}

/// Lines, and the currency that all of them are in; whether it is the order's shows once that is read.
fn line_items(wire: &[wire::LineItem]) -> Result<(Option<Currency>, Vec<LineItem>), Error> {
    let Some(first) = wire.first() else { return Ok((None, Vec::new())) };
    let price = fields::amount("line_items[0].unit_price", first.unit_price.as_ref())?;
    Ok((Some(price.currency), convert::line_items("line_items", wire, price.currency)?))
}
