//! RefundOrder and CancelOrder (O8).

use prost::Message;
use proto::orders as wire;
use rpc::fields::{self, wire_money, wire_time};
use rpc::{Error, caller};
use tonic::Request;

use super::Orders;
use super::convert::wire_order;
use crate::commands::{RequestId, ReverseOrder, Reversed};
use crate::domain::{Cancellation, Change, NewRefund, Reversal};

impl Orders {
    pub(super) async fn refund(
        &self,
        request: Request<wire::RefundOrderRequest>,
    ) -> Result<wire::RefundOrderResponse, Error> {
        let (tenant, origin) = (caller::tenant(&request)?, caller::origin(&request)?);
        let wire = request.into_inner();
        let amount = wire.amount.as_ref().map(|amount| fields::amount("amount", Some(amount))).transpose()?;
        if amount.is_some_and(|amount| amount.minor == 0) {
            return Err(Error::field("amount", "must be above zero"));
        }
        let new = NewRefund {
            id: wire.refund_id.clone(),
            amount,
            reason: wire.reason.clone(),
            occurred_at: fields::timestamp("occurred_at", wire.occurred_at.as_ref())?,
        };
        let key = self.order_key(&tenant, &wire.source, &wire.order_id)?;
        let request = self.request_id(&wire.request_id, &wire);
        let command = ReverseOrder { key, reversal: Reversal::Refund(new), origin, request };
        let Reversed { order, refund, replayed } = self.reversals.run(command).await?;
        let (order, refund) = (Some(wire_order(&order)), refund.as_ref().map(wire_refund));
        Ok(wire::RefundOrderResponse { order, refund, replayed })
    }

    pub(super) async fn cancel(
        &self,
        request: Request<wire::CancelOrderRequest>,
    ) -> Result<wire::CancelOrderResponse, Error> {
        let (tenant, origin) = (caller::tenant(&request)?, caller::origin(&request)?);
        let wire = request.into_inner();
        let cancellation = Cancellation {
            reason: wire.reason.clone(),
            occurred_at: fields::timestamp("occurred_at", wire.occurred_at.as_ref())?,
        };
        let key = self.order_key(&tenant, &wire.source, &wire.order_id)?;
        let request = self.request_id(&wire.request_id, &wire);
        let command = ReverseOrder { key, reversal: Reversal::Cancellation(cancellation), origin, request };
        let Reversed { order, replayed, .. } = self.reversals.run(command).await?;
        Ok(wire::CancelOrderResponse { order: Some(wire_order(&order)), replayed })
    }

    /// The id a request bears, if it does, with the hash of all it came with.
    pub(super) fn request_id(&self, id: &str, request: &impl Message) -> Option<RequestId> {
        let hash = || self.hasher.hash(&request.encode_to_vec());
        (!id.is_empty()).then(|| RequestId { id: id.to_owned(), hash: hash() })
    }
}

fn wire_refund(refund: &Change) -> wire::Refund {
    wire::Refund {
        refund_id: refund.refund_id.clone(),
        amount: refund.amount.map(wire_money),
        reason: refund.reason.clone(),
        occurred_at: Some(wire_time(refund.occurred_at)),
        recorded_at: Some(wire_time(refund.recorded_at)),
    }
}
