//! The generated clients over one channel, for one tenant.

use proto::attribution::attribution_service_client::AttributionServiceClient;
use proto::attribution::audit_service_client::AuditServiceClient as AttributionAuditClient;
use proto::attribution::campaign_service_client::CampaignServiceClient;
use proto::attribution::code_service_client::CodeServiceClient;
use proto::attribution::contact_service_client::ContactServiceClient;
use proto::attribution::segment_service_client::SegmentServiceClient;
use proto::attribution::test_clock_service_client::TestClockServiceClient;
use proto::journeys::audit_service_client::AuditServiceClient as JourneysAuditClient;
use proto::journeys::funnel_service_client::FunnelServiceClient;
use proto::journeys::journey_service_client::JourneyServiceClient;
use proto::journeys::run_service_client::RunServiceClient;
use proto::orders::audit_service_client::AuditServiceClient as OrdersAuditClient;
use proto::orders::order_service_client::OrderServiceClient;
use proto::rewards::audit_service_client::AuditServiceClient as RewardsAuditClient;
use proto::rewards::ledger_service_client::LedgerServiceClient;
use proto::rewards::program_service_client::ProgramServiceClient;
use proto::rewards::reward_service_client::RewardServiceClient;
use rpc::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt;
use types::TenantId;

/// Every client a command needs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Clients {
    /// Contacts.
    pub contacts: ContactServiceClient<Channel>,
    /// Segments.
    pub segments: SegmentServiceClient<Channel>,
    /// Campaigns.
    pub campaigns: CampaignServiceClient<Channel>,
    /// Codes.
    pub codes: CodeServiceClient<Channel>,
    /// Attributions.
    pub attributions: AttributionServiceClient<Channel>,
    /// Test clocks.
    pub test_clock: TestClockServiceClient<Channel>,
    /// Orders.
    pub orders: OrderServiceClient<Channel>,
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

impl Clients {
    /// Clients that act for `tenant` over `channel`.
    pub fn new(channel: Channel, tenant: &TenantId) -> Self {
        let channel = rpc::channel::for_tenant(channel, tenant);
        Self {
            contacts: ContactServiceClient::new(channel.clone()),
            segments: SegmentServiceClient::new(channel.clone()),
            campaigns: CampaignServiceClient::new(channel.clone()),
            codes: CodeServiceClient::new(channel.clone()),
            attributions: AttributionServiceClient::new(channel.clone()),
            test_clock: TestClockServiceClient::new(channel.clone()),
            orders: OrderServiceClient::new(channel.clone()),
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
                rewards: RewardsAuditClient::new(channel),
            },
        }
    }
}

/// The connection to the services could not be made, or broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionError {
    /// The call was not answered.
    Failed,
    /// An import was under way.
    ImportLost,
}

impl std::fmt::Display for ConnectionError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Failed => "connection failed; is `laurel up` running there?",
            Self::ImportLost => "connection lost; what was recorded stands: run it again",
        })
    }
}

impl std::error::Error for ConnectionError {}

/// A status as one line for people: every field violation, else the message.
pub fn explain(status: Status) -> anyhow::Error {
    explain_fields(status, |field, what| format!("{field} {what}"))
}

/// The same, with the caller's own words for a field and what is wrong with it. A [`ConnectionError`] stays one.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
pub(crate) fn explain_fields(status: Status, words: impl Fn(&str, &str) -> String) -> anyhow::Error {
    let details = status.get_error_details();
    if details.error_info().is_none() && is_of_transport(status.code(), status.message()) {
        return ConnectionError::Failed.into();
    }
    let violations = details.bad_request().map(|bad| bad.field_violations.as_slice()).unwrap_or_default();
    if violations.is_empty() {
        let name = details.resource_info().map_or("", |resource| resource.resource_name.as_str());
        return anyhow::anyhow!("{}", sentence(status.code(), status.message(), name));
    }
    let lines: Vec<String> = violations.iter().map(|v| words(&v.field, &v.description)).collect();
    anyhow::anyhow!("{}", lines.join("; "))
}

/// Whether a status without a reason of ours says that the connection is at fault.
fn is_of_transport(code: Code, message: &str) -> bool {
    match code {
        Code::Unavailable | Code::Unknown => true,
        Code::Internal | Code::Cancelled => message.starts_with("h2 protocol error"),
        _ => false,
    }
}

/// A code, a message, and the name of what it speaks of, if it has one.
fn sentence(code: Code, message: &str, name: &str) -> String {
    let name = if name.is_empty() { String::new() } else { format!(" {name}") };
    match code {
        Code::Unknown => format!("{message}{name}"),
        code => format!("{}: {message}{name}", code_words(code)),
    }
}

/// A code in words.
fn code_words(code: Code) -> &'static str {
    match code {
        Code::Ok => "fine",
        Code::Cancelled => "cancelled",
        Code::Unknown => "unknown",
        Code::InvalidArgument => "invalid argument",
        Code::DeadlineExceeded => "deadline exceeded",
        Code::NotFound => "not found",
        Code::AlreadyExists => "already exists",
        Code::PermissionDenied => "permission denied",
        Code::ResourceExhausted => "resource exhausted",
        Code::FailedPrecondition => "failed precondition",
        Code::Aborted => "aborted",
        Code::OutOfRange => "out of range",
        Code::Unimplemented => "unimplemented",
        Code::Internal => "internal",
        Code::Unavailable => "unavailable",
        Code::DataLoss => "data loss",
        Code::Unauthenticated => "unauthenticated",
    }
}

#[cfg(test)]
mod tests {
    use rpc::{Error, Reason};

    use super::*;

    #[test]
    fn what_is_not_found_is_named_and_its_code_is_readable() {
        let status = Status::from(Error::not_found(Reason::JourneyNotFound, "journey", "nosuch"));
        assert_eq!(explain(status).to_string(), "not found: no such journey nosuch");
        let status = Status::from(Error::precondition(Reason::RewardState, "the reward is HELD"));
        assert_eq!(explain(status).to_string(), "failed precondition: the reward is HELD");
    }

    #[test]
    fn every_field_violation_is_told_in_the_words_asked_for() {
        let two = vec![("a".to_owned(), "is required".to_owned()), ("b".to_owned(), "is long".to_owned())];
        let status = Status::from(Error::fields(Reason::InvalidField, two));
        assert_eq!(explain(status.clone()).to_string(), "a is required; b is long");
        let told = explain_fields(status, |field, what| format!("<{field}> {what}"));
        assert_eq!(told.to_string(), "<a> is required; <b> is long");
    }

    #[test]
    fn only_what_the_transport_says_is_a_connection_error() {
        let lost = |status: Status| explain(status).is::<ConnectionError>();
        assert!(lost(Status::unavailable("connection failed")));
        assert!(lost(Status::unknown("error reading a body from connection")));
        assert!(lost(Status::internal("h2 protocol error: http2 error")));
        assert!(!lost(Status::internal("failed to decode Protobuf message")));
        assert!(!lost(Error::unavailable().into()));
    }
}
