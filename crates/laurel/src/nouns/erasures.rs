//! Erasing contacts, and waiting until all four services have done so (A13).

use std::time::Duration;

use anyhow::Context;
use proto::attribution::{EraseContactRequest, GetContactRequest};
use proto::common::{ContactRef, Erasure, ErasurePart, RemovedData};
use tonic::{Code, Status};

use super::{Session, call};
use crate::arguments::When;
use crate::refusal::explain;
use crate::show::{self, Progress};

/// Between two looks at the receipt.
const LOOK: Duration = Duration::from_millis(100);
/// Services that have a part in the receipt.
const SERVICES: usize = 4;

/// Erases a contact, and waits for the receipt unless told not to.
pub(super) async fn erase(
    session: &Session,
    contact: ContactRef,
    visitor_ids: Vec<String>,
    when: &When,
    no_wait: bool,
) -> anyhow::Result<()> {
    // by its id, so that the same command finds it again if it breaks off
    let contact_id = if contact.contact_id.is_empty() {
        let known = call!(session.contacts.get_contact(GetContactRequest { contact: Some(contact) }));
        known.contact.unwrap_or_default().contact_id
    } else {
        contact.contact_id
    };
    let progress = Progress::of("of 4 parts of the receipt");
    progress.say(&format!("erasing {contact_id}"));
    let contact = Some(ContactRef { contact_id: contact_id.clone(), ..Default::default() });
    let occurred_at = when.wire();
    let request = EraseContactRequest { contact, visitor_ids, occurred_at, request_id: String::new() };
    let mut clients = session.clients.erasures.attribution.clone();
    let begun = clients.erase_contact(request).await.map_err(explain)?.into_inner();
    let mut receipt = begun.erasure.unwrap_or_default();
    if !no_wait {
        let waited = wait(session, &contact_id, &progress).await;
        receipt =
            waited.with_context(|| format!("it is under way; ask `laurel contacts erasure {contact_id}`"))?;
    }
    drop(progress);
    tell(session, &receipt)
}

/// Prints a receipt: for people a line for each service.
fn tell(session: &Session, receipt: &Erasure) -> anyhow::Result<()> {
    if session.json {
        return session.answer(receipt);
    }
    let data = |data: &RemovedData| format!("{} {}", data.count, data.kind);
    let part = |part: &ErasurePart| {
        let removed: Vec<String> = part.removed.iter().map(data).collect();
        let removed = if removed.is_empty() { "nothing".to_owned() } else { removed.join(", ") };
        format!("{:<12} {removed}", part.service)
    };
    let state = if receipt.complete { "erased in all services" } else { "not erased everywhere yet" };
    let end = format!("{} is {state}", receipt.contact_id);
    show::print(receipt.parts.iter().map(part).chain([end]))
}

async fn wait(session: &Session, contact_id: &str, progress: &Progress) -> anyhow::Result<Erasure> {
    loop {
        let receipt = receipt(session, contact_id).await?;
        if receipt.complete {
            return Ok(receipt);
        }
        progress.at(receipt.parts.len().min(SERVICES) as u64);
        tokio::time::sleep(LOOK).await;
    }
}

/// Shows how far an erasure is.
pub(super) async fn show(session: &Session, contact_id: &str) -> anyhow::Result<()> {
    tell(session, &receipt(session, contact_id).await?)
}

/// The receipt from the service that the erasure has come to.
async fn receipt(session: &Session, contact_id: &str) -> anyhow::Result<Erasure> {
    macro_rules! of {
        ($service:ident) => {{
            let request = proto::$service::GetErasureRequest { contact_id: contact_id.to_owned() };
            let answer = session.clients.erasures.$service.clone().get_erasure(request).await;
            known(answer.map(|answer| answer.into_inner().erasure.unwrap_or_default()))?
        }};
    }
    if let Some(receipt) = of!(rewards) {
        return Ok(receipt);
    }
    if let Some(receipt) = of!(journeys) {
        return Ok(receipt);
    }
    if let Some(receipt) = of!(orders) {
        return Ok(receipt);
    }
    let request = proto::attribution::GetErasureRequest { contact_id: contact_id.to_owned() };
    let answer = session.clients.erasures.attribution.clone().get_erasure(request).await;
    Ok(answer.map_err(explain)?.into_inner().erasure.unwrap_or_default())
}

/// None where word of the erasure has not come to.
fn known(answer: Result<Erasure, Status>) -> anyhow::Result<Option<Erasure>> {
    match answer {
        Ok(receipt) => Ok(Some(receipt)),
        Err(status) if status.code() == Code::NotFound => Ok(None),
        Err(status) => Err(explain(status)),
    }
}
