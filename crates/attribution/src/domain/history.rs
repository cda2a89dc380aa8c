//! What became of attributions and contacts, by whom and why (A10).

use std::sync::Arc;

use types::{AttributionId, CampaignId, ContactId, Origin, Timestamp};

use super::attribution::{Attribution, Standing};
use super::{Book, ContactStatus, Moment};

/// Who did it, when and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Circumstances {
    /// Who; empty until it is signed.
    pub(crate) principal: Arc<str>,
    /// By which RPC; empty until it is signed.
    pub(crate) method: Arc<str>,
    /// What the caller gave as the reason: personal data, and kept here alone (A13).
    pub(crate) reason: String,
    /// Business time.
    pub(crate) occurred_at: Timestamp,
    /// Real clock.
    pub(crate) recorded_at: Timestamp,
}

impl Circumstances {
    fn new(reason: &str, when: Moment) -> Self {
        Self {
            principal: Arc::default(),
            method: Arc::default(),
            reason: reason.to_owned(),
            occurred_at: when.occurred_at,
            recorded_at: when.now,
        }
    }

    fn sign(&mut self, origin: &Origin) {
        self.principal = Arc::clone(&origin.principal);
        // the RPC alone: which service it is of goes without saying
        self.method = origin.method.rsplit('/').next().unwrap_or_default().into();
    }
}

/// One change of an attribution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AttributionChange {
    /// Which.
    pub(crate) attribution: AttributionId,
    /// Its campaign.
    pub(crate) campaign: CampaignId,
    /// Its referred contact.
    pub(crate) contact: ContactId,
    /// Its advocate.
    pub(crate) advocate: ContactId,
    /// What it was; none if it came to be.
    pub(crate) from: Option<Standing>,
    /// What it is since.
    pub(crate) to: Standing,
    /// Who, when and why.
    pub(crate) by: Circumstances,
}

/// One change of a contact's status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StatusChange {
    /// Whose.
    pub(crate) contact: ContactId,
    /// What it was.
    pub(crate) from: ContactStatus,
    /// What it is since.
    pub(crate) to: ContactStatus,
    /// Who, when and why.
    pub(crate) by: Circumstances,
}

/// What a slice adds to the history, in order.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// Changes of attributions.
    pub(crate) attributions: Vec<AttributionChange>,
    /// Changes of contacts.
    pub(crate) contacts: Vec<StatusChange>,
    /// How many of each are signed.
    signed: (usize, usize),
}

impl History {
    /// Says who made the changes since the last call.
    pub(super) fn sign(&mut self, origin: &Origin) {
        let attributions = self.attributions.iter_mut().skip(self.signed.0).map(|change| &mut change.by);
        let contacts = self.contacts.iter_mut().skip(self.signed.1).map(|change| &mut change.by);
        attributions.chain(contacts).for_each(|by| by.sign(origin));
        self.signed = (self.attributions.len(), self.contacts.len());
    }
}

impl Book {
    /// Notes what became of an attribution that stood as `from` before, if anything did.
    pub(super) fn note_standing(
        &mut self,
        row: &Attribution,
        from: Option<Standing>,
        reason: &str,
        when: Moment,
    ) {
        if from == Some(row.standing()) {
            return;
        }
        self.history.attributions.push(AttributionChange {
            attribution: row.id,
            campaign: row.campaign.clone(),
            contact: row.contact,
            advocate: row.advocate,
            from,
            to: row.standing(),
            by: Circumstances::new(reason, when),
        });
    }

    /// Notes that a contact's status changed.
    pub(super) fn note_status(
        &mut self,
        contact: ContactId,
        (from, to): (ContactStatus, ContactStatus),
        reason: &str,
        when: Moment,
    ) {
        let by = Circumstances::new(reason, when);
        self.history.contacts.push(StatusChange { contact, from, to, by });
    }
}
