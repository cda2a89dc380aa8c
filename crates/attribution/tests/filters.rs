//! Update masks of UpdateCampaign (AIP-134), and filters of ListContacts and ListAttributions (A16, AIP-160), on a real database.

mod common;

use common::*;
use proto::attribution as v1;
use tonic::{Code, Status};

/// The names of the contacts that match, newest first.
async fn contacts(tenant: &Tenant, filter: &str) -> Result<String, Status> {
    let request = v1::ListContactsRequest { filter: filter.into(), ..Default::default() };
    let listed = tenant.contacts().list_contacts(request).await?.into_inner().contacts;
    let names: Vec<_> = listed.iter().map(|contact| contact.email.trim_end_matches("@example.com")).collect();
    Ok(names.join(" "))
}

#[tokio::test]
async fn contacts_are_filtered_by_each_field() {
    let service = Service::start().await;
    let acme = service.of("acme");
    let (ann, _) = acme.program().await;
    let cyd = v1::UpsertContactRequest {
        email: "cyd@example.com".into(),
        uid: "u-1".into(),
        first_name: "Cyd".into(),
        last_name: "O'Neil".into(),
        company: "Oak, Inc.".into(),
        locale: "de-AT".into(),
        ..Default::default()
    };
    acme.contacts().upsert_contact(cyd).await.unwrap();
    let tag =
        v1::TagContactRequest { contact: Some(email("cyd")), add: vec!["vip".into()], ..Default::default() };
    acme.contacts().tag_contact(tag).await.unwrap();
    service.of("other").enroll("theirs", &[]).await;
    for (filter, expected) in [
        (format!("contact_id = {ann}").as_str(), "ann"),
        ("email = ' Ann@Example.COM'", "ann"),
        ("uid = u-1", "cyd"),
        ("uid:*", "cyd"),
        ("first_name = Cyd", "cyd"),
        (r#"last_name = "O'Neil""#, "cyd"),
        (r"last_name = 'O\'Neil'", "cyd"),
        ("company = 'Oak, Inc.'", "cyd"),
        ("-company:*", "bob ann"),
        ("locale = de-AT", "cyd"),
        ("tags:vip", "cyd"),
        ("tags:vi", ""),
        ("-tags:*", "bob ann"),
        ("segment_ids:vips", "bob ann"),
        ("-segment_ids:*", "cyd"),
        ("status = ENROLLED", "bob ann"),
        ("status != CONTACT_STATUS_ENROLLED", "cyd"),
        ("created_at = 2025-06-01T12:00:00Z", "cyd bob ann"),
        ("tags:vip OR email = bob@example.com", "cyd bob"),
    ] {
        assert_eq!(contacts(&acme, filter).await.unwrap(), expected, "{filter}");
    }
    refused(contacts(&acme, "email = ann").await, Code::InvalidArgument, "INVALID_FIELD");
    refused(contacts(&acme, "tags = vip").await, Code::InvalidArgument, "INVALID_FIELD");
}

#[tokio::test]
async fn a16_attributions_are_filtered_by_each_field() {
    let service = Service::start().await;
    let acme = service.of("acme");
    let (ann, bob) = acme.program().await;
    acme.batch(vec![
        by_code("a", "ANN10"),
        by_code("b", "ANN10"),
        by_code("b", "BOB10"),
        by_code("a", "ANN10"),
    ])
    .await;
    let listed = async |tenant: &Tenant, filter: &str| {
        let request = v1::ListAttributionsRequest { filter: filter.into(), ..Default::default() };
        tenant.attributions().list_attributions(request).await.unwrap().into_inner().attributions
    };
    let all = acme.all_attributions().await;
    let [b_bob, b_ann, a_ann] = all.as_slice() else { panic!("{all:?}") };
    for (filter, expected) in [
        (format!("attribution_id = {}", a_ann.attribution_id), vec![a_ann]),
        ("campaign_id = spring".to_owned(), vec![b_bob, b_ann, a_ann]),
        ("campaign_id != spring".to_owned(), vec![]),
        (format!("advocate_id = {bob}"), vec![b_bob]),
        (format!("advocate_id != {bob} advocate_id = {ann}"), vec![b_ann, a_ann]),
        (format!("contact_id = {}", b_ann.contact_id), vec![b_bob, b_ann]),
        ("state = ACTIVE".to_owned(), vec![b_ann, a_ann]),
        ("state = INACTIVE".to_owned(), vec![b_bob]),
        ("inactive_reason = DUPLICATE".to_owned(), vec![b_bob]),
        ("-inactive_reason:*".to_owned(), vec![b_ann, a_ann]),
        ("evidence = SHORTCODE".to_owned(), vec![b_bob, b_ann, a_ann]),
        ("evidence = ADVOCATE".to_owned(), vec![]),
        ("effective_from <= 2025-06-01T12:00:00Z".to_owned(), vec![b_bob, b_ann, a_ann]),
        ("deactivated_at:*".to_owned(), vec![]),
        ("attempts >= 2".to_owned(), vec![a_ann]),
    ] {
        assert_eq!(listed(&acme, &filter).await.iter().collect::<Vec<_>>(), expected, "{filter}");
        assert!(listed(&service.of("other"), &filter).await.is_empty(), "{filter}");
    }
}

#[tokio::test]
async fn page_tokens_of_another_filter_are_refused() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.program().await;
    acme.batch(vec![by_code("a", "ANN10"), by_code("b", "ANN10")]).await;
    let page =
        v1::ListContactsRequest { page_size: 1, filter: "status = ENROLLED".into(), ..Default::default() };
    let first = acme.contacts().list_contacts(page).await.unwrap().into_inner();
    let next = v1::ListContactsRequest {
        page_size: 1,
        page_token: first.next_page_token,
        filter: "status = PROSPECT".into(),
    };
    refused(acme.contacts().list_contacts(next).await, Code::InvalidArgument, "INVALID_PAGE_TOKEN");
    let page =
        v1::ListAttributionsRequest { page_size: 1, filter: "state = ACTIVE".into(), ..Default::default() };
    let first = acme.attributions().list_attributions(page.clone()).await.unwrap().into_inner();
    let next =
        v1::ListAttributionsRequest { page_token: first.next_page_token, filter: String::new(), ..page };
    refused(acme.attributions().list_attributions(next).await, Code::InvalidArgument, "INVALID_PAGE_TOKEN");
}

#[tokio::test]
async fn an_update_mask_says_what_is_replaced_and_emptied() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.program().await;
    let end = Some(wire_time(NOW + time::Duration::WEEK));
    let update = async |paths: &[&str], name: &str, ends_at| {
        let paths = paths.iter().map(|&path| path.to_owned()).collect();
        let request = v1::UpdateCampaignRequest {
            campaign_id: "spring".into(),
            name: name.into(),
            ends_at,
            update_mask: Some(prost_types::FieldMask { paths }),
            ..Default::default()
        };
        let response = acme.campaigns().update_campaign(request).await?;
        Ok::<_, Status>(response.into_inner().campaign.unwrap())
    };
    let both = update(&[], "Spring", end).await.unwrap();
    assert_eq!((both.name.as_str(), both.ends_at), ("Spring", end));
    let renamed = update(&["name"], "Summer", None).await.unwrap();
    assert_eq!((renamed.name.as_str(), renamed.ends_at), ("Summer", end));
    let unmasked = update(&["name"], "Summer", Some(wire_time(NOW))).await.unwrap();
    assert_eq!(unmasked, renamed);
    let endless = update(&["ends_at"], "Autumn", None).await.unwrap();
    assert_eq!((endless.name.as_str(), endless.ends_at), ("Summer", None));
    assert_eq!((endless.segment_ids, endless.starts_at), (both.segment_ids, both.starts_at));
    for (paths, field) in [
        (["name", "campaign_id"], "update_mask"),
        (["name", "currency_code"], "update_mask"),
        (["ends_at", "name"], "name"),
        (["segment_ids", "segment_ids"], "segment_ids"),
        (["starts_at", "ends_at"], "starts_at"),
    ] {
        bad_field(update(&paths, "", None).await, field);
    }
    bad_field(update(&["*"], "Spring", None).await, "segment_ids");
}
