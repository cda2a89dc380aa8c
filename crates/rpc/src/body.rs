//! Bodies of answers that go on: a stream keeps its places among the others until it is over, and it is over at the latest
//! when the credential is that it was begun with, the time that its caller gave it, or that a stream may last.

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
    /// When it has lasted long enough; it would keep its connection for ever.
    age: Option<Pin<Box<Sleep>>>,
    /// When the server stops; for streams that would not notice.
    stopping: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    /// None once it is over.
    places: Option<Places>,
}

impl Tended {
    /// `inner`, which keeps `places` until it is over.
    pub(crate) fn new(inner: Body, places: Places) -> Self {
        Self { inner, expiry: None, deadline: None, age: None, stopping: None, places: Some(places) }
    }

    /// Ends in so much time, as the credential does.
    pub(crate) fn expiring(self, left: Option<Duration>) -> Self {
        Self { expiry: left.map(|left| Box::pin(tokio::time::sleep(left))), ..self }
    }

    /// Ends at the deadline of its caller, if it named one.
    pub(crate) fn until(self, deadline: Option<Instant>) -> Self {
        Self { deadline: deadline.map(|at| Box::pin(tokio::time::sleep_until(at))), ..self }
    }

    /// Ends when it has lasted so long, or up to a tenth longer: streams that began together do not end together.
    pub(crate) fn lasting(self, age: Option<Duration>) -> Self {
        Self { age: age.map(|age| Box::pin(tokio::time::sleep(jittered(age)))), ..self }
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
        if is_over(&mut self.age, context) {
            return self.end(Error::unavailable());
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

fn jittered(age: Duration) -> Duration {
    age.mul_f64(1.0 + rand::random::<f64>() / 10.0)
}

fn is_over<F: Future>(future: &mut Option<Pin<Box<F>>>, context: &mut Context<'_>) -> bool {
    future.as_mut().is_some_and(|future| future.as_mut().poll(context).is_ready())
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, StreamBody};

    use super::*;

    #[tokio::test]
    async fn a_stream_ends_when_it_has_lasted_long_enough_and_says_that_it_can_be_resumed() {
        let silent = StreamBody::new(futures::stream::pending::<Result<Frame<Bytes>, Status>>());
        let (begun, age) = (Instant::now(), Duration::from_millis(50));
        let stream = Tended::new(Body::new(silent), Places::new()).lasting(Some(age));
        let all = stream.collect().await.unwrap();
        let told = Status::from_header_map(all.trailers().unwrap()).unwrap();
        assert_eq!(told.code(), tonic::Code::Unavailable);
        assert!(begun.elapsed() >= age);
    }

    #[test]
    fn streams_that_began_together_end_at_most_a_tenth_later_and_not_together() {
        let age = Duration::from_secs(1000);
        let ends: Vec<Duration> = (0..100).map(|_| jittered(age)).collect();
        assert!(ends.iter().all(|end| (age..age.mul_f64(1.1)).contains(end)));
        assert!(ends.iter().any(|end| *end != ends[0]));
    }
}
