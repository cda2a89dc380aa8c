//! Time is passed in (M4): nothing outside this module asks the machine what time it is.

use std::sync::{Arc, Mutex, PoisonError};

/// A moment in UTC. Stored by Postgres to the microsecond, so every clock here yields whole microseconds.
pub type Timestamp = time::OffsetDateTime;

/// Where the current time comes from.
pub trait Clock: Send + Sync + std::fmt::Debug + 'static {
    /// The present moment, in whole microseconds.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    fn now(&self) -> Timestamp {
        truncate(time::OffsetDateTime::now_utc())
    }
}

/// A clock that stands still until it is told to move; for tests.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<Mutex<Timestamp>>);

impl ManualClock {
    /// A clock that shows `at`.
    pub fn at(at: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(truncate(at))))
    }

    /// Moves the clock to `at`.
    pub fn set(&self, at: Timestamp) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = truncate(at);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn truncate(at: Timestamp) -> Timestamp {
    let micros = at.microsecond();
    at.replace_microsecond(micros).unwrap_or(at)
}
