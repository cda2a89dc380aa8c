//! Tokens signed by keys of all families: each key verifies what is its own, and nothing else.

use jsonwebtoken::jwk::{Jwk, JwkSet, KeyAlgorithm};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use tonic::Code;

use crate::identity::refused;
use crate::world::{Method, TENANT, World, bearer, methods};

/// Made by `openssl genpkey`, for nothing but this.
const RSA: &[u8] = include_bytes!("../../data/rsa.pem");
const ED25519: &[u8] = include_bytes!("../../data/ed25519.pem");

/// What RSA keys sign with, unless they are narrowed.
const OF_RSA: [Algorithm; 6] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
];

/// A key of each family.
struct Signers {
    ec: EncodingKey,
    rsa: EncodingKey,
    ed: EncodingKey,
    world: World,
}

impl Signers {
    /// Trusts `ec`, `rsa` and `ed`, and `narrow`, which is the RSA key for RS512 alone.
    fn start() -> anyhow::Result<Self> {
        let ec = EncodingKey::from_ec_pem(rcgen::KeyPair::generate()?.serialize_pem().as_bytes())?;
        let (rsa, ed) = (EncodingKey::from_rsa_pem(RSA)?, EncodingKey::from_ed_pem(ED25519)?);
        let jwk = |id: &str, key, algorithm, narrowed| {
            let mut jwk = Jwk::from_encoding_key(key, algorithm)?;
            jwk.common.key_id = Some(id.to_owned());
            jwk.common.key_algorithm = narrowed;
            anyhow::Ok(jwk)
        };
        let keys = vec![
            jwk("ec", &ec, Algorithm::ES256, None)?,
            jwk("rsa", &rsa, Algorithm::RS256, None)?,
            jwk("ed", &ed, Algorithm::EdDSA, None)?,
            jwk("narrow", &rsa, Algorithm::RS512, Some(KeyAlgorithm::RS512))?,
        ];
        let files = tempfile::tempdir()?;
        let path = files.path().join("jwks.json");
        std::fs::write(&path, serde_json::to_vec(&JwkSet { keys })?)?;
        let world = World::start_with_keys(path.to_str().unwrap(), ec.clone(), &[])?;
        Ok(Self { ec, rsa, ed, world })
    }

    /// A token that may do everything, said to be signed by the key `id`.
    fn token(&self, id: &str, algorithm: Algorithm) -> String {
        let key = match algorithm {
            Algorithm::ES256 => &self.ec,
            Algorithm::EdDSA => &self.ed,
            _ => &self.rsa,
        };
        let mut scopes: Vec<String> = methods().iter().map(Method::scope).collect();
        scopes.dedup();
        let header = Header { kid: Some(id.to_owned()), ..Header::new(algorithm) };
        encode(&header, &World::claims(TENANT, &scopes.join(" ")), key).unwrap()
    }
}

#[tokio::test]
async fn tokens_signed_by_rsa_ec_and_ed25519_keys_are_let_in() -> anyhow::Result<()> {
    let signers = Signers::start()?;
    let of_rsa = OF_RSA.map(|algorithm| ("rsa", algorithm));
    let others = [("ec", Algorithm::ES256), ("ed", Algorithm::EdDSA), ("narrow", Algorithm::RS512)];
    let method = methods().into_iter().find(|method| method.0.name() == "ListOrders").unwrap();
    for (id, algorithm) in of_rsa.into_iter().chain(others) {
        let token = signers.token(id, algorithm);
        let listed = signers.world.send(&method, Vec::new(), |request| bearer(request, &token)).await;
        assert!(listed.is_ok(), "{id} {algorithm:?}: {listed:?}");
    }
    Ok(())
}

#[tokio::test]
async fn every_method_refuses_an_algorithm_that_is_not_the_keys() -> anyhow::Result<()> {
    let signers = Signers::start()?;
    for (id, algorithm) in [
        ("ec", Algorithm::RS256),
        ("ec", Algorithm::PS256),
        ("ec", Algorithm::EdDSA),
        ("rsa", Algorithm::ES256),
        ("rsa", Algorithm::EdDSA),
        ("ed", Algorithm::ES256),
        ("ed", Algorithm::RS256),
        // signed by the very key, but not as it says
        ("narrow", Algorithm::RS256),
        ("narrow", Algorithm::PS512),
    ] {
        let token = signers.token(id, algorithm);
        refused(&signers.world, Code::Unauthenticated, "CREDENTIAL_INVALID", |_| Some(token.clone())).await;
    }
    Ok(())
}
