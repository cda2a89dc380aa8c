//! A journey at one version (J1, J2): what was written, checked and ready to be judged by.

use definitions::condition::Condition;
use definitions::duration::HumanDuration;
use serde::Deserialize;
use types::{BasisPoints, CampaignId, JourneyKey, StageKey};

/// Whether the order of steps is enforced (J4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Sequence {
    /// A step needs every non-optional step before it.
    Required,
    /// Any stage at any time.
    Optional,
}

/// What becomes of an entry by trigger while a step before it is missing (J4).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum OnGap {
    /// It waits until the step is entered.
    #[default]
    Wait,
    /// The missing steps are entered, marked inferred.
    Fill,
    /// It is refused.
    Refuse,
}

/// Whether a run may start again after it ended (J3).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Restart {
    /// One run for good.
    #[default]
    Never,
    /// The next entry after a terminal stage starts another run.
    AfterTerminal,
}

/// What kind of stage it is (J2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Kind {
    /// Part of the order.
    #[default]
    Step,
    /// Reachable at any time in a run, never part of the order, never starts a run.
    Exception,
}

/// What a trigger listens to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signal {
    /// An attribution became active.
    AttributionActivated,
    /// A contact became enrolled.
    ContactEnrolled,
    /// A contact was given tags, or lost some.
    ContactTagged,
    /// A contact joined a segment.
    SegmentJoined,
    /// A contact left a segment.
    SegmentLeft,
    /// An order is new.
    OrderRecorded,
    /// An order's content changed.
    OrderUpdated,
    /// Revenue of an order was given back.
    OrderRefunded,
    /// An order was cancelled.
    OrderCancelled,
    /// A run of another journey entered a stage.
    StageEntered {
        /// The other journey.
        journey: JourneyKey,
        /// Its stage.
        stage: StageKey,
    },
}

impl Signal {
    /// Whether it is about an order, so that conditions may read `order`.
    pub fn is_of_order(&self) -> bool {
        matches!(self, Self::OrderRecorded | Self::OrderUpdated | Self::OrderRefunded | Self::OrderCancelled)
    }

    /// As definitions write it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::AttributionActivated => "attribution.activated",
            Self::ContactEnrolled => "contact.enrolled",
            Self::ContactTagged => "contact.tagged",
            Self::SegmentJoined => "segment.joined",
            Self::SegmentLeft => "segment.left",
            Self::OrderRecorded => "order.recorded",
            Self::OrderUpdated => "order.updated",
            Self::OrderRefunded => "order.refunded",
            Self::OrderCancelled => "order.cancelled",
            Self::StageEntered { .. } => "stage.entered",
        }
    }
}

/// One way into a stage (J7).
#[derive(Debug, Clone)]
pub struct Trigger {
    /// What it listens to.
    pub signal: Signal,
    /// What must hold besides.
    pub when: Option<Condition>,
}

impl PartialEq for Trigger {
    fn eq(&self, other: &Self) -> bool {
        let source = |t: &Self| t.when.as_ref().map(|condition| condition.source().to_owned());
        self.signal == other.signal && source(self) == source(other)
    }
}

/// A way into a stage by time (J7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// The stage that sets the timer.
    pub after: StageKey,
    /// How long after that.
    pub wait: HumanDuration,
    /// Stages that make it moot when they are entered before, under the same key.
    pub unless: Vec<StageKey>,
}

/// What makes a stage hard for people (J2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PainPoint {
    /// What it is.
    pub pain: String,
    /// What is done about it; empty if nothing.
    pub remedy: String,
}

/// What a stage carries for people (J2); no rule reads it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notes {
    /// Where people meet the company in it.
    pub touch_points: Vec<String>,
    /// What makes it hard for them.
    pub pain_points: Vec<PainPoint>,
    /// Whether it is one that decides whether they go on.
    pub moment_of_truth: bool,
}

/// One checkpoint of a journey (J2).
#[derive(Debug, Clone, PartialEq)]
pub struct Stage {
    /// Unique in its journey.
    pub key: StageKey,
    /// For people.
    pub name: String,
    /// For people, longer.
    pub description: String,
    /// Step or exception.
    pub kind: Kind,
    /// May be skipped in a REQUIRED sequence.
    pub optional: bool,
    /// May be entered again under another occurrence key (J5).
    pub repeatable: bool,
    /// Ends its occurrence, or the run (J6).
    pub terminal: bool,
    /// The ways in, besides calls.
    pub enter_on: Vec<Trigger>,
    /// The ways in by time.
    pub enter_after: Vec<Wait>,
    /// What is known of it for people.
    pub notes: Notes,
}

/// What a journey is to achieve (J1); the funnel reports against it, and nothing else reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Goal {
    /// The step that runs are to enter.
    pub stage: StageKey,
    /// How many of those that enter the first step are to; above zero.
    pub rate: BasisPoints,
    /// Until when.
    pub by: time::Date,
}

/// A journey at one version.
#[derive(Debug, Clone, PartialEq)]
pub struct Definition {
    /// Unique in its tenant.
    pub journey: JourneyKey,
    /// For people.
    pub name: String,
    /// Whether the order of steps is enforced.
    pub sequence: Sequence,
    /// What becomes of entries that come too early.
    pub on_gap: OnGap,
    /// Whether an ended run may start again.
    pub restart: Restart,
    /// What it is to achieve, if that was written.
    pub goal: Option<Goal>,
    /// In their order.
    pub stages: Vec<Stage>,
}

impl Definition {
    /// Where a stage stands.
    pub fn index_of(&self, stage: &StageKey) -> Option<usize> {
        self.stages.iter().position(|s| s.key == *stage)
    }

    /// A stage by its key.
    pub fn stage(&self, stage: &StageKey) -> Option<&Stage> {
        self.stages.iter().find(|s| s.key == *stage)
    }

    /// The steps in their order.
    pub fn steps(&self) -> impl DoubleEndedIterator<Item = &Stage> {
        self.stages.iter().filter(|s| s.kind == Kind::Step)
    }

    /// Whether funnels of both count the same way: the same stages of the same kinds in the same order.
    pub fn counts_like(&self, other: &Self) -> bool {
        let shape = |d: &Self| d.stages.iter().map(|s| (s.key.clone(), s.kind)).collect::<Vec<_>>();
        shape(self) == shape(other)
    }

    /// The timers: what they enter, and when.
    pub fn timers(&self) -> impl Iterator<Item = (&Stage, &Wait)> {
        self.stages.iter().flat_map(|stage| stage.enter_after.iter().map(move |wait| (stage, wait)))
    }

    /// The timers that a stage sets.
    pub fn timers_after<'a>(&'a self, after: &'a StageKey) -> impl Iterator<Item = (&'a Stage, &'a Wait)> {
        self.timers().filter(move |(_, wait)| wait.after == *after)
    }

    /// Whether it has any timer.
    pub fn has_timers(&self) -> bool {
        self.timers().next().is_some()
    }

    /// Whether any of its stages listens to `signal`.
    pub fn listens_to(&self, signal: &Signal) -> bool {
        self.stages.iter().flat_map(|s| &s.enter_on).any(|t| t.signal == *signal)
    }
}

/// Which campaigns a journey is applied to (J14).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Campaigns {
    /// Every campaign.
    All,
    /// What has no campaign.
    None,
    /// These, sorted.
    Listed(Vec<CampaignId>),
}

impl Campaigns {
    /// Whether what happens in `campaign`, or in none, concerns the journey.
    pub fn include(&self, campaign: Option<&CampaignId>) -> bool {
        match (self, campaign) {
            (Self::All, Some(_)) | (Self::None, None) => true,
            (Self::Listed(listed), Some(campaign)) => listed.contains(campaign),
            (Self::All | Self::Listed(_), None) | (Self::None, Some(_)) => false,
        }
    }
}
