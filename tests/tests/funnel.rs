//! Funnels by command line: `laurel funnel` and `laurel journey stuck`.

use serde_json::{Value, json};
use tests::process::{Deployment, Service};
use tests::{program, said, story};

const TENANT: &str = "test-funnel";
const JOURNEY: &str = "journey: way
campaigns: [spring]
sequence: OPTIONAL
stages:
  - stage: lead
    name: Leads & more
    enter_on: [{event: attribution.activated}]
  - stage: bought
    terminal: true
    enter_on: [{event: order.recorded}]
";

#[tokio::test(flavor = "multi_thread")]
async fn j11_a_funnel_is_drawn_and_who_is_stuck_is_listed() -> anyhow::Result<()> {
    let deployment = Deployment::new().await?;
    let running = deployment.start_all()?;
    let addresses: Vec<&str> = running.iter().map(Service::address).collect();
    let scopes = format!("{} attribution.read attribution.clock", story::SCOPES);
    let token = deployment.token(&["--tenant", TENANT, "--scope", &scopes])?;
    let urls = deployment.urls(&addresses);
    let says = |line: &str| {
        let whose = ["--address", &urls, "--tenant", TENANT, "--token", &token];
        said(program("laurel")?.args(line.split(' ')).args(whose))
    };
    let directory = tempfile::tempdir()?;
    let [journey, chart] =
        ["journey.yaml", "funnel.svg"].map(|name| directory.path().join(name).display().to_string());
    std::fs::write(&journey, JOURNEY)?;
    for line in [
        "clock set 2026-03-01",
        "segments create fans",
        "campaigns create spring --currency EUR --segment fans",
        "contacts enroll ann@example.com --segment fans",
        "codes issue --campaign spring --advocate ann@example.com --code ANN",
        &format!("apply -f {journey}"),
        "attributions record --contact bob@example.com --code ANN",
        "attributions record --contact eve@example.com --code ANN",
        // which waits until all of it is carried through
        "clock advance 2d",
        "orders record o-1 --contact eve@example.com --revenue 10 --currency EUR --code ANN",
        "clock advance 1d",
    ] {
        says(line)?;
    }
    let runs = |arguments: &str| -> anyhow::Result<Value> {
        let answer: Value = serde_json::from_str(&says(&format!("funnel way --json{arguments}"))?)?;
        Ok(answer["runs"].clone())
    };
    assert_eq!(runs(" --campaign spring --version 1 --from 2026-03-01 --until 2026-03-01")?, json!(2));
    assert_eq!((runs(" --from 2026-03-02")?, runs(" --segment fans")?), (json!(0), json!(0)));
    let wrong = says("funnel way --from 2026-03-02 --until 2026-03-01").unwrap_err().to_string();
    assert!(wrong.contains("--until is before"), "{wrong}");

    let drawn = says(&format!("funnel way --svg {chart}"))?;
    let lines: Vec<&str> = drawn.lines().collect();
    assert!(lines[1].starts_with("  lead    ████") && lines[1].ends_with("2.0 d  2.0 d        2"), "{drawn}");
    assert!(lines[2].contains("50.0 %"), "{drawn}");
    let chart = std::fs::read_to_string(chart)?;
    assert!(chart.starts_with("<svg ") && chart.contains(">Leads &amp; more</text>"), "{chart}");

    let stuck = says("journey stuck way --days 3 --json")?;
    let stuck: Vec<Value> = stuck.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let bob: Value = serde_json::from_str(&says("contacts get bob@example.com --json")?)?;
    assert_eq!(stuck.len(), 1, "{stuck:?}");
    assert_eq!((&stuck[0]["stage"], &stuck[0]["days"]), (&json!("lead"), &json!(3)));
    assert_eq!(stuck[0]["contact_id"], bob["contact"]["contact_id"]);
    assert_eq!(says("journey stuck way --days 4 --json")?, "");
    Ok(())
}
