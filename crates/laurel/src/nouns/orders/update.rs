//! `laurel orders update` and `laurel orders link`.

use clap::Args;
use prost_types::FieldMask;
use proto::orders::UpdateOrderRequest;
use types::Currency;

use super::super::attributions::EvidenceArguments;
use super::super::{RequestId, Session};
use super::Which;
use super::properties::PropertyArguments;
use super::record::{Lines, lines};
use crate::arguments::{currency, money};

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
            properties: self.properties.wire(session).await?,
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
    pub(super) fn wire(self) -> UpdateOrderRequest {
        UpdateOrderRequest {
            order_id: self.which.order_id,
            source: self.which.source,
            evidence: self.evidence.wire(),
            request_id: self.request.request_id,
            ..Default::default()
        }
    }
}
