//! The edge: one file per gRPC service. Reads requests into strict values with field paths, calls a command or a query,
//! and puts the result into the contract's form.

mod attribution_list;
mod attributions;
mod audit;
mod campaigns;
mod cells;
mod codes;
mod contacts;
mod erasures;
mod errors;
mod import_attributions;
mod import_codes;
mod import_contacts;
mod moves;
mod properties;
mod read;
mod segments;
mod test_clock;
mod visits;

use std::sync::Arc;

use proto::attribution::attribution_service_server::AttributionServiceServer;
use proto::attribution::audit_service_server::AuditServiceServer;
use proto::attribution::campaign_service_server::CampaignServiceServer;
use proto::attribution::code_service_server::CodeServiceServer;
use proto::attribution::contact_property_service_server::ContactPropertyServiceServer;
use proto::attribution::contact_service_server::ContactServiceServer;
use proto::attribution::erasure_service_server::ErasureServiceServer;
use proto::attribution::segment_service_server::SegmentServiceServer;
use proto::attribution::test_clock_service_server::TestClockServiceServer;
use proto::attribution::visit_service_server::VisitServiceServer;
use rpc::server::ServiceRoutes;

use crate::App;

/// All gRPC services of this service.
pub(crate) fn routes(app: &Arc<App>) -> ServiceRoutes {
    ServiceRoutes::default()
        .with(ContactServiceServer::new(contacts::Contacts(Arc::clone(app))))
        .with(ContactPropertyServiceServer::new(properties::ContactProperties(Arc::clone(app))))
        .with(SegmentServiceServer::new(segments::Segments(Arc::clone(app))))
        .with(CampaignServiceServer::new(campaigns::Campaigns(Arc::clone(app))))
        .with(CodeServiceServer::new(codes::Codes(Arc::clone(app))))
        .with(VisitServiceServer::new(visits::Visits(Arc::clone(app))))
        .with(AttributionServiceServer::new(attributions::Attributions(Arc::clone(app))))
        .with(ErasureServiceServer::new(erasures::ErasureRpcs(Arc::clone(app))))
        .with(TestClockServiceServer::new(test_clock::TestClocks(Arc::clone(app))))
        .with(AuditServiceServer::new(audit::Audits(app.db.clone())))
}
