//! Where a claim stands against those before it, and against the policies of its campaign (A2, A7).

use types::ContactId;

use super::attribution::InactiveReason;
use super::campaign::{Eligibility, SelfReferral};
use super::{Outcome, Policies};

/// Whom a claim is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Case {
    /// The referred contact.
    pub(super) contact: ContactId,
    /// Whether the attempt itself made it known.
    pub(super) is_new: bool,
    /// Whether no stronger evidence is for another advocate.
    pub(super) is_strongest: bool,
}

/// Where a claim stands: what comes of it, or why it is inactive. `stored` is why its attribution is inactive, if there is
/// one that is.
pub(super) fn standing(
    advocate: ContactId,
    active: Option<ContactId>,
    stored: Option<InactiveReason>,
    case: Case,
    policies: Policies,
) -> Result<Outcome, InactiveReason> {
    if active == Some(advocate) {
        return Ok(Outcome::AlreadyAttributed);
    }
    if stored == Some(InactiveReason::Deactivated) {
        return Err(InactiveReason::Deactivated);
    }
    if advocate == case.contact && policies.self_referral == SelfReferral::Block {
        return Err(InactiveReason::SelfReferral);
    }
    // A2: who came second in time is let in when nobody is active, though the contact is known by then
    let is_barred = match stored {
        Some(InactiveReason::Duplicate) => false,
        Some(InactiveReason::NotEligible) => true,
        Some(InactiveReason::SelfReferral | InactiveReason::Deactivated) | None => active.is_none(),
    };
    if is_barred && !case.is_new && policies.eligibility == Eligibility::NewContactsOnly {
        return Err(InactiveReason::NotEligible);
    }
    if active.is_none() && case.is_strongest {
        return Ok(Outcome::Attributed);
    }
    Err(InactiveReason::Duplicate)
}

#[cfg(test)]
mod tests {
    use types::new_id;

    use super::*;

    const NEW_ONLY: Policies = Policies {
        self_referral: SelfReferral::Block,
        eligibility: Eligibility::NewContactsOnly,
        window: crate::domain::campaign::Window::DEFAULT,
        is_paused: false,
    };

    fn known(contact: ContactId) -> Case {
        Case { contact, is_new: false, is_strongest: true }
    }

    #[test]
    fn a2_what_came_second_is_let_in_when_nobody_is_active_and_what_was_not_eligible_is_not() {
        let now = time::macros::datetime!(2025-01-01 00:00 UTC);
        let [ann, bob, joe]: [ContactId; 3] = [new_id(now), new_id(now), new_id(now)];
        let judge = |active, stored, policies| standing(bob, active, stored, known(joe), policies);
        let (duplicate, not_eligible) = (InactiveReason::Duplicate, InactiveReason::NotEligible);
        for (active, stored, policies, expected) in [
            (None, Some(duplicate), Policies::default(), Ok(Outcome::Attributed)),
            (None, Some(duplicate), NEW_ONLY, Ok(Outcome::Attributed)),
            (Some(ann), Some(duplicate), NEW_ONLY, Err(duplicate)),
            (None, Some(not_eligible), NEW_ONLY, Err(not_eligible)),
            (Some(ann), Some(not_eligible), NEW_ONLY, Err(not_eligible)),
            (None, Some(not_eligible), Policies::default(), Ok(Outcome::Attributed)),
            (Some(ann), Some(not_eligible), Policies::default(), Err(duplicate)),
            (Some(ann), None, NEW_ONLY, Err(duplicate)),
            (None, None, NEW_ONLY, Err(not_eligible)),
            (None, Some(InactiveReason::Deactivated), NEW_ONLY, Err(InactiveReason::Deactivated)),
            (
                Some(ann),
                Some(InactiveReason::Deactivated),
                Policies::default(),
                Err(InactiveReason::Deactivated),
            ),
        ] {
            assert_eq!(judge(active, stored, policies), expected, "{active:?} {stored:?} {policies:?}");
        }
        let own = standing(joe, None, Some(InactiveReason::SelfReferral), known(joe), Policies::default());
        assert_eq!(own, Err(InactiveReason::SelfReferral));
        let by_hand = standing(joe, None, Some(InactiveReason::Deactivated), known(joe), Policies::default());
        assert_eq!(by_hand, Err(InactiveReason::Deactivated), "a later ALLOW must not let it in again");
    }
}
