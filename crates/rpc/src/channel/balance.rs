//! Calls take turns over all addresses of a name. A headless service of Kubernetes has one address per pod that is ready.
//!
//! One task per channel looks the name up and keeps a connection to each address; it ends with the last clone of the channel. Calls go
//! over connections that are there, so that an address where nobody answers costs nobody time. (tonic's `balance_channel` waits for ever
//! while there is no address, and gives a dead one as many calls as a living one.)

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use http::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};
use tonic::Status;
use tonic::body::Body;
use tonic::transport::{self, Endpoint};
use tower::ServiceExt;
use tower::util::BoxCloneSyncService;

use super::{Channel, is_deadline, lost};

/// When to do what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// The name is looked up so often, and at once when a connection is lost.
    pub(super) look_up: Duration,
    /// Pause before the next attempt when the last one was of no use.
    pub(super) retry: Duration,
    /// Longest wait for DNS, for a connection, and of a call for the first of them.
    pub(super) patience: Duration,
}

/// A channel to all addresses that `look_up` gives. Certificates are checked against the name in `endpoint`.
pub(super) fn balance<F, Fut>(endpoint: Endpoint, look_up: F, pace: Pace) -> Channel
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output = io::Result<BTreeSet<SocketAddr>>> + Send,
{
    let (replicas, known) = watch::channel(None);
    let keeper = Keeper { endpoint, look_up, pace, replicas, trouble: Arc::default() };
    tokio::spawn(async move {
        tokio::select! {
            () = keeper.replicas.closed() => {}
            never = keeper.keep() => match never {},
        }
    });
    // many processes start at the same time, or make only one call: they must not all begin with the same replica
    let first = RandomState::new().hash_one(()).to_ne_bytes()[0];
    let turns = Turns { known, next: Arc::new(AtomicUsize::new(first.into())), patience: pace.patience };
    BoxCloneSyncService::new(tower::service_fn(move |request| turns.clone().call(request)))
}

/// What is connected; none until the first is, or nothing could be.
type Replicas = Option<Vec<Replica>>;

/// A connection to one address.
#[derive(Clone)]
struct Replica {
    address: SocketAddr,
    channel: transport::Channel,
    link: Arc<Link>,
}

/// Gets calls in its turn.
const SOUND: u8 = 0;
/// A call has failed on it: gets calls if there is no sound one.
const DOUBTFUL: u8 = 1;
/// Was lost and could not be made again: gets no calls.
const DEAD: u8 = 2;

/// What is known of a connection. It only gets worse: a better one replaces it.
struct Link {
    state: AtomicU8,
    trouble: Arc<Notify>,
}

impl Link {
    fn state(&self) -> u8 {
        self.state.load(Relaxed)
    }

    fn worsen(&self, state: u8) {
        if self.state.fetch_max(state, Relaxed) < state {
            self.trouble.notify_one();
        }
    }
}

/// The side of the callers.
#[derive(Clone)]
struct Turns {
    known: watch::Receiver<Replicas>,
    next: Arc<AtomicUsize>,
    patience: Duration,
}

impl Turns {
    async fn call(mut self, request: Request<Body>) -> Result<Response<Body>, Status> {
        let Some(Replica { channel, link, .. }) = self.pick().await else {
            return Err(Status::unavailable("no address of the service can be reached"));
        };
        channel.oneshot(request).await.map_err(|error| {
            if !is_deadline(&error) {
                link.worsen(DOUBTFUL);
            }
            lost(&error)
        })
    }

    async fn pick(&mut self) -> Option<Replica> {
        let replicas = timeout(self.patience, self.known.wait_for(Option::is_some)).await.ok()?.ok()?;
        let replicas = replicas.as_ref()?;
        let next = self.next.fetch_add(1, Relaxed) % replicas.len().max(1);
        let in_turn = replicas.iter().cycle().skip(next).take(replicas.len());
        // of those in the same state, the first
        in_turn
            .filter(|replica| replica.link.state() < DEAD)
            .min_by_key(|replica| replica.link.state())
            .cloned()
    }
}

/// The task's side.
struct Keeper<F> {
    endpoint: Endpoint,
    look_up: F,
    pace: Pace,
    replicas: watch::Sender<Replicas>,
    /// A connection is not sound any more.
    trouble: Arc<Notify>,
}

impl<F, Fut> Keeper<F>
where
    F: Fn() -> Fut,
    Fut: Future<Output = io::Result<BTreeSet<SocketAddr>>>,
{
    async fn keep(&self) -> Infallible {
        let (mut addresses, mut is_up, mut in_trouble) = (BTreeSet::new(), true, false);
        loop {
            match timeout(self.pace.patience, (self.look_up)()).await.unwrap_or_else(|late| Err(late.into()))
            {
                Ok(found) => addresses = found,
                // DNS may be down while the replicas are not
                Err(error) => tracing::debug!(%error, uri = %self.endpoint.uri(), "keep the addresses known"),
            }
            let was_up = std::mem::replace(&mut is_up, self.meet(&addresses).await);
            if was_up != is_up {
                self.tell(is_up);
            }
            // what is lost is replaced at once; what is lost again and again, or out of reach, is not
            if in_trouble || !is_up {
                sleep(self.pace.retry).await;
            }
            in_trouble = !is_up || timeout(self.pace.look_up, self.trouble.notified()).await.is_ok();
        }
    }

    /// Lets go of replicas that are not at `addresses`, and connects to those that have no sound connection. Whether any is connected.
    async fn meet(&self, addresses: &BTreeSet<SocketAddr>) -> bool {
        let mut missing = addresses.clone();
        self.replicas.send_modify(|replicas| {
            let Some(replicas) = replicas else { return };
            replicas.retain(|replica| addresses.contains(&replica.address));
            for sound in replicas.iter().filter(|replica| replica.link.state() == SOUND) {
                missing.remove(&sound.address);
            }
        });
        let attempts = missing.into_iter().map(async |address| (address, self.connect(address).await));
        let mut attempts: FuturesUnordered<_> = attempts.collect();
        // calls need not wait for all of them
        while let Some((address, attempt)) = attempts.next().await {
            self.replicas.send_modify(|replicas| {
                if let Some(replicas) = replicas {
                    replicas.retain(|replica| replica.address != address);
                }
                match attempt {
                    Ok(replica) => replicas.get_or_insert_default().push(replica),
                    Err(error) => tracing::debug!(?error, %address, "cannot connect"),
                }
            });
        }
        let mut is_up = false;
        self.replicas.send_modify(|replicas| is_up = !replicas.get_or_insert_default().is_empty());
        is_up
    }

    async fn connect(&self, address: SocketAddr) -> Result<Replica, transport::Error> {
        let link = Arc::new(Link { state: AtomicU8::new(SOUND), trouble: Arc::clone(&self.trouble) });
        let (connection, patience) = (Arc::clone(&link), self.pace.patience);
        // tonic asks for a connection now, and again when the server has ended it because of its age
        let mut is_made = false;
        let connector = tower::service_fn(move |_: Uri| {
            let (link, again) = (Arc::clone(&connection), std::mem::replace(&mut is_made, true));
            async move {
                // calls that waited for an attempt in vain must not wait for one more each
                if link.state() == DEAD {
                    return Err(io::ErrorKind::NotConnected.into());
                }
                let attempt = timeout(patience, TcpStream::connect(address)).await;
                let stream = attempt.unwrap_or_else(|late| Err(late.into())).inspect_err(|_| {
                    if again {
                        link.worsen(DEAD);
                    }
                })?;
                stream.set_nodelay(true)?;
                Ok::<_, io::Error>(TokioIo::new(stream))
            }
        });
        let channel = self.endpoint.connect_with_connector(connector).await?;
        Ok(Replica { address, channel, link })
    }

    fn tell(&self, is_up: bool) {
        let uri = self.endpoint.uri();
        if is_up {
            tracing::info!(%uri, "reached again");
        } else {
            tracing::warn!(%uri, "no address of it can be reached");
        }
    }
}

#[cfg(test)]
mod tests;
