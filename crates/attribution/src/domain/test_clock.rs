//! Moving a sandbox's test clock (M4).

use types::{TenantId, Timestamp};

use super::{Book, Fact, Violation};

/// How a test clock is to be moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClockMove {
    /// To this moment.
    To(Timestamp),
    /// Forward by this long.
    By(time::Duration),
}

impl Book {
    /// Moves the clock forward; what it shows then. To where it stands already is no move.
    pub(crate) fn move_clock(&mut self, tenant: &TenantId, how: ClockMove) -> Result<Timestamp, Violation> {
        if !tenant.is_sandbox() {
            return Err(Violation::NotASandbox);
        }
        let to = match (how, self.test_clock) {
            (ClockMove::To(to), _) => to,
            (ClockMove::By(length), Some(shows)) => {
                shows.checked_add(length).ok_or(Violation::ClockOutOfRange)?
            }
            (ClockMove::By(_), None) => return Err(Violation::TestClockNotFound),
        };
        match self.test_clock {
            Some(shows) if to < shows => return Err(Violation::ClockBackwards),
            Some(shows) if to == shows => {}
            _ => {
                self.test_clock = Some(to);
                self.touch(tenant);
                self.record(to, Fact::ClockMoved(to));
            }
        }
        Ok(to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: time::Duration = time::Duration::DAY;

    fn sandbox() -> TenantId {
        "test-a".parse().unwrap()
    }

    #[test]
    fn m4_a_clock_moves_forward_only_and_once_per_move() {
        let start = Timestamp::UNIX_EPOCH;
        let mut book = Book::default();
        assert_eq!(book.move_clock(&sandbox(), ClockMove::By(DAY)), Err(Violation::TestClockNotFound));
        assert_eq!(book.move_clock(&sandbox(), ClockMove::To(start)), Ok(start));
        assert_eq!(book.move_clock(&sandbox(), ClockMove::To(start)), Ok(start));
        assert_eq!(book.move_clock(&sandbox(), ClockMove::By(DAY)), Ok(start + DAY));
        assert_eq!(book.move_clock(&sandbox(), ClockMove::To(start)), Err(Violation::ClockBackwards));
        assert_eq!(book.events.len(), 2);
    }

    #[test]
    fn m4_only_sandboxes_have_a_test_clock() {
        let mut book = Book::default();
        let to = ClockMove::To(Timestamp::UNIX_EPOCH);
        assert_eq!(book.move_clock(&"acme".parse().unwrap(), to), Err(Violation::NotASandbox));
    }
}
