//! Followers: effects and cursor commit together, whatever fails in between.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use outbox::{ApplyError, Follower, Scope, Source, Subscriber, parked};
use pg::audit::Filter;
use pg::sqlx::{query, query_as, raw_sql};
use pg::{Database, Schema, WriteTx};
use proto::attribution::attribution_event::Fact;
use proto::attribution::attribution_service_server::AttributionServiceServer;
use proto::attribution::{
    AttributionEvent, ContactTagged, WatchAttributionEventsRequest, WatchAttributionEventsResponse,
};
use testkit::Sandbox;
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};
use types::{Clock, Origin, SystemClock};

const UPSTREAM: Schema = Schema { name: "upstream" };
const DOWNSTREAM: Schema = Schema { name: "downstream" };

/// Contact -> the events applied for it, in the order they were applied.
type Applied = BTreeMap<String, Vec<String>>;

struct World {
    upstream: Database,
    downstream: Database,
    channel: rpc::Channel,
    stop: CancellationToken,
}

impl World {
    async fn new() -> anyhow::Result<Self> {
        let sandbox = Sandbox::new(&[
            (UPSTREAM, &[&outbox::MIGRATIONS]),
            (DOWNSTREAM, &[&outbox::MIGRATIONS, &pg::audit::MIGRATIONS]),
        ])
        .await?;
        let (upstream, downstream) = (sandbox.database(UPSTREAM).await?, sandbox.database(DOWNSTREAM).await?);
        raw_sql("CREATE TABLE effects (n serial, contact text, event text)")
            .execute(downstream.read())
            .await?;
        let stop = CancellationToken::new();
        let source = Source::open(upstream.clone(), stop.clone()).await?;
        let channel = server::routes(source).channel();
        Ok(Self { upstream, downstream, channel, stop })
    }

    async fn append(&self, events: &[(&str, &str)]) -> anyhow::Result<()> {
        let events: Vec<AttributionEvent> = events.iter().map(|(contact, id)| event(contact, id)).collect();
        let mut tx = self.upstream.write().await?;
        outbox::append(&mut tx, pg::Inserts::default(), &events).await?;
        Ok(tx.commit().await?)
    }

    fn follower(&self, subscriber: Recorder) -> Follower<Recorder> {
        Follower::new(self.downstream.clone(), subscriber, Arc::new(SystemClock))
    }

    fn recorder(&self) -> Recorder {
        Recorder {
            channel: self.channel.clone(),
            refusals: Arc::default(),
            failures: Arc::default(),
            failing: None,
            types: Vec::new(),
        }
    }

    async fn applied(&self) -> anyhow::Result<Applied> {
        let rows: Vec<(String, String)> = query_as("SELECT contact, event FROM effects ORDER BY n")
            .fetch_all(self.downstream.read())
            .await?;
        let mut applied = Applied::new();
        for (contact, event) in rows {
            applied.entry(contact).or_default().push(event);
        }
        Ok(applied)
    }

    /// Waits until the subscription has read the whole stream.
    async fn caught_up(&self) -> anyhow::Result<()> {
        let (head,): (i64,) =
            query_as("SELECT coalesce(max(position), 0) FROM events").fetch_one(self.upstream.read()).await?;
        let mut commits = self.downstream.commits();
        let reached = async {
            loop {
                commits.mark_unchanged();
                let stored = outbox::subscription::stored(&self.downstream, Recorder::NAME).await?;
                if stored.is_some_and(|cursor| cursor.position >= head) {
                    return anyhow::Ok(());
                }
                commits.changed().await?;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), reached).await?
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn event(contact: &str, id: &str) -> AttributionEvent {
    let tagged = ContactTagged { contact_id: contact.to_owned(), ..Default::default() };
    AttributionEvent {
        event_id: id.to_owned(),
        tenant_id: "acme".to_owned(),
        fact: Some(Fact::ContactTagged(tagged)),
        ..Default::default()
    }
}

/// Writes down what it is given; events named `poison` cannot be applied, and the database can be made to fail.
#[derive(Clone)]
struct Recorder {
    channel: rpc::Channel,
    /// So often it is not let in.
    refusals: Arc<AtomicUsize>,
    failures: Arc<AtomicUsize>,
    failing: Option<&'static str>,
    /// All if empty.
    types: Vec<String>,
}

impl Subscriber for Recorder {
    type Response = WatchAttributionEventsResponse;
    const NAME: &'static str = "downstream.upstream";

    async fn open(&self, cursor: String) -> Result<Streaming<Self::Response>, Status> {
        if self.refusals.load(Ordering::SeqCst) > 0 {
            self.refusals.fetch_sub(1, Ordering::SeqCst);
            return Err(Status::unauthenticated("the token has expired"));
        }
        let channel = rpc::channel::for_service(self.channel.clone(), "downstream");
        let types = self.types.clone();
        let request = WatchAttributionEventsRequest { cursor, types, ..Default::default() };
        let mut client =
            proto::attribution::attribution_service_client::AttributionServiceClient::new(channel);
        Ok(client.watch_attribution_events(request).await?.into_inner())
    }

    async fn apply(&self, tx: &mut WriteTx, events: &[AttributionEvent]) -> Result<(), ApplyError> {
        for event in events {
            let contact = outbox::Event::contact_id(event).unwrap_or_default();
            query("INSERT INTO effects (contact, event) VALUES ($1, $2)")
                .bind(contact)
                .bind(&event.event_id)
                .execute(&mut **tx)
                .await
                .map_err(pg::Error::from)?;
            if self.failing == Some(event.event_id.as_str()) {
                return Err(ApplyError::Poison("cannot be understood".to_owned()));
            }
        }
        if self.failures.load(Ordering::SeqCst) > 0 {
            self.failures.fetch_sub(1, Ordering::SeqCst);
            // what a server says that is shutting down
            let error = query("DO $$ BEGIN RAISE EXCEPTION 'going away' USING ERRCODE = '57P01'; END $$");
            error.execute(&mut **tx).await.map_err(pg::Error::from)?;
        }
        Ok(())
    }
}

fn expected(pairs: &[(&str, &[&str])]) -> Applied {
    pairs.iter().map(|(c, ids)| ((*c).to_owned(), ids.iter().map(|id| (*id).to_owned()).collect())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_followers_of_one_subscription_apply_everything_once() -> anyhow::Result<()> {
    let world = World::new().await?;
    for _ in 0..2 {
        let follower = world.follower(world.recorder()).without_stand_by();
        tokio::spawn(follower.run(world.stop.clone()));
    }
    let ids: Vec<String> = (0..300).map(|n| format!("{n:03}")).collect();
    for slice in ids.chunks(3) {
        let events: Vec<(&str, &str)> = slice.iter().map(|id| ("ann", id.as_str())).collect();
        world.append(&events).await?;
    }
    world.caught_up().await?;
    assert_eq!(world.applied().await?.remove("ann"), Some(ids));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_way_past_events_of_other_types_is_remembered() -> anyhow::Result<()> {
    let world = World::new().await?;
    let ids: Vec<String> = (0..1200).map(|n| n.to_string()).collect();
    let events: Vec<(&str, &str)> = ids.iter().map(|id| ("ann", id.as_str())).collect();
    world.append(&events).await?;
    let subscriber = Recorder { types: vec!["clock_moved".to_owned()], ..world.recorder() };
    tokio::spawn(world.follower(subscriber).run(world.stop.clone()));
    // the stored cursor gets to the head, though nothing was applied
    world.caught_up().await?;
    assert_eq!(world.applied().await?, Applied::new());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transient_failure_is_retried_and_never_parked() -> anyhow::Result<()> {
    let world = World::new().await?;
    let recorder = world.recorder();
    recorder.failures.store(3, Ordering::SeqCst);
    tokio::spawn(world.follower(recorder.clone()).run(world.stop.clone()));
    world.append(&[("ann", "1"), ("bob", "2")]).await?;
    world.caught_up().await?;
    assert_eq!(recorder.failures.load(Ordering::SeqCst), 0);
    assert_eq!(world.applied().await?, expected(&[("ann", &["1"]), ("bob", &["2"])]));
    let (parked, _) = parked::list(&world.downstream, &"acme".parse()?, 0, "").await.map_err(Status::from)?;
    assert!(parked.is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_that_is_refused_says_so_once_and_goes_on_when_it_is_let_in() -> anyhow::Result<()> {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).init();
    let connected = |n| {
        observe::metrics::text()
            .contains(&format!("stream_connected{{subscription=\"{}\"}} {n}", Recorder::NAME))
    };
    let world = World::new().await?;
    let recorder = world.recorder();
    recorder.refusals.store(7, Ordering::SeqCst);
    let follower = world.follower(recorder.clone());
    assert!(connected(0));
    tokio::spawn(follower.run(world.stop.clone()));
    world.append(&[("ann", "1")]).await?;
    world.caught_up().await?;
    assert_eq!(recorder.refusals.load(Ordering::SeqCst), 0);
    assert!(connected(1));
    assert_eq!(log.lines("ERROR", "the token has expired"), 1, "{}", log.text());
    assert_eq!(log.lines("INFO", "the stream is read again"), 1, "{}", log.text());
    Ok(())
}

/// What is logged; each test is a process of its own.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    fn lines(&self, level: &str, what: &str) -> usize {
        self.text().lines().filter(|line| line.contains(level) && line.contains(what)).count()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poisonous_event_is_parked_and_holds_up_its_own_contact_only() -> anyhow::Result<()> {
    let world = World::new().await?;
    let recorder = Recorder { failing: Some("2"), ..world.recorder() };
    world.append(&[("ann", "1"), ("bob", "2"), ("ann", "3"), ("bob", "4"), ("cat", "5")]).await?;
    let first = CancellationToken::new();
    let run = tokio::spawn(world.follower(recorder.clone()).run(first.clone()));
    world.caught_up().await?;
    world.append(&[("bob", "6"), ("ann", "7")]).await?;
    world.caught_up().await?;
    assert_eq!(world.applied().await?, expected(&[("ann", &["1", "3", "7"]), ("cat", &["5"])]));

    let tenant = "acme".parse()?;
    let (parked, _) = parked::list(&world.downstream, &tenant, 0, "").await.map_err(Status::from)?;
    let ids: Vec<&str> = parked.iter().map(|p| p.event_id.as_str()).collect();
    assert_eq!(ids, ["2", "4", "6"]);
    assert_eq!(parked[0].reason, "cannot be understood");

    // still poisonous: it stays, and those behind it too
    let (by, now) = (Origin::service("tests", "RetryParked"), SystemClock.now());
    let retried = parked::retry(&world.downstream, &recorder, &tenant, parked[0].parked_id, &by, now).await;
    assert_eq!(retried, Ok((0, "cannot be understood".to_owned())));
    // mended: all three are applied, in order
    let mended = world.recorder();
    let retried = parked::retry(&world.downstream, &mended, &tenant, parked[0].parked_id, &by, now).await;
    assert_eq!(retried, Ok((3, String::new())));
    // whose doing that was is kept, of those that were applied
    let audited = pg::audit::list(&world.downstream, &tenant, &Filter::default(), None, 10).await?;
    let audited: Vec<_> =
        audited.iter().rev().map(|e| (&*e.principal, &*e.method, &*e.resources[0])).collect();
    assert_eq!(audited, ["2", "4", "6"].map(|id| ("service:tests", "RetryParked", id)));
    assert_eq!(
        world.applied().await?.remove("bob"),
        Some(vec!["2".to_owned(), "4".to_owned(), "6".to_owned()])
    );
    first.cancel();
    run.await??;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_another_epoch_stops_the_follower() -> anyhow::Result<()> {
    let world = World::new().await?;
    world.append(&[("ann", "1")]).await?;
    let first = CancellationToken::new();
    let run = tokio::spawn(world.follower(world.recorder()).run(first.clone()));
    world.caught_up().await?;
    first.cancel();
    run.await??;

    // the upstream is restored from a backup, and gets a new epoch
    raw_sql("UPDATE stream SET epoch = epoch # 1").execute(world.upstream.read()).await?;
    let source = Source::open(world.upstream.clone(), world.stop.clone()).await?;
    let recorder = Recorder { channel: server::routes(source).channel(), ..world.recorder() };
    let stopped =
        tokio::time::timeout(Duration::from_secs(20), world.follower(recorder).run(world.stop.clone()));
    assert!(matches!(stopped.await?, Err(outbox::follow::Error::OtherEpoch("downstream.upstream"))));
    Ok(())
}

/// The watch of the attribution contract over any source; the other calls are not needed here.
mod server {
    use super::*;
    use futures::stream::BoxStream;
    use proto::attribution as v1;
    use rpc::server::ServiceRoutes;
    use tonic::{Request, Response, Streaming};

    pub(super) fn routes(source: Source) -> ServiceRoutes {
        ServiceRoutes::default().with(AttributionServiceServer::new(Upstream(source)))
    }

    struct Upstream(Source);

    macro_rules! not_needed {
        ($($name:ident: $request:ident -> $response:ident),+) => {
            #[tonic::async_trait]
            impl v1::attribution_service_server::AttributionService for Upstream {
                $(async fn $name(&self, _: Request<v1::$request>) -> Result<Response<v1::$response>, Status> {
                    Err(Status::unimplemented("not needed here"))
                })+
                type ExportAttributionsStream = BoxStream<'static, Result<v1::ExportAttributionsResponse, Status>>;
                async fn export_attributions(
                    &self,
                    _: Request<v1::ExportAttributionsRequest>,
                ) -> Result<Response<Self::ExportAttributionsStream>, Status> {
                    Err(Status::unimplemented("not needed here"))
                }
                type ImportAttributionsStream = BoxStream<'static, Result<v1::ImportAttributionsResponse, Status>>;
                async fn import_attributions(
                    &self,
                    _: Request<Streaming<v1::ImportAttributionsRequest>>,
                ) -> Result<Response<Self::ImportAttributionsStream>, Status> {
                    Err(Status::unimplemented("not needed here"))
                }
                type WatchAttributionEventsStream = outbox::source::Watch<WatchAttributionEventsResponse>;
                async fn watch_attribution_events(
                    &self,
                    request: Request<WatchAttributionEventsRequest>,
                ) -> Result<Response<Self::WatchAttributionEventsStream>, Status> {
                    self.0.watch(Scope::All, request.get_ref()).await.map(Response::new)
                }
            }
        };
    }

    not_needed!(
        record_attribution: RecordAttributionRequest -> RecordAttributionResponse,
        batch_record_attributions: BatchRecordAttributionsRequest -> BatchRecordAttributionsResponse,
        lookup_attribution: LookupAttributionRequest -> LookupAttributionResponse,
        get_attribution: GetAttributionRequest -> GetAttributionResponse,
        list_attributions: ListAttributionsRequest -> ListAttributionsResponse,
        list_attempts: ListAttemptsRequest -> ListAttemptsResponse,
        activate_attribution: ActivateAttributionRequest -> ActivateAttributionResponse,
        deactivate_attribution: DeactivateAttributionRequest -> DeactivateAttributionResponse,
        reassign_attribution: ReassignAttributionRequest -> ReassignAttributionResponse,
        get_attribution_history: GetAttributionHistoryRequest -> GetAttributionHistoryResponse
    );
}
