//! Typed ids. Those that Laurel makes are UUIDv7 (ordered by time); those a caller chooses are checked strings.

use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use uuid::{ContextV7, Timestamp as UuidTime, Uuid};

use crate::Timestamp;

/// Why a text is not an id. The text is made to follow a field's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Nothing was given.
    #[error("is required")]
    Empty,
    /// More bytes than the kind allows.
    #[error("is longer than {0} bytes")]
    TooLong(usize),
    /// A character or form that the kind does not allow.
    #[error("must be {0}")]
    Form(&'static str),
}

/// Makes a new id: UUIDv7, its time part from `now`, monotonic within the process.
pub fn new_id<T: From<Uuid>>(now: Timestamp) -> T {
    static CONTEXT: Mutex<ContextV7> = Mutex::new(ContextV7::new());
    let seconds = u64::try_from(now.unix_timestamp()).unwrap_or(0);
    let context = CONTEXT.lock().unwrap_or_else(PoisonError::into_inner);
    T::from(Uuid::new_v7(UuidTime::from_unix(&*context, seconds, now.nanosecond())))
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, sqlx::Type)]
        #[derive(serde::Serialize, serde::Deserialize)]
        #[sqlx(transparent)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// The raw id, for deriving a key from it.
            pub const fn as_uuid(&self) -> Uuid {
                self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                if text.is_empty() {
                    return Err(IdError::Empty);
                }
                Uuid::try_parse(text).map(Self).map_err(|_| IdError::Form("a UUID"))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

    };
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $max:expr, $form:expr, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, sqlx::Type, serde::Serialize)]
        #[sqlx(transparent)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let check: fn(&str) -> bool = $check;
                match text {
                    "" => Err(IdError::Empty),
                    _ if text.len() > $max => Err(IdError::TooLong($max)),
                    _ if !check(text) => Err(IdError::Form($form)),
                    _ => Ok(Self(text.to_owned())),
                }
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(d)?;
                text.parse().map_err(|e: IdError| serde::de::Error::custom(format!("`{text}` {e}")))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

    };
}

uuid_id!(
    /// A contact (1-product).
    ContactId
);
uuid_id!(
    /// An attribution: advocate, referred contact and campaign (A1).
    AttributionId
);
uuid_id!(
    /// An event in an outbox; stays the same however often the event is delivered.
    EventId
);
uuid_id!(
    /// One contact's way through one journey (J3).
    RunId
);
uuid_id!(
    /// One entry of a run into a stage (J9).
    TransitionId
);
uuid_id!(
    /// Something owed to a beneficiary (R1).
    RewardId
);

const KEY_FORM: &str = "lower-case letters, digits and inner hyphens";

fn is_key(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    text.bytes().all(|b| plain(b) || b == b'-')
        && text.bytes().next().is_some_and(plain)
        && text.bytes().last().is_some_and(plain)
}

fn is_printable(text: &str) -> bool {
    text.trim() == text && !text.chars().any(char::is_control)
}

text_id!(
    /// A tenant (M6). One whose id begins with `test-` is a sandbox with a test clock (M4).
    TenantId, 64, KEY_FORM, is_key
);
text_id!(
    /// A campaign, named by the caller within its tenant.
    CampaignId, 64, KEY_FORM, is_key
);
text_id!(
    /// A segment, named by the caller within its tenant.
    SegmentId, 64, KEY_FORM, is_key
);
text_id!(
    /// A journey, named by its definition within its tenant (J1).
    JourneyKey, 64, KEY_FORM, is_key
);
text_id!(
    /// A stage of a journey (J2).
    StageKey, 64, KEY_FORM, is_key
);
text_id!(
    /// A rule of a reward program; stable across versions (R1).
    RuleKey, 64, KEY_FORM, is_key
);
text_id!(
    /// An order as the caller knows it (O1): printable text without spaces at its ends.
    OrderId, 128, "printable text without spaces at its ends", is_printable
);

impl TenantId {
    /// Whether this tenant is a sandbox with a test clock (M4).
    pub fn is_sandbox(&self) -> bool {
        self.0.starts_with("test-")
    }
}

/// Code of one advocate in one campaign; 3 to 32 ASCII letters and digits, kept and compared in upper case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, sqlx::Type)]
#[sqlx(transparent)]
pub struct Shortcode(String);

impl Shortcode {
    /// The code in upper case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Shortcode {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let text = text.trim();
        match text.len() {
            0 => Err(IdError::Empty),
            3..=32 if text.bytes().all(|b| b.is_ascii_alphanumeric()) => Ok(Self(text.to_ascii_uppercase())),
            1..=32 => Err(IdError::Form("3 to 32 letters and digits")),
            _ => Err(IdError::TooLong(32)),
        }
    }
}

impl fmt::Display for Shortcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for Shortcode {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// Code that customers give with an order; 3 to 64 ASCII letters, digits, hyphens and underscores, kept and compared in
/// upper case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, sqlx::Type)]
#[sqlx(transparent)]
pub struct CouponCode(String);

impl CouponCode {
    /// The code in upper case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for CouponCode {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let (text, plain) = (text.trim(), |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        match text.len() {
            0 => Err(IdError::Empty),
            3..=64 if text.bytes().all(plain) => Ok(Self(text.to_ascii_uppercase())),
            1..=64 => Err(IdError::Form("3 to 64 letters, digits, hyphens and underscores")),
            _ => Err(IdError::TooLong(64)),
        }
    }
}

impl fmt::Display for CouponCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for CouponCode {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m4_a_tenant_named_test_is_a_sandbox() {
        assert!("test-cdnow".parse::<TenantId>().unwrap().is_sandbox());
        assert!(!"acme".parse::<TenantId>().unwrap().is_sandbox());
    }

    #[test]
    fn keys_are_lower_case_letters_digits_and_inner_hyphens() {
        assert!("spring-25".parse::<CampaignId>().is_ok());
        for text in ["", "-a", "a-", "A", "a b", "a_b", "é", &"a".repeat(65)] {
            assert!(text.parse::<CampaignId>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn shortcodes_are_compared_in_upper_case() {
        assert_eq!("anna10".parse::<Shortcode>(), "ANNA10".parse::<Shortcode>());
        assert!("an".parse::<Shortcode>().is_err());
        assert!("anna-10".parse::<Shortcode>().is_err());
    }

    #[test]
    fn a14_coupon_codes_are_compared_in_upper_case() {
        assert_eq!("ann-10_x".parse::<CouponCode>(), " ANN-10_X ".parse::<CouponCode>());
        for text in ["an", "ann 10", "ann.10", "\u{e4}nn", &"a".repeat(65)] {
            assert!(text.parse::<CouponCode>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn new_ids_are_ordered() {
        let now = time::OffsetDateTime::UNIX_EPOCH + time::Duration::days(20_000);
        let ids: Vec<EventId> = (0..1000).map(|_| new_id(now)).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
