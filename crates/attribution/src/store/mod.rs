//! The only SQL. Slices are loaded into [`Books`] with one query per table, and saved with set-based statements; what
//! did not change is not written.

mod attempts;
mod attribution_list;
mod attributions;
mod campaigns;
mod clocks;
mod code_list;
mod codes;
mod contact_list;
mod contacts;
mod coupons;
mod erasures;
mod events;
mod flags;
mod history;
mod properties;
mod rules;
mod segments;
#[cfg(test)]
mod tests;
mod visits;

pub(crate) use attempts::{
    AttemptPage, list as list_attempts, load as load_attempts, purge as purge_attempts,
};
pub(crate) use attribution_list::{
    AttributionSelection, ExportedAttribution, FIELDS as ATTRIBUTION_FIELDS, export as export_attributions,
    list as list_attributions,
};
pub(crate) use attributions::{
    Parties, get as get_attribution, load as load_attributions, parties as load_parties,
};
pub(crate) use campaigns::{
    CampaignKeys, list as list_campaigns, load as load_campaigns,
    load_of_segments as load_campaigns_of_segments, put as put_campaign,
};
pub(crate) use clocks::{load as load_clocks, put as put_clock};
pub(crate) use code_list::{CodePage, ListedCode, list as list_codes};
pub(crate) use codes::{CodeKeys, load as load_codes, load_of_people as load_codes_of_people};
pub(crate) use contact_list::{FIELDS as CONTACT_FIELDS, list as list_contacts};
pub(crate) use contacts::{ContactKeys, load as load_contacts, load_after as load_contacts_after};
pub(crate) use coupons::{load as load_coupons, load_pools as load_coupon_pools};
pub(crate) use erasures::{
    forget_names, has_visits, keep_names, names as erased_names, purge_names, remove as remove_erased,
};
pub(crate) use history::{attribution_changes, contact_changes};
pub(crate) use properties::{DEFINITIONS, load as load_definitions};
pub(crate) use rules::{StoredRule, ToFill, filled_to, load as load_rules, next_to_fill, put as put_rule};
pub(crate) use segments::{
    Segment, SegmentKeys, get as get_segment, list as list_segments, load as load_segments,
    put as put_segment,
};

pub(crate) use visits::{
    VisitKeys, VisitPage, VisitorKeys, list as list_visits, load as load_visits,
    load_evidence as load_visits_as_evidence, purge as purge_visits,
};

use pg::{Inserts, WriteTx};
use sqlx::{Postgres, QueryBuilder};
use types::{CampaignId, ContactId, TenantId, Timestamp};

use crate::domain::Books;

/// Writes what a slice changed, then what it added, `inserts` among it, and appends its events. Whether there was anything
/// to write.
pub(crate) async fn save(
    tx: &mut WriteTx,
    mut inserts: Inserts,
    books: &Books,
    now: Timestamp,
) -> Result<bool, pg::Error> {
    let changed = [
        contacts::save(tx, &mut inserts, books).await?,
        attributions::save(tx, &mut inserts, books).await?,
        coupons::save(tx, &mut inserts, books).await?,
    ];
    codes::save(&mut inserts, books);
    attempts::save(&mut inserts, books, now);
    history::save(&mut inserts, books);
    visits::save(&mut inserts, books, now);
    let events = events::of(books, now);
    let written = changed.contains(&true) || !inserts.is_empty() || !events.is_empty();
    outbox::append(tx, inserts, &events).await?;
    Ok(written)
}

/// All contacts in the books: their tenants and ids.
fn people_of(books: &Books) -> (Vec<&str>, Vec<ContactId>) {
    books
        .iter()
        .flat_map(|(tenant, book)| book.people.iter().map(move |contact| (tenant.as_str(), contact.get().id)))
        .unzip()
}

/// Narrows a list to what is of a tenant's campaign, as the one index that serves it has it.
fn push_of_campaign(query: &mut QueryBuilder<Postgres>, tenant: &TenantId, campaign: &CampaignId) {
    query.push(" AND tenant_id || '/' || campaign_id = ").push_bind(format!("{tenant}/{campaign}"));
}

/// A number of the contract, or the column that holds another.
fn number<T>(found: Option<T>, column: &str, number: i16) -> Result<T, pg::Error> {
    found.ok_or_else(|| pg::Error::unreadable(column, number))
}

/// What was loaded under the sequencer lock is still there: a row that is not is a bug.
fn all_changed(table: &str, affected: u64, expected: usize) -> Result<(), pg::Error> {
    if usize::try_from(affected) == Ok(expected) {
        return Ok(());
    }
    Err(pg::Error::unreadable(table, format!("{affected} of {expected} rows to change were found")))
}
