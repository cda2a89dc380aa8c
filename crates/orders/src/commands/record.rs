//! What recording one order does to the book of its slice (O3, O6).

use observe::metrics::{Duplicate, duplicates};
use pg::requests::Key;
use types::new_id;

use super::Error;
use super::book::{Book, Revision};
use super::record_orders::{Ready, RecordResult, Recorded};
use crate::domain::{Answer, ChangeKind, Order, Updated, changed_fields, check, record_again, record_new};

/// Name of the RPC in the table of request ids.
const METHOD: &str = "RecordOrder";

/// What a command's request is known by, if it bears an id.
pub(super) fn request_key(ready: &Ready) -> Option<Key> {
    let request = ready.command.request.as_ref()?;
    let tenant = ready.command.order.key.tenant.clone();
    Some(Key { tenant, method: METHOD, request_id: request.id.clone() })
}

/// Carries out one command.
pub(super) fn record(book: &mut Book, ready: &Ready) -> Result<Recorded, Error> {
    let command = &ready.command;
    let key = &command.order.key;
    let asked = request_key(ready).zip(command.request.as_ref());
    let is_repeat = book.is_repeat(&asked)?;
    let stored = book.order(key).cloned();
    if is_repeat {
        duplicates(Duplicate::RequestId, 1);
        // the same request names the same order
        if let Some(order) = stored {
            return Ok(Recorded { order, result: RecordResult::AlreadyRecorded });
        }
    }
    let result = match &stored {
        Some(stored) => again(book, ready, stored)?,
        None => first(book, ready)?,
    };
    // it is there: stored before, or put there just now
    let order = book.order(key).cloned().ok_or(Error::NoAnswer)?;
    book.remember(asked, &order);
    Ok(Recorded { order, result })
}

fn first(book: &mut Book, ready: &Ready) -> Result<RecordResult, Error> {
    // it was stored when attribution was not asked to judge it, and is gone: the caller's retry asks
    let Some(Answer::Judged(answer)) = &ready.answer else { return Err(Error::NoAnswer) };
    check(&ready.command.order.properties, book.definitions(&ready.command.order.key.tenant))?;
    let id = new_id(book.now());
    let order = record_new(&ready.command.order, &ready.facts, answer, id, book.now())?;
    book.add(order, answer.head, &ready.command.origin);
    Ok(RecordResult::Recorded)
}

fn again(book: &mut Book, ready: &Ready, stored: &Order) -> Result<RecordResult, Error> {
    let answer = ready.answer.as_ref();
    let contact = answer.and_then(Answer::contact);
    let definitions = book.definitions(&stored.key.tenant);
    let again = record_again(&ready.command.order, stored, &ready.facts, contact, definitions)?;
    let (order, refund) = match again {
        Updated::Same => {
            duplicates(Duplicate::NaturalKey, 1);
            return Ok(RecordResult::AlreadyRecorded);
        }
        Updated::Changed(order, refund) => (*order, refund),
    };
    book.revise(Revision {
        kinds: vec![(ChangeKind::Updated, changed_fields(stored, &order, definitions))],
        order,
        refund,
        origin: &ready.command.origin,
        occurred_at: ready.facts.now,
        head: answer.map(Answer::head),
    });
    Ok(RecordResult::Updated)
}
