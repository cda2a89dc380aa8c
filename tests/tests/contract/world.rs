//! A running `laurel up` with authentication, tokens of every kind for it, and calls of any method with any bytes.

use std::sync::LazyLock;
use std::time::Duration;

use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor, Value};
use prost_types::method_options::IdempotencyLevel;
use rpc::channel::{Access, Token};
use serde_json::{Value as Json, json};
use tests::{DataDir, Up};
use tokio_stream::{Stream, StreamExt};
use tonic::body::Body;
use tonic::client::{Grpc, GrpcService};
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::{Body as HttpBody, Bytes, StdError, http};
use tonic::metadata::MetadataValue;
use tonic::{Code, Request, Status, Streaming};
use tonic_types::StatusExt;

pub(crate) const TENANT: &str = "test-acme";
const ISSUER: &str = "https://issuer.example";
const AUDIENCE: &str = "laurel";
/// Longest a call may take before it counts as one that hangs.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a watch is watched that has nothing to tell.
const GLANCE: Duration = Duration::from_millis(300);

/// Name and value of a variable in the environment.
pub(crate) type Setting<'a> = (&'a str, &'a str);

/// A method of one of our contracts.
#[derive(Clone)]
pub(crate) struct Method(pub(crate) MethodDescriptor);

impl Method {
    pub(crate) fn path(&self) -> String {
        format!("/{}/{}", self.0.parent_service().full_name(), self.0.name())
    }

    pub(crate) fn scope(&self) -> String {
        let pool = self.0.parent_pool();
        let option = pool.get_extension_by_name("laurel.common.v1.required_scope").unwrap();
        match self.0.options().get_extension(&option).as_ref() {
            Value::String(scope) => scope.clone(),
            other => panic!("{}: {other:?}", self.path()),
        }
    }

    /// Whether its contract says that it changes nothing.
    pub(crate) fn only_reads(&self) -> bool {
        self.idempotency() == Some(IdempotencyLevel::NoSideEffects)
    }

    pub(crate) fn idempotency(&self) -> Option<IdempotencyLevel> {
        let options = self.0.method_descriptor_proto().options.as_ref()?;
        options.idempotency_level.and_then(|level| level.try_into().ok())
    }

    /// Whether it never ends by itself.
    pub(crate) fn is_watch(&self) -> bool {
        self.0.name().starts_with("Watch")
    }
}

/// All methods of all our services.
pub(crate) fn methods() -> Vec<Method> {
    // one pool, since descriptors are only equal within theirs
    static POOL: LazyLock<DescriptorPool> =
        LazyLock::new(|| DescriptorPool::decode(proto::DESCRIPTORS).unwrap());
    let ours = POOL.services().filter(|service| service.package_name().starts_with("laurel."));
    let methods: Vec<_> =
        ours.flat_map(|service| service.methods().map(Method).collect::<Vec<_>>()).collect();
    assert!(methods.len() > 60, "all services are there");
    methods
}

/// The signing key of the issuer, and the running process that trusts it.
pub(crate) struct World {
    up: Up,
    channel: rpc::Channel,
    key: EncodingKey,
    public_pem: String,
    _data: DataDir,
}

impl World {
    pub(crate) fn start() -> anyhow::Result<Self> {
        Self::start_with(&[])
    }

    /// With more settings in its environment.
    pub(crate) fn start_with(more: &[Setting]) -> anyhow::Result<Self> {
        let pair = rcgen::KeyPair::generate()?;
        let key = EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes())?;
        let files = tempfile::tempdir()?;
        let path = files.path().join("jwks.json");
        std::fs::write(&path, jwks(&[("k1", &key)])?)?;
        let world = Self::start_with_keys(path.to_str().unwrap(), key, more)?;
        Ok(Self { public_pem: pair.public_key_pem(), ..world })
    }

    /// Trusts the key set at `jwks`, a path or URL; `key` signs unless another is named.
    pub(crate) fn start_with_keys(jwks: &str, key: EncodingKey, more: &[Setting]) -> anyhow::Result<Self> {
        let data = DataDir::new()?;
        let settings = [("LAUREL_JWKS", jwks), ("LAUREL_ISSUER", ISSUER), ("LAUREL_AUDIENCE", AUDIENCE)];
        let up = Up::start_with(&data.path(), &[&settings, more].concat())?;
        let channel = rpc::channel::connect(&format!("http://{}", up.address))?;
        Ok(Self { up, channel, key, public_pem: String::new(), _data: data })
    }

    /// What the process has logged as its own failure.
    pub(crate) fn failures(&self) -> Vec<String> {
        let log = self.up.log();
        log.lines()
            .filter(|line| line.contains("ERROR") || line.contains("panicked"))
            .map(str::to_owned)
            .collect()
    }

    pub(crate) fn key(&self) -> &EncodingKey {
        &self.key
    }

    /// The claims of a good token for `tenant` with `scope`.
    pub(crate) fn claims(tenant: &str, scope: &str) -> Json {
        json!({ "iss": ISSUER, "aud": AUDIENCE, "sub": "tester", "tenant": tenant, "scope": scope, "exp": now() + 3600 })
    }

    pub(crate) fn sign(&self, claims: &Json) -> String {
        self.sign_as("k1", claims)
    }

    pub(crate) fn sign_as(&self, key_id: &str, claims: &Json) -> String {
        sign_with(&self.key, key_id, claims)
    }

    /// The public key taken for a shared secret: what a server must not fall for.
    pub(crate) fn sign_with_public_key(&self, claims: &Json) -> String {
        let header = Header { kid: Some("k1".to_owned()), ..Header::new(Algorithm::HS256) };
        encode(&header, claims, &EncodingKey::from_secret(self.public_pem.as_bytes())).unwrap()
    }

    /// A token that may call `method`.
    pub(crate) fn token(&self, method: &Method) -> String {
        self.sign(&Self::claims(TENANT, &method.scope()))
    }

    /// Everything, for setting things up.
    pub(crate) fn all_scopes(&self) -> String {
        self.all_scopes_of(TENANT)
    }

    pub(crate) fn all_scopes_of(&self, tenant: &str) -> String {
        let mut scopes: Vec<String> = methods().iter().map(Method::scope).collect();
        scopes.sort();
        scopes.dedup();
        self.sign(&Self::claims(tenant, &scopes.join(" ")))
    }

    /// Sends messages of the method's request type as who has `token`. A watch is left after its first answer, or when it
    /// has nothing to tell.
    pub(crate) async fn call(
        &self,
        method: &Method,
        token: &str,
        messages: &[DynamicMessage],
    ) -> Result<Vec<DynamicMessage>, Status> {
        let call = self.call_patiently(method, token, messages);
        if method.is_watch() {
            tokio::time::timeout(GLANCE, call).await.unwrap_or_else(|_| Ok(Vec::new()))
        } else {
            call.await
        }
    }

    /// The same, but waits for the first answer of a watch.
    pub(crate) async fn call_patiently(
        &self,
        method: &Method,
        token: &str,
        messages: &[DynamicMessage],
    ) -> Result<Vec<DynamicMessage>, Status> {
        let messages: Vec<Vec<u8>> = messages.iter().map(prost::Message::encode_to_vec).collect();
        let mut request = Request::new(tokio_stream::iter(messages));
        bearer(&mut request, token);
        let answers = self.run(method, request).await?;
        let read = |bytes: Bytes| DynamicMessage::decode(method.0.output(), bytes).unwrap();
        Ok(answers.into_iter().map(read).collect())
    }

    /// A channel that may do everything for [`TENANT`].
    pub(crate) fn channel_with_token(&self) -> anyhow::Result<rpc::Channel> {
        self.channel_as(Some(&self.all_scopes()))
    }

    /// A channel of who has `token`, or of nobody.
    pub(crate) fn channel_as(&self, token: Option<&str>) -> anyhow::Result<rpc::Channel> {
        let token = token.map_or(Ok(Token::None), Token::fixed)?;
        let access = Access { token, ..Access::default() };
        Ok(rpc::channel::connect_as(&format!("http://{}", self.up.address), &access)?)
    }

    /// Begins a call and never sends its message, over a connection that leaves the deadline to the server.
    pub(crate) async fn begin(
        &self,
        method: &Method,
        change: impl FnOnce(&mut Request<tokio_stream::Pending<Vec<u8>>>),
    ) -> Result<Vec<Bytes>, Status> {
        let mut request = Request::new(tokio_stream::pending());
        change(&mut request);
        let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
        let origin = format!("http://{}", self.up.address).parse().unwrap();
        finish(Grpc::with_origin(client, origin), method, request).await
    }

    /// Sends these bytes as the one message of the call. A watch is left after its first answer.
    pub(crate) async fn send(
        &self,
        method: &Method,
        bytes: Vec<u8>,
        change: impl FnOnce(&mut Request<tokio_stream::Once<Vec<u8>>>),
    ) -> Result<Vec<Bytes>, Status> {
        let mut request = Request::new(tokio_stream::once(bytes));
        change(&mut request);
        self.run(method, request).await
    }

    /// Begins a call with one empty message, and leaves its answers to be read.
    pub(crate) async fn open(&self, method: &Method, token: &str) -> Result<Streaming<Bytes>, Status> {
        self.open_with(method, |request| bearer(request, token)).await
    }

    /// The same with whatever else is in the request.
    pub(crate) async fn open_with(
        &self,
        method: &Method,
        change: impl FnOnce(&mut Request<tokio_stream::Once<Vec<u8>>>),
    ) -> Result<Streaming<Bytes>, Status> {
        let mut request = Request::new(tokio_stream::once(Vec::new()));
        change(&mut request);
        let mut grpc = Grpc::new(self.channel.clone());
        grpc.ready().await?;
        Ok(grpc.streaming(request, method.path().parse().unwrap(), Raw).await?.into_inner())
    }

    /// Calls with these messages and whatever else is in the request.
    pub(crate) async fn run<S>(&self, method: &Method, request: Request<S>) -> Result<Vec<Bytes>, Status>
    where
        S: Stream<Item = Vec<u8>> + Send + 'static,
    {
        finish(Grpc::new(self.channel.clone()), method, request).await
    }
}

/// Calls, and collects what is answered; of a watch, the first answer.
async fn finish<C, S>(grpc: Grpc<C>, method: &Method, request: Request<S>) -> Result<Vec<Bytes>, Status>
where
    C: GrpcService<
            Body,
            Error: Into<StdError>,
            ResponseBody: HttpBody<Data = Bytes, Error: Into<StdError>> + Send + 'static,
        >,
    S: Stream<Item = Vec<u8>> + Send + 'static,
{
    let mut grpc = grpc.max_decoding_message_size(usize::MAX);
    let path: http::uri::PathAndQuery = method.path().parse().unwrap();
    let is_watch = method.is_watch();
    let call = async {
        grpc.ready().await.map_err(|error| Status::unavailable(error.into().to_string()))?;
        let mut answers = grpc.streaming(request, path, Raw).await?.into_inner();
        let mut all = Vec::new();
        while let Some(answer) = answers.next().await {
            all.push(answer?);
            if is_watch {
                break;
            }
        }
        Ok(all)
    };
    let hangs = || panic!("{} hangs", method.path());
    tokio::time::timeout(PATIENCE, call).await.unwrap_or_else(|_| hangs())
}

pub(crate) fn sign_with(key: &EncodingKey, key_id: &str, claims: &Json) -> String {
    let header = Header { kid: Some(key_id.to_owned()), ..Header::new(Algorithm::ES256) };
    encode(&header, claims, key).unwrap()
}

/// A key set.
pub(crate) fn jwks(keys: &[(&str, &EncodingKey)]) -> anyhow::Result<Vec<u8>> {
    let mut set = JwkSet { keys: Vec::new() };
    for (id, key) in keys {
        let mut jwk = Jwk::from_encoding_key(key, Algorithm::ES256)?;
        jwk.common.key_id = Some((*id).to_owned());
        set.keys.push(jwk);
    }
    Ok(serde_json::to_vec(&set)?)
}

pub(crate) fn bearer<T>(request: &mut Request<T>, token: &str) {
    let value = MetadataValue::try_from(format!("Bearer {token}")).unwrap();
    request.metadata_mut().insert("authorization", value);
}

pub(crate) fn now() -> i64 {
    use types::Clock;
    types::SystemClock.now().unix_timestamp()
}

/// Code and reason of a status that must be ours: with an `ErrorInfo` of our domain.
pub(crate) fn told(status: &Status) -> (Code, String) {
    let details = status.get_error_details();
    let info = details.error_info().unwrap_or_else(|| panic!("without ErrorInfo: {status:?}"));
    assert_eq!(info.domain, "laurel");
    (status.code(), info.reason.clone())
}

/// Messages as they are.
#[derive(Clone, Copy)]
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        bytes::BufMut::put_slice(buffer, &item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        let length = bytes::Buf::remaining(buffer);
        Ok(Some(bytes::Buf::copy_to_bytes(buffer, length)))
    }
}
