//! Shortcodes: by which advocates refer.

use std::collections::HashMap;

use types::{CampaignId, ContactId, Shortcode, Timestamp};

use super::numbered::numbered;
use super::{Book, ContactRef, Violation};

numbered!(
    /// What a code is.
    CodeKind {
        /// An advocate's shortcode.
        Shortcode = 1,
        /// A coupon code.
        Coupon = 2,
    }
);

numbered!(
    /// Where a code is in its life.
    CodeState {
        /// In the pool of its campaign.
        Unassigned = 1,
        /// An advocate's.
        Assigned = 2,
        /// Single use, and used.
        Used = 3,
    }
);

impl CodeState {
    /// The state of a code that is this advocate's, and was used by this contact.
    pub(crate) fn of(advocate: Option<ContactId>, used_by: Option<ContactId>) -> Self {
        match (advocate, used_by) {
            (None, _) => Self::Unassigned,
            (Some(_), None) => Self::Assigned,
            (Some(_), Some(_)) => Self::Used,
        }
    }
}

/// Characters of a code that we make: no two of them look alike.
pub(super) const ALPHABET: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
/// Characters in it: 10^12 codes.
const LENGTH: usize = 8;

/// A code out of random bytes.
pub(crate) fn draw(random: [u8; LENGTH]) -> Option<Shortcode> {
    let text: String =
        random.iter().filter_map(|b| ALPHABET.get(usize::from(b % 32))).map(|b| char::from(*b)).collect();
    text.parse().ok()
}

/// Whose code it is, and for which campaign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owner {
    /// The campaign.
    pub(crate) campaign: CampaignId,
    /// The advocate.
    pub(crate) advocate: ContactId,
    /// When it was issued; an advocate's first code is the one given out again.
    pub(crate) created_at: Timestamp,
}

/// The codes of a slice.
#[derive(Debug, Default)]
pub(crate) struct Codes {
    owners: HashMap<Shortcode, Owner>,
    /// An advocate's first code in a campaign.
    first: HashMap<(ContactId, CampaignId), (Timestamp, Shortcode)>,
    created: Vec<Shortcode>,
}

impl Codes {
    /// Takes in a stored code.
    pub(crate) fn add(&mut self, code: Shortcode, owner: Owner) {
        let candidate = (owner.created_at, code.clone());
        let key = (owner.advocate, owner.campaign.clone());
        match self.first.get(&key) {
            Some(first) if *first <= candidate => {}
            _ => drop(self.first.insert(key, candidate)),
        }
        self.owners.insert(code, owner);
    }

    /// Whose code it is.
    pub(crate) fn owner(&self, code: &Shortcode) -> Option<&Owner> {
        self.owners.get(code)
    }

    /// Whether a code has this text.
    pub(super) fn has(&self, text: &str) -> bool {
        text.parse().is_ok_and(|code: Shortcode| self.owners.contains_key(&code))
    }

    /// New codes, in order.
    pub(crate) fn created(&self) -> impl Iterator<Item = (&Shortcode, &Owner)> {
        self.created.iter().filter_map(|code| self.owners.get_key_value(code))
    }

    fn issue(&mut self, code: Shortcode, owner: Owner) {
        self.created.push(code.clone());
        self.add(code, owner);
    }
}

/// Asks for a code.
#[derive(Debug, Clone)]
pub(crate) struct IssueShortcode {
    /// In which campaign.
    pub(crate) campaign: CampaignId,
    /// For whom.
    pub(crate) advocate: ContactRef,
    /// The code wanted; else one is made.
    pub(crate) code: Option<Shortcode>,
    /// Codes drawn at random, to be taken if none is wanted.
    pub(crate) drawn: Vec<Shortcode>,
}

/// A code that was issued now, or before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Issued {
    /// The code.
    pub(crate) code: Shortcode,
    /// Whether it is new.
    pub(crate) created: bool,
}

impl Book {
    /// Gives an eligible advocate a code, or the one it has.
    pub(crate) fn issue_shortcode(
        &mut self,
        ask: &IssueShortcode,
        now: Timestamp,
    ) -> Result<Issued, Violation> {
        let campaign = self
            .campaigns
            .get(&ask.campaign)
            .ok_or_else(|| Violation::CampaignNotFound(ask.campaign.clone()))?;
        let advocate = self.people.find_known(&ask.advocate)?;
        if !advocate.is_eligible(campaign) {
            return Err(Violation::AdvocateNotEligible);
        }
        let owner = Owner { campaign: ask.campaign.clone(), advocate: advocate.id, created_at: now };
        if let Some(code) = &ask.code {
            return match self.codes.owner(code) {
                Some(stored) if stored.advocate == owner.advocate && stored.campaign == owner.campaign => {
                    Ok(Issued { code: code.clone(), created: false })
                }
                None if !self.is_taken(code.as_str()) => Ok(self.issue(code.clone(), owner)),
                Some(_) | None => Err(Violation::CodeTaken),
            };
        }
        if let Some((_, code)) = self.codes.first.get(&(owner.advocate, owner.campaign.clone())) {
            return Ok(Issued { code: code.clone(), created: false });
        }
        let free = ask.drawn.iter().find(|code| !self.is_taken(code.as_str()));
        let code = free.cloned().ok_or(Violation::NoFreeCode)?;
        Ok(self.issue(code, owner))
    }

    fn issue(&mut self, code: Shortcode, owner: Owner) -> Issued {
        self.touch(&code);
        self.codes.issue(code.clone(), owner);
        Issued { code, created: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawn_codes_have_no_look_alikes() {
        let all: String = ALPHABET.iter().map(|b| char::from(*b)).collect();
        assert!(!all.contains(['0', 'O', '1', 'I']));
        assert_eq!(draw([0, 1, 31, 32, 255, 9, 10, 11]).unwrap().as_str(), "23Z2ZBCD");
    }
}
