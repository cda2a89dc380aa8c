//! Rules and versions of a reward program (R1).

use definitions::condition::Condition;
use types::{BasisPoints, CampaignId, JourneyKey, Money, RuleKey, StageKey, Timestamp};

/// As what somebody gets a reward (R1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Beneficiary {
    /// The attribution's advocate.
    Advocate,
    /// The attribution's referred contact.
    ReferredContact,
    /// The run's own contact; needs no attribution.
    Contact,
}

impl Beneficiary {
    /// Whether there is no such beneficiary without an attribution (R4).
    pub fn needs_attribution(self) -> bool {
        match self {
            Self::Advocate | Self::ReferredContact => true,
            Self::Contact => false,
        }
    }
}

/// How much a rule gives (R2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Amount {
    /// Always the same.
    Fixed(Money),
    /// A share of the order's revenue after refunds, within bounds of one currency.
    Percent {
        /// The share.
        share: BasisPoints,
        /// Never less than this.
        floor: Option<Money>,
        /// Never more than this.
        ceiling: Option<Money>,
    },
}

/// What approves a reward (R1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Approval {
    /// The end of its hold.
    Automatic,
    /// A person.
    ByHand,
}

/// What fulfils an approved reward (R1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fulfilment {
    /// Its approval.
    OnApproval,
    /// A person.
    ByHand,
}

/// How the amount falls when the order is refunded (R9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refund {
    /// With the order's revenue.
    ProRata,
    /// To nothing, once nothing is left of it.
    FullOnly,
}

impl Amount {
    /// How it falls unless the rule says so: only a fixed amount stays until nothing is left.
    pub fn refund(&self) -> Refund {
        match self {
            Self::Fixed(_) => Refund::FullOnly,
            Self::Percent { .. } => Refund::ProRata,
        }
    }
}

/// A rule that creates a reward.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Stable across versions.
    pub key: RuleKey,
    /// Acts on transitions of this journey,
    pub journey: JourneyKey,
    /// into this stage.
    pub stage: StageKey,
    /// Who gets it.
    pub beneficiary: Beneficiary,
    /// How much.
    pub amount: Amount,
    /// How that falls with refunds of the order (R9).
    pub refund: Refund,
    /// Only where this holds.
    pub when: Option<Condition>,
    /// How long it waits before it is approved.
    pub hold: time::Duration,
    /// What approves it.
    pub approval: Approval,
    /// What fulfils it.
    pub fulfilment: Fulfilment,
    /// Whether it acts on inferred transitions too (R4).
    pub inferred: bool,
}

/// What a YAML definition says.
#[derive(Debug, Clone)]
pub struct Definition {
    /// For people.
    pub name: String,
    /// The campaign it belongs to.
    pub campaign: CampaignId,
    /// When it takes effect, if it says.
    pub effective_from: Option<EffectiveFrom>,
    /// In their order.
    pub rules: Vec<Rule>,
}

/// A moment, and where in the definition it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EffectiveFrom {
    /// The moment.
    pub at: Timestamp,
    /// Line and column, from 1.
    pub place: (u32, u32),
}

/// A published version of a program.
#[derive(Debug, Clone)]
pub struct Version {
    /// Counts from 1.
    pub version: i32,
    /// Transitions from here on are judged by it.
    pub effective_from: Timestamp,
    /// Up to this position of the transition stream it was not known yet.
    pub after_position: i64,
    /// In their order.
    pub rules: Vec<Rule>,
}

/// All versions of a campaign's program, oldest first; never empty.
#[derive(Debug, Clone)]
pub struct Program {
    first: Version,
    later: Vec<Version>,
}

/// What judges a transition.
#[derive(Debug, Clone, Copy)]
pub enum Judge<'a> {
    /// The version in force at its `occurred_at`.
    InForce(&'a Version),
    /// It is older than the first version, whose rules are considered and do not act.
    BeforeProgram(&'a Version),
}

impl<'a> Judge<'a> {
    /// The version to record; 0 before the first.
    pub fn version(self) -> i32 {
        match self {
            Self::InForce(version) => version.version,
            Self::BeforeProgram(_) => 0,
        }
    }

    /// The rules considered.
    pub fn rules(self) -> &'a [Rule] {
        match self {
            Self::InForce(version) | Self::BeforeProgram(version) => &version.rules,
        }
    }
}

impl Program {
    /// A program of these versions, oldest first; `None` without any.
    pub fn new(versions: Vec<Version>) -> Option<Self> {
        let mut versions = versions.into_iter();
        Some(Self { first: versions.next()?, later: versions.collect() })
    }

    /// The newest version.
    pub fn newest(&self) -> &Version {
        self.later.last().unwrap_or(&self.first)
    }

    /// What judges a transition of `at` (R1).
    pub fn judge(&self, at: Timestamp) -> Judge<'_> {
        self.judge_as_of(at, i64::MAX).unwrap_or(Judge::BeforeProgram(&self.first))
    }

    /// The same among the versions that were known when the transition stream stood before `position`; `None` if none
    /// was.
    pub fn judge_as_of(&self, at: Timestamp, position: i64) -> Option<Judge<'_>> {
        if self.first.after_position >= position {
            return None;
        }
        let known = self.versions().filter(|version| version.after_position < position);
        let in_force = known.filter(|version| version.effective_from <= at).last();
        Some(in_force.map_or(Judge::BeforeProgram(&self.first), Judge::InForce))
    }

    /// The judge that a decision names: a version, or 0 for none in force.
    pub fn named(&self, version: i32) -> Option<Judge<'_>> {
        match version {
            0 => Some(Judge::BeforeProgram(&self.first)),
            _ => self.versions().find(|v| v.version == version).map(Judge::InForce),
        }
    }

    /// The first version.
    pub fn first(&self) -> &Version {
        &self.first
    }

    fn versions(&self) -> impl Iterator<Item = &Version> {
        std::iter::once(&self.first).chain(&self.later)
    }
}

/// The next version would take effect too early; the text follows `effective_from`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionRefused(pub String);

/// When the next version takes effect: as the definition says, else now. `newest` is the version before it.
pub fn effective_from(
    said: Option<Timestamp>,
    newest: Option<(i32, Timestamp)>,
    now: Timestamp,
) -> Result<Timestamp, VersionRefused> {
    let Some((version, before)) = newest else { return Ok(said.unwrap_or(now)) };
    // a test clock may stand still between versions: then each takes effect right after the one before it
    let stands_still = (now..now.saturating_add(time::Duration::SECOND)).contains(&before);
    let default = if stands_still { before.saturating_add(time::Duration::MICROSECOND) } else { now };
    let at = said.unwrap_or(default);
    if at <= before {
        return Err(VersionRefused(format!("must lie after that of version {version}, {before}")));
    }
    if at < now {
        return Err(VersionRefused(format!("must not lie before now, {now}")));
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn version(version: i32, effective_from: Timestamp, after_position: i64) -> Version {
        Version { version, effective_from, after_position, rules: Vec::new() }
    }

    fn program() -> Program {
        let first = version(1, datetime!(2026-01-01 0:00 UTC), 0);
        Program::new(vec![first, version(2, datetime!(2026-02-01 0:00 UTC), 50)]).unwrap()
    }

    #[test]
    fn r1_the_version_in_force_at_the_transition_judges_it() {
        let judged = |at| program().judge(at).version();
        assert_eq!(judged(datetime!(2025-12-31 23:59:59 UTC)), 0);
        assert_eq!(judged(datetime!(2026-01-01 0:00 UTC)), 1);
        assert_eq!(judged(datetime!(2026-01-31 23:59:59 UTC)), 1);
        assert_eq!(judged(datetime!(2026-02-01 0:00 UTC)), 2);
    }

    #[test]
    fn r10_a_version_is_not_expected_of_events_before_it_was_known() {
        let judged =
            |position| program().judge_as_of(datetime!(2026-02-01 0:00 UTC), position).map(Judge::version);
        assert_eq!((judged(0), judged(50), judged(51)), (None, Some(1), Some(2)));
    }

    #[test]
    fn r1_only_the_first_version_may_lie_in_the_past() {
        let now = datetime!(2026-03-01 0:00 UTC);
        let past = datetime!(2020-01-01 0:00 UTC);
        let newest = Some((1, datetime!(2026-01-01 0:00 UTC)));
        assert_eq!(effective_from(Some(past), None, now), Ok(past));
        assert_eq!(effective_from(None, None, now), Ok(now));
        assert_eq!(effective_from(None, newest, now), Ok(now));
        let between = datetime!(2026-02-01 0:00 UTC);
        for at in [past, between] {
            assert!(matches!(effective_from(Some(at), newest, now), Err(VersionRefused(_))));
        }
    }

    #[test]
    fn r1_a_version_takes_effect_after_the_one_before_it() {
        let now = datetime!(2026-03-01 0:00 UTC);
        let later = datetime!(2026-04-01 0:00 UTC);
        assert!(effective_from(Some(later), Some((1, later)), now).is_err());
        assert!(effective_from(None, Some((1, later)), now).is_err());
        // a test clock that stands still does not stop a second version
        assert!(effective_from(None, Some((1, now)), now).unwrap() > now);
    }
}
