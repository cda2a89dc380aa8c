//! `laurel orders update` and `laurel orders link`.

use std::collections::HashMap;

use clap::Args;
use prost_types::FieldMask;
use proto::orders::{GetOrderRequest, UpdateOrderRequest};
use rpc::properties::{Given, Message};
use types::Currency;

use super::super::attributions::EvidenceArguments;
use super::super::properties::PropertyArguments;
use super::super::{RequestId, Session, call};
use super::record::{Lines, lines};
use super::{Which, properties};
use crate::arguments::{currency, money};
use crate::refusal::{Exit, Refused};

/// What is to be different.
#[derive(Debug, Clone, Args)]
pub struct Update {
    #[command(flatten)]
    which: Which,
    /// What it is worth, such as 12.50; less than before counts as a refund of the difference
    #[arg(long, allow_negative_numbers = true, requires = "currency")]
    revenue: Option<String>,
    /// The order's currency, such as EUR
    #[arg(long, value_parser = currency)]
    currency: Option<Currency>,
    /// State in your system, such as `closedwon`; empty takes it away
    #[arg(long)]
    external_status: Option<String>,
    /// Deal stage in HubSpot; empty takes it away
    #[arg(long)]
    hubspot_dealstage: Option<String>,
    /// The lines as a JSON list, which replaces them
    #[arg(long, value_name = "JSON", value_parser = lines, requires = "currency")]
    line_items: Option<Lines>,
    #[command(flatten)]
    properties: PropertyArguments,
    #[command(flatten)]
    request: RequestId,
}

impl Update {
    /// For the wire.
    pub(super) async fn wire(self, session: &Session) -> anyhow::Result<UpdateOrderRequest> {
        let given = [
            ("revenue", self.revenue.is_some()),
            ("external_status", self.external_status.is_some()),
            ("hubspot_dealstage", self.hubspot_dealstage.is_some()),
            ("line_items", self.line_items.is_some()),
            ("properties", !self.properties.is_empty()),
        ];
        let paths = given.into_iter().filter(|(_, given)| *given).map(|(path, _)| path.to_owned());
        let revenue = self.revenue.zip(self.currency);
        let revenue = revenue.map(|(amount, currency)| money("revenue", &amount, currency)).transpose()?;
        // those that are not given stay, and an empty one goes
        let properties = if self.properties.is_empty() {
            HashMap::new()
        } else {
            let request =
                GetOrderRequest { order_id: self.which.order_id.clone(), source: self.which.source.clone() };
            let mut properties =
                call!(session.orders.get_order(request)).order.unwrap_or_default().properties;
            properties.extend(properties::wire(self.properties, session).await?);
            properties.retain(|_, value| !matches!(value.given(), Some(Given::Text(""))));
            properties
        };
        let line_items = self.line_items.zip(self.currency);
        let line_items = line_items.map(|(lines, currency)| lines.wire(currency)).transpose()?;
        Ok(UpdateOrderRequest {
            order_id: self.which.order_id,
            source: self.which.source,
            update_mask: Some(FieldMask { paths: paths.collect() }),
            revenue,
            external_status: self.external_status.unwrap_or_default(),
            hubspot_dealstage: self.hubspot_dealstage.unwrap_or_default(),
            line_items: line_items.unwrap_or_default(),
            properties,
            request_id: self.request.request_id,
            ..Default::default()
        })
    }
}

/// Whose referral it was.
#[derive(Debug, Clone, Args)]
pub struct Link {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    evidence: EvidenceArguments,
    #[command(flatten)]
    request: RequestId,
}

impl Link {
    /// For the wire.
    pub(super) fn wire(self) -> Result<UpdateOrderRequest, Refused> {
        let none = "whose referral it was is missing: give --code, --coupon, --advocate or --visitor";
        let evidence = self.evidence.wire().ok_or_else(|| Refused::new(Exit::Usage, none.to_owned()))?;
        Ok(UpdateOrderRequest {
            order_id: self.which.order_id,
            source: self.which.source,
            evidence: Some(evidence),
            request_id: self.request.request_id,
            ..Default::default()
        })
    }
}
