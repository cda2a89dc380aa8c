//! Bodies of answers that go on: a stream keeps its places among the others until it is over, and it is over at the latest
//! when the credential is that it was begun with, or the time that its caller gave it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::HeaderMap;
use http_body::Frame;
use tokio::time::{Instant, Sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::Bytes;

use crate::Error;
use crate::limits::Places;

/// A body with what may end it from outside.
pub(crate) struct Tended {
    inner: Body,
    /// When the credential is no longer valid.
    expiry: Option<Pin<Box<Sleep>>>,
    /// When its caller wants no more of it, if it said so.
    deadline: Option<Pin<Box<Sleep>>>,
    /// When the server stops; for streams that would not notice.
    stopping: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    /// None once it is over.
    places: Option<Places>,
}

impl Tended {
    /// `inner`, which keeps `places` until it is over.
    pub(crate) fn new(inner: Body, places: Places) -> Self {
        Self { inner, expiry: None, deadline: None, stopping: None, places: Some(places) }
    }

    /// Ends in so much time, as the credential does.
    pub(crate) fn expiring(self, left: Option<Duration>) -> Self {
        Self { expiry: left.map(|left| Box::pin(tokio::time::sleep(left))), ..self }
    }

    /// Ends at the deadline of its caller, if it named one.
    pub(crate) fn until(self, deadline: Option<Instant>) -> Self {
        Self { deadline: deadline.map(|at| Box::pin(tokio::time::sleep_until(at))), ..self }
    }

    /// Ends when it has nothing more to say and the server stops.
    pub(crate) fn stopping_with(self, stop: CancellationToken) -> Self {
        Self { stopping: Some(Box::pin(stop.cancelled_owned())), ..self }
    }

    fn end(&mut self, error: Error) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        self.places = None;
        let mut trailers = HeaderMap::new();
        let told = Status::from(error).add_header(&mut trailers);
        Poll::Ready(Some(told.map(|()| Frame::trailers(trailers))))
    }
}

impl fmt::Debug for Tended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tended").field("over", &self.places.is_none()).finish_non_exhaustive()
    }
}

impl http_body::Body for Tended {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.places.is_none() {
            return Poll::Ready(None);
        }
        // first, since a stream may always have something to say
        if is_over(&mut self.expiry, context) {
            return self
                .end(Error::expired("the token or certificate has expired; begin again with a new one"));
        }
        if is_over(&mut self.deadline, context) {
            return self.end(Error::deadline_passed());
        }
        match Pin::new(&mut self.inner).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) if frame.is_data() => Poll::Ready(Some(Ok(frame))),
            Poll::Ready(last) => {
                self.places = None;
                Poll::Ready(last)
            }
            // last, so that a client hears that the server is not ready any more
            Poll::Pending if is_over(&mut self.stopping, context) => self.end(Error::unavailable()),
            Poll::Pending => Poll::Pending,
        }
    }
}

fn is_over<F: Future>(future: &mut Option<Pin<Box<F>>>, context: &mut Context<'_>) -> bool {
    future.as_mut().is_some_and(|future| future.as_mut().poll(context).is_ready())
}
