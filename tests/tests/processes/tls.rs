//! Services that call each other over TLS and prove who they are by certificates, as they do in production.

use proto::attribution::ListAuditEntriesRequest;
use proto::orders::RecordOrderRequest;
use proto::rewards::VerifyLedgerRequest;
use tests::process::{Deployment, Service};
use tests::story;

const TENANT: &str = "acme";
const SHOP: &str = "spiffe://example.org/shop";

/// The scopes that docs/configuration.md says services need for their calls, and a user.
fn rules() -> String {
    let services = [
        ("orders", "attribution.read attribution.write attribution.erased"),
        ("journeys", "attribution.read orders.read"),
        ("rewards", "journeys.read"),
    ];
    let rule = |name: &str, whose: &str, scopes: &str| {
        let scopes: Vec<&str> = scopes.split(' ').collect();
        format!("[[certificates]]\nname = \"{name}\"\n{whose}\nscopes = {scopes:?}\n")
    };
    let mut rules = services
        .map(|(name, scopes)| {
            rule(&format!("spiffe://laurel.test/{name}"), &format!("service = \"{name}\""), scopes)
        })
        .concat();
    rules += &rule(SHOP, &format!("tenant = \"{TENANT}\""), &format!("{} attribution.audit", story::SCOPES));
    rules
}

#[tokio::test(flavor = "multi_thread")]
async fn services_that_know_each_other_by_certificates_reward_orders() -> anyhow::Result<()> {
    let deployment = Deployment::with_certificates(&rules()).await?;
    let running = deployment.start_all()?;
    let addresses: Vec<&str> = running.iter().map(Service::address).collect();
    let shop = deployment.clients(&addresses, TENANT, &deployment.certificate_access(SHOP)?)?;
    story::prepare(&shop).await?;
    // users with a token are let in beside those with a certificate
    let token = deployment.token_access(TENANT, "orders.write")?;
    let with_token = deployment.clients(&addresses, TENANT, &token)?;
    for (n, clients) in [&shop, &with_token, &shop].into_iter().enumerate() {
        let order = Some(story::order(&format!("o-{n}"), &format!("c{n}@shop.example")));
        clients.orders.clone().record_order(RecordOrderRequest { order, ..Default::default() }).await?;
    }
    assert_eq!(story::rewarded(&shop, 3).await?, ["o-0", "o-1", "o-2"]);
    assert!(shop.ledger.clone().verify_ledger(VerifyLedgerRequest {}).await?.into_inner().balanced);

    let request = ListAuditEntriesRequest { principal: "service:orders".to_owned(), ..Default::default() };
    let entries = shop.audits.attribution.clone().list_audit_entries(request).await?.into_inner().entries;
    assert!(!entries.is_empty(), "attribution knows orders by its certificate");
    for service in running.into_iter().rev() {
        service.terminate()?;
        service.ended()?;
    }
    Ok(())
}
