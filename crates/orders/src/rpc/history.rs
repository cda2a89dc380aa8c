//! GetOrderHistory (O12).

use proto::orders as wire;
use rpc::fields::{self, wire_money, wire_time};
use rpc::page::Page;
use rpc::{Error, caller};
use tonic::Request;
use types::TenantId;

use super::Orders;
use crate::domain::{Change, ChangeKind, FieldChange, Order, OrderKey, Violation};
use crate::store::{history, list};

impl Orders {
    pub(super) async fn history(
        &self,
        request: Request<wire::GetOrderHistoryRequest>,
    ) -> Result<wire::GetOrderHistoryResponse, Error> {
        let tenant = caller::tenant(&request)?;
        let wire = request.into_inner();
        let key = self.order_key(&tenant, &wire.source, &wire.order_id)?;
        let query = [wire.order_id.as_str(), &wire.source];
        let page = Page::read(&tenant, "GetOrderHistory", &query, wire.page_size, &wire.page_token)?;
        let order = list::get(&self.db, &key).await?;
        let order = order.ok_or(Violation::NotFound(key.order_id))?;
        // that it was recorded is no row, but the order itself, and the first of all
        let first = page.after().is_none().then(|| (0, recorded(&order)));
        let after = page.after_as::<i64>()?.unwrap_or(0);
        let changes = history::page(&self.db, &order, after, page.limit()).await?;
        let changes = changes.iter().map(|(number, change)| (*number, wire_change(change)));
        let changes: Vec<_> = first.into_iter().chain(changes).collect();
        let (changes, next_page_token) =
            page.cut(changes, |(number, _)| number.to_string(), |(_, change)| change);
        Ok(wire::GetOrderHistoryResponse { changes, next_page_token })
    }

    /// What the order named is known by.
    pub(super) fn order_key(
        &self,
        tenant: &TenantId,
        source: &str,
        order_id: &str,
    ) -> Result<OrderKey, Error> {
        Ok(self.settings.key(tenant, source, fields::parse("order_id", order_id)?))
    }
}

fn recorded(order: &Order) -> wire::OrderChange {
    wire::OrderChange {
        kind: wire::OrderChangeKind::Recorded.into(),
        principal: order.recorded_by.clone(),
        occurred_at: Some(wire_time(order.occurred_at)),
        recorded_at: Some(wire_time(order.recorded_at)),
        ..Default::default()
    }
}

fn wire_change(change: &Change) -> wire::OrderChange {
    let kind = match change.kind {
        ChangeKind::Updated => wire::OrderChangeKind::Updated,
        ChangeKind::Linked => wire::OrderChangeKind::Linked,
        ChangeKind::Refunded => wire::OrderChangeKind::Refunded,
        ChangeKind::Cancelled => wire::OrderChangeKind::Cancelled,
    };
    let field = |FieldChange { field, before, after }: &FieldChange| wire::FieldChange {
        field: field.clone(),
        before: before.clone(),
        after: after.clone(),
    };
    wire::OrderChange {
        kind: kind.into(),
        principal: change.principal.clone(),
        refund_id: change.refund_id.clone(),
        amount: change.amount.map(wire_money),
        reason: change.reason.clone(),
        fields: change.fields.iter().map(field).collect(),
        occurred_at: Some(wire_time(change.occurred_at)),
        recorded_at: Some(wire_time(change.recorded_at)),
    }
}
