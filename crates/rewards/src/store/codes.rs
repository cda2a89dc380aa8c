//! Enumerations as the small numbers that are stored: the same as in the contract.

use crate::domain::decision::Outcome;
use crate::domain::ledger::{Account, Cause};
use crate::domain::program::Beneficiary;
use crate::domain::reward::State;
use crate::domain::standing::Told;

/// A value that is stored as a small number.
pub(crate) trait Code: Copy + Sized {
    /// The number.
    fn code(self) -> i16;
    /// The value of a stored number; `place` is table and column, for the error.
    fn read(place: &'static str, code: i16) -> Result<Self, pg::Error>;
}

macro_rules! codes {
    ($type:ty { $($code:literal => $value:path),* $(,)? }) => {
        impl Code for $type {
            fn code(self) -> i16 {
                match self {
                    $($value => $code,)*
                }
            }

            fn read(place: &'static str, code: i16) -> Result<Self, pg::Error> {
                match code {
                    $($code => Ok($value),)*
                    other => Err(pg::Error::unreadable(place, other)),
                }
            }
        }
    };
}

codes!(Beneficiary {
    1 => Beneficiary::Advocate,
    2 => Beneficiary::ReferredContact,
    3 => Beneficiary::Contact,
});

codes!(State {
    1 => State::Pending,
    2 => State::Approved,
    3 => State::Processing,
    4 => State::Fulfilled,
    5 => State::Denied,
    6 => State::Flagged,
    7 => State::Reversed,
});

codes!(Outcome {
    1 => Outcome::Created,
    2 => Outcome::ConditionFalse,
    3 => Outcome::NoAttribution,
    4 => Outcome::ZeroAmount,
    5 => Outcome::NoOrder,
    6 => Outcome::CurrencyMismatch,
    7 => Outcome::BeforeProgram,
    8 => Outcome::Inferred,
    9 => Outcome::Parked,
});

codes!(Account {
    1 => Account::Budget,
    2 => Account::Pending,
    3 => Account::Payable,
    4 => Account::Paid,
    5 => Account::Receivable,
});

codes!(Cause {
    1 => Cause::Created,
    2 => Cause::HoldOver,
    3 => Cause::OnApproval,
    4 => Cause::ByHand,
    5 => Cause::Refunded,
    6 => Cause::Netted,
});

codes!(Told {
    1 => Told::Flagged,
    2 => Told::Unflagged,
    3 => Told::Banned,
    4 => Told::NotBanned,
});
