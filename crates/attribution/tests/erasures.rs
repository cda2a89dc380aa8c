//! A13: what is left of a contact that was erased.
#![expect(clippy::unwrap_used, reason = "in a test, what cannot be had fails the test")]

mod common;

use common::*;
use proto::attribution as v1;
use proto::attribution::erasure_service_client::ErasureServiceClient;
use proto::attribution::visit_service_client::VisitServiceClient;
use proto::common::{ContactRef, Erasure, RemovedData};
use rpc::Channel;
use time::macros::datetime;
use tonic::{Code, Status};
use types::Timestamp;
use v1::{ContactStatus, InactiveReason, Outcome, UnresolvedReason};

/// What gives eve away.
const TRACES: [&str; 5] = ["eve@example.com", "crm-eve", "Evelyn", "Ever Corp", "browser-of-eve"];

impl Tenant {
    fn erasures(&self) -> ErasureServiceClient<Channel> {
        ErasureServiceClient::new(self.0.clone())
    }

    async fn erase(&self, request: v1::EraseContactRequest) -> Result<(Erasure, bool), Status> {
        let answer = self.erasures().erase_contact(request).await?.into_inner();
        Ok((answer.erasure.unwrap(), answer.already_erased))
    }

    /// The receipt, once attribution has removed all that it holds.
    async fn receipt(&self, contact_id: &str) -> Vec<RemovedData> {
        let finished = async {
            loop {
                let request = v1::GetErasureRequest { contact_id: contact_id.into() };
                let erasure =
                    self.erasures().get_erasure(request).await.unwrap().into_inner().erasure.unwrap();
                assert!(!erasure.complete, "only rewards says so");
                if let [part] = &erasure.parts[..] {
                    assert_eq!(part.service, "attribution");
                    return part.removed.clone();
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(10), finished).await.unwrap()
    }

    async fn names(&self, contact_id: &str) -> Result<Vec<String>, Status> {
        let request = v1::GetErasedNamesRequest { contact_id: contact_id.into() };
        Ok(self.erasures().get_erased_names(request).await?.into_inner().names)
    }

    async fn forget_names(&self, contact_id: &str) -> Result<(), Status> {
        let request = v1::ForgetErasedNamesRequest { contact_id: contact_id.into() };
        self.erasures().forget_erased_names(request).await.map(drop)
    }

    /// Eve in every place that a person can be in, as an advocate of `spring` and referred by ann: her id.
    async fn eve(&self) -> String {
        let eve = v1::UpsertContactRequest {
            email: "eve@example.com".into(),
            uid: "crm-eve".into(),
            first_name: "Evelyn".into(),
            last_name: "Evelyn".into(),
            company: "Ever Corp".into(),
            ..Default::default()
        };
        self.contacts().upsert_contact(eve).await.unwrap();
        let eve = self.advocate("eve", "EVE10").await;
        let tags = v1::TagContactRequest {
            contact: Some(email("eve")),
            add: vec!["vip".into()],
            ..Default::default()
        };
        self.contacts().tag_contact(tags).await.unwrap();
        let coupon = v1::IssueCouponCodesRequest {
            campaign_id: "spring".into(),
            advocates: vec![email("eve")],
            request_id: "coupon".into(),
            ..Default::default()
        };
        self.codes().issue_coupon_codes(coupon).await.unwrap();
        for shortcode in ["EVE10", "ANN10"] {
            let visit = v1::RecordVisitRequest {
                shortcode: shortcode.into(),
                visitor_id: "browser-of-eve".into(),
                occurred_at: Some(wire_time(THEN)),
                ..Default::default()
            };
            VisitServiceClient::new(self.0.clone()).record_visit(visit).await.unwrap();
        }
        self.spoken_of().await;
        eve
    }

    /// Attempts that have to do with eve, and what people wrote about her.
    async fn spoken_of(&self) {
        // one pasted the address in place of a code
        self.record(by_code("fay", "Eve@Example.com")).await;
        self.record(by_name("eve", "ann")).await;
        self.record(by_code("fay", "EVE10")).await;
        for (campaign_id, contact, advocate) in [("spring", "eve", "bob"), ("spring", "fay", "ann")] {
            let moved = v1::ReassignAttributionRequest {
                campaign_id: campaign_id.into(),
                contact: Some(email(contact)),
                advocate: Some(email(advocate)),
                reason: "Evelyn asked for it".into(),
                ..Default::default()
            };
            self.attributions().reassign_attribution(moved).await.unwrap();
        }
        let flag = v1::FlagContactRequest {
            contact: Some(email("eve")),
            reason: "Evelyn knows them all".into(),
            ..Default::default()
        };
        self.contacts().flag_contact(flag).await.unwrap();
        let status = v1::UpdateContactStatusRequest {
            contact: Some(email("eve")),
            status: ContactStatus::Enrolled.into(),
            reason: "Evelyn is back".into(),
            ..Default::default()
        };
        self.set_status("eve", ContactStatus::Prospect).await.unwrap();
        self.contacts().update_contact_status(status).await.unwrap();
    }
}

const THEN: Timestamp = datetime!(2025-03-01 12:00 UTC);

fn whom(contact: ContactRef) -> v1::EraseContactRequest {
    v1::EraseContactRequest {
        contact: Some(contact),
        visitor_ids: vec!["browser-of-eve".into()],
        ..Default::default()
    }
}

/// Where in the schema one of these texts is, as tables.
async fn found(service: &Service, texts: &[&str]) -> Vec<String> {
    service.sandbox.tables_with(attribution::SCHEMA, texts).await.unwrap()
}

#[tokio::test]
async fn a13_nothing_in_the_schema_says_who_an_erased_contact_was() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.program().await;
    let eve = acme.eve().await;
    let before = found(&service, &TRACES).await;
    let holding = ["attempts", "attribution_changes", "contact_changes", "contacts", "visits"];
    assert_eq!(before, holding, "the test looks where they are");

    let (begun, before) = acme.erase(whom(email("eve"))).await.unwrap();
    assert_eq!((begun.contact_id.as_str(), begun.complete, before), (eve.as_str(), false, false));
    let removed = acme.receipt(&eve).await;
    let removed: Vec<_> = removed.iter().map(|data| (data.kind.as_str(), data.count)).collect();
    let expected = [
        ("contacts", 1),
        ("segment_members", 1),
        ("shortcodes", 1),
        ("coupon_codes", 1),
        ("visits", 2),
        ("contact_changes", 1),
        // two of each reassignment, of her and away from her
        ("attribution_changes", 4),
        ("attempts", 1),
    ];
    assert_eq!(removed, expected);
    // but for what orders is to ask for
    assert_eq!(found(&service, &TRACES).await, ["erased_names"]);
    assert_eq!(acme.names(&eve).await.unwrap(), ["eve@example.com", "crm-eve"]);
    acme.forget_names(&eve).await.unwrap();
    acme.forget_names(&eve).await.unwrap();
    assert_eq!(acme.names(&eve).await.unwrap(), [""; 0]);
    assert_eq!(found(&service, &TRACES).await, [""; 0]);
    // what names others stays
    assert_eq!(found(&service, &["ann@example.com", "ANN10"]).await, ["audit", "contacts", "shortcodes"]);
}

#[tokio::test]
async fn a13_the_id_and_what_names_it_stay_and_nobody_is_found_by_its_names() {
    let service = Service::start().await;
    let acme = service.of("acme");
    let (_, bob) = acme.program().await;
    let eve = acme.eve().await;
    acme.erase(whom(email("eve"))).await.unwrap();
    let left = acme.get(id(&eve)).await.unwrap();
    assert_eq!((left.status(), left.erased_at.is_some()), (ContactStatus::Unsubscribed, true));
    let empty: [String; 0] = [];
    assert_eq!((left.email.as_str(), left.uid.as_str(), left.first_name.as_str()), ("", "", ""));
    assert_eq!((&left.tags[..], &left.segment_ids[..]), (&empty[..], &empty[..]));
    assert!(left.flags.len() == 1 && left.flags[0].reason.is_empty(), "flagged still, and nobody says why");
    let request =
        v1::LookupAttributionRequest { campaign_id: "spring".into(), contact: Some(id(&eve)), at: None };
    let hers = acme.attributions().lookup_attribution(request).await.unwrap().into_inner().attribution;
    assert_eq!(hers.unwrap().advocate_id, bob, "attributions go on by id");

    for gone in [email("eve"), uid("crm-eve")] {
        refused(acme.get(gone).await, Code::NotFound, "CONTACT_NOT_FOUND");
    }
    let listed = acme.contacts().list_contacts(v1::ListContactsRequest::default()).await.unwrap();
    assert!(listed.into_inner().contacts.iter().all(|contact| contact.contact_id != eve));
    // changing it is as if it were not there
    let tag = v1::TagContactRequest { contact: Some(id(&eve)), add: vec!["x".into()], ..Default::default() };
    refused(acme.contacts().tag_contact(tag).await, Code::NotFound, "CONTACT_NOT_FOUND");
    let order = v1::Attempt { contact: Some(id(&eve)), ..by_code("", "ANN10") };
    refused(acme.try_record(order).await, Code::NotFound, "CONTACT_NOT_FOUND");
    // the address is another contact from now on
    let again = acme.enroll("eve", &[]).await;
    assert_ne!(again, eve);
    assert!(acme.get(email("eve")).await.unwrap().erased_at.is_none());
}

#[tokio::test]
async fn a13_codes_of_an_erased_advocate_resolve_to_nothing_and_its_attributions_stand() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.program().await;
    let eve = acme.eve().await;
    acme.record(by_code("gil", "EVE10")).await;
    acme.erase(whom(id(&eve))).await.unwrap();
    let held = acme.lookup("spring", "gil", None).await.unwrap();
    assert_eq!(held.advocate_id, eve);
    acme.receipt(&eve).await;
    let late = acme.record(v1::Attempt { campaign_id: "spring".into(), ..by_code("hal", "EVE10") }).await;
    assert_eq!(
        (late.outcome(), late.unresolved_reason()),
        (Outcome::Unresolved, UnresolvedReason::UnknownCode)
    );
    assert_eq!(late.inactive_reason(), InactiveReason::Unspecified);
    // who is banned stays banned: rewards go by that
    let mal = acme.advocate("mal", "MAL10").await;
    acme.set_status("mal", ContactStatus::Banned).await.unwrap();
    acme.erase(whom(email("mal"))).await.unwrap();
    assert_eq!(acme.get(id(&mal)).await.unwrap().status(), ContactStatus::Banned);
}

#[tokio::test]
async fn a13_erasing_again_answers_with_the_first_erasure() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.program().await;
    let eve = acme.eve().await;
    let keyed = v1::EraseContactRequest { request_id: "erase-eve".into(), ..whom(email("eve")) };
    let (first, before) = acme.erase(keyed.clone()).await.unwrap();
    assert!(!before);
    acme.receipt(&eve).await;
    // browsers that are named later go, too
    let visit = v1::RecordVisitRequest {
        shortcode: "ANN10".into(),
        visitor_id: "phone-of-eve".into(),
        occurred_at: Some(wire_time(THEN)),
        ..Default::default()
    };
    VisitServiceClient::new(acme.0.clone()).record_visit(visit).await.unwrap();
    let late = v1::EraseContactRequest { visitor_ids: vec!["phone-of-eve".into()], ..whom(id(&eve)) };
    assert!(acme.erase(late).await.unwrap().1);
    let gone = async {
        while !found(&service, &["phone-of-eve"]).await.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), gone).await.unwrap();
    // by its id; by its address only with the request id
    for request in [whom(id(&eve)), keyed.clone()] {
        let (again, before) = acme.erase(request).await.unwrap();
        assert_eq!(
            (again.contact_id, again.erased_at, before),
            (first.contact_id.clone(), first.erased_at, true)
        );
    }
    refused(acme.erase(whom(email("eve"))).await, Code::NotFound, "CONTACT_NOT_FOUND");
    let other = v1::EraseContactRequest { contact: Some(email("ann")), ..keyed };
    refused(acme.erase(other).await, Code::AlreadyExists, "REQUEST_ID_REUSED");
    let erased = |fact: &Fact| matches!(fact, Fact::ContactErased(f) if f.contact_id == eve);
    assert_eq!(
        acme.facts().await.iter().filter(|fact| erased(fact)).count(),
        2,
        "once more with what was named late"
    );
    let last = acme.events().await.into_iter().rev().find(|event| event.fact.as_ref().is_some_and(erased));
    assert_eq!(last.unwrap().occurred_at, first.erased_at);
}

#[tokio::test]
async fn a13_another_tenants_contact_is_not_there_to_be_erased() {
    let service = Service::start().await;
    let (acme, other) = (service.of("acme"), service.of("other"));
    acme.program().await;
    let eve = acme.eve().await;
    other.enroll("eve", &[]).await;
    refused(other.erase(whom(id(&eve))).await, Code::NotFound, "CONTACT_NOT_FOUND");
    acme.erase(whom(email("eve"))).await.unwrap();
    acme.receipt(&eve).await;
    let request = v1::GetErasureRequest { contact_id: eve.clone() };
    let unseen = other.erasures().get_erasure(request).await;
    refused(unseen, Code::NotFound, "ERASURE_NOT_FOUND");
    refused(other.names(&eve).await, Code::NotFound, "ERASURE_NOT_FOUND");
    refused(other.forget_names(&eve).await, Code::NotFound, "ERASURE_NOT_FOUND");
    assert_eq!(acme.names(&eve).await.unwrap().len(), 2, "still there");
    assert_eq!(other.get(email("eve")).await.unwrap().email, "eve@example.com");
}
