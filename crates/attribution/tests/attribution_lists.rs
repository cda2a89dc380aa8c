//! A16: attributions listed by whom they are about, and exported.

mod common;

use common::files::{column, export};
use common::moves::{deactivate, reassign, to};
use common::*;
use proto::attribution as v1;
use tonic::{Code, Status};
use v1::{ExportAttributionsRequest, ListAttributionsRequest};

async fn listed(of: &Tenant, ask: ListAttributionsRequest) -> Result<Vec<v1::Attribution>, Status> {
    Ok(of.attributions().list_attributions(ask).await?.into_inner().attributions)
}

#[tokio::test]
async fn a16_attributions_are_listed_and_exported_by_contact_and_advocate_however_they_are_named() {
    let service = Service::start().await;
    let acme = service.of("acme");
    let (ann, bob) = acme.program().await;
    acme.batch(vec![by_code("joe", "ANN10"), by_code("joe", "BOB10"), by_code("jim", "ANN10")]).await;
    let all = acme.all_attributions().await;
    let [jim_ann, joe_bob, joe_ann] = all.as_slice() else { panic!("{all:?}") };
    for (contact, advocate, expected) in [
        (Some(email("joe")), None, vec![joe_bob, joe_ann]),
        (Some(id(&jim_ann.contact_id)), None, vec![jim_ann]),
        (None, Some(email("ann")), vec![jim_ann, joe_ann]),
        (None, Some(id(&bob)), vec![joe_bob]),
        (Some(email("joe")), Some(id(&ann)), vec![joe_ann]),
        (Some(email("jim")), Some(email("bob")), vec![]),
    ] {
        let ask = ListAttributionsRequest {
            contact: contact.clone(),
            advocate: advocate.clone(),
            ..Default::default()
        };
        assert_eq!(listed(&acme, ask).await.unwrap().iter().collect::<Vec<_>>(), expected);
        let ask = ExportAttributionsRequest { contact, advocate, ..Default::default() };
        let ids: Vec<_> = expected.iter().map(|attribution| attribution.attribution_id.clone()).collect();
        assert_eq!(column(&export(&acme, ask).await.unwrap().0, "attribution_id"), ids);
    }
    let nobody = |who| ListAttributionsRequest { contact: who, ..Default::default() };
    refused(listed(&acme, nobody(Some(email("eve")))).await, Code::NotFound, "CONTACT_NOT_FOUND");
    refused(
        listed(&service.of("other"), nobody(Some(email("joe")))).await,
        Code::NotFound,
        "CONTACT_NOT_FOUND",
    );
    bad_field(listed(&acme, nobody(Some(email("not an address")))).await, "contact.email");
    let ask = ExportAttributionsRequest { advocate: Some(email("eve")), ..Default::default() };
    refused(export(&acme, ask).await, Code::NotFound, "CONTACT_NOT_FOUND");
    let page = ListAttributionsRequest { page_size: 1, contact: Some(email("joe")), ..Default::default() };
    let first = acme.attributions().list_attributions(page.clone()).await.unwrap().into_inner();
    let other =
        ListAttributionsRequest { page_token: first.next_page_token, contact: Some(email("jim")), ..page };
    refused(listed(&acme, other).await, Code::InvalidArgument, "INVALID_PAGE_TOKEN");
}

#[tokio::test]
async fn a16_pages_stay_where_they_are_while_attributions_come_and_change() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.program().await;
    acme.batch((0..7).map(|n| by_code(&format!("c{n}"), "ANN10")).collect()).await;
    let before: Vec<_> = acme.all_attributions().await.into_iter().map(|a| a.attribution_id).collect();
    let (mut seen, mut token) = (Vec::new(), String::new());
    loop {
        let ask = ListAttributionsRequest { page_size: 2, page_token: token, ..Default::default() };
        let page = acme.attributions().list_attributions(ask).await.unwrap().into_inner();
        seen.extend(page.attributions.into_iter().map(|attribution| attribution.attribution_id));
        acme.record(by_code(&format!("new{}", seen.len()), "ANN10")).await;
        deactivate(&acme, &seen[seen.len() - 1], None).await.unwrap();
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, before);
}

#[tokio::test]
async fn a16_an_export_has_what_the_list_shows_and_what_contacts_are_known_by() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.program().await;
    let attempt = v1::Attempt { contact: Some(uid("=1+1,\"x\"")), ..by_code("", "ANN10") };
    acme.record(attempt).await;
    acme.batch(vec![by_code("joe", "ANN10"), by_code("joe", "ANN10"), by_code("jim", "ANN10")]).await;
    reassign(&acme, to(email("joe"), email("bob"), None)).await.unwrap();
    let (file, rows) = export(&acme, ExportAttributionsRequest::default()).await.unwrap();
    let all = acme.all_attributions().await;
    assert_eq!((rows, all.len()), (4, 4));
    for (name, of) in [
        ("attribution_id", (|a| a.attribution_id.clone()) as fn(&v1::Attribution) -> String),
        ("campaign", |a| a.campaign_id.clone()),
        ("contact_id", |a| a.contact_id.clone()),
        ("advocate_id", |a| a.advocate_id.clone()),
        ("attempts", |a| a.attempts.to_string()),
    ] {
        assert_eq!(column(&file, name), all.iter().map(of).collect::<Vec<_>>(), "{name}");
    }
    let joe = "joe@example.com";
    assert_eq!(column(&file, "contact_email"), [joe, "jim@example.com", joe, ""]);
    assert_eq!(column(&file, "contact_uid"), ["", "", "", "=1+1,\"x\""]);
    assert_eq!(column(&file, "advocate_email")[..2], ["bob@example.com", "ann@example.com"]);
    assert_eq!(column(&file, "state"), ["ACTIVE", "ACTIVE", "INACTIVE", "ACTIVE"]);
    assert_eq!(column(&file, "inactive_reason"), ["", "", "DEACTIVATED", ""]);
    assert_eq!(column(&file, "evidence"), ["BY_HAND", "SHORTCODE", "SHORTCODE", "SHORTCODE"]);
    assert_eq!(column(&file, "effective_from")[0], "2025-06-01T12:00:00Z");
    assert_eq!(column(&file, "deactivated_at"), ["", "", "2025-06-01T12:00:00Z", ""]);
    let some = ExportAttributionsRequest {
        campaign_id: "spring".into(),
        state: v1::AttributionState::Active.into(),
        filter: "evidence = SHORTCODE".into(),
        ..Default::default()
    };
    assert_eq!(column(&export(&acme, some).await.unwrap().0, "contact_email"), ["jim@example.com", ""]);
    let odd = ExportAttributionsRequest { filter: "colour = red".into(), ..Default::default() };
    bad_field(export(&acme, odd).await, "filter");
    let (nothing, rows) = export(&service.of("other"), ExportAttributionsRequest::default()).await.unwrap();
    assert_eq!((column(&nothing, "campaign").len(), rows), (0, 0), "a header and no more");
}

#[tokio::test]
async fn a16_an_export_goes_on_over_what_is_read_at_once_with_one_header() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.program().await;
    for thousand in 0..2 {
        acme.batch((0..1000).map(|n| by_code(&format!("c{thousand}-{n}"), "ANN10")).collect()).await;
    }
    let (file, rows) = export(&acme, ExportAttributionsRequest::default()).await.unwrap();
    let contacts = column(&file, "contact_email");
    assert_eq!((rows, contacts.len()), (2000, 2000));
    assert_eq!((contacts[0].as_str(), contacts[1999].as_str()), ("c1-999@example.com", "c0-0@example.com"));
}
