//! TestClockService.

use std::sync::Arc;

use proto::attribution as v1;
use proto::attribution::test_clock_service_server::TestClockService;
use rpc::{Error, caller, fields};
use tonic::{Request, Response, Status};

use super::read;
use crate::commands::move_test_clock::{self, Moved};
use crate::domain::test_clock::ClockMove;
use crate::domain::{Books, Violation};
use crate::{App, store};

/// Serves test clocks.
#[derive(Debug)]
pub(super) struct TestClocks(pub(super) Arc<App>);

#[tonic::async_trait]
impl TestClockService for TestClocks {
    async fn set_test_clock(
        &self,
        request: Request<v1::SetTestClockRequest>,
    ) -> Result<Response<v1::SetTestClockResponse>, Status> {
        let tenant = caller::tenant(&request)?;
        let to = fields::timestamp("now", request.get_ref().now.as_ref())?;
        let to = fields::required("now", to)?;
        let by = (&tenant, &caller::origin(&request)?);
        let App { db, clock, .. } = &*self.0;
        let moved = move_test_clock::run(db, &**clock, by, ClockMove::To(to), None).await;
        let now = Some(fields::wire_time(moved.map_err(Error::from)?.shows));
        Ok(Response::new(v1::SetTestClockResponse { now }))
    }

    async fn advance_test_clock(
        &self,
        request: Request<v1::AdvanceTestClockRequest>,
    ) -> Result<Response<v1::AdvanceTestClockResponse>, Status> {
        let tenant = caller::tenant(&request)?;
        let origin = caller::origin(&request)?;
        let mut wire = request.into_inner();
        let id = std::mem::take(&mut wire.request_id);
        let request = read::request(&self.0, &tenant, "AdvanceTestClock", &id, &wire);
        let request = Some(fields::required("request_id", request)?);
        let by = ClockMove::By(time::Duration::seconds(wire.seconds));
        let App { db, clock, .. } = &*self.0;
        let moved = move_test_clock::run(db, &**clock, (&tenant, &origin), by, request).await;
        let Moved { shows, replayed } = moved.map_err(Error::from)?;
        let now = Some(fields::wire_time(shows));
        Ok(Response::new(v1::AdvanceTestClockResponse { now, replayed }))
    }

    async fn get_test_clock(
        &self,
        request: Request<v1::GetTestClockRequest>,
    ) -> Result<Response<v1::GetTestClockResponse>, Status> {
        let tenant = caller::tenant(&request)?;
        let mut conn = self.0.db.read().acquire().await.map_err(Error::from)?;
        let mut books = Books::default();
        store::load_clocks(&mut conn, [&tenant], &mut books).await.map_err(Error::from)?;
        let shows = books.of(&tenant).test_clock;
        let shows = shows.ok_or_else(|| Error::from(Violation::TestClockNotFound))?;
        Ok(Response::new(v1::GetTestClockResponse { now: Some(fields::wire_time(shows)) }))
    }
}
