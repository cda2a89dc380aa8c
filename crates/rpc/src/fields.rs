//! Wire types to strict ones, and back. Every error names the field by its path.

use std::str::FromStr;

use proto::codec::{Validate, breaches};
use proto::google::r#type::{Date as WireDate, Money as WireMoney};
use time::{Date, Month};
use types::{Clock, Currency, Money, TenantId, Timestamp};

use crate::{Error, Reason};

/// A business time may lie this far after the later of the tenant's clock and real time (M3).
pub const FUTURE_TOLERANCE: time::Duration = time::Duration::hours(24);

/// Holds an item of a batch to the constraints of its contract; the codec does not, since a bad one is to fail alone.
pub fn item(item: &impl Validate) -> Result<(), Error> {
    let breaches = breaches(item);
    if breaches.is_empty() { Ok(()) } else { Err(Error::fields(Reason::InvalidField, breaches)) }
}

/// Reads a required id or other text that has a strict type.
pub fn parse<T>(path: &str, text: &str) -> Result<T, Error>
where
    T: FromStr<Err: std::fmt::Display>,
{
    text.parse().map_err(|e: T::Err| Error::field(path, e))
}

/// The same, where empty means absent.
pub fn parse_optional<T>(path: &str, text: &str) -> Result<Option<T>, Error>
where
    T: FromStr<Err: std::fmt::Display>,
{
    if text.is_empty() { Ok(None) } else { parse(path, text).map(Some) }
}

/// A message field that must be set.
pub fn required<T>(path: &str, value: Option<T>) -> Result<T, Error> {
    value.ok_or_else(|| Error::field(path, "is required"))
}

/// Free text of at most `max` bytes, without control characters (NUL among them, which Postgres cannot store).
pub fn text(path: &str, value: &str, max: usize) -> Result<String, Error> {
    if value.len() > max {
        return Err(Error::field(path, format!("is longer than {max} bytes")));
    }
    if value.chars().any(char::is_control) {
        return Err(Error::field(path, "has a control character"));
    }
    Ok(value.to_owned())
}

/// A currency code.
pub fn currency(path: &str, code: &str) -> Result<Currency, Error> {
    parse(path, code)
}

/// An amount that may not be negative (M1).
pub fn amount(path: &str, value: Option<&WireMoney>) -> Result<Money, Error> {
    let wire = value.ok_or_else(|| Error::field(path, "is required"))?;
    let currency = currency(&format!("{path}.currency_code"), &wire.currency_code)?;
    let money = Money::from_units(wire.units, wire.nanos, currency).map_err(|e| Error::field(path, e))?;
    if money.minor < 0 { Err(Error::field(path, "is negative")) } else { Ok(money) }
}

/// An amount for the wire.
pub fn wire_money(money: Money) -> WireMoney {
    let (units, nanos) = money.to_units();
    WireMoney { currency_code: money.currency.code().to_owned(), units, nanos }
}

/// A moment, if given; whole microseconds between the years 1 and 9999.
pub fn timestamp(path: &str, value: Option<&prost_types::Timestamp>) -> Result<Option<Timestamp>, Error> {
    let Some(wire) = value else { return Ok(None) };
    let out_of_range = || Error::field(path, "is not a valid time");
    let nanos = u32::try_from(wire.nanos).ok().filter(|n| *n < 1_000_000_000).ok_or_else(out_of_range)?;
    let seconds = Timestamp::from_unix_timestamp(wire.seconds).map_err(|_| out_of_range())?;
    if seconds.year() < 1 {
        return Err(out_of_range());
    }
    seconds.replace_nanosecond(nanos / 1000 * 1000).map(Some).map_err(|_| out_of_range())
}

/// A day, if given; a whole one between the years 1 and 9999.
pub fn date(path: &str, value: Option<&WireDate>) -> Result<Option<Date>, Error> {
    let Some(wire) = value else { return Ok(None) };
    let read = || {
        let month = u8::try_from(wire.month).ok().and_then(|month| Month::try_from(month).ok())?;
        let day = u8::try_from(wire.day).ok()?;
        Date::from_calendar_date(wire.year, month, day).ok().filter(|date| date.year() > 0)
    };
    read().map(Some).ok_or_else(|| Error::field(path, "is not a day of the calendar"))
}

/// A moment for the wire.
pub fn wire_time(at: Timestamp) -> prost_types::Timestamp {
    // a nanosecond part is below 10^9
    prost_types::Timestamp {
        seconds: at.unix_timestamp(),
        nanos: i32::try_from(at.nanosecond()).unwrap_or(0),
    }
}

/// What "now" is for a tenant: its test clock if it has one, else real time (M4).
pub fn tenant_now(tenant: &TenantId, test_clock: Option<Timestamp>, clock: &dyn Clock) -> Timestamp {
    match test_clock {
        Some(now) if tenant.is_sandbox() => now,
        _ => clock.now(),
    }
}

/// Refuses a business time too far in the future (M3). `test_clock` is the tenant's, if it has one.
pub fn not_in_future(
    path: &str,
    at: Timestamp,
    test_clock: Option<Timestamp>,
    clock: &dyn Clock,
) -> Result<(), Error> {
    let real = clock.now();
    let latest = test_clock.map_or(real, |test| test.max(real));
    // at the end of the calendar there is nothing further in the future
    if latest.checked_add(FUTURE_TOLERANCE).is_some_and(|limit| at > limit) {
        return Err(Error::field(path, "is more than 24 hours in the future"));
    }
    Ok(())
}
