//! What people do to attributions by hand: activate, deactivate, reassign (A3).

use types::{AttributionId, CampaignId, ContactId};

use super::attribution::{Attribution, Standing};
use super::campaign::SelfReferral;
use super::{Book, Fact, InactiveReason, Moment, Tracked, Violation};

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Moved {
    /// The attribution named, or the advocate's.
    pub(crate) attribution: Attribution,
    /// The one it took the place of.
    pub(crate) deactivated: Option<Attribution>,
    /// Whether nothing changed.
    pub(crate) replayed: bool,
}

impl Moved {
    /// Nothing changed: it is as it is.
    pub(crate) fn already(attribution: Attribution) -> Self {
        Self { attribution, deactivated: None, replayed: true }
    }
}

impl Book {
    /// Makes an inactive attribution the active one, for the reason that the caller gives.
    pub(crate) fn activate(
        &mut self,
        id: AttributionId,
        reason: &str,
        when: Moment,
    ) -> Result<Moved, Violation> {
        let row = self.attributions.get(id).ok_or(Violation::AttributionNotFound(Some(id)))?.clone();
        if row.is_active() {
            return Ok(Moved::already(row));
        }
        if let Some(other) = self.attributions.of(&row.campaign, row.contact).find(|a| a.is_active()) {
            return Err(Violation::AnotherActive(other.id));
        }
        self.may_be_active(&row.campaign, row.advocate, row.contact, when)?;
        self.is_free(&row.campaign, row.contact, when)?;
        let attribution = self.set_active(&row, reason, when)?;
        Ok(Moved { attribution, deactivated: None, replayed: false })
    }

    /// Ends an attribution, until it is activated again.
    pub(crate) fn deactivate(
        &mut self,
        id: AttributionId,
        reason: &str,
        when: Moment,
    ) -> Result<Moved, Violation> {
        let row = self.attributions.get(id).ok_or(Violation::AttributionNotFound(Some(id)))?;
        if row.inactive == Some(InactiveReason::Deactivated) {
            return Ok(Moved::already(row.clone()));
        }
        let attribution = self.set_inactive(id, reason, when)?;
        Ok(Moved { attribution, deactivated: None, replayed: false })
    }

    /// Ends an attribution if it is active; one that is not stays as it is, for whatever reason.
    pub(crate) fn retire(
        &mut self,
        id: AttributionId,
        reason: &str,
        when: Moment,
    ) -> Result<Moved, Violation> {
        match self.attributions.get(id) {
            Some(row) if !row.is_active() => Ok(Moved::already(row.clone())),
            _ => self.deactivate(id, reason, when),
        }
    }

    /// Makes an advocate's attribution the active one, in place of the one that is: both or nothing.
    pub(crate) fn reassign(
        &mut self,
        campaign: &CampaignId,
        (contact, advocate): (ContactId, ContactId),
        reason: &str,
        when: Moment,
    ) -> Result<Moved, Violation> {
        let active = self.attributions.of(campaign, contact).find(|a| a.is_active()).cloned();
        if let Some(active) = active.as_ref().filter(|active| active.advocate == advocate) {
            return Ok(Moved::already(active.clone()));
        }
        self.may_be_active(campaign, advocate, contact, when)?;
        self.is_free(campaign, contact, when)?;
        let deactivated = active.map(|active| self.set_inactive(active.id, reason, when)).transpose()?;
        let known = self.attributions.between(campaign, contact, advocate).cloned();
        let attribution = match known {
            Some(row) => self.set_active(&row, reason, when)?,
            None => self.create_active(campaign, (contact, advocate), reason, when),
        };
        Ok(Moved { attribution, deactivated, replayed: false })
    }

    /// A5 and A7 hold by hand as well, but for who may be referred: that is what a person decides who does it.
    fn may_be_active(
        &self,
        campaign: &CampaignId,
        advocate: ContactId,
        contact: ContactId,
        when: Moment,
    ) -> Result<(), Violation> {
        let known = self.campaigns.get(campaign);
        let campaign = known.ok_or_else(|| Violation::CampaignNotFound(campaign.clone()))?;
        if advocate == contact && campaign.policies.self_referral == SelfReferral::Block {
            return Err(Violation::SelfReferral);
        }
        if !campaign.is_active_at(when.occurred_at) {
            return Err(Violation::CampaignNotActive);
        }
        let eligible = self.people.get(advocate).is_some_and(|advocate| advocate.is_eligible(campaign));
        if eligible { Ok(()) } else { Err(Violation::AdvocateNotEligible) }
    }

    /// Nobody can be in force before the last one ended: what was so stays so (A3).
    fn is_free(&self, campaign: &CampaignId, contact: ContactId, when: Moment) -> Result<(), Violation> {
        let free_since = self.attributions.free_since(campaign, contact, when.occurred_at);
        if free_since > when.occurred_at { Err(Violation::TooEarly(free_since)) } else { Ok(()) }
    }

    fn set_active(
        &mut self,
        row: &Attribution,
        reason: &str,
        when: Moment,
    ) -> Result<Attribution, Violation> {
        let stored = self.attributions.change(row.id).ok_or(Violation::AttributionNotFound(Some(row.id)))?;
        stored.activate(when.occurred_at);
        let after = stored.clone();
        self.moved(&after, Some(row.standing()), reason, when);
        self.record(when.occurred_at, Fact::AttributionActivated(after.clone()));
        self.flag_own(&after, when);
        Ok(after)
    }

    fn create_active(
        &mut self,
        campaign: &CampaignId,
        (contact, advocate): (ContactId, ContactId),
        reason: &str,
        when: Moment,
    ) -> Attribution {
        let row = Attribution::new(when.now, campaign, advocate, contact, when.occurred_at);
        self.attributions.of_mut(campaign, contact).push(Tracked::created(row.clone()));
        self.moved(&row, None, reason, when);
        self.record(when.occurred_at, Fact::AttributionActivated(row.clone()));
        self.flag_own(&row, when);
        row
    }

    fn set_inactive(
        &mut self,
        id: AttributionId,
        reason: &str,
        when: Moment,
    ) -> Result<Attribution, Violation> {
        let row = self.attributions.get(id).ok_or(Violation::AttributionNotFound(Some(id)))?;
        if row.is_active() && when.occurred_at < row.effective_from {
            return Err(Violation::TooEarly(row.effective_from));
        }
        let before = row.standing();
        let stored = self.attributions.change(id).ok_or(Violation::AttributionNotFound(Some(id)))?;
        stored.deactivate(when.occurred_at);
        let after = stored.clone();
        self.moved(&after, Some(before), reason, when);
        // whoever follows the stream never heard of one that was not active
        if before == Standing::Active {
            self.record(when.occurred_at, Fact::AttributionDeactivated(after.clone()));
        }
        Ok(after)
    }

    fn moved(&mut self, after: &Attribution, before: Option<Standing>, reason: &str, when: Moment) {
        self.touch(&after.id);
        self.touch(&after.contact);
        self.note_standing(after, before, reason, when);
    }
}
