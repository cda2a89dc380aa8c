//! Weighing evidence: whom it names, strongest first, and in which campaign (A4, A5, A8, A9, A14, O3).

use types::{CampaignId, ContactId, Shortcode, Timestamp};

use super::attribution::EvidenceKind;
use super::{Attempt, Book, Evidence, UnresolvedReason};

/// Evidence that names an eligible advocate.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claim {
    pub(super) kind: EvidenceKind,
    pub(super) advocate: ContactId,
}

/// The evidence of an attempt, weighed.
#[derive(Debug, Default)]
pub(super) struct Weighed {
    /// The campaign it is judged in: the one given, else that of the strongest code.
    pub(super) campaign: Option<CampaignId>,
    /// Strongest first.
    pub(super) claims: Vec<Claim>,
    pub(super) passed_over: Vec<(EvidenceKind, UnresolvedReason)>,
    /// Refuses all claims.
    pub(super) refused: Option<UnresolvedReason>,
}

impl Weighed {
    fn pass_over(&mut self, kind: EvidenceKind, reason: UnresolvedReason) {
        self.passed_over.push((kind, reason));
    }
}

/// The campaign that a code belongs to, if it is not a global one, and its advocate.
type Resolved<'a> = Result<(Option<&'a CampaignId>, ContactId), UnresolvedReason>;

impl Book {
    /// Whom the evidence names, strongest first. What resolves to nothing is passed over (A4).
    pub(super) fn weigh(&self, attempt: &Attempt, contact: ContactId, at: Timestamp) -> Weighed {
        let mut weighed = Weighed { campaign: attempt.campaign.clone(), ..Weighed::default() };
        let Evidence { shortcode, coupon, advocate, visitor } = &attempt.evidence;
        let unknown = UnresolvedReason::UnknownCode;
        let given = attempt.campaign.as_ref();
        if let Some(sent) = shortcode {
            let resolved = sent.code().ok_or(unknown).and_then(|code| self.resolve(code));
            let resolved = resolved.map(|(campaign, advocate)| (Some(campaign), advocate));
            self.weigh_code(&mut weighed, EvidenceKind::Shortcode, resolved, given);
        }
        if let Some(sent) = coupon.as_ref().filter(|_| weighed.refused.is_none()) {
            let campaign = weighed.campaign.clone();
            let resolved = sent.code().ok_or(unknown);
            let resolved = resolved.and_then(|code| self.resolve_coupon(code, contact, campaign.as_ref()));
            self.weigh_code(&mut weighed, EvidenceKind::CouponCode, resolved, given);
        }
        if weighed.refused.is_some() {
            return weighed;
        }
        // which campaign it is about is known before anything weaker than a code is weighed
        let visit = visitor.as_ref().map(|who| self.visit_that_counts(who, weighed.campaign.as_ref(), at));
        if let Some(Ok(visit)) = &visit {
            weighed.campaign.get_or_insert_with(|| visit.campaign.clone());
        }
        if let Some(who) = advocate {
            match self.people.find_known(who) {
                Ok(advocate) => self.claim(&mut weighed, EvidenceKind::Advocate, advocate.id),
                Err(_) => weighed.pass_over(EvidenceKind::Advocate, unknown),
            }
        }
        match visit {
            Some(Ok(visit)) => self.claim(&mut weighed, EvidenceKind::Visitor, visit.advocate),
            Some(Err(reason)) => weighed.pass_over(EvidenceKind::Visitor, reason),
            None => {}
        }
        let campaign = weighed.campaign.as_ref().and_then(|id| self.campaigns.get(id));
        if !weighed.claims.is_empty() && !campaign.is_some_and(|campaign| campaign.is_active_at(at)) {
            weighed.refused = Some(UnresolvedReason::CampaignNotActive);
        }
        weighed
    }

    /// Whose code it is, and for which campaign; codes of the banned and unsubscribed are nobody's (A9).
    pub(crate) fn resolve(&self, code: &Shortcode) -> Result<(&CampaignId, ContactId), UnresolvedReason> {
        let owner = self.codes.owner(code).ok_or(UnresolvedReason::UnknownCode)?;
        match self.people.get(owner.advocate) {
            Some(advocate) if advocate.codes_resolve() => Ok((&owner.campaign, owner.advocate)),
            _ => Err(UnresolvedReason::AdvocateNotEligible),
        }
    }

    /// A code supplies the campaign where none is given; one of another campaign than the one given refuses it all, and
    /// one of another than a stronger code named is passed over (O3).
    fn weigh_code(
        &self,
        weighed: &mut Weighed,
        kind: EvidenceKind,
        resolved: Resolved<'_>,
        given: Option<&CampaignId>,
    ) {
        let (own, advocate) = match resolved {
            Ok(resolved) => resolved,
            Err(reason) => return weighed.pass_over(kind, reason),
        };
        match (own, &weighed.campaign) {
            (Some(own), Some(_)) if given.is_some_and(|given| given != own) => {
                weighed.refused = Some(UnresolvedReason::CampaignMismatch);
            }
            (Some(own), Some(campaign)) if own != campaign => {
                weighed.pass_over(kind, UnresolvedReason::CampaignMismatch);
            }
            (None, None) => weighed.pass_over(kind, UnresolvedReason::CampaignNotActive),
            (own, _) => {
                weighed.campaign = own.cloned().or_else(|| weighed.campaign.take());
                self.claim(weighed, kind, advocate);
            }
        }
    }

    /// Adds the claim if the advocate is eligible in the campaign (A5).
    fn claim(&self, weighed: &mut Weighed, kind: EvidenceKind, advocate: ContactId) {
        let campaign = weighed.campaign.as_ref().and_then(|id| self.campaigns.get(id));
        let eligible =
            |campaign| self.people.get(advocate).is_some_and(|contact| contact.is_eligible(campaign));
        match campaign {
            // an advocate alone is evidence for no campaign in particular
            None => weighed.pass_over(kind, UnresolvedReason::NoEvidence),
            Some(campaign) if eligible(campaign) => weighed.claims.push(Claim { kind, advocate }),
            Some(_) => weighed.pass_over(kind, UnresolvedReason::AdvocateNotEligible),
        }
    }
}
