//! Servers on several loopback addresses, and a name whose addresses the test decides.

use std::net::TcpListener;
use std::sync::Mutex;

use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tonic::Code;
use tonic::transport::server::{TcpConnectInfo, TcpIncoming};
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::*;
use crate::channel::{Access, tls};
use crate::health::Health;

/// Longest wait for what has to come.
const SOON: Duration = Duration::from_secs(20);

/// As many free addresses as asked for, of different IPs, with the same port.
fn listeners<const N: usize>() -> [TcpListener; N] {
    loop {
        let first = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = first.local_addr().unwrap().port();
        let others = (2..=N).map(|n| TcpListener::bind(format!("127.0.0.{n}:{port}")).ok());
        // another test may have this port at another address
        let all: Option<Vec<_>> = std::iter::once(Some(first)).chain(others).collect();
        if let Some(all) = all {
            return all.try_into().unwrap();
        }
    }
}

/// A server that remembers its calls; killed when dropped.
struct Replica {
    address: SocketAddr,
    health: Health,
    seen: Arc<Mutex<Seen>>,
    runtime: Option<Runtime>,
}

#[derive(Default)]
struct Seen {
    calls: usize,
    authority: String,
    /// The addresses of the clients.
    connections: BTreeSet<SocketAddr>,
}

impl Replica {
    async fn start(listener: TcpListener) -> Self {
        Self::start_with(listener, Server::builder()).await
    }

    async fn start_with(listener: TcpListener, server: Server) -> Self {
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let seen = Arc::<Mutex<Seen>>::default();
        let note = Arc::clone(&seen);
        let see = move |request: Request<Body>| {
            let mut seen = note.lock().unwrap();
            seen.calls += 1;
            seen.authority = request.uri().authority().unwrap().to_string();
            // with TLS it is wrapped, and of no interest
            let connection = request.extensions().get::<TcpConnectInfo>();
            seen.connections.extend(connection.and_then(TcpConnectInfo::remote_addr));
            drop(seen);
            request
        };
        let health = Health::new().await;
        let service = health.server();
        // of its own, so that its connections end with it
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.spawn(async move {
            let incoming = TcpIncoming::from(tokio::net::TcpListener::from_std(listener).unwrap());
            let mut server = server.layer(tower::util::MapRequestLayer::new(see));
            server.add_service(service).serve_with_incoming(incoming).await.unwrap();
        });
        Self { address, health, seen, runtime: Some(runtime) }
    }

    fn calls(&self) -> usize {
        self.seen.lock().unwrap().calls
    }

    fn connections(&self) -> usize {
        self.seen.lock().unwrap().connections.len()
    }

    fn authority(&self) -> String {
        self.seen.lock().unwrap().authority.clone()
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.runtime.take().unwrap().shutdown_background();
    }
}

/// A name, and what DNS says about it.
struct Name {
    addresses: watch::Sender<BTreeSet<SocketAddr>>,
    looked_up: watch::Receiver<usize>,
    client: HealthClient<Channel>,
}

impl Name {
    fn of<const N: usize>(addresses: [SocketAddr; N]) -> Self {
        let port = addresses.first().map_or(1, SocketAddr::port);
        let endpoint = Endpoint::from_shared(format!("http://replicas.test:{port}")).unwrap();
        Self::with(endpoint, addresses)
    }

    fn with<const N: usize>(endpoint: Endpoint, addresses: [SocketAddr; N]) -> Self {
        let (addresses, answers) = watch::channel(BTreeSet::from(addresses));
        let (count, looked_up) = watch::channel(0);
        let look_up = move || {
            count.send_modify(|count| *count += 1);
            let answer = answers.borrow().clone();
            async move { Ok(answer) }
        };
        let pace = Pace {
            look_up: Duration::from_millis(20),
            retry: Duration::from_millis(20),
            patience: Duration::from_secs(5),
        };
        Self { addresses, looked_up, client: HealthClient::new(balance(endpoint, look_up, pace)) }
    }

    /// DNS has other addresses, and the channel has taken note.
    async fn become_addresses<const N: usize>(&mut self, addresses: [SocketAddr; N]) {
        self.addresses.send_replace(BTreeSet::from(addresses));
        self.rounds(2).await;
    }

    /// Waits until the name was looked up so often; what came of all but the last time is done.
    async fn rounds(&mut self, count: usize) {
        let until = *self.looked_up.borrow() + count;
        timeout(SOON, self.looked_up.wait_for(|count| *count >= until)).await.unwrap().unwrap();
    }

    async fn call(&self) -> Result<(), Status> {
        let check = HealthCheckRequest { service: "live".to_owned() };
        self.client.clone().check(check).await.map(drop)
    }

    /// A call that is repeated once, as clients do; whether it had to be.
    async fn call_twice_at_most(&self) -> bool {
        let first = self.call().await;
        if let Err(refused) = &first {
            assert_eq!(refused.code(), Code::Unavailable);
            self.call().await.unwrap();
        }
        first.is_err()
    }

    /// Calls until `replica` was reached.
    async fn reach(&self, replica: &Replica) {
        let calls = replica.calls();
        let reached = async {
            while replica.calls() == calls {
                let _ = self.call().await;
            }
        };
        timeout(SOON, reached).await.expect("it gets a call at last");
    }
}

#[tokio::test]
async fn calls_take_turns_over_all_addresses() {
    let [first, second] = listeners();
    let (first, second) = (Replica::start(first).await, Replica::start(second).await);
    let name = Name::of([first.address, second.address]);
    name.reach(&first).await;
    name.reach(&second).await;
    let before = (first.calls(), second.calls());
    for _ in 0..10 {
        name.call().await.unwrap();
    }
    assert_eq!((first.calls(), second.calls()), (before.0 + 5, before.1 + 5));
    assert_eq!(first.authority(), format!("replicas.test:{}", first.address.port()));
}

#[tokio::test]
async fn an_address_that_appears_gets_calls() {
    let [first, second] = listeners();
    let (first, second) = (Replica::start(first).await, Replica::start(second).await);
    let mut name = Name::of([first.address]);
    name.call().await.unwrap();
    name.become_addresses([first.address, second.address]).await;
    for _ in 0..2 {
        name.call().await.unwrap();
    }
    assert_eq!((first.calls(), second.calls()), (2, 1));
}

#[tokio::test]
async fn an_address_that_disappears_gets_none_and_what_is_under_way_there_goes_on() {
    let [first, second] = listeners();
    let (first, second) = (Replica::start(first).await, Replica::start(second).await);
    let mut name = Name::of([second.address]);
    let ready = HealthCheckRequest { service: "ready".to_owned() };
    let mut watching = name.client.watch(ready).await.unwrap().into_inner();
    let before = watching.message().await.unwrap().unwrap();
    name.become_addresses([first.address]).await;
    for _ in 0..10 {
        name.call().await.unwrap();
    }
    assert_eq!((first.calls(), second.calls()), (10, 1));
    second.health.ready(&[]).await;
    let after = timeout(SOON, watching.message()).await.unwrap().unwrap().unwrap();
    assert_ne!(before.status, after.status);
}

#[tokio::test]
async fn a_replica_that_dies_costs_few_calls_one_refusal_each() {
    let [first, second] = listeners();
    let (first, second) = (Replica::start(first).await, Replica::start(second).await);
    let name = Name::of([first.address, second.address]);
    name.reach(&first).await;
    name.reach(&second).await;
    drop(first);
    let mut repeated = 0;
    for _ in 0..50 {
        repeated += usize::from(name.call_twice_at_most().await);
    }
    assert!(repeated < 5, "{repeated} calls went to the dead one");
}

#[tokio::test]
async fn a_replica_that_comes_back_gets_calls() {
    let [first, second] = listeners();
    let (first, second) = (Replica::start(first).await, Replica::start(second).await);
    let name = Name::of([first.address, second.address]);
    name.reach(&first).await;
    let address = first.address;
    drop(first);
    let rebound = async {
        loop {
            match TcpListener::bind(address) {
                Ok(listener) => return listener,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    };
    let first = Replica::start(timeout(SOON, rebound).await.unwrap()).await;
    name.reach(&first).await;
    name.reach(&second).await;
}

#[tokio::test]
async fn a_connection_that_the_server_ends_because_of_its_age_is_replaced() {
    let [listener] = listeners();
    let server = Server::builder().max_connection_age(Duration::from_millis(10));
    let replica = Replica::start_with(listener, server).await;
    let name = Name::of([replica.address]);
    let aged = async {
        while replica.connections() < 5 {
            // one may be on its way when the server says that it takes no more
            name.call_twice_at_most().await;
        }
    };
    timeout(SOON, aged).await.expect("connections are replaced");
}

#[tokio::test]
async fn without_an_address_calls_are_unavailable_soon() {
    let name = Name::of([]);
    let refused = timeout(SOON / 10, name.call()).await.expect("nobody has to wait").unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
}

#[tokio::test]
async fn calls_are_unavailable_when_dns_is_silent() {
    let endpoint = Endpoint::from_static("http://replicas.test:1");
    let patience = Duration::from_millis(20);
    let pace = Pace { look_up: patience, retry: patience, patience };
    let channel = balance(endpoint, std::future::pending, pace);
    let mut client = HealthClient::new(channel);
    let refused = timeout(SOON, client.check(HealthCheckRequest::default())).await.unwrap().unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
}

#[tokio::test]
async fn nothing_is_looked_up_any_more_when_the_last_clone_is_gone() {
    let endpoint = Endpoint::from_static("http://replicas.test:1");
    let (alive, mut ended) = mpsc::channel::<()>(1);
    let look_up = move || {
        let _held = &alive;
        async { Ok(BTreeSet::new()) }
    };
    let patience = Duration::from_millis(1);
    let channel = balance(endpoint, look_up, Pace { look_up: patience, retry: patience, patience });
    drop(channel.clone());
    assert_eq!(
        HealthClient::new(channel).check(HealthCheckRequest::default()).await.unwrap_err().code(),
        Code::Unavailable
    );
    assert_eq!(timeout(SOON, ended.recv()).await.expect("the task ends"), None);
}

/// An authority, and a server's identity with a certificate that it signed for `name`.
fn authority(name: &str) -> (Vec<u8>, ServerTlsConfig) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca = params.self_signed(&key).unwrap().pem().into_bytes();
    let (issuer, key) = (rcgen::Issuer::new(params, key), rcgen::KeyPair::generate().unwrap());
    let params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    let identity = Identity::from_pem(certificate.pem(), key.serialize_pem());
    (ca, ServerTlsConfig::new().identity(identity))
}

fn endpoint_tls(port: u16, ca: Vec<u8>) -> Endpoint {
    let access = Access { ca: Some(ca), ..Access::default() };
    let endpoint = Endpoint::from_shared(format!("https://replicas.test:{port}")).unwrap();
    endpoint.tls_config(tls(&access)).unwrap()
}

#[tokio::test]
async fn certificates_are_checked_against_the_name() {
    for (certified, answer) in [("replicas.test", Ok(())), ("another.test", Err(Code::Unavailable))] {
        let ([listener], (ca, tls)) = (listeners(), authority(certified));
        let replica = Replica::start_with(listener, Server::builder().tls_config(tls).unwrap()).await;
        let port = replica.address.port();
        let name = Name::with(endpoint_tls(port, ca), [replica.address]);
        assert_eq!(name.call().await.map_err(|status| status.code()), answer, "{certified}");
        if answer.is_ok() {
            assert_eq!(replica.authority(), format!("replicas.test:{port}"));
        }
    }
}

#[tokio::test]
async fn an_address_that_never_answers_keeps_nobody_waiting() {
    let ([silent, listener], (ca, tls)) = (listeners(), authority("replicas.test"));
    let replica = Replica::start_with(listener, Server::builder().tls_config(tls).unwrap()).await;
    let addresses = [silent.local_addr().unwrap(), replica.address];
    let name = Name::with(endpoint_tls(replica.address.port(), ca), addresses);
    for _ in 0..10 {
        timeout(SOON / 10, name.call()).await.expect("the other is there").unwrap();
    }
}

#[tokio::test]
async fn an_address_where_nobody_listens_costs_nothing() {
    // with TLS it takes longer to connect than to be refused
    let ([free, listener], (ca, tls)) = (listeners(), authority("replicas.test"));
    let dead = free.local_addr().unwrap();
    drop(free);
    let replica = Replica::start_with(listener, Server::builder().tls_config(tls).unwrap()).await;
    let mut name = Name::with(endpoint_tls(dead.port(), ca), [dead, replica.address]);
    for _ in 0..2 {
        for _ in 0..10 {
            name.call().await.unwrap();
        }
        name.rounds(2).await;
    }
}

#[tokio::test]
async fn names_are_looked_up_where_the_system_does() {
    let [listener] = listeners();
    let replica = Replica::start(listener).await;
    let channel = crate::channel::connect(&format!("http://localhost:{}", replica.address.port())).unwrap();
    HealthClient::new(channel).check(HealthCheckRequest::default()).await.unwrap();
    assert_eq!(replica.calls(), 1);
}
