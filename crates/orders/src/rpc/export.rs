//! ExportOrders: what a list shows, as CSV, in constant memory (O11).

use futures::StreamExt;
use futures::stream::BoxStream;
use pg::Database;
use proto::orders::{ExportOrdersRequest, ExportOrdersResponse};
use rpc::csv::export::{Piece, Table, export};
use rpc::{Error, fields};
use time::format_description::well_known::Rfc3339;
use tonic::{Request, Status};
use types::Timestamp;
use uuid::Uuid;

use super::{Orders, lines};
use crate::domain::{Order, PropertyName};
use crate::store::list::{self, Filter};
use crate::store::properties;

/// Lines of all orders that are read at once, about.
const LINES: i64 = 5_000;

/// Columns that an import has, too.
const IMPORTED: [&str; 10] = [
    "order_id",
    "source",
    "contact_id",
    "revenue",
    "currency",
    "campaign",
    "external_status",
    "hubspot_dealstage",
    "line_items",
    "occurred_at",
];
/// Columns that only an export has: an import skips them.
pub(super) const ONLY_THERE: [&str; 8] = [
    "refunded",
    "cancelled_at",
    "attribution_id",
    "advocate_id",
    "inactive_attribution_id",
    "outcome",
    "outcome_reason",
    "recorded_at",
];

/// What the columns of properties begin with.
pub(super) use rpc::properties::COLUMN as PROPERTY;

/// What is exported, and how far it is.
struct Exported {
    db: Database,
    filter: Filter,
    /// The properties that have columns: those that are defined at the beginning.
    properties: Vec<PropertyName>,
    /// The last order that was read.
    after: Option<Uuid>,
}

impl Orders {
    pub(super) async fn export(
        &self,
        request: Request<ExportOrdersRequest>,
    ) -> Result<BoxStream<'static, Result<ExportOrdersResponse, Status>>, Error> {
        let tenant = rpc::caller::tenant(&request)?;
        let request = request.into_inner();
        // what comes in meanwhile would keep the oldest first from ever coming to an end
        let newest = list::newest(&self.db, &tenant).await?;
        let matching = self.matching(&tenant, &request.filter).await?;
        let properties = properties::DEFINITIONS.of(self.db.read(), &tenant).await?.into_keys().collect();
        let filter = Filter {
            tenant,
            campaign_id: fields::parse_optional("campaign_id", &request.campaign_id)?,
            contact_id: fields::parse_optional("contact_id", &request.contact_id)?,
            order: rpc::order::read(&list::ORDERS, &request.order_by)?,
            up_to: newest,
            matching,
        };
        let exported = Exported { db: self.db.clone(), filter, properties, after: None };
        let pieces = export(exported, self.exports.clone(), self.stop.clone()).await?;
        let wire = |Piece { chunk, rows }| ExportOrdersResponse { chunk, rows };
        Ok(pieces.map(move |piece| piece.map(wire).map_err(Status::from)).boxed())
    }
}

impl Table for Exported {
    type Row = Order;

    fn columns(&self) -> Vec<String> {
        let properties = self.properties.iter().map(|name| format!("{PROPERTY}{name}"));
        IMPORTED.into_iter().chain(ONLY_THERE).map(str::to_owned).chain(properties).collect()
    }

    fn cells(&self, order: &Order) -> Vec<String> {
        let property =
            |name: &PropertyName| order.properties.get(name).map(ToString::to_string).unwrap_or_default();
        row(order).into_iter().chain(self.properties.iter().map(property)).collect()
    }

    async fn read(&mut self, limit: i64) -> Result<(Vec<Order>, bool), pg::Error> {
        if self.filter.up_to.is_none() {
            return Ok((Vec::new(), false));
        }
        let (orders, more) = list::part(&self.db, &self.filter, self.after, (limit, LINES)).await?;
        self.after = orders.last().map(|order| order.id).or(self.after);
        Ok((orders, more))
    }

    fn refused(&self, error: pg::Error) -> Error {
        self.filter.matching.refused(error)
    }
}

fn row(order: &Order) -> [String; IMPORTED.len() + ONLY_THERE.len()] {
    let (outcome, reason) = order.outcome.names();
    [
        order.key.order_id.to_string(),
        order.source.clone(),
        order.contact_id.to_string(),
        order.revenue.to_decimal(),
        order.currency().to_string(),
        order.campaign_id.as_ref().map(ToString::to_string).unwrap_or_default(),
        order.external_status.clone(),
        order.hubspot_dealstage.clone(),
        lines::write(&order.line_items, order.currency()),
        moment(order.occurred_at),
        order.refunded().to_decimal(),
        order.cancelled_at.map(moment).unwrap_or_default(),
        order.attribution.map(|a| a.attribution_id.to_string()).unwrap_or_default(),
        order.attribution.map(|a| a.advocate_id.to_string()).unwrap_or_default(),
        order.inactive_attribution_id.map(|id| id.to_string()).unwrap_or_default(),
        outcome.to_owned(),
        reason.to_owned(),
        moment(order.recorded_at),
    ]
}

/// As RFC 3339 writes it, which takes every year that is stored.
fn moment(at: Timestamp) -> String {
    at.format(&Rfc3339).unwrap_or_default()
}
