//! Definitions of properties (O9), and the values that orders have.

use pg::properties::Table;
pub(crate) use pg::properties::sql;
pub(super) use pg::properties::{read, write};

/// What tenants define.
pub(crate) const DEFINITIONS: Table = pg::property_table!("order_properties");
