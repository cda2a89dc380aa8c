//! ApplyJourney, GetJourney, ListJourneys (J1, J12, J14).

mod common;

use common::*;
use proto::journeys as j;
use tonic::Code;

const STAGES: [(&str, &str); 3] = [("a", ""), ("b", "optional: true"), ("gone", "kind: EXCEPTION")];

#[tokio::test]
async fn j1_published_versions_are_immutable_and_the_same_content_again_changes_nothing() {
    let stack = Stack::start().await;
    let tenant = stack.tenant(TENANT);
    let first = journey("sequence: REQUIRED", &STAGES);
    let journey_1 = tenant.apply(&first).await;
    assert_eq!((journey_1.version, journey_1.stages.len(), &*journey_1.definition), (1, 3, &*first));
    assert_eq!(journey_1.campaign_ids, ["c"]);
    let again = tenant.try_apply(&first, 0).await.unwrap();
    assert_eq!((again.changed, again.journey.unwrap()), (false, journey_1.clone()));

    let second = tenant.apply(&journey("sequence: OPTIONAL", &STAGES)).await;
    assert_eq!(second.version, 2);
    let get = |version| {
        let tenant = tenant.clone();
        async move {
            let request = j::GetJourneyRequest { journey: "j".into(), version };
            tenant.journeys().get_journey(request).await.map(|r| r.into_inner().journey.unwrap())
        }
    };
    assert_eq!(get(1).await.unwrap(), journey_1);
    assert_eq!(get(0).await.unwrap(), second);
    assert_eq!(reason(&get(3).await.unwrap_err()), "JOURNEY_NOT_FOUND");
    let update = "UPDATE journey_versions SET definition = ''";
    assert!(pg::sqlx::query(update).execute(stack.db.read()).await.is_err());
}

#[tokio::test]
async fn j2_what_a_stage_carries_for_people_is_shown_and_part_of_the_version() {
    let stack = Stack::start().await;
    let tenant = stack.tenant(TENANT);
    let notes = "description: Waiting., touch_points: [Mail, Shop], moment_of_truth: true, \
                 pain_points: [{pain: Slow, remedy: Say when}, {pain: Dear}]";
    let first = tenant.apply(&journey("sequence: REQUIRED", &[("a", notes), ("b", "")])).await;
    let [a, b] = &first.stages[..] else { panic!("two stages") };
    assert_eq!(
        (&*a.description, &a.touch_points[..]),
        ("Waiting.", &["Mail".to_owned(), "Shop".to_owned()][..])
    );
    let point = |pain: &str, remedy: &str| j::PainPoint { pain: pain.into(), remedy: remedy.into() };
    assert_eq!(a.pain_points, [point("Slow", "Say when"), point("Dear", "")]);
    assert!(a.moment_of_truth);
    assert_eq!(
        (&*b.description, b.touch_points.len(), b.pain_points.len(), b.moment_of_truth),
        ("", 0, 0, false)
    );
    let request = j::GetJourneyRequest { journey: "j".into(), version: 1 };
    let got = tenant.journeys().get_journey(request).await.unwrap().into_inner().journey;
    assert_eq!(got.as_ref(), Some(&first));
    let second = journey("sequence: REQUIRED", &[("a", &notes.replace("Dear", "Cheap")), ("b", "")]);
    assert_eq!(tenant.apply(&second).await.version, 2);
    let error = tenant.try_apply(&second.replace("pain: Cheap", "pain: ''"), 0).await.unwrap_err();
    assert_eq!(&*reason(&error), "INVALID_DEFINITION");
    assert!(fields(&error)[0].starts_with("definition:5:"), "{:?}", fields(&error));
}

#[tokio::test]
async fn j10_a_version_built_on_another_than_the_one_in_force_is_refused() {
    let stack = Stack::start().await;
    let tenant = stack.tenant(TENANT);
    let (first, second) = (journey("sequence: REQUIRED", &STAGES), journey("sequence: OPTIONAL", &STAGES));
    let error = tenant.try_apply(&first, 1).await.unwrap_err();
    assert_eq!((error.code(), &*reason(&error)), (Code::Aborted, "BASE_VERSION_CHANGED"));
    tenant.apply(&first).await;
    assert_eq!(tenant.try_apply(&second, 1).await.unwrap().journey.unwrap().version, 2);
    assert!(!tenant.try_apply(&second, 1).await.unwrap().changed, "a repeated call is answered");
    let error = tenant.try_apply(&first, 1).await.unwrap_err();
    assert_eq!(metadata(&error, "version"), "2");
}

#[tokio::test]
async fn j14_other_campaigns_make_no_new_version() {
    let stack = Stack::start().await;
    let tenant = stack.tenant(TENANT);
    let text = journey("sequence: REQUIRED", &STAGES);
    tenant.apply(&text).await;
    let wide = tenant.try_apply(&text.replace("[c]", "all"), 0).await.unwrap();
    assert!(wide.changed);
    let wide = wide.journey.unwrap();
    assert_eq!((wide.version, wide.all_campaigns, wide.campaign_ids.len()), (1, true, 0));
}

#[tokio::test]
async fn j10_a_stage_that_runs_stand_in_cannot_be_removed() {
    let stack = Stack::start().await;
    let tenant = stack.tenant(TENANT);
    tenant.apply(&journey("sequence: OPTIONAL", &STAGES)).await;
    let contact = tenant.contact("a@example.com").await;
    tenant.enter(&contact, "b", "").await.unwrap();
    let error = tenant.try_apply(&journey("sequence: OPTIONAL", &STAGES[..1]), 0).await.unwrap_err();
    assert_eq!((error.code(), &*reason(&error)), (Code::FailedPrecondition, "INVALID_DEFINITION"));
    assert_eq!(metadata(&error, "stage"), "b");
    tenant.enter(&contact, "a", "").await.unwrap();
    assert_eq!(tenant.apply(&journey("sequence: OPTIONAL", &STAGES[..1])).await.version, 2);
}

#[tokio::test]
async fn bad_yaml_is_reported_by_line() {
    let stack = Stack::start().await;
    let tenant = stack.tenant(TENANT);
    let good = journey("sequence: REQUIRED", &STAGES);
    for (from, to, field) in [
        ("sequence: REQUIRED", "sequence: SOMETIMES", "definition:3:11"),
        ("{stage: b,", "{stage: a,", "definition:6:13"),
        ("kind: EXCEPTION", "kid: EXCEPTION", "definition:7:19"),
        ("kind: EXCEPTION", "enter_on: [{event: order.shipped}]", "definition:7:38"),
        ("journey: j", "journey: [", "definition:"),
    ] {
        let error = tenant.try_apply(&good.replace(from, to), 0).await.unwrap_err();
        assert_eq!((error.code(), &*reason(&error)), (Code::InvalidArgument, "INVALID_DEFINITION"), "{to}");
        assert!(fields(&error)[0].starts_with(field), "{to}: {:?}", fields(&error));
    }
    for text in [String::new(), format!("{good}\0")] {
        assert_eq!(fields(&tenant.try_apply(&text, 0).await.unwrap_err()), ["definition"]);
    }
    let long = format!("{good}# {}", "x".repeat(256 * 1024));
    assert_eq!(fields(&tenant.try_apply(&long, 0).await.unwrap_err()), ["definition"]);
    assert_eq!(fields(&tenant.try_apply(&good, -1).await.unwrap_err()), ["base_version"]);
}

#[tokio::test]
async fn journeys_are_listed_by_key_and_belong_to_their_tenant() {
    let stack = Stack::start().await;
    let tenant = stack.tenant(TENANT);
    let text = journey("sequence: OPTIONAL", &STAGES);
    for key in ["b-two", "a-one", "c-three"] {
        tenant.apply(&text.replace("journey: j", &format!("journey: {key}"))).await;
    }
    let (mut keys, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = j::ListJourneysRequest { page_size: 2, page_token };
        let page = tenant.journeys().list_journeys(request).await.unwrap().into_inner();
        keys.extend(page.journeys.into_iter().map(|journey| journey.journey));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(keys, ["a-one", "b-two", "c-three"]);
    let request = j::GetJourneyRequest { journey: "a-one".into(), version: 0 };
    let error = stack.tenant("other").journeys().get_journey(request).await.unwrap_err();
    assert_eq!((error.code(), &*reason(&error)), (Code::NotFound, "JOURNEY_NOT_FOUND"));
}
