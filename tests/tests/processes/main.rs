//! The four services as processes of their own: the story through all of them, replicas that end under load, certificates
//! between services, what Kubernetes runs, streams of age, and wrong settings.

mod age;
mod drain;
mod load;
mod prepared;
mod reflection;
mod replicas;
mod settings;
mod tls;
mod watch;

use serde_json::Value;
use tests::process::{Deployment, Service};
use tests::{cdnow, program, said};

const TENANT: &str = "test-cdnow";

#[tokio::test]
async fn the_story_on_four_processes_has_the_same_totals() -> anyhow::Result<()> {
    let deployment = Deployment::new().await?;
    let running = deployment.start_all()?;
    let addresses: Vec<&str> = running.iter().map(Service::address).collect();
    let scopes = format!("{} attribution.read attribution.clock", tests::story::SCOPES);
    let token = deployment.token(&["--tenant", TENANT, "--scope", &scopes])?;
    let demo = ["demo", "--json", "--address", &deployment.urls(&addresses), "--token", &token];
    let mut totals: Value = serde_json::from_str(&said(program("laurel")?.args(demo))?)?;
    assert!(totals.as_object_mut().is_some_and(|totals| totals.remove("seconds").is_some()));
    assert_eq!(totals, cdnow::independent()?);
    for service in running.into_iter().rev() {
        service.terminate()?;
        service.ended()?;
    }
    Ok(())
}
