//! Who did what is kept by the transaction that does it, or not at all.

use pg::audit::{self, Filter};
use pg::{Audit, Database, Inserts, Schema};
use testkit::Sandbox;
use types::{Origin, TenantId, Timestamp};

const ORDERS: Schema = Schema { name: "orders" };
const NOW: Timestamp = time::macros::datetime!(2026-03-09 12:00:00.5 UTC);

async fn database() -> anyhow::Result<(Sandbox, Database)> {
    let sandbox = Sandbox::new(&[(ORDERS, &[&audit::MIGRATIONS])]).await?;
    let db = sandbox.database(ORDERS).await?;
    Ok((sandbox, db))
}

/// One transaction in which these services recorded these orders.
async fn write(db: &Database, now: Timestamp, made: &[(&str, &str, &str)], keep: bool) -> anyhow::Result<()> {
    let (mut audit, mut inserts) = (Audit::default(), Inserts::default());
    for (tenant, service, order) in made {
        let origin = Origin::service(service, "laurel.orders.v1.OrderService/RecordOrder");
        audit.note(&tenant.parse()?, &origin.traced(order), order);
    }
    let mut tx = db.write().await?;
    audit.save(&mut inserts, now);
    inserts.send(&mut tx).await?;
    if keep {
        tx.commit().await?;
    } else {
        tx.rollback().await?;
    }
    Ok(())
}

/// What a tenant finds, newest first: principals and resources.
async fn found(db: &Database, tenant: &str, filter: Filter) -> anyhow::Result<Vec<(String, Vec<String>)>> {
    let tenant: TenantId = tenant.parse()?;
    let entries = audit::list(db, &tenant, &filter, None, 100).await?;
    Ok(entries.into_iter().map(|entry| (entry.principal, entry.resources)).collect())
}

fn row(principal: &str, resources: &[&str]) -> (String, Vec<String>) {
    (principal.to_owned(), resources.iter().map(|id| (*id).to_owned()).collect())
}

#[tokio::test]
async fn a_transaction_leaves_one_row_per_tenant_principal_and_method() -> anyhow::Result<()> {
    let (_sandbox, db) = database().await?;
    let made = [("acme", "shop", "1"), ("acme", "crm", "2"), ("acme", "shop", "3"), ("other", "shop", "1")];
    write(&db, NOW, &made, true).await?;
    let acme = found(&db, "acme", Filter::default()).await?;
    assert_eq!(acme, [row("service:crm", &["2"]), row("service:shop", &["1", "3"])]);
    assert_eq!(found(&db, "other", Filter::default()).await?, [row("service:shop", &["1"])]);
    let first = audit::list(&db, &"acme".parse()?, &Filter::default(), None, 2).await?.remove(1);
    assert_eq!((first.traceparent.as_deref(), first.recorded_at), (Some("1"), NOW));
    Ok(())
}

#[tokio::test]
async fn a_transaction_that_is_rolled_back_leaves_no_row() -> anyhow::Result<()> {
    let (_sandbox, db) = database().await?;
    write(&db, NOW, &[("acme", "shop", "1")], false).await?;
    assert!(found(&db, "acme", Filter::default()).await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn entries_are_found_by_principal_method_and_time() -> anyhow::Result<()> {
    let (_sandbox, db) = database().await?;
    let later = NOW + time::Duration::SECOND;
    write(&db, NOW, &[("acme", "shop", "1"), ("acme", "crm", "2")], true).await?;
    write(&db, later, &[("acme", "shop", "3")], true).await?;
    let shop = Filter { principal: Some("service:shop".to_owned()), ..Filter::default() };
    assert_eq!(found(&db, "acme", shop).await?.len(), 2);
    let by_method = |name: &str| Filter { method: Some(name.to_owned()), ..Filter::default() };
    assert_eq!(found(&db, "acme", by_method("RecordOrder")).await?.len(), 3);
    for other in ["Order", "%Order", "RecordOrde_", "ImportOrders"] {
        assert!(found(&db, "acme", by_method(other)).await?.is_empty(), "{other}");
    }
    let since = |at| Filter { since: Some(at), ..Filter::default() };
    assert_eq!(found(&db, "acme", since(NOW)).await?.len(), 3);
    assert_eq!(found(&db, "acme", since(later)).await?, [row("service:shop", &["3"])]);
    let until = Filter { until: Some(later), ..Filter::default() };
    assert_eq!(found(&db, "acme", until).await?.len(), 2);
    Ok(())
}
