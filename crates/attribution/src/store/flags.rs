//! Flags of a contact, as their column has them: a JSON list, for a contact has one of each cause at most.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use types::Timestamp;

use crate::domain::{Flag, FlagCause, Statement};

/// One flag.
#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    cause: i16,
    #[serde(with = "time::serde::rfc3339")]
    flagged_at: Timestamp,
    raised: Option<Said>,
    lifted: Option<Lifted>,
}

/// What a person says.
#[derive(Debug, Serialize, Deserialize)]
struct Said {
    reason: String,
    principal: String,
}

/// When and why it was lifted.
#[derive(Debug, Serialize, Deserialize)]
struct Lifted {
    #[serde(with = "time::serde::rfc3339")]
    at: Timestamp,
    said: Said,
}

impl From<&Statement> for Said {
    fn from(statement: &Statement) -> Self {
        Self { reason: statement.reason.clone(), principal: statement.principal.to_string() }
    }
}

impl From<Said> for Statement {
    fn from(said: Said) -> Self {
        Self { reason: said.reason, principal: said.principal.into() }
    }
}

/// As it is stored.
pub(super) fn write(flags: &BTreeMap<FlagCause, Flag>) -> Result<String, pg::Error> {
    let stored = flags.iter().map(|(cause, flag)| Stored {
        cause: cause.number(),
        flagged_at: flag.flagged_at,
        raised: flag.statement.as_ref().map(Said::from),
        lifted: flag.lifted.as_ref().map(|(at, said)| Lifted { at: *at, said: said.into() }),
    });
    // the text itself must not get into the log
    serde_json::to_string(&stored.collect::<Vec<_>>())
        .map_err(|_| pg::Error::unreadable("contacts.flags", "flags"))
}

/// As it was stored.
pub(super) fn read(json: &str) -> Result<BTreeMap<FlagCause, Flag>, pg::Error> {
    let stored: Vec<Stored> =
        serde_json::from_str(json).map_err(|_| pg::Error::unreadable("contacts.flags", "not flags"))?;
    let flag = |stored: Stored| {
        let cause = super::number(FlagCause::from_number(stored.cause), "contacts.flags", stored.cause)?;
        let flag = Flag {
            statement: stored.raised.map(Statement::from),
            flagged_at: stored.flagged_at,
            lifted: stored.lifted.map(|lifted| (lifted.at, lifted.said.into())),
        };
        Ok((cause, flag))
    };
    stored.into_iter().map(flag).collect()
}
