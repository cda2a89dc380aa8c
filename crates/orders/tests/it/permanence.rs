//! O4 as a law: whatever happens at once, an order's attribution never changes once it is set.

use std::collections::HashMap;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use proto::orders as v1;
use proto::orders::order_event::Fact;
use tonic::Code;

use crate::common::*;
use crate::update::change;

/// Orders that are recorded, updated and linked over each other.
const ORDERS: usize = 4;

/// Something that somebody does about an order.
#[derive(Debug, Clone)]
enum Act {
    Record { code: Option<&'static str>, cents: i64 },
    Update { cents: i64 },
    Link { code: &'static str },
}

fn any_act() -> impl Strategy<Value = (usize, bool, Act)> {
    let code = || prop_oneof![Just("ANN10"), Just("BOB10"), Just("NOBODY")];
    let act = prop_oneof![
        (prop::option::weighted(0.3, code()), 1_i64..4)
            .prop_map(|(code, n)| Act::Record { code, cents: n * 100 }),
        (1_i64..4).prop_map(|n| Act::Update { cents: n * 100 }),
        code().prop_map(|code| Act::Link { code }),
    ];
    (0..ORDERS, any::<bool>(), act)
}

async fn perform(caller: &Caller, n: usize, act: Act) {
    let id = format!("o-{n}");
    // each its own customer, so that who comes first differs from order to order
    let name = format!("c{n}");
    let code = match act {
        Act::Record { code: Some(code), cents } => {
            let given = v1::NewOrder { revenue: Some(usd(cents)), ..by_code(&id, &name, code) };
            caller.update(given).await.err()
        }
        Act::Record { code: None, cents } => caller.update(order(&id, &name, cents)).await.err(),
        Act::Update { cents } => {
            caller.change(v1::UpdateOrderRequest { revenue: Some(usd(cents)), ..change(&id) }).await.err()
        }
        Act::Link { code } => caller.link(&id, code).await.err(),
    };
    // an order may not be there yet, or not be linkable any more; nothing else fails
    if let Some(status) = code {
        let is_expected =
            [Code::NotFound, Code::FailedPrecondition, Code::Unavailable].contains(&status.code());
        assert!(is_expected, "{status:?}");
    }
}

#[tokio::test]
async fn o4_an_attribution_never_changes_once_set_whatever_happens_at_once_and_on_two_servers() {
    let world = World::start().await;
    let acme = world.of("acme");
    acme.program().await;
    // another process on the same database
    let second = world.second().await;
    let servers = [acme.clone(), world.through(&second, "acme")];
    let mut runner = TestRunner::default();
    let rounds = prop::collection::vec(prop::collection::vec(any_act(), 1..16), 12);
    let mut seen: HashMap<String, String> = HashMap::new();
    for acts in rounds.new_tree(&mut runner).unwrap().current() {
        let calls =
            acts.iter().map(|(n, first, act)| perform(&servers[usize::from(*first)], *n, act.clone()));
        futures::future::join_all(calls).await;
        for order in acme.list().await {
            let before = seen.entry(order.order_id.clone()).or_default();
            assert!(before.is_empty() || *before == order.attribution_id, "{}: {acts:?}", order.order_id);
            before.clone_from(&order.attribution_id);
        }
    }
    // the stream tells the same, without a gap between two looks
    let mut told: HashMap<String, String> = HashMap::new();
    for fact in acme.facts().await {
        let (Fact::OrderRecorded(v1::OrderRecorded { order })
        | Fact::OrderUpdated(v1::OrderUpdated { order })
        | Fact::OrderRefunded(v1::OrderRefunded { order, .. })) = fact
        else {
            continue;
        };
        let order = order.unwrap();
        let before = told.entry(order.order_id).or_default();
        assert!(before.is_empty() || *before == order.attribution_id);
        *before = order.attribution_id;
    }
    assert_eq!(told, seen);
    let linked = "SELECT coalesce(max(n), 0)::int8 FROM (SELECT count(*) AS n FROM order_changes
                   WHERE kind = 'LINKED' GROUP BY order_row) AS linked";
    assert!(world.count(linked).await <= 1);
}

#[tokio::test]
async fn o4_the_database_refuses_to_change_an_attribution() {
    let world = World::start().await;
    let acme = world.of("acme");
    acme.program().await;
    acme.record(by_code("o-1", "eve", "ANN10")).await;
    acme.record(order("o-2", "fay", 100)).await;
    acme.link("o-2", "BOB10").await.unwrap();
    for change in [
        "attribution_id = NULL, advocate_id = NULL",
        "attribution_id = gen_random_uuid()",
        "advocate_id = gen_random_uuid()",
    ] {
        for order_id in ["o-1", "o-2"] {
            let statement = format!("UPDATE orders SET {change} WHERE order_id = '{order_id}'");
            let mut tx = world.db.write().await.unwrap();
            let refused = sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut *tx).await.unwrap_err();
            let constraint =
                refused.as_database_error().and_then(|error| error.constraint().map(str::to_owned));
            assert_eq!(constraint.as_deref(), Some("orders_attribution_permanent"), "{change}: {refused}");
        }
    }
}
