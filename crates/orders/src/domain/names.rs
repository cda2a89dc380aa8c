//! By what a row of a file may name contacts, so that erasure finds it whatever is wrong with it (A13).

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::NewOrder;

/// The longest text that can name a contact, in bytes: an e-mail address.
const LONGEST: usize = 254;

/// A name in the form it is compared in: trimmed, lower case. `None`: it names nobody.
pub(crate) fn normal(name: &str) -> Option<String> {
    let name = name.trim().to_lowercase();
    let is_name = !name.is_empty() && name.len() <= LONGEST && !name.contains('\0');
    is_name.then_some(name)
}

/// Names in a record: `cells`, which are those of the columns that name contacts, and whatever looks like an e-mail address in
/// the whole of it.
pub(crate) fn names<'c>(cells: impl IntoIterator<Item = Cow<'c, str>>, record: &[u8]) -> Vec<String> {
    let record = text(record);
    let mut names: BTreeSet<String> = cells.into_iter().filter_map(|cell| normal(&cell)).collect();
    // what an address cannot hold is a boundary; and what one rarely holds, as in `mailto:ann@example.com`
    let never = |c: char| c.is_whitespace() || c.is_control() || matches!(c, ',' | ';' | '<' | '>' | '"');
    for word in record.split(never).filter(|word| word.contains('@')) {
        names.extend(normal(word));
        names.extend(word.split(|c: char| !c.is_alphanumeric() && !"@._%+-".contains(c)).filter_map(address));
    }
    names.into_iter().collect()
}

/// Names in a record whose columns cannot be told: any cell may be one.
pub(crate) fn names_anywhere(record: &[u8]) -> Vec<String> {
    let whole = text(record);
    names(whole.split([',', '"', '\r', '\n']).map(Cow::Borrowed), record)
}

/// Names in a record that was read as this order.
pub(crate) fn names_of(order: &NewOrder, record: &[u8]) -> Vec<String> {
    let people = [Some(&order.customer), order.evidence.advocate.as_ref()];
    let cells = people.into_iter().flatten().flat_map(|person| {
        let id = person.contact_id.map(|id| Cow::Owned(id.to_string()));
        let email = person.email.as_ref().map(|email| Cow::Borrowed(email.as_str()));
        let uid = person.uid.as_ref().map(|uid| Cow::Borrowed(uid.as_str()));
        [id, email, uid].into_iter().flatten()
    });
    names(cells, record)
}

/// Bytes as text: UTF-8, or else Latin-1, which is what files that are not UTF-8 mostly are.
pub(crate) fn text(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(bytes.iter().map(|byte| char::from(*byte)).collect()),
    }
}

fn address(word: &str) -> Option<String> {
    word.contains('@').then(|| normal(word.trim_end_matches('.'))).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(cells: &[&str], record: &[u8]) -> Vec<String> {
        names(cells.iter().map(|cell| Cow::Borrowed(*cell)), record)
    }

    #[test]
    fn a13_the_columns_that_name_contacts_are_names_whatever_they_hold() {
        assert_eq!(found(&[" Ann@ ", "U-7", "", "a\0b"], b"o-1,10"), ["ann@", "u-7"]);
        assert_eq!(found(&["x".repeat(255).as_str()], b""), [""; 0]);
    }

    #[test]
    fn a13_addresses_are_found_in_the_whole_record() {
        let record = b"o-1,1,\"see <mailto:Ann@Example.com> or bob@example.com.\",o'brien@example.com";
        let names = found(&[], record);
        for name in ["ann@example.com", "bob@example.com", "o'brien@example.com"] {
            assert!(names.contains(&name.to_owned()), "{names:?}");
        }
    }

    #[test]
    fn a13_a_record_in_latin_1_is_read_as_such() {
        assert_eq!(found(&[], b"o-1,caf\xe9@example.com"), ["café@example.com"]);
    }

    #[test]
    fn a13_in_a_misquoted_record_any_cell_may_be_a_name() {
        let names = names_anywhere(b"o-1,\"U-7,1\nO-2,eve@example.com\"x,2");
        assert_eq!(names, ["1", "2", "eve@example.com", "o-1", "o-2", "u-7", "x"]);
    }
}
