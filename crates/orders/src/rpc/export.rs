//! ExportOrders: what a list shows, as CSV, in constant memory (O11).

use std::collections::VecDeque;
use std::sync::Arc;

use csv::Writer;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use pg::Database;
use proto::orders::{ExportOrdersRequest, ExportOrdersResponse};
use rpc::{Error, fields};
use time::format_description::well_known::Rfc3339;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Status};
use types::Timestamp;
use uuid::Uuid;

use super::{Orders, lines};
use crate::domain::{Order, PropertyName};
use crate::store::list::{self, Filter};
use crate::store::properties;

/// Orders read at once, and lines of all of them, about.
const READ: (i64, i64) = (500, 5_000);
/// Fewest orders asked for at once, when a filter lets so few pass that more take too long to find.
const FEWEST: i64 = 5;
/// Bytes of a piece after which it is sent: well below what clients take at once.
const PIECE: usize = 256 * 1024;
/// Exports that read at the same time; others wait, so that connections are left for short calls.
const AT_ONCE: usize = 4;

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

/// Places of exports that read.
pub(crate) fn places() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(AT_ONCE))
}

/// What is exported, and how far it is.
struct Export {
    db: Database,
    stop: CancellationToken,
    reading: Arc<Semaphore>,
    filter: Filter,
    /// The properties that have columns: those that are defined at the beginning.
    properties: Vec<PropertyName>,
    /// How many orders are asked for at once.
    limit: i64,
    /// The last order that was read.
    after: Option<Uuid>,
    /// Read, but not sent yet.
    read: VecDeque<Order>,
    /// Whether there may be more to read.
    more: bool,
    /// Whether the header is sent.
    begun: bool,
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
        let mut export = Export {
            db: self.db.clone(),
            stop: self.stop.clone(),
            reading: Arc::clone(&self.exports),
            filter,
            properties,
            limit: READ.0,
            after: None,
            read: VecDeque::new(),
            more: newest.is_some(),
            begun: false,
        };
        // before it is answered, so that a failure is one of the call, which clients repeat by themselves
        export.read_more().await?;
        // a piece is made when the one before it was taken, so a slow caller costs little
        let pieces = stream::try_unfold(export, Export::next);
        Ok(pieces.map_err(Status::from).boxed())
    }
}

impl Export {
    /// The next piece, if there is one; the first is there also if there are no orders.
    async fn next(mut self) -> Result<Option<(ExportOrdersResponse, Self)>, Error> {
        if self.stop.is_cancelled() {
            return Err(Error::unavailable());
        }
        self.read_more().await?;
        if self.begun && self.read.is_empty() {
            return Ok(None);
        }
        let piece = self.piece().map_err(|error| {
            tracing::error!(%error, "a row cannot be written");
            Error::internal()
        })?;
        Ok(Some((piece, self)))
    }

    /// Reads on, unless there is something to send.
    async fn read_more(&mut self) -> Result<(), Error> {
        while self.more && self.read.is_empty() {
            let read = async {
                let _turn = self.reading.acquire().await;
                list::part(&self.db, &self.filter, self.after, (self.limit, READ.1)).await
            };
            match self.stop.run_until_cancelled(read).await.ok_or_else(Error::unavailable)? {
                Ok((orders, more)) => {
                    self.after = orders.last().map(|order| order.id).or(self.after);
                    (self.read, self.more) = (orders.into(), more);
                }
                Err(error) if error.is_statement_timeout() && self.limit > FEWEST => self.limit /= 10,
                Err(error) => return Err(self.filter.matching.refused(error)),
            }
        }
        Ok(())
    }

    /// What was read, up to the size of a piece.
    fn piece(&mut self) -> Result<ExportOrdersResponse, csv::Error> {
        let mut writer = Writer::from_writer(Vec::new());
        if !std::mem::replace(&mut self.begun, true) {
            let properties = self.properties.iter().map(|name| format!("{PROPERTY}{name}"));
            let columns = IMPORTED.into_iter().chain(ONLY_THERE).map(str::to_owned);
            writer.write_record(columns.chain(properties))?;
        }
        let mut rows = 0;
        while writer.get_ref().len() < PIECE
            && let Some(order) = self.read.pop_front()
        {
            let property =
                |name: &PropertyName| order.properties.get(name).map(ToString::to_string).unwrap_or_default();
            writer.write_record(row(&order).into_iter().chain(self.properties.iter().map(property)))?;
            writer.flush()?;
            rows += 1;
        }
        let chunk = writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))?;
        Ok(ExportOrdersResponse { chunk, rows })
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
