//! The states of a reward, and which may follow which (R3).

/// Where a reward stands (R3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Waits for its hold, or for approval by hand.
    Pending,
    /// To be fulfilled.
    Approved,
    /// Being fulfilled.
    Processing,
    /// Paid.
    Fulfilled,
    /// Not to be paid.
    Denied,
    /// Pending, and waits for a person, since its beneficiary is flagged (A9).
    Flagged,
    /// Was paid, and nothing of it is due any more (R9).
    Reversed,
}

/// The state does not allow it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAllowed(pub State);

impl State {
    /// PENDING or FLAGGED -> APPROVED; the latter by a person only.
    pub fn approve(self) -> Result<Self, NotAllowed> {
        match self {
            Self::Pending | Self::Flagged => Ok(Self::Approved),
            other => Err(NotAllowed(other)),
        }
    }

    /// APPROVED -> PROCESSING.
    pub fn process(self) -> Result<Self, NotAllowed> {
        match self {
            Self::Approved => Ok(Self::Processing),
            other => Err(NotAllowed(other)),
        }
    }

    /// PROCESSING -> FULFILLED.
    pub fn fulfil(self) -> Result<Self, NotAllowed> {
        match self {
            Self::Processing => Ok(Self::Fulfilled),
            other => Err(NotAllowed(other)),
        }
    }

    /// PENDING, FLAGGED or APPROVED -> DENIED.
    pub fn deny(self) -> Result<Self, NotAllowed> {
        match self {
            Self::Pending | Self::Flagged | Self::Approved => Ok(Self::Denied),
            other => Err(NotAllowed(other)),
        }
    }

    /// DENIED -> PENDING.
    pub fn reopen(self) -> Result<Self, NotAllowed> {
        match self {
            Self::Denied => Ok(Self::Pending),
            other => Err(NotAllowed(other)),
        }
    }

    /// PENDING -> FLAGGED.
    pub fn flag(self) -> Result<Self, NotAllowed> {
        match self {
            Self::Pending => Ok(Self::Flagged),
            other => Err(NotAllowed(other)),
        }
    }

    /// FLAGGED -> PENDING.
    pub fn unflag(self) -> Result<Self, NotAllowed> {
        match self {
            Self::Flagged => Ok(Self::Pending),
            other => Err(NotAllowed(other)),
        }
    }

    /// Where a reward of which nothing is due goes (R9): PENDING, FLAGGED or APPROVED -> DENIED, FULFILLED -> REVERSED.
    pub fn refund(self) -> Result<Self, NotAllowed> {
        match self {
            Self::Fulfilled => Ok(Self::Reversed),
            other => other.deny(),
        }
    }
}
