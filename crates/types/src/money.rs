//! Money as integer minor units of a currency (M1), and percentages as basis points (M2). No floats.

use std::fmt;

use crate::Currency;

/// An amount in the minor unit of its currency: `1050` of USD is 10.50 dollars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Money {
    /// Whole minor units; negative only where a text says so.
    pub minor: i64,
    /// ISO 4217.
    pub currency: Currency,
}

/// Why an amount is not one. The text is made to follow a field's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not `12` or `12.34`.
    #[error("is not a decimal amount such as 12.34")]
    Form,
    /// Finer than the currency's minor unit; it is never rounded (M1).
    #[error("is finer than the minor unit of {0}, which has {1} decimals")]
    TooFine(Currency, u8),
    /// Beyond what 64 bits of minor units hold.
    #[error("is too large")]
    TooLarge,
    /// `units` and `nanos` of a `google.type.Money` with different signs, or nanos out of range.
    #[error("has units and nanos that contradict each other")]
    Contradictory,
}

impl Money {
    /// An amount of `minor` minor units.
    pub const fn new(minor: i64, currency: Currency) -> Self {
        Self { minor, currency }
    }

    /// Nothing, in `currency`.
    pub const fn zero(currency: Currency) -> Self {
        Self { minor: 0, currency }
    }

    /// Reads a plain decimal such as `12.34` (M1: refuses what is finer than the minor unit).
    pub fn parse_decimal(text: &str, currency: Currency) -> Result<Self, MoneyError> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty()
            || !all_digits(whole)
            || !all_digits(fraction)
            || (digits.contains('.') && fraction.is_empty())
        {
            return Err(MoneyError::Form);
        }
        let exponent = usize::from(currency.exponent());
        let kept = fraction.trim_end_matches('0');
        if kept.len() > exponent {
            return Err(MoneyError::TooFine(currency, currency.exponent()));
        }
        let text = format!("{}{whole}{kept:0<exponent$}", if negative { "-" } else { "" });
        text.parse().map(|minor| Self { minor, currency }).map_err(|_| MoneyError::TooLarge)
    }

    /// From `google.type.Money`'s parts.
    pub fn from_units(units: i64, nanos: i32, currency: Currency) -> Result<Self, MoneyError> {
        if nanos.unsigned_abs() > 999_999_999 || (units > 0 && nanos < 0) || (units < 0 && nanos > 0) {
            return Err(MoneyError::Contradictory);
        }
        let nanos_per_minor = 10_i32.pow(9 - u32::from(currency.exponent()));
        if nanos % nanos_per_minor != 0 {
            return Err(MoneyError::TooFine(currency, currency.exponent()));
        }
        units
            .checked_mul(currency.minor_per_major())
            .and_then(|minor| minor.checked_add(i64::from(nanos / nanos_per_minor)))
            .map(|minor| Self { minor, currency })
            .ok_or(MoneyError::TooLarge)
    }

    /// `google.type.Money`'s units and nanos.
    pub fn to_units(self) -> (i64, i32) {
        let per_major = self.currency.minor_per_major();
        let nanos_per_minor = 1_000_000_000 / per_major;
        // the remainder is below one major unit, so its nanos fit 32 bits
        let nanos = i32::try_from(self.minor % per_major * nanos_per_minor).unwrap_or(0);
        (self.minor / per_major, nanos)
    }

    /// The amount without its currency, such as `12.34`; the inverse of [`Money::parse_decimal`].
    pub fn to_decimal(self) -> String {
        let exponent = usize::from(self.currency.exponent());
        let sign = if self.minor < 0 { "-" } else { "" };
        let digits = format!("{:0>width$}", self.minor.unsigned_abs(), width = exponent + 1);
        let (whole, fraction) = digits.split_at(digits.len() - exponent);
        if exponent == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
    }

    /// `share` of the amount, rounded once, half to even, to the minor unit (M2). `None` if it does not fit.
    pub fn percent(self, share: BasisPoints) -> Option<Self> {
        let product = i128::from(self.minor) * i128::from(share.0);
        let minor = div_half_even(product, 10_000);
        i64::try_from(minor).ok().map(|minor| Self { minor, currency: self.currency })
    }

    /// `part / whole` of the amount, rounded once, half to even, to the minor unit (M2). `None` if it does not fit, or
    /// `whole` is not positive.
    pub fn fraction(self, part: i64, whole: i64) -> Option<Self> {
        let product = i128::from(self.minor) * i128::from(part);
        let minor = (whole > 0).then(|| div_half_even(product, i128::from(whole)))?;
        i64::try_from(minor).ok().map(|minor| Self { minor, currency: self.currency })
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.to_decimal(), self.currency)
    }
}

/// A percentage in hundredths of a percent: 500 is 5 % (M2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BasisPoints(pub u32);

impl BasisPoints {
    /// Reads `5%`, `12.5%` or `0.25%`; at most two decimals and at most 100 %.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_suffix('%')?.trim_end();
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let sound = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        if !sound(whole) || !sound(fraction) || fraction.len() > 2 || whole.len() > 3 {
            return None;
        }
        let points = format!("{whole}{fraction:0<2}").parse().ok()?;
        (points <= 10_000).then_some(Self(points))
    }
}

impl fmt::Display for BasisPoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 / 100, self.0 % 100) {
            (whole, 0) => write!(f, "{whole}%"),
            (whole, part) if part % 10 == 0 => write!(f, "{whole}.{}%", part / 10),
            (whole, part) => write!(f, "{whole}.{part:02}%"),
        }
    }
}

/// Integer division rounding half to even; `by` must be positive.
fn div_half_even(value: i128, by: i128) -> i128 {
    let (floor, rest) = (value.div_euclid(by), value.rem_euclid(by));
    match (rest * 2).cmp(&by) {
        std::cmp::Ordering::Less => floor,
        std::cmp::Ordering::Greater => floor + 1,
        std::cmp::Ordering::Equal => floor + (floor & 1),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn currency(code: &str) -> Currency {
        code.parse().unwrap()
    }

    #[test]
    fn m1_an_amount_finer_than_the_minor_unit_is_refused_not_rounded() {
        let usd = currency("USD");
        assert_eq!(Money::parse_decimal("1.005", usd), Err(MoneyError::TooFine(usd, 2)));
        assert_eq!(
            Money::parse_decimal("1.50", currency("JPY")),
            Err(MoneyError::TooFine(currency("JPY"), 0))
        );
        assert_eq!(Money::parse_decimal("1.005", currency("KWD")).unwrap().minor, 1005);
        assert_eq!(Money::parse_decimal("1.5000", usd).unwrap().minor, 150);
        assert_eq!(Money::from_units(1, 5_000_000, usd), Err(MoneyError::TooFine(usd, 2)));
    }

    #[test]
    fn m1_malformed_amounts_are_refused() {
        for text in ["", ".5", "5.", "1,5", "1e3", "--1", "+1", " 1", "٣"] {
            assert_eq!(Money::parse_decimal(text, currency("USD")), Err(MoneyError::Form), "{text:?}");
        }
        let too_large = Money::parse_decimal("99999999999999999999", currency("USD"));
        assert_eq!(too_large, Err(MoneyError::TooLarge));
        for (units, nanos) in [(1, -5), (0, 1_000_000_000), (0, i32::MIN), (-1, i32::MIN)] {
            assert_eq!(Money::from_units(units, nanos, currency("USD")), Err(MoneyError::Contradictory));
        }
    }

    #[test]
    fn m2_a_percentage_is_rounded_half_to_even() {
        let usd = currency("USD");
        let five = BasisPoints::parse("5%").unwrap();
        // 5 % of 0.50, 0.70, 0.90 and 1.10 end in exactly half a cent
        for (minor, expected) in [(50, 2), (70, 4), (90, 4), (110, 6), (111, 6)] {
            assert_eq!(Money::new(minor, usd).percent(five).unwrap().minor, expected, "{minor}");
        }
    }

    #[test]
    fn m2_percentages_are_basis_points() {
        assert_eq!(BasisPoints::parse("12.5%"), Some(BasisPoints(1250)));
        assert_eq!(BasisPoints::parse("0.25%"), Some(BasisPoints(25)));
        for text in ["5", "%", "5.%", "1.234%", "101%", "-5%"] {
            assert_eq!(BasisPoints::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn m2_a_fraction_is_rounded_once_half_to_even() {
        let of = |minor, part, whole| {
            Money::new(minor, currency("USD")).fraction(part, whole).map(|money| money.minor)
        };
        assert_eq!(
            [of(5, 1, 2), of(7, 1, 2), of(10, 1, 3), of(10, 2, 3)],
            [Some(2), Some(4), Some(3), Some(7)]
        );
        assert_eq!([of(i64::MAX, 7, 7), of(1, 1, 0), of(i64::MAX, 2, 1)], [Some(i64::MAX), None, None]);
    }

    proptest! {
        #[test]
        fn m1_decimals_and_units_come_back_as_they_went(minor: i64, code in "(JPY|USD|KWD)") {
            let money = Money::new(minor, currency(&code));
            prop_assert_eq!(Money::parse_decimal(&money.to_decimal(), money.currency), Ok(money));
            let (units, nanos) = money.to_units();
            prop_assert_eq!(Money::from_units(units, nanos, money.currency), Ok(money));
        }

        #[test]
        fn percent_texts_come_back_as_they_went(points in 0_u32..=10_000) {
            prop_assert_eq!(BasisPoints::parse(&BasisPoints(points).to_string()), Some(BasisPoints(points)));
        }
    }
}
