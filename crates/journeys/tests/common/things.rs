//! Things to send, and things to look at.

use proto::attribution as a;
use proto::common::ContactRef;
use proto::google::r#type::Money;
use proto::journeys as j;
use proto::orders as o;
use tonic::Status;
use tonic_types::StatusExt;

use super::NOW;

/// Seconds after [`NOW`], less thirty days.
pub(crate) fn at(seconds: i64) -> prost_types::Timestamp {
    rpc::fields::wire_time(NOW - time::Duration::days(30) + time::Duration::seconds(seconds))
}

pub(crate) fn by_email(email: &str) -> ContactRef {
    ContactRef { email: email.into(), ..Default::default() }
}

/// An order of campaign `c`.
pub(crate) fn order(id: &str, email: &str, dollars: i64) -> o::NewOrder {
    o::NewOrder {
        order_id: id.into(),
        customer: Some(by_email(email)),
        revenue: Some(Money { currency_code: "USD".into(), units: dollars, nanos: 0 }),
        campaign_id: "c".into(),
        ..Default::default()
    }
}

/// The same with a shortcode.
pub(crate) fn referred(id: &str, email: &str, dollars: i64, shortcode: &str) -> o::NewOrder {
    let evidence = a::Evidence { shortcode: shortcode.into(), ..Default::default() };
    o::NewOrder { evidence: Some(evidence), ..order(id, email, dollars) }
}

/// The transitions of a run as `stage/key`.
pub(crate) fn story(run: &j::GetRunResponse) -> Vec<String> {
    run.transitions.iter().map(|t| format!("{}/{}", t.to_stage, t.occurrence_key)).collect()
}

/// The public reason of an error.
pub(crate) fn reason(status: &Status) -> String {
    status.get_details_error_info().map(|info| info.reason).unwrap_or_default()
}

/// What `ErrorInfo` says besides.
pub(crate) fn metadata(status: &Status, key: &str) -> String {
    status.get_details_error_info().and_then(|info| info.metadata.get(key).cloned()).unwrap_or_default()
}

/// Paths of the fields at fault.
pub(crate) fn fields(status: &Status) -> Vec<String> {
    let violations = status.get_details_bad_request().map(|request| request.field_violations);
    violations.into_iter().flatten().map(|violation| violation.field).collect()
}

/// A journey `j`, applied to campaign `c`.
pub(crate) fn journey(head: &str, stages: &[(&str, &str)]) -> String {
    let comma = |extras: &str| if extras.is_empty() { "" } else { ", " };
    let line = |(stage, extras): &(&str, &str)| format!("  - {{stage: {stage}{}{extras}}}\n", comma(extras));
    let lines: String = stages.iter().map(line).collect();
    format!("journey: j\ncampaigns: [c]\n{head}\nstages:\n{lines}")
}

/// From referral to repeat purchase, as the example has it.
pub(crate) const LIFECYCLE: [(&str, &str); 3] = [
    ("referred-lead", "enter_on: [{event: attribution.activated}]"),
    (
        "first-purchase",
        "repeatable: false, enter_on: [{event: order.recorded, when: '!(\"first-purchase\" in run.stages)'}]",
    ),
    ("repeat-purchase", "enter_on: [{event: order.recorded, when: '\"first-purchase\" in run.stages'}]"),
];
