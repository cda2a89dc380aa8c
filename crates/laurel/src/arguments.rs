//! How arguments are written: contacts, times, lengths of time, amounts, values of enums.

use std::time::Duration;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, error::ErrorKind};
use proto::common::ContactRef;
use proto::google::r#type::{Date, Money as WireMoney};
use rpc::fields::{wire_money, wire_time};
use time::format_description::well_known::Rfc3339;
use types::{ContactId, Currency, Money, Timestamp};

use crate::refusal::Refused;
use crate::show::enum_names;

/// Help of every argument that names a contact.
pub(crate) const WHO: &str = "An e-mail address, `uid:` and your own id, or a contact id";

/// Reads a contact: what begins with `uid:` is the caller's own id, a UUID a contact id, anything with `@` an e-mail address.
pub(crate) fn who(text: &str) -> Result<ContactRef, &'static str> {
    let mut contact = ContactRef::default();
    if let Some(uid) = text.strip_prefix("uid:") {
        uid.clone_into(&mut contact.uid);
    } else if text.parse::<ContactId>().is_ok() {
        text.clone_into(&mut contact.contact_id);
    } else if text.contains('@') {
        text.clone_into(&mut contact.email);
    }
    let named = contact != ContactRef::default();
    named.then_some(contact).ok_or("it is to be an e-mail address, `uid:` and your own id, or a contact id")
}

/// When it happened.
#[derive(Debug, Clone, Args)]
pub struct When {
    /// When it happened: 2026-03-09T12:00:00Z, or 2026-03-09 for its beginning in UTC [default: now]
    #[arg(long = "at", value_name = "TIME", value_parser = moment)]
    pub occurred_at: Option<Timestamp>,
}

impl When {
    /// For the wire.
    pub(crate) fn wire(&self) -> Option<prost_types::Timestamp> {
        self.occurred_at.map(wire_time)
    }
}

/// Reads a time, or a date for its beginning in UTC.
pub(crate) fn moment(text: &str) -> Result<Timestamp, &'static str> {
    let whole = if text.contains('T') { text.to_owned() } else { format!("{text}T00:00:00Z") };
    Timestamp::parse(&whole, &Rfc3339).map_err(|_| "it is to be like 2026-03-09T12:00:00Z or 2026-03-09")
}

/// Reads a day such as 2026-03-09.
pub(crate) fn day(text: &str) -> Result<Date, &'static str> {
    let date = moment(text).map(Timestamp::date);
    let date = date.ok().filter(|_| !text.contains('T')).ok_or("it is to be like 2026-03-09")?;
    Ok(Date { year: date.year(), month: u8::from(date.month()).into(), day: date.day().into() })
}

/// A length of time with its unit.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a length of time such as 90s, 30m, 1h or 30d");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let number: u64 = text.strip_suffix(unit).and_then(|number| number.parse().ok()).ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(wrong)
}

pub(crate) fn at_least_one(text: &str) -> Result<usize, &'static str> {
    text.parse().ok().filter(|n| *n > 0).ok_or("it is to be a number above 0")
}

/// Reads a currency such as EUR.
pub(crate) fn currency(text: &str) -> Result<Currency, String> {
    text.parse().map_err(|e| format!("it {e}"))
}

/// A decimal amount of `currency`, exactly; what is wrong with it is said of the argument `field` (M1).
pub(crate) fn money(field: &str, decimal: &str, currency: Currency) -> Result<WireMoney, Refused> {
    Money::parse_decimal(decimal, currency).map(wire_money).map_err(|e| Refused::field(field, e))
}

/// Reads a value of an enum of the contracts, such as `logged-inactive` or `LOGGED_INACTIVE`, as its number.
pub(crate) fn one_of(enum_name: &str) -> impl TypedValueParser<Value = i32> + use<> {
    let upper = |name: &str| name.replace('-', "_").to_uppercase();
    let names = enum_names(enum_name);
    let values: Vec<PossibleValue> =
        names.iter().map(|(name, _)| PossibleValue::new(name.clone()).alias(upper(name))).collect();
    PossibleValuesParser::new(values).try_map(move |text| {
        let value = names.iter().find(|(name, _)| *name == text || upper(name) == text);
        value.map(|(_, number)| *number).ok_or(clap::Error::new(ErrorKind::InvalidValue))
    })
}

/// Reads HEADER=FIELD. A header may have any character, a field has no `=`.
pub(crate) fn mapping(text: &str) -> Result<(String, String), &'static str> {
    let (header, field) = text.rsplit_once('=').ok_or("it is to be HEADER=FIELD")?;
    if field.is_empty() {
        return Err("the field is missing; `-` ignores the column");
    }
    Ok((header.to_owned(), field.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contact_is_an_email_a_uid_or_an_id() {
        let id = "0190b3f0-0000-7000-8000-000000000001";
        let named = |text: &str| who(text).map(|contact| (contact.contact_id, contact.email, contact.uid));
        let only = |id: &str, email: &str, uid: &str| Ok((id.to_owned(), email.to_owned(), uid.to_owned()));
        assert_eq!(named("ann@example.com"), only("", "ann@example.com", ""));
        assert_eq!(named("uid:crm-1"), only("", "", "crm-1"));
        assert_eq!(named("uid:ann@example.com"), only("", "", "ann@example.com"));
        assert_eq!(named(&format!("uid:{id}")), only("", "", id));
        assert_eq!(named(id), only(id, "", ""));
        for wrong in ["", "ann", "uid:", "crm-1"] {
            assert!(named(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_date_is_its_beginning_in_utc() {
        assert_eq!(moment("2026-03-09"), Ok(time::macros::datetime!(2026-03-09 00:00 UTC)));
        assert_eq!(moment("2026-03-09T12:00:00+02:00"), Ok(time::macros::datetime!(2026-03-09 10:00 UTC)));
        assert!(moment("yesterday").is_err() && at_least_one("0").is_err());
        assert_eq!(day("2026-03-09"), Ok(Date { year: 2026, month: 3, day: 9 }));
        assert!(day("2026-02-29").is_err() && day("2026-03-09T12:00:00Z").is_err());
    }

    #[test]
    fn a_length_of_time_has_its_unit() {
        assert_eq!(duration("31d"), Ok(Duration::from_hours(31 * 24)));
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        for wrong in ["", "31", "d", "1w", "-1d", "1.5h", "99999999999999999999d", "213503982334602d"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn m1_an_amount_is_exact_and_what_is_wrong_names_its_argument() {
        let of = |decimal: &str, code: &str| money("revenue", decimal, code.parse().unwrap());
        let wire = of("12.50", "EUR").unwrap();
        assert_eq!((wire.units, wire.nanos, wire.currency_code.as_str()), (12, 500_000_000, "EUR"));
        let wrong = of("1.005", "EUR").unwrap_err().to_string();
        assert_eq!(wrong, "revenue is finer than the minor unit of EUR, which has 2 decimals");
        assert!(of("1,5", "EUR").is_err() && of("1e3", "EUR").is_err());
    }

    #[test]
    fn a_column_is_mapped_to_what_follows_the_last_equals_sign() {
        let pair = |header: &str, field: &str| Ok((header.to_owned(), field.to_owned()));
        assert_eq!(mapping("Order No=order_id"), pair("Order No", "order_id"));
        assert_eq!(mapping("a=b=-"), pair("a=b", "-"));
        assert_eq!(mapping("=-"), pair("", "-"));
        assert!(mapping("Who").is_err());
        assert!(mapping("Who=").is_err());
    }
}
