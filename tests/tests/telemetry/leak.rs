//! What processes do not tell, however much they log: who the contacts are, and what callers prove themselves with.

use laurel::client::Clients;
use pg::sqlx::postgres::PgConnection;
use pg::sqlx::{AssertSqlSafe, query_scalar};
use rpc::channel::{Access, Token, connect_as};
use tests::process::{Deployment, SERVICES, Service};
use tests::story::{SCOPES, rewarded};
use tests::{DataDir, Up, database, program, said};
use tonic::Code;

use crate::collector::{Collector, named};
use crate::story::{self, EMAIL, FIRST_NAME, TRACE, play};
use crate::{RECORD_ORDER, metrics, metrics_address, up};

/// What others log at debug, and what we do at trace.
fn filter() -> String {
    let ours = "attribution orders journeys rewards rpc batch outbox pg runtime laurel observe definitions";
    ours.split(' ').fold("debug".to_owned(), |filter, name| format!("{filter},{name}=trace"))
}

fn access(token: &str) -> anyhow::Result<Access> {
    Ok(Access { token: Token::fixed(token)?, ..Access::default() })
}

/// The same token with another signature.
fn forged(token: &str) -> String {
    let (signed, signature) = token.rsplit_once('.').unwrap_or_default();
    format!("{signed}.{}", signature.chars().rev().collect::<String>())
}

/// Plays the story; besides, an order that is refused, and the same by a caller who is.
async fn play_and_be_refused(user: &Clients, forger: &Clients) -> anyhow::Result<()> {
    play(user).await?;
    rewarded(user, 1).await?;
    for (clients, code) in [(user, Code::InvalidArgument), (forger, Code::Unauthenticated)] {
        let mut refused = story::order();
        let order = refused.get_mut().order.get_or_insert_default();
        order.revenue = None;
        "o-2".clone_into(&mut order.order_id);
        let answer = clients.clone().orders.record_order(refused).await;
        assert_eq!(answer.err().map(|status| status.code()), Some(code));
    }
    Ok(())
}

/// All that is in the outboxes.
async fn events(mut database: PgConnection) -> anyhow::Result<Vec<(String, Vec<u8>)>> {
    let mut all = Vec::new();
    for schema in SERVICES {
        let payloads = AssertSqlSafe(format!("SELECT payload FROM {schema}.events"));
        let payloads: Vec<Vec<u8>> = query_scalar(payloads).fetch_all(&mut database).await?;
        assert!(!payloads.is_empty(), "{schema} has events");
        all.push((format!("events of {schema}"), payloads.concat()));
    }
    Ok(all)
}

/// Looks everywhere for the contact, and for claims and signatures of the tokens.
fn hold_nothing_of(seen: &[(String, Vec<u8>)], tokens: &[String]) {
    let parts = tokens.iter().flat_map(|token| token.split('.').skip(1));
    let secrets: Vec<String> =
        [EMAIL, FIRST_NAME].into_iter().chain(parts).map(str::to_ascii_lowercase).collect();
    assert!(secrets.iter().all(|secret| secret.len() >= 10), "{secrets:?}");
    for (place, bytes) in seen {
        let text = String::from_utf8_lossy(bytes).to_ascii_lowercase();
        for secret in &secrets {
            assert!(!text.contains(secret), "{secret} in {place}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_personal_data_and_no_credential_is_logged_exported_or_streamed() -> anyhow::Result<()> {
    let (data_dir, keys, collector) = (DataDir::new()?, tempfile::tempdir()?, Collector::start().await?);
    said(program("laurel")?.arg("keys").arg("--out").arg(keys.path()))?;
    let mut command = up(&data_dir.path(), &collector.address)?;
    command
        .env("LAUREL_LOG", filter())
        .env("LAUREL_JWKS", keys.path().join("jwks.json"))
        .env("LAUREL_ISSUER", "laurel-development")
        .env("LAUREL_AUDIENCE", "laurel");
    let up = Up::spawn(command)?;
    let mut token = program("laurel")?;
    token
        .args(["token", "--tenant", "acme", "--scope", SCOPES, "--key"])
        .arg(keys.path().join("signing.pem"));
    let token = said(&mut token)?.trim().to_owned();
    let tokens = [token.clone(), forged(&token)];
    let tenant = "acme".parse().map_err(|e| anyhow::anyhow!("tenant {e}"))?;
    let clients = |token: &String| {
        anyhow::Ok(Clients::new(connect_as(&format!("http://{}", up.address), &access(token)?)?, &tenant))
    };
    play_and_be_refused(&clients(&tokens[0])?, &clients(&tokens[1])?).await?;

    let mut seen = events(database(&data_dir.path()).await?).await?;
    let counted = [r#"laurel_decisions_total{outcome="CREATED"} 1"#];
    seen.push(("metrics".to_owned(), metrics(&metrics_address(&up)?, &counted).await?.into_bytes()));
    collector.spans(|spans| named(spans, &TRACE.to_be_bytes(), RECORD_ORDER).is_ok()).await?;
    let (ended, log) = up.terminate_with_log()?;
    assert!(ended.success());
    assert!(log.contains("DEBUG"), "the log is there");
    seen.push(("log".to_owned(), log.into_bytes()));
    seen.push(("traces".to_owned(), collector.bytes()));
    hold_nothing_of(&seen, &tokens);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_service_tells_its_own_token_or_that_of_another() -> anyhow::Result<()> {
    let collector = Collector::start().await?;
    let deployment = Deployment::new().await?;
    let deployment = deployment
        .set("LAUREL_LOG", &filter())
        .set("LAUREL_OTLP_ENDPOINT", &collector.address)
        .set("OTEL_BSP_SCHEDULE_DELAY", "50");
    let running = deployment.start_all()?;
    let addresses: Vec<&str> = running.iter().map(Service::address).collect();
    let token = deployment.token(&["--tenant", "acme", "--scope", SCOPES])?;
    let clients = |token: &str| deployment.clients(&addresses, "acme", &access(token)?);
    play_and_be_refused(&clients(&token)?, &clients(&forged(&token))?).await?;

    let mut seen = events(deployment.as_admin().await?).await?;
    collector.spans(|spans| named(spans, &TRACE.to_be_bytes(), RECORD_ORDER).is_ok()).await?;
    for (name, service) in SERVICES.iter().zip(running).rev() {
        service.terminate()?;
        let log = service.ended_with_log()?;
        assert!(log.contains("DEBUG"), "the log of {name} is there");
        seen.push((format!("log of {name}"), log.into_bytes()));
    }
    seen.push(("traces".to_owned(), collector.bytes()));
    let services = SERVICES.iter().map(|service| deployment.token_of(service));
    let mut tokens: Vec<String> = services.collect::<anyhow::Result<_>>()?;
    tokens.extend([forged(&token), token]);
    hold_nothing_of(&seen, &tokens);
    Ok(())
}
