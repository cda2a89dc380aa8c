//! Keys: the names that definitions give to journeys, stages and rules.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest key, in characters.
pub const MAX_LENGTH: usize = 64;

/// A name that definitions refer to each other by, such as `first-purchase`.
///
/// Lowercase letters, digits and hyphens, at most [`MAX_LENGTH`], with no hyphen at either end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Key(String);

impl Key {
    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A text that is not a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a key: {reason}")]
pub struct KeyError {
    text: String,
    reason: &'static str,
}

impl TryFrom<String> for Key {
    type Error = KeyError;

    fn try_from(text: String) -> Result<Self, KeyError> {
        match refusal(&text) {
            None => Ok(Self(text)),
            Some(reason) => Err(KeyError { text: text.chars().take(MAX_LENGTH).collect(), reason }),
        }
    }
}

impl TryFrom<&str> for Key {
    type Error = KeyError;

    fn try_from(text: &str) -> Result<Self, KeyError> {
        Self::try_from(text.to_owned())
    }
}

impl std::str::FromStr for Key {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        Self::try_from(text)
    }
}

impl From<Key> for String {
    fn from(key: Key) -> Self {
        key.0
    }
}

impl AsRef<str> for Key {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// Lets a map keyed by [`Key`] be asked with a `&str`.
impl std::borrow::Borrow<str> for Key {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

fn refusal(text: &str) -> Option<&'static str> {
    if text.is_empty() {
        Some("it is empty")
    } else if text.len() > MAX_LENGTH {
        Some("it is longer than 64 characters")
    } else if !text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        Some("use lowercase letters, digits and hyphens only")
    } else if text.starts_with('-') || text.ends_with('-') {
        Some("it begins or ends with a hyphen")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_of_stages_are_keys() {
        for text in ["a", "7", "first-purchase", "b2b", "a--b", &"x".repeat(64)] {
            assert_eq!(Key::try_from(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn other_texts_are_refused_with_a_reason() {
        for (text, reason) in [
            ("", "`` is not a key: it is empty"),
            ("-a", "`-a` is not a key: it begins or ends with a hyphen"),
            ("a-", "`a-` is not a key: it begins or ends with a hyphen"),
            ("First", "`First` is not a key: use lowercase letters, digits and hyphens only"),
            ("a_b", "`a_b` is not a key: use lowercase letters, digits and hyphens only"),
            ("straße", "`straße` is not a key: use lowercase letters, digits and hyphens only"),
        ] {
            assert_eq!(Key::try_from(text).unwrap_err().to_string(), reason);
        }
        assert!(Key::try_from("x".repeat(65)).unwrap_err().to_string().contains("longer than 64"));
    }

    #[test]
    fn an_overlong_text_is_cut_in_the_error() {
        assert!(Key::try_from("ß".repeat(9000)).unwrap_err().to_string().len() < 250);
    }

    #[test]
    fn a_map_of_keys_is_asked_with_text() {
        let map = BTreeMap::from([(Key::try_from("a").unwrap(), 1)]);
        assert_eq!(map.get("a"), Some(&1));
    }

    #[test]
    fn a_key_in_yaml_is_checked_where_it_stands() {
        let keys: Vec<Key> = crate::yaml::parse("- a\n- b-c\n").unwrap();
        assert_eq!(keys.iter().map(Key::to_string).collect::<Vec<_>>(), ["a", "b-c"]);
        let problem = crate::yaml::parse::<Vec<Key>>("- a\n- B\n").unwrap_err();
        assert_eq!((problem.line, problem.column, problem.path.as_str()), (2, 3, "[1]"));
        assert!(problem.message.starts_with("`B` is not a key"), "{problem}");
    }

    proptest! {
        #[test]
        fn exactly_the_documented_pattern_is_accepted(text in "[a-zA-Z0-9_-]{0,70}") {
            let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
            let expected = (1..=64).contains(&text.len())
                && text.chars().all(|c| fine(c) || c == '-')
                && text.starts_with(fine)
                && text.ends_with(fine);
            prop_assert_eq!(Key::try_from(text).is_ok(), expected);
        }
    }
}
