//! Who gets in: every method, every kind of wrong credential.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rpc::channel::{Access, Token};
use serde_json::Value as Json;
use tests::authority::Authority;
use tests::{DataDir, Up};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tonic::{Code, Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_types::StatusExt;

use crate::world::{Method, TENANT, World, bearer, jwks, methods, now, sign_with, told};

/// Calls every method with a token that `make` signs, and expects `reason` from all.
pub(crate) async fn refused(
    world: &World,
    code: Code,
    reason: &str,
    make: impl Fn(&Method) -> Option<String>,
) {
    for method in methods() {
        let token = make(&method);
        let sent = world.send(&method, Vec::new(), |request| {
            if let Some(token) = token {
                bearer(request, &token);
            }
        });
        let status = sent.await.expect_err(&method.path());
        assert_eq!(told(&status), (code, reason.to_owned()), "{}", method.path());
    }
}

fn changed(method: &Method, change: impl Fn(&mut Json)) -> Json {
    let mut claims = World::claims(TENANT, &method.scope());
    change(&mut claims);
    claims
}

#[tokio::test]
async fn every_method_refuses_who_has_no_credential_or_a_forged_one() -> anyhow::Result<()> {
    let world = World::start()?;
    let invalid = async |make: &dyn Fn(&Method) -> String| {
        refused(&world, Code::Unauthenticated, "CREDENTIAL_INVALID", |m| Some(make(m))).await;
    };
    refused(&world, Code::Unauthenticated, "CREDENTIAL_MISSING", |_| None).await;
    invalid(&|m| world.sign(&changed(m, |c| c["aud"] = "another".into()))).await;
    invalid(&|m| world.sign(&changed(m, |c| c["iss"] = "https://another.example".into()))).await;
    invalid(&|m| world.sign_as("k2", &changed(m, |_| {}))).await;
    // a public key is no shared secret
    invalid(&|m| world.sign_with_public_key(&changed(m, |_| {}))).await;
    // what is critical is not passed over, be it known or unknown
    for extension in ["exp", "https://issuer.example/x"] {
        let (kid, crit) = (Some("k1".to_owned()), Some(vec![extension.to_owned()]));
        let header = Header { kid, crit, ..Header::new(Algorithm::ES256) };
        invalid(&|m| encode(&header, &changed(m, |_| {}), world.key()).unwrap()).await;
    }
    // {"alg":"none"}, the claims of a good token, no signature
    invalid(&|m| {
        let good = world.token(m);
        let claims = good.split('.').nth(1).unwrap();
        format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{claims}.")
    })
    .await;
    // the claims of one token with the signature of another
    invalid(&|m| {
        let (good, other) = (world.token(m), world.sign(&World::claims("test-other", "orders.read")));
        let (_, signature) = good.rsplit_once('.').unwrap();
        let (signed, _) = other.rsplit_once('.').unwrap();
        format!("{signed}.{signature}")
    })
    .await;
    invalid(&|_| "garbage".to_owned()).await;
    // a service that there is not
    invalid(&|m| {
        world.sign(&changed(m, |c| {
            c.as_object_mut().unwrap().remove("tenant");
            c["service"] = "billing".into();
        }))
    })
    .await;
    // neither tenant nor service, and a subject that would pass for a service in the audit
    invalid(&|m| world.sign(&changed(m, |c| drop(c.as_object_mut().unwrap().remove("tenant"))))).await;
    invalid(&|m| world.sign(&changed(m, |c| c["sub"] = "service:orders".into()))).await;
    Ok(())
}

#[tokio::test]
async fn every_method_refuses_a_credential_before_and_after_its_time() -> anyhow::Result<()> {
    let world = World::start()?;
    let untimely = async |make: &dyn Fn(&Method) -> String| {
        refused(&world, Code::Unauthenticated, "CREDENTIAL_EXPIRED", |m| Some(make(m))).await;
    };
    untimely(&|m| world.sign(&changed(m, |c| c["exp"] = (now() - 120).into()))).await;
    untimely(&|m| world.sign(&changed(m, |c| c["nbf"] = (now() + 120).into()))).await;
    // within the clock skew it is in time, and a time may have fractions
    let method = &methods()[0];
    for expires in [Json::from(now() - 5), Json::from(1e10 + 0.5)] {
        let in_time = world.sign(&changed(method, |c| c["exp"] = expires.clone()));
        let status = world.send(method, Vec::new(), |request| bearer(request, &in_time)).await;
        assert!(status.is_ok() || told(&status.unwrap_err()).0 != Code::Unauthenticated, "{expires}");
    }
    Ok(())
}

#[tokio::test]
async fn every_method_refuses_another_tenant_and_a_missing_scope_and_lets_in_who_may() -> anyhow::Result<()> {
    let world = World::start()?;
    let mut scopes: Vec<String> = methods().iter().map(Method::scope).collect();
    scopes.sort();
    scopes.dedup();
    refused(&world, Code::PermissionDenied, "SCOPE_MISSING", |method| {
        let others: Vec<&str> = scopes.iter().map(String::as_str).filter(|s| *s != method.scope()).collect();
        Some(world.sign(&World::claims(TENANT, &others.join(" "))))
    })
    .await;
    for method in methods() {
        let token = world.token(&method);
        let other = world.send(&method, Vec::new(), |request| {
            bearer(request, &token);
            request.metadata_mut().insert("laurel-tenant", "test-other".parse().unwrap());
        });
        let status = other.await.expect_err(&method.path());
        let expected = (Code::PermissionDenied, "TENANT_NOT_PERMITTED".to_owned());
        assert_eq!(told(&status), expected, "{}", method.path());
        if method.is_watch() {
            continue;
        }
        if let Err(status) = world.send(&method, Vec::new(), |request| bearer(request, &token)).await {
            let code = told(&status).0;
            assert!(!matches!(code, Code::Unauthenticated | Code::PermissionDenied), "{}", method.path());
        }
    }
    Ok(())
}

#[tokio::test]
async fn the_refusal_names_the_scope_and_no_header_stands_in_for_a_credential() -> anyhow::Result<()> {
    let world = World::start()?;
    let method = methods().into_iter().find(|m| m.0.name() == "RecordOrder").unwrap();
    let token = world.sign(&World::claims(TENANT, "orders.read"));
    let status = world.send(&method, Vec::new(), |request| bearer(request, &token)).await.unwrap_err();
    let details = status.get_error_details();
    assert_eq!(details.error_info().unwrap().metadata["scope"], "orders.write");
    let claimed = world.send(&method, Vec::new(), |request: &mut Request<_>| {
        request.metadata_mut().insert("laurel-service", "orders".parse().unwrap());
    });
    assert_eq!(told(&claimed.await.unwrap_err()).1, "CREDENTIAL_MISSING");
    Ok(())
}

/// Trusts `jwks`, which `publish` changes: a new key is met without a restart, and a withdrawn one lets nobody in.
async fn rotate(jwks_at: &str, publish: impl Fn(Vec<u8>) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let new = || EncodingKey::from_ec_pem(rcgen::KeyPair::generate().unwrap().serialize_pem().as_bytes());
    let (old, fresh) = (new()?, new()?);
    publish(jwks(&[("old", &old)])?)?;
    let world = World::start_with_keys(jwks_at, old, &[])?;
    let method = methods().into_iter().find(|m| m.0.name() == "ListOrders").unwrap();
    let claims = World::claims(TENANT, "orders.read");
    let (with_old, with_fresh) =
        (sign_with(world.key(), "old", &claims), sign_with(&fresh, "fresh", &claims));
    assert!(world.send(&method, Vec::new(), |r| bearer(r, &with_old)).await.is_ok());
    let status = world.send(&method, Vec::new(), |r| bearer(r, &with_fresh)).await.unwrap_err();
    assert_eq!(told(&status).1, "CREDENTIAL_INVALID");

    publish(jwks(&[("fresh", &fresh)])?)?;
    let taken = async {
        let mut tick = tokio::time::interval(Duration::from_millis(200));
        while world.send(&method, Vec::new(), |r| bearer(r, &with_fresh)).await.is_err() {
            tick.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), taken).await?;
    let status = world.send(&method, Vec::new(), |r| bearer(r, &with_old)).await.unwrap_err();
    assert_eq!(
        told(&status).1,
        "CREDENTIAL_INVALID",
        "a withdrawn key lets nobody in, not even who was in before"
    );
    Ok(())
}

#[tokio::test]
async fn keys_in_a_file_are_rotated_without_a_restart() -> anyhow::Result<()> {
    let files = tempfile::tempdir()?;
    let path = files.path().join("jwks.json");
    rotate(path.to_str().unwrap(), |keys| Ok(std::fs::write(&path, keys)?)).await
}

// the issuer has to answer while the test waits for the process to be ready
#[tokio::test(flavor = "multi_thread")]
async fn keys_at_a_url_are_rotated_without_a_restart() -> anyhow::Result<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/.well-known/jwks.json", listener.local_addr()?);
    let published = Arc::new(Mutex::new(Vec::new()));
    let issuer = tokio::spawn(issue(listener, Arc::clone(&published)));
    let done = rotate(&url, |keys| {
        *published.lock().unwrap() = keys;
        Ok(())
    });
    done.await?;
    issuer.abort();
    Ok(())
}

/// An issuer: answers everybody with the key set as it is now.
async fn issue(listener: TcpListener, published: Arc<Mutex<Vec<u8>>>) -> std::io::Result<()> {
    loop {
        let (mut connection, _) = listener.accept().await?;
        let mut asked = Vec::new();
        while !asked.ends_with(b"\r\n\r\n") {
            asked.push(connection.read_u8().await?);
        }
        let keys = published.lock().unwrap().clone();
        let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", keys.len());
        connection.write_all(head.as_bytes()).await?;
        connection.write_all(&keys).await?;
    }
}

fn write(path: &Path, text: &str) -> anyhow::Result<String> {
    std::fs::write(path, text)?;
    Ok(path.to_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_client_certificate_of_our_ca_stands_for_the_identity_configured() -> anyhow::Result<()> {
    let (files, data, ours) = (tempfile::tempdir()?, DataDir::new()?, Authority::new()?);
    let at = |name: &str| files.path().join(name);
    let (certificate, key) = ours.sign(&["localhost"])?;
    let config = "[[certificates]]\nname = \"spiffe://example.org/shop\"\ntenant = \"test-acme\"\nscopes = [\"orders.read\"]\n\
                  [[certificates]]\nname = \"spiffe://example.org/journeys\"\nservice = \"journeys\"\nscopes = [\"orders.read\"]\n";
    let settings = [
        ("LAUREL_TLS_CERT", write(&at("server.pem"), &certificate)?),
        ("LAUREL_TLS_KEY", write(&at("server.key"), &key)?),
        ("LAUREL_TLS_CLIENT_CA", write(&at("ca.pem"), &ours.pem())?),
        ("LAUREL_CONFIG", write(&at("laurel.toml"), config)?),
    ];
    let settings = settings.each_ref().map(|(name, value)| (*name, value.as_str()));
    let up = Up::start_with(&data.path(), &settings)?;
    let port = up.address.rsplit(':').next().unwrap();
    let address = format!("https://localhost:{port}");
    let list = async |identity: Option<(String, String)>| {
        let identity = identity.map(|(certificate, key)| (certificate.into_bytes(), key.into_bytes()));
        let access = Access { token: Token::None, ca: Some(ours.pem().into_bytes()), identity };
        let channel = rpc::channel::connect_as(&address, &access).unwrap();
        let mut orders = proto::orders::order_service_client::OrderServiceClient::new(channel.clone());
        let listed = orders.list_orders(proto::orders::ListOrdersRequest::default()).await.map(drop);
        let mut rewards = proto::rewards::reward_service_client::RewardServiceClient::new(channel);
        let other = rewards.list_rewards(proto::rewards::ListRewardsRequest::default()).await.map(drop);
        (listed, other)
    };
    let (listed, other) = list(Some(ours.sign(&["spiffe://example.org/shop"])?)).await;
    assert!(listed.is_ok(), "{listed:?}");
    assert_eq!(told(&other.unwrap_err()).1, "SCOPE_MISSING");
    // a service is of no tenant, and says for which it calls
    let (listed, _) = list(Some(ours.sign(&["spiffe://example.org/journeys"])?)).await;
    let breaches = listed.unwrap_err().get_details_bad_request().unwrap().field_violations;
    assert_eq!(breaches[0].field, "laurel-tenant");
    let (listed, _) = list(Some(ours.sign(&["spiffe://example.org/another"])?)).await;
    assert_eq!(told(&listed.unwrap_err()).1, "CREDENTIAL_INVALID");
    let (listed, _) = list(None).await;
    assert_eq!(told(&listed.unwrap_err()).1, "CREDENTIAL_MISSING");
    let (listed, _) = list(Some(Authority::new()?.sign(&["spiffe://example.org/shop"])?)).await;
    assert_eq!(
        listed.unwrap_err().code(),
        Code::Unavailable,
        "TLS lets no certificate of another CA through"
    );
    Ok(())
}

/// The first thing that reflection tells, or why it does not.
async fn reflected(channel: rpc::Channel) -> Result<(), Status> {
    let message_request = Some(MessageRequest::ListServices(String::new()));
    let ask = ServerReflectionRequest { host: String::new(), message_request };
    let mut client = ServerReflectionClient::new(channel);
    let mut answers = client.server_reflection_info(tokio_stream::once(ask)).await?.into_inner();
    answers.message().await?;
    Ok(())
}

#[tokio::test]
async fn health_is_open_to_everybody_and_reflection_to_who_has_a_credential_whatever_its_scope()
-> anyhow::Result<()> {
    let world = World::start()?;
    let mut health = HealthClient::new(world.channel_as(None)?);
    let ask = HealthCheckRequest { service: "ready".to_owned() };
    let ready = health.check(ask.clone()).await?.into_inner();
    assert_eq!(ready.status(), ServingStatus::Serving);
    let watched = health.watch(ask).await?.into_inner().message().await?;
    assert_eq!(watched.map(|told| told.status()), Some(ServingStatus::Serving));

    let status = reflected(world.channel_as(None)?).await.unwrap_err();
    assert_eq!(told(&status), (Code::Unauthenticated, "CREDENTIAL_MISSING".to_owned()));
    let wrong = world.sign_as("k2", &World::claims(TENANT, ""));
    let status = reflected(world.channel_as(Some(&wrong))?).await.unwrap_err();
    assert_eq!(told(&status), (Code::Unauthenticated, "CREDENTIAL_INVALID".to_owned()));
    reflected(world.channel_as(Some(&world.sign(&World::claims(TENANT, ""))))?).await?;
    Ok(())
}

#[test]
fn beyond_loopback_nothing_listens_without_authentication() -> anyhow::Result<()> {
    let data = DataDir::new()?;
    let output = tests::laurel(&["up", "--listen", "0.0.0.0:0"], &data.path())?.output()?;
    assert!(!output.status.success());
    let said = String::from_utf8(output.stderr)?;
    assert!(said.contains("will not listen on 0.0.0.0:0 without authentication"), "{said}");
    assert_eq!(said.trim().lines().count(), 1, "{said}");
    Ok(())
}
