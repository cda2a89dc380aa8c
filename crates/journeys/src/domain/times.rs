//! Times in stages (J11): counted by size, in buckets that each hold lengths of time within 1 % of one another, so that
//! counts of any runs add up and quantiles are read from them.

use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::time::Duration;

use types::Timestamp;

/// How far a quantile may be from the exact one.
const ACCURACY: f64 = 0.01;
/// Bounds of buckets grow by this.
const GROWTH: f64 = (1.0 + ACCURACY) / (1.0 - ACCURACY);

/// Which lengths of time are counted together: 0 are those of none, n those of microseconds above `GROWTH^(n-2)`, up to
/// and including `GROWTH^(n-1)`.
pub type Bucket = i32;

/// The bucket of the time between an entry and what came after it; what is dated before it counts as none.
pub fn bucket(entered: Timestamp, left: Timestamp) -> Bucket {
    let micros = (left - entered).whole_microseconds();
    if micros <= 0 {
        return 0;
    }
    #[expect(clippy::cast_precision_loss, reason = "a part in 10^16 of a time")]
    let exponent = (micros as f64).ln() / GROWTH.ln();
    #[expect(clippy::cast_possible_truncation, reason = "the calendar ends at bucket 2,003")]
    let bound = exponent.ceil() as Bucket;
    bound + 1
}

/// The length of time that stands for a bucket: as far, in proportion, from its one end as from the other.
fn length(bucket: Bucket) -> Duration {
    if bucket <= 0 {
        return Duration::ZERO;
    }
    let micros = 2.0 * GROWTH.powi(bucket - 1) / (GROWTH + 1.0);
    Duration::try_from_secs_f64(micros / 1e6).unwrap_or(Duration::MAX)
}

/// How many times there are in each bucket, or differences of that.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Times(BTreeMap<Bucket, i64>);

impl Times {
    /// Counts more of one bucket.
    pub fn add(&mut self, bucket: Bucket, count: i64) {
        if count != 0 {
            *self.0.entry(bucket).or_default() += count;
        }
    }

    /// Each bucket with its count.
    pub fn iter(&self) -> impl Iterator<Item = (Bucket, i64)> {
        self.0.iter().map(|(bucket, count)| (*bucket, *count))
    }

    /// How many times are counted.
    pub fn count(&self) -> i64 {
        self.0.values().sum()
    }

    /// The least time that is not exceeded by so many of a hundred of them, within 1 %; none if there are none.
    pub fn quantile(&self, percent: i64) -> Option<Duration> {
        let count = self.count();
        let rank = (i128::from(count) * i128::from(percent) + 99) / 100;
        let mut below = 0;
        for (bucket, more) in &self.0 {
            below += i128::from(*more);
            if below >= rank.max(1) {
                return Some(length(*bucket));
            }
        }
        None
    }
}

impl AddAssign<&Self> for Times {
    fn add_assign(&mut self, other: &Self) {
        for (bucket, count) in other.iter() {
            self.add(bucket, count);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::Duration as Span;

    use super::*;

    const START: Timestamp = time::macros::datetime!(2026-03-01 12:00 UTC);

    /// From microseconds to decades, each size as likely as any other.
    fn lengths() -> impl Strategy<Value = Vec<i64>> {
        let length = (0_u32..50, any::<i64>()).prop_map(|(bits, n)| n & ((1 << bits) - 1));
        prop::collection::vec(length, 1..400)
    }

    fn exact(sorted: &[i64], percent: usize) -> i64 {
        sorted[(sorted.len() * percent).div_ceil(100).max(1) - 1]
    }

    proptest! {
        #[test]
        fn j11_quantiles_are_within_one_percent(mut lengths in lengths()) {
            let (mut one, mut other) = (Times::default(), Times::default());
            for (n, micros) in lengths.iter().enumerate() {
                let times = if n % 3 == 0 { &mut one } else { &mut other };
                times.add(bucket(START, START + Span::microseconds(*micros)), 1);
            }
            one += &other;
            lengths.sort_unstable();
            for percent in [1, 50, 90, 100] {
                #[expect(clippy::cast_precision_loss, reason = "a part in 10^16 of a time")]
                let exact = exact(&lengths, usize::try_from(percent).unwrap()) as f64;
                let told = one.quantile(percent).unwrap().as_secs_f64() * 1e6;
                // the answer is in nanoseconds
                prop_assert!((told - exact).abs() <= exact * (ACCURACY + 1e-9) + 1e-3, "{told} for {exact}");
            }
        }
    }

    #[test]
    fn j11_a_late_fact_counts_as_no_time() {
        assert_eq!(bucket(START, START - Span::days(3)), 0);
        assert_eq!(bucket(START, START), 0);
        let mut times = Times::default();
        assert_eq!(times.quantile(50), None);
        times.add(0, 2);
        times.add(bucket(START, START + Span::days(10)), 1);
        assert_eq!((times.quantile(50), times.count()), (Some(Duration::ZERO), 3));
        let days = times.quantile(90).unwrap().as_secs_f64() / 86_400.0;
        assert!((days - 10.0).abs() <= 0.1, "{days}");
    }

    #[test]
    fn buckets_follow_each_other_up_to_the_end_of_the_calendar() {
        let ends =
            [START - Span::days(365 * 2000), Timestamp::new_utc(time::Date::MAX, time::Time::MIDNIGHT)];
        assert!(bucket(ends[0], ends[1]) < 2100);
        assert_eq!(
            (bucket(START, START + Span::microseconds(1)), bucket(START, START + Span::microseconds(2))),
            (1, 36)
        );
    }
}
