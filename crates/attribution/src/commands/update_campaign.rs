//! Changing name, segments and dates of a campaign.

use pg::Database;
use types::{Clock, Origin, TenantId};

use super::Error;
use super::create_campaign::check_segments;
use crate::domain::campaign::CampaignChange;
use crate::domain::{Books, Campaign, Violation};
use crate::store::{self, CampaignKeys, SegmentKeys};

/// Changes a campaign; the campaign as it is then.
pub(crate) async fn run(
    db: &Database,
    clock: &dyn Clock,
    (tenant, origin): (&TenantId, &Origin),
    change: &CampaignChange,
) -> Result<Campaign, Error> {
    let mut tx = db.write().await?;
    let mut books = Books::default();
    let mut campaigns = CampaignKeys::default();
    campaigns.add(tenant, change.id.clone());
    store::load_campaigns(&mut tx, &campaigns, &mut books).await?;
    let stored = books.of(tenant).campaigns.get(&change.id).cloned();
    let stored = stored.ok_or_else(|| Violation::CampaignNotFound(change.id.clone()))?;
    let campaign = stored.changed(change)?;
    if campaign == stored {
        tx.rollback().await?;
        return Ok(stored);
    }
    let mut segments = SegmentKeys::default();
    for segment in &campaign.segments {
        segments.add(tenant, segment);
    }
    store::load_segments(&mut tx, &segments, &mut books).await?;
    check_segments(books.of(tenant), &campaign)?;
    store::put_campaign(&mut tx, tenant, &campaign).await?;
    super::note(&mut tx, tenant, origin, &campaign.id, clock).await?;
    tx.commit().await?;
    Ok(campaign)
}
