//! A13 through all four services: a contact is erased, and no schema says who it was.

use std::path::Path;
use std::process::Output;

use anyhow::Context;
use laurel::client::Clients;
use proto::common::ContactRef;
use proto::orders::{NewOrder, RecordOrderRequest, RefundOrderRequest};
use proto::rewards::{DenyRewardRequest, ListRewardsRequest, VerifyLedgerRequest};
use serde_json::Value;
use testkit::tables_with;
use tests::process::SERVICES;
use tests::story::{order, prepare, rewarded};
use tests::{DataDir, Up, database, program};

const TENANT: &str = "test-shop";
/// What gives eve away: her address, and what people wrote about her.
const TRACES: [&str; 3] = ["eve@example.com", "crm-eve-7", "evelyn"];

/// What `laurel contacts …` comes to.
fn contacts(up: &Up, arguments: &[&str]) -> anyhow::Result<Output> {
    let address = format!("http://{}", up.address);
    let whose = ["--address", &address, "--tenant", TENANT, "--json"];
    Ok(program("laurel")?.arg("contacts").args(arguments).args(whose).output()?)
}

/// The one object it prints.
fn told(up: &Up, arguments: &[&str]) -> anyhow::Result<Value> {
    let output = contacts(up, arguments)?;
    anyhow::ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Eve buys twice, gives something back, and the rewards that she brings are denied, with words about her.
async fn play(clients: &Clients) -> anyhow::Result<()> {
    prepare(clients).await?;
    let mut clients = clients.clone();
    for id in ["o-1", "o-2"] {
        let customer = ContactRef {
            uid: "crm-eve-7".to_owned(),
            email: "Eve@Example.com".to_owned(),
            ..Default::default()
        };
        let order = NewOrder { customer: Some(customer), ..order(id, "") };
        let request = RecordOrderRequest { order: Some(order), ..Default::default() };
        clients.orders.record_order(request).await?;
    }
    let refund = RefundOrderRequest {
        order_id: "o-1".to_owned(),
        refund_id: "r-1".to_owned(),
        amount: Some(proto::google::r#type::Money { currency_code: "USD".to_owned(), units: 5, nanos: 0 }),
        reason: "Evelyn did not like it".to_owned(),
        ..Default::default()
    };
    clients.orders.refund_order(refund).await?;
    rewarded(&clients, 2).await?;
    let listed = clients.rewards.list_rewards(ListRewardsRequest::default()).await?.into_inner();
    let reward_id = listed.rewards.first().context("a reward")?.reward_id.clone();
    let deny = DenyRewardRequest { reward_id, reason: "Evelyn is his sister".to_owned() };
    clients.rewards.deny_reward(deny).await?;
    Ok(())
}

/// `schema.table` of all that holds a trace.
async fn traces(data_dir: &Path) -> anyhow::Result<Vec<String>> {
    let mut database = database(data_dir).await?;
    let mut found = Vec::new();
    for schema in SERVICES {
        let tables = tables_with(&mut database, schema, &TRACES).await?;
        found.extend(tables.into_iter().map(|table| format!("{schema}.{table}")));
    }
    Ok(found)
}

#[tokio::test(flavor = "multi_thread")]
async fn a13_no_schema_has_a_trace_of_an_erased_contact_and_the_receipt_says_what_went_where()
-> anyhow::Result<()> {
    let data_dir = DataDir::new()?;
    let up = Up::start(&data_dir.path())?;
    let clients = up.clients(TENANT)?;
    play(&clients).await?;
    let holding = ["attribution.contacts", "orders.order_changes", "rewards.moves", "rewards.rewards"];
    assert_eq!(traces(&data_dir.path()).await?, holding, "the test looks where they are");

    let receipt = told(&up, &["erase", "eve@example.com"])?;
    assert_eq!(receipt["complete"], true);
    let parts: Vec<(&Value, Vec<&Value>)> = receipt["parts"]
        .as_array()
        .context("parts")?
        .iter()
        .map(|part| {
            let removed = part["removed"].as_array().into_iter().flatten();
            (&part["service"], removed.map(|data| &data["kind"]).collect())
        })
        .collect();
    let words: Vec<String> = parts.iter().map(|(service, kinds)| format!("{service} {kinds:?}")).collect();
    let expected = [
        r#""attribution" [String("contacts")]"#,
        r#""orders" [String("order_changes")]"#,
        r#""journeys" []"#,
        r#""rewards" [String("moves")]"#,
    ];
    assert_eq!(words, expected);
    assert_eq!(traces(&data_dir.path()).await?, [""; 0]);

    // money stays as it was
    let verified = clients.clone().ledger.verify_ledger(VerifyLedgerRequest::default()).await?.into_inner();
    assert!(verified.differences.is_empty(), "{verified:?}");
    // again by its id, and of nobody
    let contact_id = receipt["contact_id"].as_str().context("an id")?;
    assert_eq!(told(&up, &["erase", contact_id])?["parts"], receipt["parts"]);
    assert_eq!(told(&up, &["erasure", contact_id])?, receipt);
    assert_eq!(contacts(&up, &["erase", "eve@example.com"])?.status.code(), Some(3));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a13_an_erasure_survives_a_kill() -> anyhow::Result<()> {
    let data_dir = DataDir::new()?;
    let up = Up::start(&data_dir.path())?;
    play(&up.clients(TENANT)?).await?;
    let begun = told(&up, &["erase", "eve@example.com", "--no-wait"])?;
    let contact_id = begun["contact_id"].as_str().context("an id")?.to_owned();
    up.kill()?;
    let up = Up::start(&data_dir.path())?;
    let receipt = told(&up, &["erase", &contact_id])?;
    assert_eq!(
        (&receipt["complete"], receipt["parts"].as_array().map(Vec::len)),
        (&Value::Bool(true), Some(4))
    );
    assert_eq!(traces(&data_dir.path()).await?, [""; 0]);
    Ok(())
}
