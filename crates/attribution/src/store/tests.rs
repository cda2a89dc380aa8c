//! Which index a list goes by, also on tables that were empty when its statement was planned.

use sqlx::postgres::PgConnection;
use sqlx::{Postgres, QueryBuilder};
use testkit::Sandbox;
use types::{CampaignId, ContactId, TenantId, new_id};
use uuid::Uuid;

use super::{CodePage, VisitPage, code_list, visits};

async fn plan(
    connection: &mut PgConnection,
    push: impl FnOnce(&mut QueryBuilder<Postgres>, &TenantId),
) -> String {
    let mut query = QueryBuilder::<Postgres>::new("EXPLAIN SELECT ");
    push(&mut query, &"acme".parse().unwrap());
    testkit::plan(query, connection).await.unwrap().0
}

/// The names of the indexes that a plan goes by.
fn indexes(plan: &str) -> Vec<&str> {
    let mut found: Vec<&str> = plan
        .split_whitespace()
        .filter(|word| {
            ["visits_", "shortcodes_", "coupon_codes_"].iter().any(|table| word.starts_with(table))
        })
        .filter(|word| word.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

#[tokio::test]
async fn each_list_goes_by_the_index_that_narrows_most_and_fits_no_other() {
    let sandbox = Sandbox::new(&[(crate::SCHEMA, crate::MIGRATIONS)]).await.unwrap();
    let db = sandbox.database(crate::SCHEMA).await.unwrap();
    let mut connection = db.read().acquire().await.unwrap();
    sqlx::raw_sql("SET enable_seqscan = off; SET enable_bitmapscan = off")
        .execute(&mut *connection)
        .await
        .unwrap();
    let advocate: Option<ContactId> = Some(new_id(time::macros::datetime!(2025-01-01 00:00 UTC)));
    let campaign: Option<CampaignId> = Some("spring".parse().unwrap());
    let visitor = Some("b-1".parse().unwrap());
    let none = VisitPage { campaign: None, advocate: None, visitor: None, after: None, limit: 100 };
    let by_visitor = VisitPage { visitor, ..none.clone() };
    let by_advocate = VisitPage { advocate, ..none.clone() };
    let by_campaign = VisitPage { campaign: campaign.clone(), ..none.clone() };
    let by_both = VisitPage { campaign: campaign.clone(), ..by_advocate.clone() };
    let by_all = VisitPage { campaign: campaign.clone(), advocate, ..by_visitor.clone() };
    for (page, index) in [
        (none, "visits_pkey"),
        (by_campaign, "visits_by_campaign"),
        (by_advocate, "visits_by_advocate"),
        (by_both, "visits_by_advocate"),
        (by_visitor, "visits_by_visitor"),
        (by_all, "visits_by_visitor"),
    ] {
        for after in [None, Some(Uuid::max())] {
            let page = VisitPage { after, ..page.clone() };
            let plan = plan(&mut connection, |query, tenant| visits::push_list(query, tenant, &page)).await;
            assert_eq!(indexes(&plan), [index], "{page:?}: {plan}");
        }
    }
    let none =
        CodePage { campaign: None, advocate: None, kind: None, state: None, after: String::new(), limit: 9 };
    let by_advocate = CodePage { advocate, ..none.clone() };
    let by_campaign = CodePage { campaign: campaign.clone(), ..none.clone() };
    let by_both = CodePage { campaign, ..by_advocate.clone() };
    for (page, expected) in [
        (none, ["coupon_codes_pkey", "shortcodes_pkey"]),
        (by_campaign, ["coupon_codes_by_campaign", "shortcodes_by_campaign"]),
        (by_advocate, ["coupon_codes_by_advocate", "shortcodes_by_advocate"]),
        (by_both, ["coupon_codes_by_advocate", "shortcodes_by_advocate"]),
    ] {
        let plan = plan(&mut connection, |query, tenant| code_list::push_list(query, tenant, &page)).await;
        assert_eq!(indexes(&plan), expected, "{page:?}: {plan}");
    }
}
