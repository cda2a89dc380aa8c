//! `laurel orders record`.

use clap::Args;
use proto::common::ContactRef;
use proto::orders::{LineItem, NewOrder, RecordOrderRequest};
use serde::Deserialize;
use types::Currency;

use super::super::attributions::EvidenceArguments;
use super::super::properties::PropertyArguments;
use super::super::{RequestId, Session};
use super::properties;
use crate::arguments::{When, currency, money, one_of, who};
use crate::refusal::Refused;

/// An order.
#[derive(Debug, Clone, Args)]
pub struct Record {
    /// Your id of the order
    order_id: String,
    /// Who bought: an e-mail address, `uid:` and your own id, or a contact id
    #[arg(long = "contact", value_name = "CONTACT", value_parser = who)]
    customer: ContactRef,
    /// What it is worth, such as 12.50
    #[arg(long, allow_negative_numbers = true)]
    revenue: String,
    /// Its currency, such as EUR
    #[arg(long, value_parser = currency)]
    currency: Currency,
    /// The campaign's id [default: the code's]
    #[arg(long = "campaign", value_name = "CAMPAIGN", default_value = "", hide_default_value = true)]
    campaign_id: String,
    #[command(flatten)]
    evidence: EvidenceArguments,
    /// The system it comes from
    #[arg(long, default_value = "", hide_default_value = true)]
    source: String,
    /// State in your system, such as `closedwon`
    #[arg(long, default_value = "", hide_default_value = true)]
    external_status: String,
    /// Deal stage in HubSpot
    #[arg(long, default_value = "", hide_default_value = true)]
    hubspot_dealstage: String,
    /// The lines as a JSON list, such as `[{"sku":"a-1","name":"Shelf","quantity":2,"unit_price":"9.90"}]`
    #[arg(long, value_name = "JSON", value_parser = lines)]
    line_items: Option<Lines>,
    #[command(flatten)]
    when: When,
    #[command(flatten)]
    properties: PropertyArguments,
    /// If it is stored with different content [default: refuse]
    #[arg(long, value_parser = one_of("laurel.orders.v1.OnConflict"))]
    on_conflict: Option<i32>,
    /// If the code or advocate comes to nobody [default: record]
    #[arg(long, value_parser = one_of("laurel.orders.v1.OnUnattributed"))]
    on_unattributed: Option<i32>,
    #[command(flatten)]
    request: RequestId,
}

impl Record {
    /// For the wire.
    pub(super) async fn wire(self, session: &Session) -> anyhow::Result<RecordOrderRequest> {
        let order = NewOrder {
            tenant_id: String::new(),
            order_id: self.order_id,
            source: self.source,
            customer: Some(self.customer),
            revenue: Some(money("revenue", &self.revenue, self.currency)?),
            campaign_id: self.campaign_id,
            evidence: self.evidence.wire(),
            external_status: self.external_status,
            hubspot_dealstage: self.hubspot_dealstage,
            line_items: self.line_items.map_or(Ok(Vec::new()), |lines| lines.wire(self.currency))?,
            occurred_at: self.when.wire(),
            properties: properties::wire(self.properties, session).await?,
        };
        Ok(RecordOrderRequest {
            order: Some(order),
            on_conflict: self.on_conflict.unwrap_or_default(),
            on_unattributed: self.on_unattributed.unwrap_or_default(),
            request_id: self.request.request_id,
        })
    }
}

/// The lines of an order.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Lines(Vec<Line>);

/// A line, with the same names as in the column `line_items` of an import.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    sku: String,
    #[serde(default)]
    name: String,
    quantity: i32,
    unit_price: String,
}

impl Lines {
    pub(super) fn wire(self, currency: Currency) -> Result<Vec<LineItem>, Refused> {
        let line = |(n, line): (usize, Line)| {
            let unit_price = Some(money(&format!("line_items[{n}]"), &line.unit_price, currency)?);
            Ok(LineItem { sku: line.sku, name: line.name, quantity: line.quantity, unit_price })
        };
        self.0.into_iter().enumerate().map(line).collect()
    }
}

pub(super) fn lines(text: &str) -> Result<Lines, String> {
    serde_json::from_str(text).map_err(|e| format!("it is no list of lines: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m1_lines_are_the_json_of_an_import_and_their_prices_exact() {
        let text = r#"[{"sku":"a-1","name":"Shelf","quantity":2,"unit_price":"9.90"},
                       {"sku":"b","quantity":1,"unit_price":"0.001"}]"#;
        let euro: Currency = "EUR".parse().unwrap();
        let refused = lines(text).unwrap().wire(euro).unwrap_err().to_string();
        assert_eq!(refused, "line_items[1] is finer than the minor unit of EUR, which has 2 decimals");
        let items = lines(&text.replace("0.001", "1")).unwrap().wire(euro).unwrap();
        let price = items[0].unit_price.as_ref().unwrap();
        assert_eq!((items.len(), price.units, price.nanos), (2, 9, 900_000_000));
        for wrong in ["{}", r#"[{"sku":"a"}]"#, r#"[{"sku":"a","quantity":1,"unit_price":9.9}]"#] {
            assert!(lines(wrong).is_err(), "{wrong}");
        }
    }
}
