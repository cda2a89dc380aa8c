//! Who did what, and one trace from `RecordOrder` to the reward, through all four services over the network.

use std::time::Duration;

use laurel::client::Clients;
use proto::journeys as j;
use proto::orders as o;
use proto::rewards as r;
use tests::process::{Deployment, Service};
use tests::{program, said, story};

const TENANT: &str = "acme";
/// The trace of a caller's.
const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

async fn record(clients: &mut Clients, id: &str, trace: Option<&'static str>) -> anyhow::Result<()> {
    let order = Some(story::order(id, "eve@example.com"));
    let mut request = tonic::Request::new(o::RecordOrderRequest { order, ..Default::default() });
    if let Some(trace) = trace {
        request.metadata_mut().insert("traceparent", trace.parse()?);
    }
    clients.orders.record_order(request).await?;
    Ok(())
}

/// Waits for `count` events of a watch: their traces.
macro_rules! traces {
    ($watch:expr, $count:expr) => {{
        let mut watch = $watch.await?.into_inner();
        let mut traces: Vec<String> = Vec::new();
        let read = async {
            while traces.len() < $count {
                let message = watch.message().await?.ok_or_else(|| anyhow::anyhow!("the watch ended"))?;
                traces.extend(message.events.into_iter().map(|event| event.traceparent));
            }
            anyhow::Ok(())
        };
        tokio::time::timeout(Duration::from_secs(30), read).await??;
        traces
    }};
}

#[tokio::test(flavor = "multi_thread")]
async fn order_event_transition_and_reward_carry_the_trace_of_the_call_that_recorded_the_order()
-> anyhow::Result<()> {
    let deployment = Deployment::new().await?;
    let running = deployment.start_all()?;
    let addresses: Vec<&str> = running.iter().map(Service::address).collect();
    let access = deployment.token_access(TENANT, story::SCOPES)?;
    let mut clients = deployment.clients(&addresses, TENANT, &access)?;
    story::prepare(&clients).await?;
    record(&mut clients, "traced", Some(TRACE)).await?;
    record(&mut clients, "plain", None).await?;
    let trace_id = |trace: &String| trace.split('-').nth(1).unwrap_or_default().to_owned();
    let ours = trace_id(&TRACE.to_owned());
    let request = o::WatchOrderEventsRequest::default();
    let orders = traces!(clients.orders.watch_order_events(request), 2);
    let types = vec!["stage_entered".to_owned()];
    let request = j::WatchStageTransitionsRequest { types, ..Default::default() };
    let transitions = traces!(clients.runs.watch_stage_transitions(request), 2);
    let types = vec!["reward_created".to_owned()];
    let request = r::WatchRewardEventsRequest { types, ..Default::default() };
    let rewards = traces!(clients.rewards.watch_reward_events(request), 2);
    for traces in [&orders, &transitions, &rewards] {
        assert_eq!(trace_id(&traces[0]), ours, "{traces:?}");
        assert_ne!(trace_id(&traces[1]), ours, "{traces:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn laurel_audit_lists_who_did_what_in_all_services() -> anyhow::Result<()> {
    let deployment = Deployment::new().await?;
    let running = deployment.start_all()?;
    let addresses: Vec<&str> = running.iter().map(Service::address).collect();
    let access = deployment.token_access(TENANT, story::SCOPES)?;
    let mut clients = deployment.clients(&addresses, TENANT, &access)?;
    story::prepare(&clients).await?;
    record(&mut clients, "o-1", Some(TRACE)).await?;
    let scopes = "attribution.audit orders.audit journeys.audit rewards.audit";
    let token = deployment.token(&["--tenant", TENANT, "--scope", scopes])?;
    let urls = deployment.urls(&addresses);
    let says = |arguments: &[&str]| {
        let whose = ["--address", &urls, "--tenant", TENANT, "--token", &token];
        said(program("laurel")?.arg("audit").args(arguments).args(whose))
    };

    let lines = says(&["--json"])?;
    let entries: Vec<serde_json::Value> =
        lines.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let told =
        |n: usize| ["service", "principal", "method"].map(|key| entries[n][key].as_str().unwrap_or_default());
    assert_eq!(told(0), ["orders", "developer", "laurel.orders.v1.OrderService/RecordOrder"]);
    let attributed = "laurel.attribution.v1.AttributionService/BatchRecordAttributions";
    assert_eq!(told(1), ["attribution", "service:orders", attributed]);
    assert_eq!(told(2), ["rewards", "developer", "laurel.rewards.v1.ProgramService/ApplyProgram"]);
    assert_eq!(told(3), ["journeys", "developer", "laurel.journeys.v1.JourneyService/ApplyJourney"]);
    assert_eq!((entries.len(), &entries[0]["resources"][0]), (8, &"o-1".into()));

    let table = says(&["--service", "orders", "--method", "RecordOrder"])?;
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!((rows.len(), &rows[1][1..]), (2, &["orders", "developer", "RecordOrder", "o-1"][..]));
    assert_eq!(says(&["--json", "--limit", "3"])?.lines().count(), 3);
    assert_eq!(says(&["--json", "--principal", "service:orders"])?.lines().count(), 1);
    assert_eq!(says(&["--json", "--until", "2020-01-01"])?, "");
    let nothing = says(&["--since", "2999-01-01"]).err().map(|error| error.to_string());
    assert!(nothing.is_some_and(|said| said.contains("no such audit entries in tenant acme")));
    Ok(())
}
