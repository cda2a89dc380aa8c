//! RecordOrder and BatchRecordOrders.

use proto::orders as wire;
use rpc::{Caller, Error, fields};
use tonic::Request;
use types::Origin;

use super::Orders;
use super::convert::{canonical, new_order, wire_order};
use crate::commands::{RecordOrder, RecordResult, Recorded, RequestId};

/// Orders of one batch call, at most.
const MAX_BATCH: usize = 1000;

impl Orders {
    pub(super) async fn record(
        &self,
        request: Request<wire::RecordOrderRequest>,
    ) -> Result<wire::RecordOrderResponse, Error> {
        let caller = Caller::of(&request)?;
        let origin = rpc::caller::origin(&request)?;
        let command = self.command(&caller, origin, request.get_ref())?;
        Ok(response(&self.batcher.run(command).await?))
    }

    pub(super) async fn batch_record(
        &self,
        request: Request<wire::BatchRecordOrdersRequest>,
    ) -> Result<wire::BatchRecordOrdersResponse, Error> {
        let caller = Caller::of(&request)?;
        let origin = rpc::caller::origin(&request)?;
        let requests = request.into_inner().requests;
        if !(1..=MAX_BATCH).contains(&requests.len()) {
            return Err(Error::field("requests", format!("must be 1 to {MAX_BATCH}")));
        }
        let behind_updates = requests.iter().any(|r| r.on_conflict() == wire::OnConflict::Update);
        let mut commands = Vec::with_capacity(requests.len());
        // what cannot be read is answered in its place
        let mut refused = Vec::with_capacity(requests.len());
        for request in &requests {
            let command = fields::item(request).and_then(|()| self.command(&caller, origin.clone(), request));
            match command {
                Ok(command) => {
                    commands.push(RecordOrder { behind_updates, ..command });
                    refused.push(None);
                }
                Err(error) => refused.push(Some(error)),
            }
        }
        let mut answers = self.batcher.run_all(commands).await.into_iter();
        let results = refused.into_iter().map(|refused| match refused {
            Some(error) => result(Err(error)),
            // there is an answer for each command
            None => result(answers.next().map_or_else(|| Err(Error::internal()), |a| a.map_err(Error::from))),
        });
        Ok(wire::BatchRecordOrdersResponse { results: results.collect() })
    }

    fn command(
        &self,
        caller: &Caller,
        origin: Origin,
        request: &wire::RecordOrderRequest,
    ) -> Result<RecordOrder, Error> {
        let order = new_order(request, caller, &self.settings)?;
        let id = request.request_id.clone();
        let hash = || {
            let mut rest = request.clone();
            let properties = rest.order.as_mut().map(|order| std::mem::take(&mut order.properties));
            self.hasher.hash(&canonical(&rest, properties.unwrap_or_default()))
        };
        let request = (!id.is_empty()).then(|| RequestId { id, hash: hash() });
        Ok(RecordOrder { order, origin, request, behind_updates: false })
    }
}

fn response(recorded: &Recorded) -> wire::RecordOrderResponse {
    let result = match recorded.result {
        RecordResult::Recorded => wire::RecordResult::Recorded,
        RecordResult::AlreadyRecorded => wire::RecordResult::AlreadyRecorded,
        RecordResult::Updated => wire::RecordResult::Updated,
    };
    wire::RecordOrderResponse { order: Some(wire_order(&recorded.order)), result: result.into() }
}

fn result(answer: Result<Recorded, Error>) -> wire::BatchRecordOrdersResult {
    match answer {
        Ok(recorded) => wire::BatchRecordOrdersResult { response: Some(response(&recorded)), error: None },
        Err(error) => wire::BatchRecordOrdersResult { response: None, error: Some((&error).into()) },
    }
}
