//! Coupon codes (A14): given to advocates, or put into the pool of a campaign, from which those who are enrolled draw.

use std::collections::{BTreeMap, BTreeSet};

use types::{CampaignId, ContactId, CouponCode, SegmentId, Timestamp};

use super::{Book, ContactRef, ContactStatus, Tracked, UnresolvedReason, Violation};

/// Characters after a prefix in a code that we make.
const LENGTH: usize = 10;

/// A code out of random bytes, behind a prefix.
pub(crate) fn draw(prefix: &str, random: [u8; LENGTH]) -> Option<CouponCode> {
    let text = random.iter().filter_map(|b| super::code::ALPHABET.get(usize::from(b % 32)));
    format!("{prefix}{}", text.map(|b| char::from(*b)).collect::<String>()).parse().ok()
}

/// A coupon code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Coupon {
    /// The code.
    pub(crate) code: CouponCode,
    /// The campaign it refers for; none if it is global.
    pub(crate) campaign: Option<CampaignId>,
    /// The advocate it refers to; none while it is in the pool of its campaign.
    pub(crate) advocate: Option<ContactId>,
    /// Whether one contact only may use it.
    pub(crate) is_single_use: bool,
    /// Who used it, if it is single use, and in which campaign.
    pub(crate) used_by: Option<(ContactId, CampaignId)>,
    /// When it was issued (real clock): a pool gives out the oldest first.
    pub(crate) issued_at: Timestamp,
}

impl Coupon {
    /// Whether somebody else has used it, or the same contact in another campaign.
    fn is_used_up(&self, contact: ContactId, campaign: &CampaignId) -> bool {
        self.used_by.as_ref().is_some_and(|(by, place)| (*by, place) != (contact, campaign))
    }
}

/// The coupon codes of a slice.
#[derive(Debug, Default)]
pub(crate) struct Coupons {
    codes: BTreeMap<CouponCode, Tracked<Coupon>>,
    /// The pools of campaigns, oldest first.
    pools: BTreeMap<CampaignId, BTreeSet<(Timestamp, CouponCode)>>,
    /// Which advocates have a code in which campaign, as far as that was asked.
    holders: BTreeSet<(ContactId, CampaignId)>,
    /// Those that were drawn from pools since the last look.
    drawn: Vec<CouponCode>,
}

impl Coupons {
    /// Takes in a stored code; one that is there already stays as it is.
    pub(crate) fn add(&mut self, coupon: Coupon) {
        if !self.codes.contains_key(&coupon.code) {
            self.put(Tracked::stored(coupon));
        }
    }

    /// Takes in that an advocate has a code in a campaign.
    pub(crate) fn add_holder(&mut self, advocate: ContactId, campaign: CampaignId) {
        self.holders.insert((advocate, campaign));
    }

    /// One code.
    pub(crate) fn get(&self, code: &CouponCode) -> Option<&Coupon> {
        self.codes.get(code).map(Tracked::get)
    }

    /// Whether a code has this text.
    pub(crate) fn has(&self, text: &str) -> bool {
        text.parse().is_ok_and(|code: CouponCode| self.codes.contains_key(&code))
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Tracked<Coupon>> {
        self.codes.values()
    }

    /// Codes drawn from pools since the last call.
    pub(crate) fn take_drawn(&mut self) -> Vec<CouponCode> {
        std::mem::take(&mut self.drawn)
    }

    fn put(&mut self, coupon: Tracked<Coupon>) {
        let Coupon { code, campaign, advocate, issued_at, .. } = coupon.get();
        match (advocate, campaign) {
            (Some(advocate), Some(campaign)) => drop(self.holders.insert((*advocate, campaign.clone()))),
            (None, Some(campaign)) => {
                self.pools.entry(campaign.clone()).or_default().insert((*issued_at, code.clone()));
            }
            (_, None) => {}
        }
        self.codes.insert(code.clone(), coupon);
    }

    /// Gives an advocate who has no code in a campaign the oldest of its pool, if there is any.
    fn draw(&mut self, advocate: ContactId, campaign: &CampaignId) -> Option<CouponCode> {
        if self.holders.contains(&(advocate, campaign.clone())) {
            return None;
        }
        let (_, code) = self.pools.get_mut(campaign)?.pop_first()?;
        self.codes.get_mut(&code)?.change().advocate = Some(advocate);
        self.holders.insert((advocate, campaign.clone()));
        self.drawn.push(code.clone());
        Some(code)
    }
}

/// Whom new codes are for.
#[derive(Debug, Clone)]
pub(crate) enum Takers {
    /// One for each of these.
    Advocates(Vec<ContactRef>),
    /// So many into the pool of the campaign.
    Pool(usize),
}

impl Takers {
    /// How many codes it takes.
    pub(crate) fn count(&self) -> usize {
        match self {
            Self::Advocates(advocates) => advocates.len(),
            Self::Pool(count) => *count,
        }
    }
}

/// Asks for new codes.
#[derive(Debug, Clone)]
pub(crate) struct IssueCoupons {
    /// In which campaign; without one they are global.
    pub(crate) campaign: Option<CampaignId>,
    /// For whom.
    pub(crate) takers: Takers,
    /// Whether one contact only may use each.
    pub(crate) is_single_use: bool,
    /// Codes drawn at random, at least as many as are to be made.
    pub(crate) drawn: Vec<CouponCode>,
}

/// A code as a file or another system brings it.
#[derive(Debug, Clone)]
pub(crate) struct NewCoupon {
    /// The code.
    pub(crate) code: CouponCode,
    /// The campaign; without one it is global.
    pub(crate) campaign: Option<CampaignId>,
    /// The advocate; without one it goes into the pool of the campaign.
    pub(crate) advocate: Option<ContactRef>,
    /// Whether one contact only may use it.
    pub(crate) is_single_use: bool,
}

impl Book {
    /// Whom a coupon code names for a contact in a campaign: the code's, else the one given. Codes of the banned and
    /// unsubscribed are nobody's (A9).
    pub(super) fn resolve_coupon(
        &self,
        code: &CouponCode,
        contact: ContactId,
        campaign: Option<&CampaignId>,
    ) -> Result<(Option<&CampaignId>, ContactId), UnresolvedReason> {
        let (coupon, advocate) = self.coupon_of_advocate(code)?;
        let place = coupon.campaign.as_ref().or(campaign);
        if place.is_some_and(|place| coupon.is_used_up(contact, place)) {
            return Err(UnresolvedReason::CodeUsed);
        }
        Ok((coupon.campaign.as_ref(), advocate))
    }

    /// A coupon code that resolves to somebody.
    pub(crate) fn coupon_of_advocate(
        &self,
        code: &CouponCode,
    ) -> Result<(&Coupon, ContactId), UnresolvedReason> {
        let coupon = self.coupons.get(code).ok_or(UnresolvedReason::UnknownCode)?;
        let advocate = coupon.advocate.ok_or(UnresolvedReason::CodeNotAssigned)?;
        match self.people.get(advocate) {
            Some(known) if known.codes_resolve() => Ok((coupon, advocate)),
            _ => Err(UnresolvedReason::AdvocateNotEligible),
        }
    }

    /// A contact has used a code in a campaign. It is the only one who may, if the code is single use.
    pub(super) fn use_coupon(&mut self, code: &CouponCode, contact: ContactId, campaign: &CampaignId) {
        let Some(coupon) = self.coupons.codes.get_mut(code) else { return };
        if coupon.get().is_single_use && coupon.get().used_by.is_none() {
            coupon.change().used_by = Some((contact, campaign.clone()));
            self.touch(code);
        }
    }

    /// Has an advocate who joins these segments draw a code from the pool of every campaign that it may refer for by that
    /// and that has not ended, unless it has one there. An empty pool gives nothing.
    pub(super) fn draw_coupons(&mut self, advocate: ContactId, joined: &BTreeSet<SegmentId>, at: Timestamp) {
        let Some(contact) = self.people.get(advocate) else { return };
        // the book may have campaigns of other contacts' segments
        let eligible = self.campaigns.values().filter(|campaign| {
            contact.is_eligible(campaign)
                && !campaign.segments.is_disjoint(joined)
                && campaign.ends_at.is_none_or(|end| at < end)
        });
        let campaigns: BTreeSet<CampaignId> = eligible.map(|campaign| campaign.id.clone()).collect();
        for campaign in &campaigns {
            if let Some(code) = self.coupons.draw(advocate, campaign) {
                self.touch(&code);
            }
        }
    }

    /// Issues new codes: all of them or, on the first violation, none. It is told with the place of the advocate at
    /// fault.
    pub(crate) fn issue_coupons(
        &mut self,
        ask: &IssueCoupons,
        now: Timestamp,
    ) -> Result<Vec<Coupon>, (Option<usize>, Violation)> {
        let campaign = ask.campaign.as_ref();
        if let Some(unknown) = campaign.filter(|id| !self.campaigns.contains_key(*id)) {
            return Err((None, Violation::CampaignNotFound(unknown.clone())));
        }
        let takers: Vec<Option<ContactId>> = match &ask.takers {
            Takers::Pool(count) => vec![None; *count],
            Takers::Advocates(advocates) => {
                let taker = |(n, who)| match self.taker(who, campaign) {
                    Ok(id) => Ok(Some(id)),
                    Err(violation) => Err((Some(n), violation)),
                };
                advocates.iter().enumerate().map(taker).collect::<Result<_, _>>()?
            }
        };
        let mut free: Vec<CouponCode> =
            ask.drawn.iter().filter(|code| !self.is_taken(code.as_str())).cloned().collect();
        free.sort_unstable();
        free.dedup();
        if free.len() < takers.len() {
            return Err((None, Violation::NoFreeCode));
        }
        let is_single_use = ask.is_single_use;
        let coupon = |(code, advocate)| Coupon {
            code,
            campaign: campaign.cloned(),
            advocate,
            is_single_use,
            used_by: None,
            issued_at: now,
        };
        let issued: Vec<Coupon> = free.into_iter().zip(takers).map(coupon).collect();
        for coupon in &issued {
            self.put_coupon(coupon.clone());
        }
        Ok(issued)
    }

    /// Takes in a code that was made elsewhere; whether it is new.
    pub(crate) fn import_coupon(&mut self, new: &NewCoupon, now: Timestamp) -> Result<bool, Violation> {
        let campaign = new.campaign.as_ref();
        if let Some(unknown) = campaign.filter(|id| !self.campaigns.contains_key(*id)) {
            return Err(Violation::CampaignNotFound(unknown.clone()));
        }
        if let Some(stored) = self.coupons.get(&new.code) {
            // whoever it belongs to need not be eligible any more; one that was put into a pool may have been drawn since
            let who = new.advocate.as_ref().map(|who| self.people.find_known(who)).transpose()?;
            let is_same = stored.campaign == new.campaign
                && stored.is_single_use == new.is_single_use
                && who.is_none_or(|who| stored.advocate == Some(who.id));
            return if is_same { Ok(false) } else { Err(Violation::CodeTaken) };
        }
        if self.is_taken(new.code.as_str()) {
            return Err(Violation::CodeTaken);
        }
        let advocate = new.advocate.as_ref().map(|who| self.taker(who, campaign)).transpose()?;
        self.put_coupon(Coupon {
            code: new.code.clone(),
            campaign: new.campaign.clone(),
            advocate,
            is_single_use: new.is_single_use,
            used_by: None,
            issued_at: now,
        });
        Ok(true)
    }

    /// Whether a code of any kind has this text: they are told apart by nothing else.
    pub(super) fn is_taken(&self, text: &str) -> bool {
        self.coupons.has(text) || self.codes.has(text)
    }

    /// Who may have a code of the campaign (A5), or a global one.
    fn taker(&self, who: &ContactRef, campaign: Option<&CampaignId>) -> Result<ContactId, Violation> {
        let advocate = self.people.find_known(who)?;
        let is_eligible = match campaign.and_then(|id| self.campaigns.get(id)) {
            Some(campaign) => advocate.is_eligible(campaign),
            None => advocate.status == ContactStatus::Enrolled,
        };
        if is_eligible { Ok(advocate.id) } else { Err(Violation::AdvocateNotEligible) }
    }

    fn put_coupon(&mut self, coupon: Coupon) {
        self.touch(&coupon.code);
        self.coupons.put(Tracked::created(coupon));
    }
}
