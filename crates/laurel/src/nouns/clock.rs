//! `laurel clock`.

use std::time::Duration;

use clap::Subcommand;
use proto::attribution::{AdvanceTestClockRequest, GetTestClockRequest, SetTestClockRequest};
use rpc::fields::wire_time;
use types::{Clock, SystemClock, Timestamp, new_id};
use uuid::Uuid;

use super::{RequestId, Session, call};
use crate::arguments::{duration, moment};

/// What to do with the test clock.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Set it; forward only once it is set
    Set {
        /// What it is to show: 2026-03-09T12:00:00Z, or 2026-03-09 for its beginning in UTC
        #[arg(value_name = "TIME", value_parser = moment)]
        now: Timestamp,
    },
    /// Move it forward, by ten years at most
    Advance {
        /// By how much, such as 90s, 30m, 1h or 31d
        #[arg(value_name = "DURATION", value_parser = duration)]
        seconds: Duration,
        /// So that a repeat does not move it again.
        #[command(flatten)]
        request: RequestId,
    },
    /// Say what it shows
    Get,
}

pub(super) async fn run(command: &Command, session: &Session) -> anyhow::Result<()> {
    match command.clone() {
        Command::Set { now } => {
            let request = SetTestClockRequest { now: Some(wire_time(now)) };
            session.answer(&call!(session.test_clock.set_test_clock(request)))
        }
        Command::Advance { seconds, request } => {
            let seconds = i64::try_from(seconds.as_secs())?;
            let request_id =
                Some(request.request_id).filter(|id| !id.is_empty()).unwrap_or_else(new_request_id);
            let request = AdvanceTestClockRequest { seconds, request_id };
            session.answer(&call!(session.test_clock.advance_test_clock(request)))
        }
        Command::Get => session.answer(&call!(session.test_clock.get_test_clock(GetTestClockRequest {}))),
    }
}

/// One that nobody has used.
fn new_request_id() -> String {
    new_id::<Uuid>(SystemClock.now()).to_string()
}
