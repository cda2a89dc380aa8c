//! The order of a list (AIP-132). A list declares the orders it can be had in, which are those an index serves; no other
//! can be asked for. A page token is of one order: `order_by` belongs to the query of [`crate::page::Page::read`].

use crate::Error;

/// Reads `order_by`, such as `recorded_at desc, order_id`, against the orders of a list, of which the first is the default.
/// INVALID_FIELD on `order_by` if it is none of them.
pub fn read<T: Copy>(orders: &[(&str, T)], text: &str) -> Result<T, Error> {
    // spaces do not count beyond parting words
    let part = |part: &str| part.split_whitespace().collect::<Vec<_>>().join(" ");
    let wanted = text.split(',').map(part).collect::<Vec<_>>().join(", ");
    let found =
        if wanted.is_empty() { orders.first() } else { orders.iter().find(|(name, _)| *name == wanted) };
    found.map(|(_, order)| *order).ok_or_else(|| {
        let known: Vec<_> = orders.iter().map(|(name, _)| format!("`{name}`")).collect();
        Error::field("order_by", format_args!("must be one of {}", known.join(" ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDERS: [(&str, u8); 3] = [("at desc", 0), ("at", 1), ("name, at desc", 2)];

    #[test]
    fn the_first_order_is_the_default_and_spaces_do_not_count() {
        for (text, order) in
            [("", 0), (" ", 0), ("at desc", 0), ("  at   desc ", 0), ("at", 1), ("name,at desc", 2)]
        {
            assert_eq!(read(&ORDERS, text), Ok(order), "{text:?}");
        }
    }

    #[test]
    fn an_order_that_is_not_declared_is_refused() {
        for text in ["name", "at asc", "at DESC", "at,", ",", "at desc, name", "at; --"] {
            let error = read(&ORDERS, text).unwrap_err();
            assert_eq!(error.message(), "order_by must be one of `at desc` `at` `name, at desc`", "{text:?}");
        }
    }
}
