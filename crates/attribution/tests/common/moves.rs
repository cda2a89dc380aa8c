//! What people do to attributions by hand.

use proto::attribution as v1;
use proto::common::ContactRef;
use tonic::Status;
use types::Timestamp;

use super::{Tenant, wire_time};

pub(crate) async fn activate(
    of: &Tenant,
    id: &str,
    at: Option<Timestamp>,
) -> Result<v1::ActivateAttributionResponse, Status> {
    let request = v1::ActivateAttributionRequest {
        attribution_id: id.into(),
        reason: "she asked".into(),
        occurred_at: at.map(wire_time),
        ..Default::default()
    };
    of.attributions().activate_attribution(request).await.map(tonic::Response::into_inner)
}

pub(crate) async fn deactivate(
    of: &Tenant,
    id: &str,
    at: Option<Timestamp>,
) -> Result<v1::DeactivateAttributionResponse, Status> {
    let request = v1::DeactivateAttributionRequest {
        attribution_id: id.into(),
        reason: "a mistake".into(),
        occurred_at: at.map(wire_time),
        ..Default::default()
    };
    of.attributions().deactivate_attribution(request).await.map(tonic::Response::into_inner)
}

pub(crate) fn to(
    contact: ContactRef,
    advocate: ContactRef,
    at: Option<Timestamp>,
) -> v1::ReassignAttributionRequest {
    v1::ReassignAttributionRequest {
        campaign_id: "spring".into(),
        contact: Some(contact),
        advocate: Some(advocate),
        reason: "the wrong one".into(),
        occurred_at: at.map(wire_time),
        ..Default::default()
    }
}

pub(crate) async fn reassign(
    of: &Tenant,
    request: v1::ReassignAttributionRequest,
) -> Result<v1::ReassignAttributionResponse, Status> {
    of.attributions().reassign_attribution(request).await.map(tonic::Response::into_inner)
}

pub(crate) async fn history(of: &Tenant, id: &str) -> Vec<v1::AttributionChange> {
    let request = v1::GetAttributionHistoryRequest { attribution_id: id.into(), ..Default::default() };
    of.attributions().get_attribution_history(request).await.unwrap().into_inner().changes
}
