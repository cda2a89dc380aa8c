//! Orders as files, by command line: `laurel orders import` and `laurel orders export`.

use tests::process::{Deployment, Service};
use tests::{program, said, story};

const TENANT: &str = "acme";
const FILE: &str = "order_id,email,revenue,currency,external_status
o-1,eve@example.com,10.00,USD,\"won, at last\"
o-2,fay@example.com,20.00,USD,
o-3,eve@example.com,300,JPY,
";

#[tokio::test(flavor = "multi_thread")]
async fn o11_what_an_export_writes_an_import_finds_recorded() -> anyhow::Result<()> {
    let deployment = Deployment::new().await?;
    let running = deployment.start_all()?;
    let addresses: Vec<&str> = running.iter().map(Service::address).collect();
    let (token, urls) =
        (deployment.token(&["--tenant", TENANT, "--scope", story::SCOPES])?, deployment.urls(&addresses));
    let says = |arguments: &[&str]| {
        let whose = ["--address", &urls, "--tenant", TENANT, "--token", &token];
        said(program("laurel")?.arg("orders").args(arguments).args(whose))
    };
    let directory = tempfile::tempdir()?;
    let [given, exported] = ["given.csv", "exported.csv"].map(|name| directory.path().join(name));
    let (given, exported) = (given.display().to_string(), exported.display().to_string());
    std::fs::write(&given, FILE)?;
    assert_eq!(says(&["import", &given])?, "3 recorded, 0 already recorded, 0 updated, 0 rejected\n");

    // what is refused leaves no file
    let wrong = says(&["export", &exported, "--filter", "colour = red"]).err().map(|error| error.to_string());
    assert!(wrong.is_some_and(|said| said.contains("filter")));
    assert_eq!(std::fs::read_dir(directory.path())?.count(), 1);

    assert_eq!(says(&["export", &exported])?, "3 orders\n");
    assert_eq!(says(&["import", &exported])?, "0 recorded, 3 already recorded, 0 updated, 0 rejected\n");
    let some = says(&["export", "--filter", "revenue.currency_code = USD", "--order-by", "recorded_at"])?;
    let ids: Vec<&str> = some.lines().skip(1).filter_map(|line| line.split(',').next()).collect();
    assert_eq!(ids, ["o-1", "o-2"]);
    assert!(some.contains("\"won, at last\""));

    // the good rows are in, and the exit code says that not all are
    let broken = directory.path().join("broken.csv").display().to_string();
    std::fs::write(&broken, format!("{FILE}o-4,gus@example.com,1.005,USD,\n"))?;
    let whose = ["--address", &urls, "--tenant", TENANT, "--token", &token];
    let output = program("laurel")?.args(["orders", "import", &broken, "--json"]).args(whose).output()?;
    let said = String::from_utf8(output.stderr)?;
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let wanted = serde_json::json!(
        { "rows": 4, "recorded": 0, "already_recorded": 3, "updated": 0, "rejected": 1 }
    );
    assert_eq!((output.status.code(), summary), (Some(5), wanted));
    assert!(
        said.starts_with("line 5, column revenue: ") && said.ends_with("laurel: 1 row was rejected\n"),
        "{said}"
    );
    Ok(())
}
