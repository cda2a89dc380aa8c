//! Attempts to attribute: what comes of the evidence (A2, A4, A7, A11, A12).

use std::collections::BTreeSet;

use types::{CampaignId, ContactId, Timestamp, new_id};

use super::attribution::{Attribution, EvidenceKind, InactiveReason};
use super::campaign::SelfReferral;
use super::evidence::{Claim, Weighed};
use super::outcome::{Attempt, Judgement, LoggedAttempt, Outcome, UnresolvedReason};
use super::standing::{Case, standing};
use super::{Book, Fact, FlagCause, Moment, Sent, Tracked, Violation};

impl Book {
    /// Judges an attempt and stores what comes of it.
    pub(crate) fn attempt(&mut self, attempt: &Attempt, when: Moment) -> Result<Judgement, Violation> {
        let judgement = self.judge(attempt, when);
        self.follow_rules(when);
        judgement
    }

    fn judge(&mut self, attempt: &Attempt, when: Moment) -> Result<Judgement, Violation> {
        if let Some(unknown) = attempt.campaign.as_ref().filter(|id| !self.campaigns.contains_key(id)) {
            return Err(Violation::CampaignNotFound(unknown.clone()));
        }
        if attempt.known_contact_only {
            let contact = match self.people.find(&attempt.contact) {
                Err(Violation::ContactNotFound(_)) => None,
                found => found?,
            };
            return Ok(self.look_up(contact, attempt.campaign.clone(), when.occurred_at));
        }
        let (contact, is_new) = self.ensure_contact(&attempt.contact, when)?;
        if attempt.evidence.is_empty() {
            return Ok(self.look_up(Some(contact), attempt.campaign.clone(), when.occurred_at));
        }
        let weighed = self.weigh(attempt, contact, when.occurred_at);
        let case = Case { contact, is_new, is_strongest: true };
        Ok(self.settle(attempt, case, weighed, when))
    }

    /// The answer to an attempt that was judged before, with what is in force as it is now.
    pub(crate) fn replay(&self, logged: &LoggedAttempt) -> Judgement {
        let row = logged.campaign.as_ref().zip(logged.advocate).and_then(|(campaign, advocate)| {
            self.attributions.of(campaign, logged.contact).find(|a| a.advocate == advocate)
        });
        let named = logged.advocate.as_slice();
        Judgement {
            outcome: logged.outcome,
            contact: Some(logged.contact),
            campaign: logged.campaign.clone(),
            in_force: self.in_force(logged.campaign.as_ref(), logged.contact, logged.occurred_at, named),
            inactive: row.filter(|_| matches!(logged.outcome, Outcome::LoggedInactive(_))).cloned(),
            passed_over: logged.passed_over.clone(),
            logged: Some(logged.id),
        }
    }

    fn look_up(&self, contact: Option<ContactId>, campaign: Option<CampaignId>, at: Timestamp) -> Judgement {
        let in_force = contact.and_then(|contact| self.in_force(campaign.as_ref(), contact, at, &[]));
        let outcome = match in_force {
            Some(_) => Outcome::AlreadyAttributed,
            None => Outcome::Unresolved(UnresolvedReason::NoEvidence),
        };
        Judgement {
            outcome,
            contact,
            campaign,
            in_force,
            inactive: None,
            passed_over: Vec::new(),
            logged: None,
        }
    }

    fn in_force(
        &self,
        campaign: Option<&CampaignId>,
        contact: ContactId,
        at: Timestamp,
        named: &[ContactId],
    ) -> Option<Attribution> {
        campaign.and_then(|campaign| self.attributions.in_force(campaign, contact, at, named)).cloned()
    }

    /// Applies the strongest claim; stores those that disagree with it as inactive attempts (A4).
    fn settle(&mut self, attempt: &Attempt, case: Case, weighed: Weighed, when: Moment) -> Judgement {
        let contact = case.contact;
        let Weighed { campaign, claims, passed_over, refused } = weighed;
        let strongest = claims.first().copied();
        let mut inactive = None;
        let outcome = match (refused, strongest, &campaign) {
            (Some(reason), _, _) => Outcome::Unresolved(reason),
            (None, Some(claim), Some(campaign)) => {
                let (outcome, row) = self.lodge((campaign, &attempt.source), claim, case, when);
                inactive = Some(row).filter(|_| matches!(outcome, Outcome::LoggedInactive(_)));
                outcome
            }
            _ => Outcome::Unresolved(
                passed_over.first().map_or(UnresolvedReason::NoEvidence, |(_, reason)| *reason),
            ),
        };
        let logged = LoggedAttempt {
            id: new_id(when.now),
            contact,
            campaign: campaign.clone(),
            shortcode: attempt.evidence.shortcode.as_ref().map(|sent| sent.as_str().to_owned()),
            coupon_code: attempt.evidence.coupon.as_ref().map(|sent| sent.as_str().to_owned()),
            advocate: strongest.map(|claim| claim.advocate),
            source: attempt.source.clone(),
            outcome,
            passed_over: passed_over.iter().map(|(kind, _)| *kind).collect(),
            occurred_at: when.occurred_at,
        };
        let id = logged.id;
        let weaker = claims.iter().skip(1).filter(|claim| Some(claim.advocate) != logged.advocate);
        let mut losers: Vec<Claim> = weaker.filter(|_| refused.is_none()).copied().collect();
        let mut told = BTreeSet::new();
        // one whom two kinds of evidence name is counted once
        losers.retain(|claim| told.insert(claim.advocate));
        self.attempts.push(logged.clone());
        self.touch(&contact);
        if let Some(campaign) = &campaign {
            // a customer used it, whoever gets the order; but a code tried in vain is free for the next
            let is_in_vain =
                matches!(outcome, Outcome::LoggedInactive(reason) if reason != InactiveReason::Duplicate);
            let is_used = refused.is_none()
                && !is_in_vain
                && claims.iter().any(|claim| claim.kind == EvidenceKind::CouponCode);
            let coupon = attempt.evidence.coupon.as_ref().and_then(Sent::code);
            if let Some(code) = coupon.filter(|_| is_used) {
                self.use_coupon(code, contact, campaign);
            }
            self.log_losers(&logged, campaign, &losers, (case, when));
        }
        let named: Vec<ContactId> = claims.iter().map(|claim| claim.advocate).collect();
        let in_force = self.in_force(campaign.as_ref(), contact, when.occurred_at, &named);
        Judgement {
            outcome,
            contact: Some(contact),
            campaign,
            in_force,
            inactive,
            passed_over: logged.passed_over,
            logged: Some(id),
        }
    }

    fn log_losers(
        &mut self,
        winner: &LoggedAttempt,
        campaign: &CampaignId,
        losers: &[Claim],
        (case, when): (Case, Moment),
    ) {
        for claim in losers {
            let (outcome, _) =
                self.lodge((campaign, &winner.source), *claim, Case { is_strongest: false, ..case }, when);
            self.attempts.push(LoggedAttempt {
                id: new_id(when.now),
                shortcode: None,
                coupon_code: None,
                advocate: Some(claim.advocate),
                outcome,
                passed_over: Vec::new(),
                ..winner.clone()
            });
        }
    }

    /// Counts a claim on its attribution, which comes to be if there is none. It becomes active if nobody is and the
    /// campaign's policies allow it, unless it lost against stronger evidence (A2, A7).
    fn lodge(
        &mut self,
        (campaign, source): (&CampaignId, &str),
        claim: Claim,
        case: Case,
        when: Moment,
    ) -> (Outcome, Attribution) {
        let policies = self.campaigns.get(campaign).map(|campaign| campaign.policies).unwrap_or_default();
        let since = self.attributions.free_since(campaign, case.contact, when.occurred_at);
        let rows = self.attributions.of_mut(campaign, case.contact);
        let active = rows.iter().find(|row| row.get().is_active()).map(|row| row.get().advocate);
        let known = rows.iter_mut().find(|row| row.get().advocate == claim.advocate);
        let before = known.as_ref().map(|row| row.get().standing());
        let stored = known.as_ref().and_then(|row| row.get().inactive);
        let outcome = match standing(claim.advocate, active, stored, case, policies) {
            Ok(outcome) => outcome,
            Err(reason) => Outcome::LoggedInactive(reason),
        };
        let inactive = outcome.inactive_reason();
        let row = if let Some(row) = known {
            let row = row.change();
            row.attempts = row.attempts.saturating_add(1);
            row.inactive = inactive;
            if outcome == Outcome::Attributed {
                row.activate(since);
                row.evidence = claim.kind;
                source.clone_into(&mut row.source);
            }
            row.clone()
        } else {
            let from = if inactive.is_none() { since } else { when.occurred_at };
            let row = Attribution::new(when.now, campaign, claim.advocate, case.contact, from);
            let source = source.to_owned();
            let row = Attribution { inactive, evidence: claim.kind, source, attempts: 1, ..row };
            rows.push(Tracked::created(row.clone()));
            row
        };
        self.touch(&row.id);
        self.note_standing(&row, before, "", when);
        match outcome {
            Outcome::Attributed => self.record(when.occurred_at, Fact::AttributionActivated(row.clone())),
            Outcome::LoggedInactive(_) if before.is_none() => {
                self.record(when.occurred_at, Fact::AttributionLoggedInactive(row.clone()));
            }
            Outcome::LoggedInactive(_) | Outcome::AlreadyAttributed | Outcome::Unresolved(_) => {}
        }
        if outcome == Outcome::Attributed {
            self.flag_own(&row, when);
        }
        (outcome, row)
    }

    /// Flags who refers themself where the campaign wants it (A7). Both contacts are one, for nobody shares an e-mail
    /// address or a uid with another.
    pub(super) fn flag_own(&mut self, row: &Attribution, when: Moment) {
        let policy = self.campaigns.get(&row.campaign).map(|campaign| campaign.policies.self_referral);
        if row.advocate == row.contact && policy == Some(SelfReferral::Flag) {
            self.flag(row.contact, FlagCause::SelfReferral, None, when);
        }
    }
}
