//! The edge: proto to domain with field paths, call a command or a query, convert back.
//!
//! | module | what |
//! |---|---|
//! | [`journeys`] | JourneyService |
//! | [`lint`] | what is said of definitions: LintJourney, DrawJourney |
//! | [`runs`] | RunService |
//! | [`funnel`] | FunnelService |
//! | [`audit`] | AuditService |
//! | [`erasures`] | ErasureService |
//! | [`errors`] | violations to public errors, in one place |

pub(crate) mod audit;
pub(crate) mod erasures;
pub(crate) mod errors;
pub(crate) mod funnel;
pub(crate) mod journeys;
pub(crate) mod lint;
pub(crate) mod runs;

use batch::Batcher;
use outbox::Source;
use pg::Database;

use crate::commands::Engine;
use crate::commands::enter_stage::EnterStages;
use crate::subscribers::attribution::AttributionEvents;
use crate::subscribers::orders::OrderEvents;

/// What the servers stand on. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    pub(crate) db: Database,
    pub(crate) engine: Engine,
    pub(crate) source: Source,
    pub(crate) entries: Batcher<EnterStages>,
    /// For events that are tried again.
    pub(crate) attribution: AttributionEvents,
    pub(crate) orders: OrderEvents,
}
