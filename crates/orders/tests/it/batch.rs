//! BatchRecordOrders: order, tenants, one by one.

use proto::common::ErrorReason as Reason;
use proto::orders::{self as v1, RecordResult};
use tonic::Code;

use crate::common::*;

fn results(results: &[v1::BatchRecordOrdersResult]) -> Vec<Result<RecordResult, Reason>> {
    let one = |result: &v1::BatchRecordOrdersResult| match (&result.response, &result.error) {
        (Some(response), None) => Ok(response.result()),
        (None, Some(error)) => Err(error.reason()),
        other => panic!("{other:?}"),
    };
    results.iter().map(one).collect()
}

#[tokio::test]
async fn orders_of_a_batch_fail_one_by_one() {
    let world = World::start().await;
    let acme = world.of("acme");
    let mut odd = order("o-2", "eve", 100);
    odd.customer = Some(email("no body"));
    let answers = acme
        .batch(vec![
            request(order("o-1", "eve", 100)),
            request(odd),
            request(v1::NewOrder { tenant_id: "other".into(), ..order("o-3", "eve", 100) }),
            request(by_code("o-4", "eve", &"x".repeat(65))),
            request(v1::NewOrder { campaign_id: "nowhere".into(), ..order("o-5", "eve", 100) }),
            request(order("o-6", "eve", 100)),
        ])
        .await;
    let recorded = Ok(RecordResult::Recorded);
    let invalid = Err(Reason::InvalidField);
    let expected = [recorded, invalid, invalid, invalid, Err(Reason::CampaignNotFound), recorded];
    assert_eq!(results(&answers), expected);
    let fields: Vec<String> =
        answers.iter().filter_map(|a| a.error.as_ref()).map(|e| e.field.clone()).collect();
    assert_eq!(fields, ["order.customer.email", "order.tenant_id", "order.evidence.shortcode", ""]);
    assert_eq!(answers[1].error.as_ref().unwrap().code, i32::from(Code::InvalidArgument));
    assert_eq!(world.count("SELECT count(*) FROM orders").await, 2);
}

#[tokio::test]
async fn m6_one_slice_with_the_same_keys_in_two_tenants_keeps_them_apart() {
    let world = World::start().await;
    let (acme, other) = (world.of("acme"), world.of("other"));
    let (ann, _) = acme.program().await;
    let (their_ann, _) = other.program().await;
    // the same order id, e-mail, code and request id
    let of = |tenant: &str| v1::RecordOrderRequest {
        request_id: "r-1".into(),
        ..request(v1::NewOrder { tenant_id: tenant.into(), ..by_code("o-1", "eve", "ANN10") })
    };
    let answers = world.for_service().batch(vec![of("acme"), of("other"), of("acme")]).await;
    let (recorded, again) = (Ok(RecordResult::Recorded), Ok(RecordResult::AlreadyRecorded));
    assert_eq!(results(&answers), [recorded, recorded, again]);
    assert_eq!(world.network.asked(), 1, "it was one slice");
    let (ours, theirs) = (acme.get("o-1").await.unwrap(), other.get("o-1").await.unwrap());
    assert_eq!((ours.advocate_id, theirs.advocate_id), (ann, their_ann));
    assert_ne!(ours.contact_id, theirs.contact_id);
    assert_eq!((acme.events().await.len(), other.events().await.len()), (1, 1));
    let all = world.for_service().events().await;
    assert_eq!(all.iter().map(|e| e.tenant_id.as_str()).collect::<Vec<_>>(), ["acme", "other"]);
}

#[tokio::test]
async fn m6_a_service_names_each_items_tenant() {
    let world = World::start().await;
    let answers = world.for_service().batch(vec![request(order("o-1", "eve", 100))]).await;
    assert_eq!(answers[0].error.as_ref().unwrap().field, "order.tenant_id");
}

#[tokio::test]
async fn each_order_of_a_batch_sees_those_before_it() {
    let world = World::start().await;
    let acme = world.of("acme");
    acme.program().await;
    let later = v1::NewOrder { campaign_id: "spring".into(), ..order("o-2", "eve", 100) };
    let answers = acme
        .batch(vec![
            request(by_code("o-1", "eve", "ANN10")),
            request(later),
            updating(v1::NewOrder { revenue: Some(usd(8_000)), ..by_code("o-1", "eve", "ANN10") }),
            request(order("o-1", "eve", 8_000)),
            request(order("o-1", "eve", 10_000)),
        ])
        .await;
    let expected = [
        Ok(RecordResult::Recorded),
        Ok(RecordResult::Recorded),
        Ok(RecordResult::Updated),
        Ok(RecordResult::AlreadyRecorded),
        Err(Reason::OrderDiffers),
    ];
    assert_eq!(results(&answers), expected);
    let attribution =
        |n: usize| &answers[n].response.as_ref().unwrap().order.as_ref().unwrap().attribution_id;
    assert!(!attribution(0).is_empty());
    assert_eq!(attribution(0), attribution(1));
}

#[tokio::test]
async fn an_order_stored_before_is_judged_by_what_the_batch_made_of_it() {
    let world = World::start().await;
    let acme = world.of("acme");
    acme.record(order("o-1", "eve", 100)).await;
    // the two are in neighbouring slices: the first is still being written when the second is prepared
    let mut requests = vec![updating(order("o-1", "eve", 80))];
    requests.extend((0..299).map(|n| request(order(&format!("n-{n}"), "eve", 100))));
    requests.push(request(order("o-1", "eve", 100)));
    let answers = results(&acme.batch(requests).await);
    assert_eq!(answers.first(), Some(&Ok(RecordResult::Updated)));
    assert_eq!(answers.last(), Some(&Err(Reason::OrderDiffers)));
}

#[tokio::test]
async fn a_batch_of_a_thousand_keeps_its_order() {
    let world = World::start().await;
    let acme = world.of("acme");
    let requests = (0..1000).map(|n| request(order(&format!("o-{n}"), &format!("c{}", n % 7), n))).collect();
    let answers = acme.batch(requests).await;
    assert!(results(&answers).iter().all(|answer| *answer == Ok(RecordResult::Recorded)));
    let listed: Vec<String> = acme.list().await.into_iter().map(|order| order.order_id).collect();
    let newest_first: Vec<String> = (0..1000).rev().map(|n| format!("o-{n}")).collect();
    assert_eq!(listed, newest_first);
}
