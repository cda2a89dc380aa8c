//! What the service does: load a slice, decide each command in order, save all, append events, commit.
//!
//! | module | what |
//! |---|---|
//! | [`record_attempts`] | attempts to attribute and look-ups, in batches |
//! | [`move_attributions`] | activate, deactivate and reassign by hand, in batches |
//! | [`record_visits`] | visits, in batches |
//! | [`change_contacts`] | upsert, enrol, status and tags, in batches |
//! | [`issue_shortcodes`] | shortcodes, in batches |
//! | [`issue_coupons`], [`import_coupons`] | coupon codes: made in bulk, and imported in batches |
//! | [`put_segment`], [`update_segment_members`] | segments |
//! | [`rules`], [`fill_segments`] | rules of segments, and those who were there before |
//! | [`erase_contact`] | erasure: who it is at once, what else names it in slices |
//! | [`create_campaign`], [`update_campaign`] | campaigns |
//! | [`move_test_clock`] | test clocks |
//! | [`maintain`] | what is forgotten with time |

pub(crate) mod change_contacts;
pub(crate) mod create_campaign;
pub(crate) mod erase_contact;
pub(crate) mod fill_segments;
pub(crate) mod import_coupons;
pub(crate) mod issue_coupons;
pub(crate) mod issue_shortcodes;
pub(crate) mod maintain;
pub(crate) mod move_attributions;
pub(crate) mod move_test_clock;
pub(crate) mod put_segment;
pub(crate) mod record_attempts;
pub(crate) mod record_visits;
pub(crate) mod rules;
pub(crate) mod update_campaign;
pub(crate) mod update_segment_members;

use pg::{Audit, Inserts, WriteTx};
use rpc::fields;
use types::{Clock, Origin, TenantId, Timestamp};

use crate::domain::{Book, Books, Moment, Violation};
use crate::store;

/// Why a command was not carried out.
#[derive(Debug)]
pub(crate) enum Error {
    /// It breaches a rule.
    Rule(Violation),
    /// The part of it at this path breaches a rule.
    At(String, Violation),
    /// The batcher could not carry it out.
    Refused(batch::Refused),
    /// The database could not.
    Database(pg::Error),
}

impl Error {
    /// Whether the same command may well succeed when it is repeated.
    fn is_transient(&self) -> bool {
        match self {
            Self::Rule(_) | Self::At(..) => false,
            Self::Refused(refused) => refused.is_transient(),
            Self::Database(error) => error.is_transient(),
        }
    }
}

impl From<Violation> for Error {
    fn from(violation: Violation) -> Self {
        Self::Rule(violation)
    }
}

impl From<batch::Refused> for Error {
    fn from(refused: batch::Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<pg::Error> for Error {
    fn from(error: pg::Error) -> Self {
        Self::Database(error)
    }
}

/// A request id, and the keyed hash of what came with it.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// The id, by tenant and method.
    pub(crate) key: pg::requests::Key,
    /// Keyed hash of the request.
    pub(crate) hash: Vec<u8>,
}

/// When a command of `tenant` happens: as it says, else now by the tenant's clock; not too far in the future (M3, M4).
fn moment(
    tenant: &TenantId,
    occurred_at: Option<Timestamp>,
    test_clock: Option<Timestamp>,
    clock: &dyn Clock,
) -> Result<Moment, Violation> {
    let occurred_at = occurred_at.unwrap_or_else(|| fields::tenant_now(tenant, test_clock, clock));
    fields::not_in_future("", occurred_at, test_clock, clock).map_err(|_| Violation::InFuture)?;
    Ok(Moment { occurred_at, now: clock.now() })
}

/// Says that all that changed in `book` since the last call is `origin`'s doing; whether anything did.
fn sign(audit: &mut Audit, tenant: &TenantId, book: &mut Book, origin: &Origin) -> bool {
    let mut is_changed = false;
    for resource in book.sign(origin) {
        audit.note(tenant, origin, resource);
        is_changed = true;
    }
    is_changed
}

/// Notes that `origin` made or changed one thing that is in no book.
async fn note(
    tx: &mut WriteTx,
    tenant: &TenantId,
    origin: &Origin,
    resource: &impl ToString,
    clock: &dyn Clock,
) -> Result<(), pg::Error> {
    let mut audit = Audit::default();
    audit.note(tenant, origin, resource.to_string());
    let mut inserts = Inserts::default();
    audit.save(&mut inserts, clock.now());
    inserts.send(tx).await
}

/// Saves `inserts`, the books and who did it, and commits; a slice that changed nothing ends without a commit.
async fn finish(
    mut tx: WriteTx,
    mut inserts: Inserts,
    audit: &Audit,
    books: &Books,
    now: Timestamp,
) -> Result<(), pg::Error> {
    audit.save(&mut inserts, now);
    if store::save(&mut tx, inserts, books, now).await? { tx.commit().await } else { tx.rollback().await }
}
