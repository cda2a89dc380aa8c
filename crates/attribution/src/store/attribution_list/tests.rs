//! How lists are found (A16): by an index, whatever they are filtered by.

use sqlx::AssertSqlSafe;
use testkit::Sandbox;

use super::*;

/// Attributions that make a plan matter; three quarters of them are the tenant's.
const MANY: i64 = 160_000;

/// So many attributions: most of one tenant, and few with what is rare. Those of `tiny` are few altogether.
async fn fill(connection: &mut PgConnection) {
    sqlx::raw_sql("SET statement_timeout = 0").execute(&mut *connection).await.unwrap();
    // the ids of version 7 that attributions of these times have
    let insert = format!(
        "INSERT INTO attributions (tenant_id, attribution_id, campaign_id, contact_id, advocate_id, inactive_reason,
                evidence, effective_from, deactivated_at, attempts, source)
         SELECT CASE WHEN n % 4 > 0 THEN 'acme' WHEN n % 8000 = 0 THEN 'tiny' ELSE 'other' END,
                (lpad(to_hex(floor(extract(epoch FROM at) * 1000)::int8), 12, '0') || '7' || lpad(to_hex(n & 4095), 3, '0')
                 || '8' || lpad(to_hex(n), 15, '0'))::uuid,
                CASE n % 800 WHEN 1 THEN 'winter' ELSE 'spring' END,
                md5(n::text)::uuid, md5('a' || n % 5000)::uuid,
                CASE n % 800 WHEN 2 THEN 1 WHEN 3 THEN 3 ELSE 0 END,
                CASE n % 800 WHEN 5 THEN 5 ELSE 1 END, at - interval '1 hour',
                CASE n % 800 WHEN 3 THEN at END, 1, CASE n % 800 WHEN 7 THEN 'crm' ELSE 'shop' END
           FROM (SELECT n, timestamptz '2025-01-01' + n * interval '1 minute' AS at
                   FROM generate_series(1, {MANY}) AS n) AS rows"
    );
    sqlx::raw_sql(AssertSqlSafe(insert)).execute(&mut *connection).await.unwrap();
    sqlx::raw_sql("ANALYZE attributions").execute(&mut *connection).await.unwrap();
}

fn matching(filter: &str) -> AttributionSelection {
    AttributionSelection { matching: Filter::read(FIELDS, filter).unwrap(), ..Default::default() }
}

/// The plan of a page, and how many blocks it reads.
async fn plan(
    connection: &mut PgConnection,
    tenant: &str,
    selection: &AttributionSelection,
    after: Option<Uuid>,
) -> (String, u64) {
    let select = format!("EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) {SELECT}");
    let statement = statement(&select, &tenant.parse().unwrap(), selection, after, 100);
    testkit::plan(statement, connection).await.unwrap()
}

/// The id from which on the oldest tenth is left.
async fn deep(connection: &mut PgConnection) -> Uuid {
    let id = "SELECT attribution_id FROM attributions WHERE tenant_id = 'acme' ORDER BY 1 OFFSET $1 LIMIT 1";
    sqlx::query_scalar(id).bind(MANY / 10).fetch_one(connection).await.unwrap()
}

/// A contact of the tenant's in this column.
async fn one(connection: &mut PgConnection, column: &str) -> ContactId {
    let select = format!("SELECT {column} FROM attributions WHERE tenant_id = 'acme' LIMIT 1");
    sqlx::query_scalar(AssertSqlSafe(select)).fetch_one(connection).await.unwrap()
}

#[tokio::test]
async fn a16_every_filter_goes_by_an_index_and_reads_little_on_its_first_page_and_its_last() {
    let sandbox = Sandbox::new(&[(crate::SCHEMA, crate::MIGRATIONS)]).await.unwrap();
    let db = sandbox.database(crate::SCHEMA).await.unwrap();
    let mut connection = db.read().acquire().await.unwrap();
    fill(&mut connection).await;
    let deep = deep(&mut connection).await;
    let (contact, advocate) =
        (one(&mut connection, "contact_id").await, one(&mut connection, "advocate_id").await);
    let spring: Option<CampaignId> = Some("spring".parse().unwrap());
    let mut selections: Vec<(String, AttributionSelection)> = vec![
        ("contact".into(), AttributionSelection { contact: Some(contact), ..Default::default() }),
        ("advocate".into(), AttributionSelection { advocate: Some(advocate), ..Default::default() }),
        ("campaign".into(), AttributionSelection { campaign: spring, ..Default::default() }),
        ("active".into(), AttributionSelection { active: Some(true), ..Default::default() }),
        ("inactive".into(), AttributionSelection { active: Some(false), ..Default::default() }),
    ];
    for filter in [
        String::new(),
        format!("contact_id = {contact}"),
        format!("advocate_id = {advocate}"),
        "campaign_id = winter".to_owned(),
        "campaign_id = spring".to_owned(),
        "state = ACTIVE".to_owned(),
        "state = INACTIVE".to_owned(),
        "inactive_reason = DUPLICATE".to_owned(),
        "inactive_reason = DEACTIVATED".to_owned(),
        "inactive_reason:*".to_owned(),
        "evidence = BY_HAND".to_owned(),
        "evidence = SHORTCODE".to_owned(),
        "source = crm".to_owned(),
        "source = shop".to_owned(),
        "effective_from >= 2025-01-10T00:00:00Z effective_from < 2025-01-10T02:00:00Z".to_owned(),
        "effective_from > 2025-01-10T00:00:00Z".to_owned(),
        "deactivated_at:*".to_owned(),
        "deactivated_at >= 2025-01-10T00:00:00Z deactivated_at < 2025-01-20T00:00:00Z".to_owned(),
    ] {
        let selection = matching(&filter);
        selections.push((filter, selection));
    }
    for (name, selection) in selections {
        for after in [None, Some(deep)] {
            for tenant in ["acme", "tiny"] {
                let (plan, blocks) = plan(&mut connection, tenant, &selection, after).await;
                assert!(!plan.contains("Seq Scan"), "{name} of {tenant}: {plan}");
                assert!(blocks <= 500, "{name} of {tenant} reads {blocks} blocks: {plan}");
            }
        }
    }
}
