//! The only SQL: slices in and out, one statement each, and what is read for lists.

pub(crate) mod erasures;
pub(crate) mod history;
pub(crate) mod imports;
pub(crate) mod line_items;
pub(crate) mod list;
pub(crate) mod orders;
pub(crate) mod properties;
pub(crate) mod rejected;
pub(crate) mod test_clocks;
