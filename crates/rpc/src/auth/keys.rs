//! The issuer's public keys, from a file or a URL. They are read again when they are old, and when a token names one that
//! is not there, so that rotated keys are met without a restart.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use tokio::sync::Mutex;
use tonic::codegen::Bytes;

use super::MethodsError;

/// A key set that was read so recently is not read again.
const FRESH: Duration = Duration::from_mins(5);
/// A key set that nobody has tried to read for so long judges nobody before it is read again: a key may have been
/// withdrawn while there were no calls.
const FORGOTTEN: Duration = Duration::from_mins(10);
/// The shortest time between two readings, so that tokens of unknown keys do not hammer the issuer.
const PAUSE: Duration = Duration::from_secs(5);
/// The longest time that reading may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// A key set is not larger.
const MAX_BYTES: usize = 256 * 1024;

/// Authentication cannot begin; one clear line.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The key set could not be read.
    #[error("the key set at {0} cannot be read: {1}")]
    Unreadable(String, String),
    /// Tokens need all three.
    #[error("LAUREL_JWKS needs LAUREL_ISSUER and LAUREL_AUDIENCE beside it")]
    Incomplete,
    /// A configured certificate name is of no use.
    #[error("certificate {0}: {1}")]
    Certificate(String, &'static str),
    /// The contracts are broken.
    #[error(transparent)]
    Methods(#[from] MethodsError),
}

pub(super) struct Key {
    id: Option<String>,
    pub(super) decoding: DecodingKey,
    pub(super) algorithms: Vec<Algorithm>,
}

struct KeySet {
    generation: u64,
    read_at: Instant,
    /// As it was read.
    text: Vec<u8>,
    keys: Vec<Arc<Key>>,
}

/// The current key set. Cheap to clone.
#[derive(Clone)]
pub(super) struct Keys(Arc<Inner>);

struct Inner {
    source: String,
    current: ArcSwap<KeySet>,
    /// When reading was last tried, whatever came of it.
    tried: ArcSwap<Instant>,
    /// Held while reading.
    reading: Mutex<()>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").field("source", &self.0.source).finish_non_exhaustive()
    }
}

impl Keys {
    /// Reads the set for the first time.
    pub(super) async fn load(source: &str) -> Result<Self, KeysError> {
        let read = read(source).await.and_then(|text| Ok((parse(&text)?, text)));
        let (keys, text) = read.map_err(|what| KeysError::Unreadable(source.to_owned(), what))?;
        let now = Instant::now();
        let current = ArcSwap::from_pointee(KeySet { generation: 0, read_at: now, text, keys });
        let (tried, reading) = (ArcSwap::from_pointee(now), Mutex::new(()));
        Ok(Self(Arc::new(Inner { source: source.to_owned(), current, tried, reading })))
    }

    /// Changes when the keys do.
    pub(super) fn generation(&self) -> u64 {
        self.0.current.load().generation
    }

    /// The key of this id, and the generation it was found in; without an id, the only key there is.
    pub(super) async fn find(&self, id: Option<&str>, now: Instant) -> Option<(Arc<Key>, u64)> {
        let look = || {
            let set = self.0.current.load();
            let key = match id {
                Some(_) => set.keys.iter().find(|key| key.id.as_deref() == id),
                None => set.keys.first().filter(|_| set.keys.len() == 1),
            };
            key.map(|key| (Arc::clone(key), set.generation))
        };
        if let Some(key) = look() {
            return Some(key);
        }
        self.refresh(now).await;
        look()
    }

    /// Reads an old set again: in the background, or, if it was forgotten, before anybody is judged by it. With an issuer that
    /// does not answer, calls go on with the old set and wait for no try but the first.
    pub(super) async fn freshen(&self, now: Instant) {
        let untried = self.untried(now);
        if untried > FORGOTTEN {
            self.refresh(now).await;
        } else if untried >= PAUSE && now.saturating_duration_since(self.0.current.load().read_at) > FRESH {
            let keys = self.clone();
            tokio::spawn(async move { keys.refresh(now).await });
        }
    }

    /// How long nobody has tried to read it.
    fn untried(&self, now: Instant) -> Duration {
        now.saturating_duration_since(**self.0.tried.load())
    }

    async fn refresh(&self, now: Instant) {
        let asked = Instant::now();
        let _reading = self.0.reading.lock().await;
        if self.untried(now) < PAUSE {
            return;
        }
        let outcome = read(&self.0.source).await.and_then(|text| Ok((parse(&text)?, text)));
        // the time afterwards, so that those who waited for an issuer that hangs do not ask it again one by one
        let read_at = now + asked.elapsed();
        match outcome {
            Ok((keys, text)) => {
                let before = self.0.current.load();
                let generation = before.generation + u64::from(before.text != text);
                self.0.current.store(Arc::new(KeySet { generation, read_at, text, keys }));
            }
            Err(error) => tracing::warn!(source = self.0.source, error, "keep the old key set"),
        }
        // last, so that nobody passes by the set that was just read
        self.0.tried.store(Arc::new(read_at));
    }
}

async fn read(source: &str) -> Result<Vec<u8>, String> {
    let read = tokio::time::timeout(PATIENCE, fetch(source)).await;
    read.unwrap_or_else(|_elapsed| Err("it takes too long".to_owned()))
}

fn parse(text: &[u8]) -> Result<Vec<Arc<Key>>, String> {
    let set: JwkSet = serde_json::from_slice(text).map_err(|_| "it is not a JWKS".to_owned())?;
    let signs = |jwk: &&Jwk| !matches!(jwk.common.public_key_use, Some(PublicKeyUse::Encryption));
    let usable = set.keys.iter().filter(signs).filter_map(|jwk| {
        let (algorithms, decoding) = (algorithms(jwk)?, DecodingKey::from_jwk(jwk).ok()?);
        Some(Arc::new(Key { id: jwk.common.key_id.clone(), decoding, algorithms }))
    });
    let keys: Vec<_> = usable.collect();
    if keys.is_empty() {
        Err("it has no public key of use (RSA, EC or Ed25519)".to_owned())
    } else {
        Ok(keys)
    }
}

async fn fetch(source: &str) -> Result<Vec<u8>, String> {
    if !source.starts_with("https://") && !source.starts_with("http://") {
        return tokio::fs::read(source).await.map_err(|error| error.to_string());
    }
    let uri: http::Uri = source.parse().map_err(|_| "it is not a URL".to_owned())?;
    if source.starts_with("http://") && !is_local(&uri) {
        // whoever is on the way could put in a key of his own
        return Err("it must be https".to_owned());
    }
    let tls = hyper_rustls::HttpsConnectorBuilder::new().with_native_roots().map_err(|e| e.to_string())?;
    let connector = tls.https_or_http().enable_http1().build();
    let client = Client::builder(TokioExecutor::new()).build::<_, Empty<Bytes>>(connector);
    let answer = client.get(uri).await.map_err(|_| "no connection".to_owned())?;
    if !answer.status().is_success() {
        return Err(format!("HTTP status {}", answer.status()));
    }
    let body = Limited::new(answer.into_body(), MAX_BYTES).collect().await;
    body.map(|body| body.to_bytes().to_vec()).map_err(|_| "it is cut off or too large".to_owned())
}

/// Whether what is sent there never leaves the machine.
fn is_local(uri: &http::Uri) -> bool {
    let host = uri.host().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || address.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

/// What a key may sign with. Never a shared secret: a public key taken for one would let everybody sign.
fn algorithms(jwk: &Jwk) -> Option<Vec<Algorithm>> {
    let all = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => vec![
            Algorithm::RS256,
            Algorithm::RS384,
            Algorithm::RS512,
            Algorithm::PS256,
            Algorithm::PS384,
            Algorithm::PS512,
        ],
        AlgorithmParameters::EllipticCurve(key) => match key.curve {
            EllipticCurve::P256 => vec![Algorithm::ES256],
            EllipticCurve::P384 => vec![Algorithm::ES384],
            _ => return None,
        },
        AlgorithmParameters::OctetKeyPair(_) => vec![Algorithm::EdDSA],
        _ => return None,
    };
    match jwk.common.key_algorithm {
        None => Some(all),
        Some(said) => {
            let narrowed: Vec<_> = all.into_iter().filter(|a| format!("{a:?}") == said.to_string()).collect();
            (!narrowed.is_empty()).then_some(narrowed)
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    const KEY: &str = r#""kty":"RSA","n":"AQAB","e":"AQAB""#;

    fn ids(keys: &[String]) -> Result<Vec<Option<String>>, String> {
        let keys = parse(format!(r#"{{"keys":[{}]}}"#, keys.join(",")).as_bytes())?;
        Ok(keys.iter().map(|key| key.id.clone()).collect())
    }

    #[test]
    fn keys_without_an_id_do_not_stand_in_each_others_way() {
        let keys = [format!("{{{KEY}}}"), format!("{{{KEY}}}"), format!(r#"{{{KEY},"kid":"a"}}"#)];
        assert_eq!(ids(&keys), Ok(vec![None, None, Some("a".to_owned())]));
    }

    #[test]
    fn a_key_that_is_not_for_signing_verifies_nothing() {
        let keys =
            [format!(r#"{{{KEY},"kid":"e","use":"enc"}}"#), format!(r#"{{{KEY},"kid":"s","use":"sig"}}"#)];
        assert_eq!(ids(&keys), Ok(vec![Some("s".to_owned())]));
        assert!(ids(&keys[..1]).is_err());
        assert!(ids(&[r#"{"kty":"oct","k":"c2VjcmV0","kid":"shared"}"#.to_owned()]).is_err());
    }

    #[test]
    fn plain_text_is_for_hosts_of_this_machine_and_not_for_names_that_look_like_them() {
        let is_local = |url: &str| is_local(&url.parse().unwrap());
        for url in ["http://localhost/k", "http://LOCALHOST:1/k", "http://127.0.0.1:8080", "http://[::1]:1/k"]
        {
            assert!(is_local(url), "{url}");
        }
        for url in [
            "http://localhost.evil.example/k",
            "http://localhost@evil.example/k",
            "http://127.0.0.1.evil.example",
            "http://127.0.0.1:80@evil.example",
            "http://[::2]/k",
            "http://evil.example/localhost",
        ] {
            assert!(!is_local(url), "{url}");
        }
    }

    #[tokio::test]
    async fn keys_are_not_fetched_in_plain_text_from_elsewhere() {
        let refused = fetch("http://localhost.evil.example/jwks.json").await;
        assert_eq!(refused, Err("it must be https".to_owned()));
    }

    fn set_of(id: &str) -> String {
        format!(r#"{{"keys":[{{{KEY},"kid":"{id}"}}]}}"#)
    }

    #[tokio::test]
    async fn a_set_that_was_forgotten_is_read_again_before_it_lets_anybody_in() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let publish = |id| std::fs::write(file.path(), set_of(id)).unwrap();
        publish("old");
        let keys = Keys::load(file.path().to_str().unwrap()).await.unwrap();
        let begun = Instant::now();
        publish("fresh");
        keys.freshen(begun + FRESH / 2).await;
        assert!(keys.find(Some("old"), begun).await.is_some(), "it is not read again for every call");
        let later = begun + Duration::from_hours(5);
        keys.freshen(later).await;
        assert_eq!(keys.generation(), 1);
        assert!(keys.find(Some("fresh"), later).await.is_some());
        assert!(keys.find(Some("old"), later).await.is_none(), "withdrawn while nobody called");
    }

    #[tokio::test]
    async fn a_set_that_cannot_be_read_again_stays_and_is_not_waited_for_by_every_call() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), set_of("old")).unwrap();
        let keys = Keys::load(file.path().to_str().unwrap()).await.unwrap();
        let later = Instant::now() + Duration::from_hours(5);
        file.close().unwrap();
        keys.freshen(later).await;
        assert!(keys.find(Some("old"), later).await.is_some());
        // as long as somebody else is reading, a wait would never end
        let _reading = keys.0.reading.lock().await;
        assert!(keys.freshen(later + FRESH).now_or_never().is_some());
        assert!(keys.find(Some("old"), later + FRESH).await.is_some());
    }
}
