//! The pure vocabulary of all services: ids, money, percentages, e-mail addresses, the clock, where a command comes from.
//!
//! Nothing here does IO. Every type is strict: a value that exists is valid, so `domain/` never checks twice.

mod clock;
mod currency;
mod email;
mod ids;
mod money;
mod origin;
pub mod property;

pub use clock::{Clock, ManualClock, SystemClock, Timestamp};
pub use currency::{Currency, UnknownCurrency};
pub use email::{Email, EmailError};
pub use ids::{
    AttributionId, CampaignId, ContactId, CouponCode, EventId, IdError, JourneyKey, OrderId, RewardId,
    RuleKey, RunId, SegmentId, Shortcode, StageKey, TenantId, TransitionId, new_id,
};
pub use money::{BasisPoints, Money, MoneyError};
pub use origin::Origin;
