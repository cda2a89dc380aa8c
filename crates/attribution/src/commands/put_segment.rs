//! Creating a segment, static or by rule; again is a repeat, or a conflict. Changing its name and its rule.

use pg::{Database, WriteTx};
use tokio::sync::Notify;
use types::{Clock, Origin, SegmentId, TenantId, new_id};

use super::Error;
use crate::domain::Violation;
use crate::domain::rule::{MAX_RULES, Rule};
use crate::store::{self, DEFINITIONS, Segment, StoredRule};

/// Who makes or changes a segment of whom, and with what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct By<'a> {
    /// Where they are stored.
    pub(crate) db: &'a Database,
    /// The clock.
    pub(crate) clock: &'a dyn Clock,
    /// Heard by what fills segments.
    pub(crate) wake: &'a Notify,
    /// Whose segment.
    pub(crate) tenant: &'a TenantId,
    /// Who does it.
    pub(crate) origin: &'a Origin,
}

/// What is changed of a segment; what is `None` stays.
#[derive(Debug, Clone, Default)]
pub(crate) struct SegmentChange {
    /// For people.
    pub(crate) name: Option<String>,
    /// Who is in it.
    pub(crate) rule: Option<String>,
}

/// Creates a segment, or finds that it is there with the same content. Without a rule it is static.
pub(crate) async fn create(
    by: By<'_>,
    id: &SegmentId,
    name: String,
    rule: Option<String>,
) -> Result<Segment, Error> {
    let mut tx = by.db.write().await?;
    match store::get_segment(&mut tx, by.tenant, id).await? {
        Some(stored) if stored.name == name && stored.rule == rule => {
            tx.rollback().await?;
            Ok(stored)
        }
        Some(_) => Err(Violation::SegmentExists.into()),
        None => {
            if let Some(rule) = &rule {
                let known = store::load_rules(&mut tx, [by.tenant], |_| true).await?;
                if known.len() >= MAX_RULES {
                    return Err(Violation::TooManyRules.into());
                }
                put_rule(&mut tx, by, id, rule).await?;
            }
            let is_building = rule.is_some();
            finish(tx, by, Segment { id: id.clone(), name, members: 0, rule, is_building }).await
        }
    }
}

/// Changes a segment; the segment as it is then.
pub(crate) async fn update(by: By<'_>, id: &SegmentId, change: SegmentChange) -> Result<Segment, Error> {
    let mut tx = by.db.write().await?;
    let stored = store::get_segment(&mut tx, by.tenant, id).await?;
    let stored = stored.ok_or_else(|| Violation::SegmentNotFound(id.clone()))?;
    if change.rule.is_some() && stored.rule.is_none() {
        return Err(Violation::SegmentWithoutRule(id.clone()).into());
    }
    let mut segment = stored.clone();
    segment.name = change.name.unwrap_or(segment.name);
    segment.rule = change.rule.or(segment.rule);
    if segment == stored {
        tx.rollback().await?;
        return Ok(stored);
    }
    if let Some(rule) = segment.rule.as_ref().filter(|_| segment.rule != stored.rule) {
        put_rule(&mut tx, by, id, rule).await?;
        segment.is_building = true;
    }
    finish(tx, by, segment).await
}

/// Gives a segment a rule that can be read, to which all contacts are to be held.
async fn put_rule(tx: &mut WriteTx, by: By<'_>, segment: &SegmentId, rule: &str) -> Result<(), Error> {
    let definitions = DEFINITIONS.of(&mut **tx, by.tenant).await?;
    Rule::compile(rule, &definitions).map_err(Violation::Rule)?;
    let stored = StoredRule {
        tenant_id: by.tenant.clone(),
        segment_id: segment.clone(),
        rule_id: new_id(by.clock.now()),
        rule: rule.to_owned(),
    };
    Ok(store::put_rule(tx, &stored, by.origin.traceparent.as_deref()).await?)
}

async fn finish(mut tx: WriteTx, by: By<'_>, segment: Segment) -> Result<Segment, Error> {
    store::put_segment(&mut tx, by.tenant, &segment.id, &segment.name).await?;
    super::note(&mut tx, by.tenant, by.origin, &segment.id, by.clock).await?;
    tx.commit().await?;
    if segment.is_building {
        by.wake.notify_one();
    }
    Ok(segment)
}
