//! E-mail addresses, compared trimmed and case-insensitively (A6).

use std::fmt;

/// An e-mail address in the form it is compared and stored in: trimmed, lower case.
///
/// `Debug` shows no part of it, so that it cannot slip into a log (A13); ask for [`Email::as_str`] on purpose.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Email(String);

/// Why a text is no e-mail address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not an e-mail address of the form name@domain")]
pub struct EmailError;

impl Email {
    /// The longest address accepted, in bytes (RFC 5321).
    pub const MAX_BYTES: usize = 254;

    /// Reads an address. Deliberately lenient about what is left of the `@`: mail systems are.
    pub fn parse(text: &str) -> Result<Self, EmailError> {
        let address = text.trim().to_lowercase();
        let (local, domain) = address.rsplit_once('@').ok_or(EmailError)?;
        let bad_char = |c: char| c.is_whitespace() || c.is_control() || matches!(c, ',' | ';' | '<' | '>');
        let labels_are_sound = domain.split('.').all(|label| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|c| c.is_alphanumeric() || c == '-')
        });
        let sound = !local.is_empty()
            && local.len() <= 64
            && !local.contains('@')
            && address.len() <= Self::MAX_BYTES
            && !address.contains(bad_char)
            && labels_are_sound;
        if sound { Ok(Self(address)) } else { Err(EmailError) }
    }

    /// The address, for storing or sending; never for logging.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a6_addresses_are_compared_trimmed_and_case_insensitively() {
        assert_eq!(Email::parse("  Ann@Example.COM "), Email::parse("ann@example.com"));
    }

    #[test]
    fn malformed_addresses_are_refused() {
        for text in
            ["", "ann", "@example.com", "ann@", "a b@example.com", "a@b@c", "ann@-x.com", "ann@x..com"]
        {
            assert_eq!(Email::parse(text), Err(EmailError), "{text:?}");
        }
    }

    #[test]
    fn a13_debug_shows_no_part_of_the_address() {
        let email = Email::parse("ann@example.com").unwrap();
        assert!(!format!("{email:?}").contains("ann"));
    }
}
