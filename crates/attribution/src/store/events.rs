//! A slice's events, as they go into the stream.

use proto::attribution::AttributionEvent;
use types::Timestamp;

use crate::domain::Books;
use crate::wire;

/// The events of all books, each tenant's in order.
pub(super) fn of(books: &Books, now: Timestamp) -> Vec<AttributionEvent> {
    books
        .iter()
        .flat_map(|(tenant, book)| book.events.iter().map(move |event| wire::event(tenant, event, now)))
        .collect()
}
