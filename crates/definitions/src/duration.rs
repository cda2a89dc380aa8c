//! Durations as people write them: `30d`, `12h`, `45m`, `90s`.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::Duration;

/// The longest duration: ten years of days.
pub const MAX: Duration = Duration::days(3650);

/// Units, largest first: that is the order in which [`HumanDuration`] picks the one it is shown in.
const UNITS: [(char, i64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// A duration of whole seconds between zero and [`MAX`], written as a number and one unit.
///
/// A day is always 24 hours. It is shown in the largest unit that leaves no remainder: `48h` becomes `2d`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HumanDuration(Duration);

impl HumanDuration {
    /// No time at all.
    pub const ZERO: Self = Self(Duration::ZERO);

    /// The duration.
    pub fn get(self) -> Duration {
        self.0
    }
}

/// A text or a duration that is not a [`HumanDuration`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// The text is not a number and a unit.
    #[error("expected a duration such as `30d`, `12h`, `45m` or `90s`")]
    Form,
    /// It is negative, or longer than [`MAX`].
    #[error("a duration is at most 3650d, and not negative")]
    Range,
    /// It has a fraction of a second.
    #[error("a duration is whole seconds")]
    Fraction,
}

impl TryFrom<Duration> for HumanDuration {
    type Error = DurationError;

    fn try_from(duration: Duration) -> Result<Self, DurationError> {
        if duration.is_negative() || duration > MAX {
            return Err(DurationError::Range);
        }
        if duration.subsec_nanoseconds() != 0 {
            return Err(DurationError::Fraction);
        }
        Ok(Self(duration))
    }
}

impl From<HumanDuration> for Duration {
    fn from(duration: HumanDuration) -> Self {
        duration.0
    }
}

impl std::str::FromStr for HumanDuration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        let (digits, unit_seconds) = UNITS
            .iter()
            .find_map(|(unit, seconds)| Some((text.strip_suffix(*unit)?, *seconds)))
            .ok_or(DurationError::Form)?;
        let plain = digits.bytes().all(|b| b.is_ascii_digit()) && !digits.is_empty();
        if !plain || (digits.len() > 1 && digits.starts_with('0')) {
            return Err(DurationError::Form);
        }
        let seconds = digits.parse::<i64>().ok().and_then(|n| n.checked_mul(unit_seconds));
        Self::try_from(Duration::seconds(seconds.ok_or(DurationError::Range)?))
    }
}

impl fmt::Display for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.whole_seconds();
        let (unit, size) = UNITS.into_iter().find(|(_, size)| seconds % size == 0).unwrap_or(('s', 1));
        write!(f, "{}{unit}", seconds / size)
    }
}

impl Serialize for HumanDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HumanDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = HumanDuration;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as `30d`, `12h`, `45m` or `90s`")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<HumanDuration, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<HumanDuration, DurationError> {
        text.parse()
    }

    #[test]
    fn every_unit_is_read() {
        for (text, duration) in [
            ("30d", Duration::days(30)),
            ("12h", Duration::hours(12)),
            ("45m", Duration::minutes(45)),
            ("90s", Duration::seconds(90)),
            ("0d", Duration::ZERO),
            ("0s", Duration::ZERO),
            ("3650d", MAX),
        ] {
            assert_eq!(parse(text).unwrap().get(), duration, "{text}");
        }
    }

    #[test]
    fn anything_looser_is_refused() {
        for text in
            ["", "d", "30", "30 d", " 30d", "30D", "-1d", "+1d", "1.5h", "1d12h", "07d", "1w", "٣d", "P30D"]
        {
            assert_eq!(parse(text), Err(DurationError::Form), "{text}");
        }
    }

    #[test]
    fn more_than_ten_years_is_refused_without_overflow() {
        for text in ["3651d", "315360001s", "9223372036854775807d", "99999999999999999999s"] {
            assert_eq!(parse(text), Err(DurationError::Range), "{text}");
        }
    }

    #[test]
    fn it_is_shown_in_the_largest_whole_unit() {
        for (text, shown) in [("48h", "2d"), ("36h", "36h"), ("120s", "2m"), ("90s", "90s"), ("0m", "0d")] {
            assert_eq!(parse(text).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn a_duration_from_elsewhere_is_checked() {
        assert_eq!(HumanDuration::try_from(Duration::seconds(-1)), Err(DurationError::Range));
        assert_eq!(HumanDuration::try_from(Duration::milliseconds(1500)), Err(DurationError::Fraction));
        assert_eq!(HumanDuration::try_from(Duration::MAX), Err(DurationError::Range));
    }

    #[test]
    fn yaml_says_where_a_duration_is_wrong() {
        assert_eq!(crate::yaml::parse::<Vec<HumanDuration>>("[30d]").unwrap()[0].get(), Duration::days(30));
        let problem = crate::yaml::parse::<Vec<HumanDuration>>("- 30d\n- soon\n").unwrap_err();
        assert_eq!((problem.line, problem.column), (2, 3));
        assert!(problem.message.contains("such as `30d`"), "{problem}");
        let problem = crate::yaml::parse::<Vec<HumanDuration>>("- 30\n").unwrap_err();
        assert!(problem.message.contains("such as `30d`"), "{problem}");
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(seconds in 0..=MAX.whole_seconds()) {
            let duration = HumanDuration::try_from(Duration::seconds(seconds)).unwrap();
            prop_assert_eq!(parse(&duration.to_string()), Ok(duration));
        }

        #[test]
        fn arbitrary_text_never_panics(text in any::<String>()) {
            let _ = parse(&text);
        }
    }
}
