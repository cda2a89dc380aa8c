//! Test clocks move forward only (M4).

use types::Timestamp;

/// What a clock shows after it was told to show `to`; `None` if it does not move, so that a repeated fact has no effect.
pub(crate) fn advance(shows: Option<Timestamp>, to: Timestamp) -> Option<Timestamp> {
    (shows.is_none_or(|now| to > now)).then_some(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m4_a_test_clock_only_moves_forward() {
        let at = |days| Timestamp::UNIX_EPOCH + time::Duration::days(days);
        assert_eq!(advance(None, at(1)), Some(at(1)));
        assert_eq!(advance(Some(at(1)), at(2)), Some(at(2)));
        assert_eq!(advance(Some(at(2)), at(2)), None);
        assert_eq!(advance(Some(at(2)), at(1)), None);
    }
}
