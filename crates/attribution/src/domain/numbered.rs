//! Enums that have the same numbers in the contract and in the database.

/// Defines an enum whose values carry the numbers of the contract.
macro_rules! numbered {
    ($(#[$doc:meta])* $name:ident { $($(#[$value_doc:meta])* $value:ident = $number:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub(crate) enum $name { $($(#[$value_doc])* $value,)+ }

        impl $name {
            /// Its number in contract and database.
            pub(crate) const fn number(self) -> i16 {
                match self { $(Self::$value => $number,)+ }
            }

            /// The value with this number.
            pub(crate) const fn from_number(number: i16) -> Option<Self> {
                match number { $($number => Some(Self::$value),)+ _ => None }
            }
        }
    };
}

pub(super) use numbered;
