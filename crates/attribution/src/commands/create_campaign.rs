//! Creating a campaign; again is a repeat, or a conflict.

use pg::Database;
use rpc::fields;
use types::{Clock, Origin, TenantId};

use super::Error;
use crate::domain::campaign::NewCampaign;
use crate::domain::{Book, Books, Campaign, Violation};
use crate::store::{self, CampaignKeys, SegmentKeys};

/// Creates a campaign, or finds that it is there with the same content.
pub(crate) async fn run(
    db: &Database,
    clock: &dyn Clock,
    (tenant, origin): (&TenantId, &Origin),
    new: &NewCampaign,
) -> Result<Campaign, Error> {
    let mut tx = db.write().await?;
    let mut books = Books::default();
    let mut campaigns = CampaignKeys::default();
    campaigns.add(tenant, new.id.clone());
    let mut segments = SegmentKeys::default();
    for segment in &new.segments {
        segments.add(tenant, segment);
    }
    store::load_clocks(&mut tx, [tenant], &mut books).await?;
    store::load_campaigns(&mut tx, &campaigns, &mut books).await?;
    store::load_segments(&mut tx, &segments, &mut books).await?;

    let book = books.of(tenant);
    match book.campaigns.get(&new.id) {
        Some(stored) if stored.is_same_as(new) => {
            tx.rollback().await?;
            Ok(stored.clone())
        }
        Some(_) => Err(Violation::CampaignExists.into()),
        None => {
            let campaign = Campaign::create(new, fields::tenant_now(tenant, book.test_clock, clock))?;
            check_segments(book, &campaign)?;
            store::put_campaign(&mut tx, tenant, &campaign).await?;
            super::note(&mut tx, tenant, origin, &campaign.id, clock).await?;
            tx.commit().await?;
            Ok(campaign)
        }
    }
}

/// All segments of the campaign exist.
pub(super) fn check_segments(book: &Book, campaign: &Campaign) -> Result<(), Violation> {
    match campaign.segments.iter().find(|segment| !book.segments.contains(segment)) {
        Some(unknown) => Err(Violation::SegmentNotFound(unknown.clone())),
        None => Ok(()),
    }
}
