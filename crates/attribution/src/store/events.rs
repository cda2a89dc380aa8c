//! Appending a slice's events to the stream.

use pg::WriteTx;
use types::Timestamp;

use crate::domain::Books;
use crate::wire;

/// Appends the events of all books, each tenant's in order.
pub(super) async fn append(tx: &mut WriteTx, books: &Books, now: Timestamp) -> Result<bool, pg::Error> {
    let events: Vec<_> = books
        .iter()
        .flat_map(|(tenant, book)| book.events.iter().map(move |event| wire::event(tenant, event, now)))
        .collect();
    outbox::append(tx, &events).await?;
    Ok(!events.is_empty())
}
