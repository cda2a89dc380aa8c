//! Visits: who came through whose shortcode, and for how long that is evidence (A8).

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use types::{CampaignId, ContactId, IdError, Shortcode, Timestamp, new_id};
use uuid::Uuid;

use super::{Book, Moment, UnresolvedReason, Violation};

/// What the user agents of those have that are no people, in lower case. A caller that knows better says so.
const BOTS: [&str; 14] = [
    "bot",
    "crawl",
    "spider",
    "slurp",
    "headless",
    "lighthouse",
    "facebookexternalhit",
    "whatsapp",
    "preview",
    "monitor",
    "curl/",
    "wget",
    "python-requests",
    "go-http-client",
];

/// The caller's own id of a browser; compared exactly. `Debug` shows no part of it (A13).
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct VisitorId(String);

impl VisitorId {
    const MAX_BYTES: usize = 128;

    /// The id as text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for VisitorId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        match text {
            "" => Err(IdError::Empty),
            _ if text.len() > Self::MAX_BYTES => Err(IdError::TooLong(Self::MAX_BYTES)),
            _ if text.trim() != text || text.chars().any(char::is_control) => {
                Err(IdError::Form("printable text without spaces at its ends"))
            }
            _ => Ok(Self(text.to_owned())),
        }
    }
}

impl fmt::Debug for VisitorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VisitorId(…)")
    }
}

/// Where a visit came from, without what tells the person: all that is kept of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Network(String);

impl Network {
    /// The network of an address: the first 24 bits of IPv4, the first 48 of IPv6.
    pub(crate) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => {
                let [a, b, c, _] = v4.octets();
                Self(format!("{}/24", Ipv4Addr::new(a, b, c, 0)))
            }
            IpAddr::V6(v6) => {
                let [a, b, c, ..] = v6.segments();
                Self(format!("{}/48", Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0)))
            }
        }
    }

    /// As it was stored.
    pub(crate) fn stored(text: String) -> Self {
        Self(text)
    }

    /// Such as `203.0.113.0/24`.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The path of a page, without what comes after it: a query may hold anything about anybody.
pub(crate) fn path_of(landing_page: &str) -> &str {
    landing_page.split(['?', '#']).next().unwrap_or_default()
}

/// Whether a user agent is that of a machine.
pub(crate) fn is_bot(user_agent: &str) -> bool {
    let agent = user_agent.to_ascii_lowercase();
    BOTS.iter().any(|bot| agent.contains(bot))
}

/// Says that somebody came through a shortcode.
#[derive(Debug, Clone)]
pub(crate) struct NewVisit {
    /// Who.
    pub(crate) visitor: VisitorId,
    /// Through which.
    pub(crate) shortcode: Shortcode,
    /// What is known of it besides.
    pub(crate) about: About,
}

/// What is known of a visit, and does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct About {
    /// Such as `e-mail`.
    pub(crate) channel: String,
    /// Such as `newsletter-7`.
    pub(crate) source: String,
    /// Path of the page.
    pub(crate) landing_path: String,
    /// As the browser says it.
    pub(crate) user_agent: String,
    /// Where from.
    pub(crate) network: Option<Network>,
    /// Whether it was a machine; such visits never count.
    pub(crate) is_bot: bool,
}

/// A visit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Visit {
    /// Made by us.
    pub(crate) id: Uuid,
    /// Who.
    pub(crate) visitor: VisitorId,
    /// Through which.
    pub(crate) shortcode: Shortcode,
    /// The campaign of the shortcode.
    pub(crate) campaign: CampaignId,
    /// The advocate of the shortcode.
    pub(crate) advocate: ContactId,
    /// What is known of it besides.
    pub(crate) about: About,
    /// When.
    pub(crate) occurred_at: Timestamp,
}

/// The visits of a slice.
#[derive(Debug, Default)]
pub(crate) struct Visits {
    of: HashMap<VisitorId, Vec<Visit>>,
    created: Vec<Visit>,
}

impl Visits {
    /// Takes in a stored visit.
    pub(crate) fn add(&mut self, visit: Visit) {
        self.of.entry(visit.visitor.clone()).or_default().push(visit);
    }

    /// Those of a visitor.
    pub(crate) fn of(&self, visitor: &VisitorId) -> impl Iterator<Item = &Visit> {
        self.of.get(visitor).into_iter().flatten()
    }

    /// New visits, in order.
    pub(crate) fn created(&self) -> &[Visit] {
        &self.created
    }
}

impl Book {
    /// Logs a visit; whether it is new. The same visitor, shortcode and moment are the same visit.
    pub(crate) fn visit(&mut self, new: &NewVisit, when: Moment) -> Result<(Visit, bool), Violation> {
        let is_same =
            |visit: &&Visit| visit.shortcode == new.shortcode && visit.occurred_at == when.occurred_at;
        if let Some(known) = self.visits.of(&new.visitor).find(is_same) {
            return Ok((known.clone(), false));
        }
        let (campaign, advocate) = self.resolve(&new.shortcode).map_err(|_| Violation::CodeNotFound)?;
        let visit = Visit {
            id: new_id(when.now),
            visitor: new.visitor.clone(),
            shortcode: new.shortcode.clone(),
            campaign: campaign.clone(),
            advocate,
            about: new.about.clone(),
            occurred_at: when.occurred_at,
        };
        self.touch(&visit.id);
        self.visits.created.push(visit.clone());
        self.visits.add(visit.clone());
        Ok((visit, true))
    }

    /// The newest visit of a person that counts at `at`: in this campaign, or in any, within its window (A8). One through an
    /// advocate who is eligible in a campaign that is active goes before one that can come to nothing (A5).
    pub(super) fn visit_that_counts(
        &self,
        visitor: &VisitorId,
        campaign: Option<&CampaignId>,
        at: Timestamp,
    ) -> Result<&Visit, UnresolvedReason> {
        let is_meant = |visit: &&Visit| {
            !visit.about.is_bot && visit.occurred_at <= at && campaign.is_none_or(|id| visit.campaign == *id)
        };
        let meant: Vec<&Visit> = self.visits.of(visitor).filter(is_meant).collect();
        if meant.is_empty() {
            return Err(UnresolvedReason::UnknownCode);
        }
        let counts = |visit: &&Visit| {
            let window = self.campaigns.get(&visit.campaign).map(|campaign| campaign.policies.window);
            let window = time::Duration::days(window.unwrap_or_default().days().into());
            at - visit.occurred_at <= window
        };
        let best = meant.into_iter().filter(counts).max_by_key(|visit| {
            let comes_to_something = self.campaigns.get(&visit.campaign).is_some_and(|campaign| {
                campaign.is_active_at(at)
                    && self.people.get(visit.advocate).is_some_and(|advocate| advocate.is_eligible(campaign))
            });
            (comes_to_something, visit.occurred_at, visit.id)
        });
        best.ok_or(UnresolvedReason::OutsideWindow)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a8_an_address_is_kept_as_its_network() {
        for (address, network) in [
            ("203.0.113.77", "203.0.113.0/24"),
            ("::ffff:203.0.113.77", "203.0.113.0/24"),
            ("2001:db8:1234:5678::1", "2001:db8:1234::/48"),
        ] {
            assert_eq!(Network::of(address.parse().unwrap()).as_str(), network);
        }
    }

    #[test]
    fn a8_of_a_page_the_path_is_kept_and_no_query() {
        for (page, path) in
            [("/a?email=ann@example.com", "/a"), ("/a#ann?x", "/a"), ("/a/b", "/a/b"), ("", "")]
        {
            assert_eq!(path_of(page), path);
        }
    }

    #[test]
    fn a8_machines_are_told_by_their_user_agents() {
        assert!(is_bot("Mozilla/5.0 (compatible; Googlebot/2.1)") && is_bot("curl/8.5.0"));
        assert!(
            !is_bot("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0") && !is_bot("")
        );
    }
}
