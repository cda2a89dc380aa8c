//! Generated code and descriptors of the contracts in `proto/`, and the codec that holds messages to their constraints.
#![expect(
    missing_docs,
    clippy::all,
    clippy::pedantic,
    clippy::expect_used,
    clippy::allow_attributes,
    clippy::large_enum_variant,
    unused_mut,
    reason = "generated code; the contracts carry the comments"
)]

pub mod codec;

/// The encoded `FileDescriptorSet` of all contracts, for reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

macro_rules! package {
    ($name:literal) => {
        include!(concat!(env!("OUT_DIR"), "/", $name, ".rs"));
    };
}

pub mod google {
    pub mod r#type {
        package!("google.r#type");
    }
}

pub mod laurel {
    pub mod common {
        pub mod v1 {
            package!("laurel.common.v1");
        }
    }
    pub mod attribution {
        pub mod v1 {
            package!("laurel.attribution.v1");
        }
    }
    pub mod orders {
        pub mod v1 {
            package!("laurel.orders.v1");
        }
    }
    pub mod journeys {
        pub mod v1 {
            package!("laurel.journeys.v1");
        }
    }
    pub mod rewards {
        pub mod v1 {
            package!("laurel.rewards.v1");
        }
    }
}

include!(concat!(env!("OUT_DIR"), "/validators.rs"));
include!(concat!(env!("OUT_DIR"), "/checked.rs"));

pub use laurel::{attribution::v1 as attribution, common::v1 as common};
pub use laurel::{journeys::v1 as journeys, orders::v1 as orders, rewards::v1 as rewards};
