//! The generated clients over one channel, for one tenant.

use proto::attribution::attribution_service_client::AttributionServiceClient;
use proto::attribution::audit_service_client::AuditServiceClient as AttributionAuditClient;
use proto::attribution::campaign_service_client::CampaignServiceClient;
use proto::attribution::code_service_client::CodeServiceClient;
use proto::attribution::contact_property_service_client::ContactPropertyServiceClient;
use proto::attribution::contact_service_client::ContactServiceClient;
use proto::attribution::erasure_service_client::ErasureServiceClient;
use proto::attribution::segment_service_client::SegmentServiceClient;
use proto::attribution::test_clock_service_client::TestClockServiceClient;
use proto::attribution::visit_service_client::VisitServiceClient;
use proto::journeys::audit_service_client::AuditServiceClient as JourneysAuditClient;
use proto::journeys::erasure_service_client::ErasureServiceClient as JourneysErasureClient;
use proto::journeys::funnel_service_client::FunnelServiceClient;
use proto::journeys::journey_service_client::JourneyServiceClient;
use proto::journeys::run_service_client::RunServiceClient;
use proto::orders::audit_service_client::AuditServiceClient as OrdersAuditClient;
use proto::orders::erasure_service_client::ErasureServiceClient as OrdersErasureClient;
use proto::orders::order_property_service_client::OrderPropertyServiceClient;
use proto::orders::order_service_client::OrderServiceClient;
use proto::rewards::audit_service_client::AuditServiceClient as RewardsAuditClient;
use proto::rewards::erasure_service_client::ErasureServiceClient as RewardsErasureClient;
use proto::rewards::ledger_service_client::LedgerServiceClient;
use proto::rewards::program_service_client::ProgramServiceClient;
use proto::rewards::reward_service_client::RewardServiceClient;
use rpc::Channel;
use types::TenantId;

/// Every client a command needs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Clients {
    /// Contacts.
    pub contacts: ContactServiceClient<Channel>,
    /// Properties of contacts.
    pub contact_properties: ContactPropertyServiceClient<Channel>,
    /// Segments.
    pub segments: SegmentServiceClient<Channel>,
    /// Campaigns.
    pub campaigns: CampaignServiceClient<Channel>,
    /// Codes.
    pub codes: CodeServiceClient<Channel>,
    /// Visits.
    pub visits: VisitServiceClient<Channel>,
    /// Attributions.
    pub attributions: AttributionServiceClient<Channel>,
    /// Test clocks.
    pub test_clock: TestClockServiceClient<Channel>,
    /// Orders.
    pub orders: OrderServiceClient<Channel>,
    /// Properties of orders.
    pub order_properties: OrderPropertyServiceClient<Channel>,
    /// Journeys.
    pub journeys: JourneyServiceClient<Channel>,
    /// Runs and their transitions.
    pub runs: RunServiceClient<Channel>,
    /// Funnels.
    pub funnels: FunnelServiceClient<Channel>,
    /// Reward programs.
    pub programs: ProgramServiceClient<Channel>,
    /// Rewards.
    pub rewards: RewardServiceClient<Channel>,
    /// The ledger.
    pub ledger: LedgerServiceClient<Channel>,
    /// Who did what.
    pub audits: Audits,
    /// Erasures of contacts.
    pub erasures: Erasures,
}

/// Who did what, service by service.
#[derive(Debug, Clone)]
pub struct Audits {
    /// In attribution.
    pub attribution: AttributionAuditClient<Channel>,
    /// In orders.
    pub orders: OrdersAuditClient<Channel>,
    /// In journeys.
    pub journeys: JourneysAuditClient<Channel>,
    /// In rewards.
    pub rewards: RewardsAuditClient<Channel>,
}

/// Erasures of contacts, service by service.
#[derive(Debug, Clone)]
pub struct Erasures {
    /// In attribution, where they begin.
    pub attribution: ErasureServiceClient<Channel>,
    /// In orders.
    pub orders: OrdersErasureClient<Channel>,
    /// In journeys.
    pub journeys: JourneysErasureClient<Channel>,
    /// In rewards, where they end.
    pub rewards: RewardsErasureClient<Channel>,
}

impl Clients {
    /// Clients that act for `tenant` over `channel`.
    pub fn new(channel: Channel, tenant: &TenantId) -> Self {
        let channel = rpc::channel::for_tenant(channel, tenant);
        Self {
            contacts: ContactServiceClient::new(channel.clone()),
            contact_properties: ContactPropertyServiceClient::new(channel.clone()),
            segments: SegmentServiceClient::new(channel.clone()),
            campaigns: CampaignServiceClient::new(channel.clone()),
            codes: CodeServiceClient::new(channel.clone()),
            visits: VisitServiceClient::new(channel.clone()),
            attributions: AttributionServiceClient::new(channel.clone()),
            test_clock: TestClockServiceClient::new(channel.clone()),
            orders: OrderServiceClient::new(channel.clone()),
            order_properties: OrderPropertyServiceClient::new(channel.clone()),
            journeys: JourneyServiceClient::new(channel.clone()),
            runs: RunServiceClient::new(channel.clone()),
            funnels: FunnelServiceClient::new(channel.clone()),
            programs: ProgramServiceClient::new(channel.clone()),
            rewards: RewardServiceClient::new(channel.clone()),
            ledger: LedgerServiceClient::new(channel.clone()),
            audits: Audits {
                attribution: AttributionAuditClient::new(channel.clone()),
                orders: OrdersAuditClient::new(channel.clone()),
                journeys: JourneysAuditClient::new(channel.clone()),
                rewards: RewardsAuditClient::new(channel.clone()),
            },
            erasures: Erasures {
                attribution: ErasureServiceClient::new(channel.clone()),
                orders: OrdersErasureClient::new(channel.clone()),
                journeys: JourneysErasureClient::new(channel.clone()),
                rewards: RewardsErasureClient::new(channel),
            },
        }
    }
}
