//! Each service has its own schema and its own role, and reaches nothing else.

use std::borrow::Cow;

use pg::Schema;
use pg::sqlx::error::DatabaseError;
use pg::sqlx::{query, raw_sql};
use testkit::Sandbox;

const ORDERS: Schema = Schema { name: "orders" };
const REWARDS: Schema = Schema { name: "rewards" };

async fn sandbox() -> anyhow::Result<Sandbox> {
    Sandbox::new(&[(ORDERS, &[&pg::requests::MIGRATIONS]), (REWARDS, &[&pg::requests::MIGRATIONS])]).await
}

#[tokio::test]
async fn a_role_reaches_its_own_schema_and_no_other() -> anyhow::Result<()> {
    let sandbox = sandbox().await?;
    let orders = sandbox.database(ORDERS).await?;
    query("SELECT * FROM requests").execute(orders.read()).await?;
    for forbidden in [
        "SELECT * FROM rewards.requests",
        "INSERT INTO rewards.secrets VALUES ('x', '')",
        "CREATE TABLE rewards.mine ()",
        "CREATE TABLE public.mine ()",
        "CREATE SCHEMA mine",
        "SET ROLE postgres",
    ] {
        let refused = raw_sql(forbidden).execute(orders.read()).await.expect_err(forbidden);
        let code = refused.as_database_error().and_then(DatabaseError::code).map(Cow::into_owned);
        assert_eq!(code.as_deref(), Some("42501"), "{forbidden}: {refused}");
    }
    Ok(())
}

#[tokio::test]
async fn writing_transactions_wait_for_each_other() -> anyhow::Result<()> {
    let sandbox = sandbox().await?;
    let orders = sandbox.database(ORDERS).await?;
    let first = orders.write().await?;
    let mut second = Box::pin(orders.write());
    // the second cannot begin before the first has ended
    assert!(poll_briefly(&mut second).await.is_none());
    first.commit().await?;
    let second = second.await?;
    // another service's writers are not held up
    let rewards = sandbox.database(REWARDS).await?;
    rewards.write().await?.commit().await?;
    second.commit().await?;
    Ok(())
}

/// `None` if the future is still pending after a moment.
async fn poll_briefly<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    tokio::time::timeout(std::time::Duration::from_millis(100), future).await.ok()
}
