//! Which fields an update touches (AIP-134, AIP-161).

use prost_types::FieldMask;

use crate::Error;

/// The fields an update touches; those among them that are empty are emptied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask(Vec<&'static str>);

impl Mask {
    /// Reads `update_mask`. `fields` are those the update may touch, each with whether the request fills it: without a mask,
    /// or with an empty one, it touches what is filled; with `*`, all. INVALID_FIELD on `update_mask` if it names another.
    pub fn read(mask: Option<&FieldMask>, fields: &[(&'static str, bool)]) -> Result<Self, Error> {
        let names = || fields.iter().map(|(name, _)| *name);
        match mask.map(|mask| mask.paths.as_slice()).unwrap_or_default() {
            [] => {
                Ok(Self(fields.iter().filter(|(_, is_filled)| *is_filled).map(|(name, _)| *name).collect()))
            }
            [all] if all == "*" => Ok(Self(names().collect())),
            paths => {
                let known = |path: &String| names().find(|name| name == path);
                let touched: Option<Vec<_>> = paths.iter().map(known).collect();
                let expected = || names().collect::<Vec<_>>().join(", ");
                let wrong =
                    || Error::field("update_mask", format_args!("may name {}; or be `*`", expected()));
                touched.map(Self).ok_or_else(wrong)
            }
        }
    }

    /// Whether the update touches `field`.
    pub fn has(&self, field: &str) -> bool {
        self.0.contains(&field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(paths: Option<&[&str]>) -> Result<Mask, Error> {
        let mask =
            paths.map(|paths| FieldMask { paths: paths.iter().map(|&path| path.to_owned()).collect() });
        Mask::read(mask.as_ref(), &[("name", true), ("ends_at", false)])
    }

    #[test]
    fn without_a_mask_what_is_filled_is_touched() {
        for paths in [None, Some([].as_slice())] {
            assert_eq!(read(paths).unwrap(), Mask(vec!["name"]));
        }
    }

    #[test]
    fn a_mask_touches_what_it_names_filled_or_not() {
        let mask = read(Some(&["ends_at", "ends_at"])).unwrap();
        assert!(mask.has("ends_at") && !mask.has("name"));
        assert_eq!(read(Some(&["*"])).unwrap(), Mask(vec!["name", "ends_at"]));
    }

    #[test]
    fn a_path_that_is_not_to_be_touched_is_refused() {
        for paths in [["name", "nosuch"], ["name", ""], ["name", "*"], ["name", "name.first"]] {
            let error = read(Some(&paths)).unwrap_err();
            assert_eq!(error.message(), "update_mask may name name, ends_at; or be `*`");
            assert_eq!(error.first_field(), "update_mask");
        }
    }
}
