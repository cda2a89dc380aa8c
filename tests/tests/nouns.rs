//! The command line by noun: `laurel contacts`, `laurel orders` and so on, against services as processes of their own.

use std::process::Output;

use serde_json::{Value, json};
use tests::process::{Deployment, Service};
use tests::{program, story};

const TENANT: &str = "test-shop";

/// Running services, and a user of a tenant of theirs.
struct Shop {
    deployment: Deployment,
    running: Vec<Service>,
    token: String,
}

impl Shop {
    async fn open() -> anyhow::Result<Self> {
        let deployment = Deployment::new().await?;
        let running = deployment.start_all()?;
        let scopes = format!("{} attribution.read attribution.clock orders.admin", story::SCOPES);
        let token = deployment.token(&["--tenant", TENANT, "--scope", &scopes])?;
        Ok(Self { deployment, running, token })
    }

    /// What a command comes to, of a user of `tenant`; arguments of ours stand before or behind its own.
    fn run_as(&self, tenant: &str, token: &str, arguments: &[&str]) -> anyhow::Result<Output> {
        let addresses: Vec<&str> = self.running.iter().map(Service::address).collect();
        let urls = self.deployment.urls(&addresses);
        let whose = ["--address", &urls, "--tenant", tenant, "--token", token];
        Ok(program("laurel")?.args(arguments).args(whose).output()?)
    }

    fn run(&self, arguments: &[&str]) -> anyhow::Result<Output> {
        self.run_as(TENANT, &self.token, arguments)
    }

    /// Its standard output, if all goes well.
    fn says(&self, line: &str) -> anyhow::Result<String> {
        let output = self.run(&line.split(' ').collect::<Vec<_>>())?;
        anyhow::ensure!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?)
    }

    /// The one object it prints.
    fn tells(&self, line: &str) -> anyhow::Result<Value> {
        Ok(serde_json::from_str(&self.says(&format!("{line} --json"))?)?)
    }

    /// The objects it prints, one a line.
    fn lists(&self, line: &str) -> anyhow::Result<Vec<Value>> {
        let text = self.says(&format!("{line} --json"))?;
        Ok(text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
    }

    /// How it fails: its exit code and what it says.
    fn fails(&self, line: &str) -> anyhow::Result<(i32, String)> {
        let output = self.run(&line.split(' ').collect::<Vec<_>>())?;
        anyhow::ensure!(output.stdout.is_empty(), "{line}: {}", String::from_utf8_lossy(&output.stdout));
        Ok((output.status.code().unwrap_or_default(), String::from_utf8(output.stderr)?))
    }

    /// A campaign, and an advocate with a code.
    fn stock(&self) -> anyhow::Result<()> {
        for line in [
            "segments create fans",
            "campaigns create spring --currency EUR --segment fans --starts-at 2020-01-01",
            "contacts enroll ann@example.com --segment fans --at 2020-01-02",
            "codes issue --campaign spring --advocate ann@example.com --code ANN",
        ] {
            self.says(line)?;
        }
        Ok(())
    }
}

/// The words of a table, by line.
fn words(table: &str) -> Vec<Vec<&str>> {
    table.lines().map(|line| line.split_whitespace().collect()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn contacts_segments_and_campaigns_by_command_line() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    let made = shop.tells("contacts upsert --email Ann@Example.com --uid crm-1 --first-name Ann")?;
    assert_eq!((&made["created"], &made["contact"]["email"]), (&json!(true), &json!("ann@example.com")));
    let id = made["contact"]["contact_id"].as_str().unwrap_or_default().to_owned();
    // by any of its names, in any order of the arguments
    for who in ["ann@example.com", "uid:crm-1", &id] {
        assert_eq!(shop.tells(&format!("contacts get {who}"))?["contact"]["contact_id"], json!(id), "{who}");
    }
    let segment = shop.tells("segments create fans --name Fans")?;
    let fans = json!({ "segment_id": "fans", "name": "Fans", "members": 0, "rule": "", "state": "READY" });
    assert_eq!(segment, json!({ "segment": fans }));
    shop.says("contacts tag uid:crm-1 vip early")?;
    shop.says("contacts untag uid:crm-1 early")?;
    shop.says("contacts enroll uid:crm-1 --segment fans --at 2026-03-09")?;
    let contact = &shop.tells("contacts status ann@example.com unsubscribed")?["contact"];
    assert_eq!((&contact["status"], &contact["tags"]), (&json!("UNSUBSCRIBED"), &json!(["vip"])));
    assert_eq!(contact["segment_ids"], json!(["fans"]));
    shop.says("contacts upsert --email bob@example.com")?;
    assert_eq!(shop.tells("segments add fans bob@example.com")?["segment"]["members"], 2);
    assert_eq!(shop.tells("segments remove fans bob@example.com uid:crm-1")?["segment"]["members"], 0);

    let emails = |list: Vec<Value>| list.iter().map(|c| c["email"].to_string()).collect::<Vec<_>>();
    assert_eq!(emails(shop.lists("contacts list")?), ["\"bob@example.com\"", "\"ann@example.com\""]);
    assert_eq!(emails(shop.lists("contacts list --limit 1")?), ["\"bob@example.com\""]);
    assert_eq!(emails(shop.lists("contacts list --filter tags:vip")?), ["\"ann@example.com\""]);
    let table = shop.says("contacts list --filter tags:vip")?;
    assert_eq!(words(&table)[0][..4], ["CONTACT", "ID", "EMAIL", "UID"]);
    assert_eq!(words(&table)[1][..4], [id.as_str(), "ann@example.com", "crm-1", "UNSUBSCRIBED"]);
    // for people, what is empty is left out
    let shown = shop.says("contacts get bob@example.com")?;
    assert!(shown.lines().any(|line| line.split_whitespace().eq(["email", "bob@example.com"])), "{shown}");
    assert!(!shown.contains("last_name"), "{shown}");

    shop.says(
        "campaigns create spring --currency EUR --segment fans --starts-at 2026-03-01 --ends-at 2026-06-01",
    )?;
    let spring = &shop.tells("campaigns update spring --name Spring")?["campaign"];
    assert_eq!((&spring["name"], &spring["ends_at"]), (&json!("Spring"), &json!("2026-06-01T00:00:00Z")));
    let spring = &shop.tells("campaigns update spring --no-end")?["campaign"];
    assert_eq!((&spring["name"], &spring["ends_at"]), (&json!("Spring"), &Value::Null));
    assert_eq!(shop.tells("campaigns get spring")?["campaign"], *spring);
    assert_eq!((shop.lists("campaigns list")?.len(), shop.lists("segments list")?.len()), (1, 1));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn properties_rules_and_files_of_contacts_by_command_line() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    let made = shop.tells("contacts properties create seats --type integer --personal false")?;
    assert_eq!(
        (&made["property"]["type"], &made["property"]["personal"]),
        (&json!("INTEGER"), &json!(false))
    );
    shop.says("contacts properties create plan --type string")?;
    let made = &shop.tells("segments create big --rule contact.properties.seats>=50")?["segment"];
    assert_eq!(made["rule"], "contact.properties.seats>=50");
    let upsert = "contacts upsert --email ann@example.com --property seats=50 --property plan=pro";
    let ann = &shop.tells(upsert)?["contact"];
    assert_eq!(
        (&ann["properties"]["seats"]["integer_value"], &ann["segment_ids"]),
        (&json!(50), &json!(["big"]))
    );
    let ann = &shop.tells("contacts upsert --email ann@example.com --property seats=")?["contact"];
    assert_eq!(
        (&ann["properties"]["plan"]["string_value"], &ann["segment_ids"]),
        (&json!("pro"), &json!([]))
    );
    let (code, said) = shop.fails("contacts upsert --email ann@example.com --property seats=many")?;
    assert!(code == 2 && said.contains("`seats` is not a whole number"), "{code} {said}");
    let (code, said) = shop.fails("segments update big --rule contact.properties.size>1")?;
    assert!(code == 2 && said.contains("--rule at column"), "{code} {said}");
    let table = shop.says("contacts properties list")?;
    assert_eq!(words(&table)[1][..2], ["plan", "STRING"]);

    let directory = tempfile::tempdir()?;
    let file = directory.path().join("contacts.csv");
    std::fs::write(&file, "Mail,property.seats\nbob@example.com,70\ncyd@,1\n")?;
    let import = format!("contacts import {} --map Mail=email", file.display());
    let output = shop.run(&format!("{import} --dry-run").split(' ').collect::<Vec<_>>())?;
    assert_eq!(output.status.code(), Some(5), "{output:?}");
    assert!(shop.lists("contacts list --filter segment_ids:big")?.is_empty());
    let output = shop.run(&import.split(' ').collect::<Vec<_>>())?;
    let told = String::from_utf8(output.stdout)?;
    assert_eq!(told, "1 created, 0 updated, 0 unchanged, 1 rejected\n");
    let told = String::from_utf8(output.stderr)?;
    assert!(told.contains("line 3, column Mail: "), "{told}");
    assert_eq!(shop.lists("contacts list --filter segment_ids:big")?.len(), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_attributions_and_the_clock_by_command_line() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    shop.stock()?;
    assert_eq!(shop.tells("codes resolve ann")?["campaign_id"], "spring");
    let recorded = shop.tells("attributions record --contact eve@example.com --code ann --source shop")?;
    let result = &recorded["result"];
    assert_eq!((&result["outcome"], &result["inactive_reason"]), (&json!("ATTRIBUTED"), &Value::Null));
    let attribution = &result["in_force"];
    let id = attribution["attribution_id"].as_str().unwrap_or_default();
    assert_eq!(shop.tells(&format!("attributions get {id}"))?["attribution"], *attribution);
    let lookup = shop.tells("attributions lookup --campaign spring --contact eve@example.com")?;
    assert_eq!(lookup["attribution"], *attribution);
    let early = "attributions lookup --campaign spring --contact eve@example.com --at 2021-01-01";
    assert_eq!(shop.fails(early)?.0, 3);

    shop.says("attributions record --contact fay@example.com --campaign spring --code nosuch")?;
    let lost = shop.lists("attributions attempts --outcome unresolved --unresolved-reason UNKNOWN_CODE")?;
    assert_eq!((lost.len(), &lost[0]["shortcode"]), (1, &json!("NOSUCH")));
    assert_eq!(shop.lists("attributions attempts --source shop")?.len(), 1);
    assert_eq!(shop.lists("attributions list --campaign spring --state active")?.len(), 1);
    assert_eq!(shop.lists("attributions list --state inactive")?.len(), 0);
    let table = shop.says("attributions attempts")?;
    assert_eq!((words(&table)[1][1], words(&table)[1][2]), ("UNRESOLVED", "UNKNOWN_CODE"), "{table}");

    shop.says("clock set 2026-03-09")?;
    let by = |id: &str| shop.tells(&format!("clock advance 31d --request-id {id}"));
    let moved = json!({ "now": "2026-04-09T00:00:00Z", "replayed": false });
    assert_eq!((by("a")?, by("a")?["replayed"].clone()), (moved, json!(true)));
    assert_eq!(shop.tells("clock get")?, json!({ "now": "2026-04-09T00:00:00Z" }));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn attributions_as_files_by_command_line() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    shop.stock()?;
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("attributions.csv");
    let path = file.display();
    std::fs::write(&file, "contact,shortcode\neve@example.com,ann\nfay@example.com,nosuch\n")?;
    let import = format!("attributions import {path} --import-id a");
    let summary = shop.tells(&import)?;
    assert_eq!((&summary["recorded"], &summary["unresolved"]), (&json!(1), &json!(1)), "{summary}");
    assert_eq!(shop.tells(&import)?["unchanged"], 2);
    let list = "attributions list --contact eve@example.com --advocate ann@example.com";
    assert_eq!(shop.lists(list)?.len(), 1);
    let export = format!("attributions export {path} --contact eve@example.com --state active");
    assert_eq!(shop.tells(&export)?, json!({ "rows": 1 }));
    let said = shop.says(&format!("attributions import {path}"))?;
    let unchanged = "0 recorded, 0 activated, 0 deactivated, 0 reassigned, 1 unchanged, 0 logged inactive, 0 unresolved, 0 rejected";
    assert_eq!(said.trim(), unchanged);
    assert!(shop.says("attributions export")?.starts_with("attribution_id,campaign,"));
    std::fs::write(&file, "Who,How\n\"\",ann\n")?;
    let mapped = format!("attributions import {path} --map Who=contact --map How=shortcode");
    let output = shop.run(&mapped.split(' ').collect::<Vec<_>>())?;
    let told = String::from_utf8(output.stderr)?;
    assert!(output.status.code() == Some(5) && told.contains("line 2, column Who: "), "{told}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_by_command_line() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    shop.stock()?;
    let lines = r#"[{"sku":"a-1","quantity":2,"unit_price":"6.25"}]"#;
    let record =
        "orders record o-1 --contact eve@example.com --revenue 12.50 --currency EUR --code ann --line-items";
    let recorded = shop.tells(&format!("{record} {lines}"))?;
    let order = &recorded["order"];
    assert_eq!((&recorded["result"], &order["outcome"]), (&json!("RECORDED"), &json!("ATTRIBUTED")));
    assert_eq!(order["revenue"], json!({ "amount": "12.50", "currency_code": "EUR" }));
    assert_eq!(order["line_items"][0]["unit_price"]["amount"], "6.25");
    assert_eq!(shop.tells(&format!("{record} {lines}"))?["result"], "ALREADY_RECORDED");
    let other = "orders record o-1 --contact eve@example.com --revenue 20 --currency EUR";
    assert_eq!(shop.fails(other)?.0, 1);
    assert_eq!(shop.tells(&format!("{other} --on-conflict update"))?["result"], "UPDATED");
    assert_eq!(shop.tells("orders get o-1")?["order"]["revenue"]["amount"], "20.00");

    let refund = shop.tells("orders refund o-1 --refund-id r-1 --amount 0.50 --currency EUR")?;
    assert_eq!(refund["refund"]["amount"], json!({ "amount": "0.50", "currency_code": "EUR" }));
    assert_eq!(
        (&refund["replayed"], &refund["order"]["refunded"]["amount"]),
        (&json!(false), &json!("0.50"))
    );
    let cancelled = shop.tells("orders cancel o-1 --reason lost")?;
    assert_eq!(cancelled["order"]["refunded"]["amount"], "20.00");
    let kinds: Vec<Value> =
        shop.lists("orders history o-1")?.into_iter().map(|change| change["kind"].clone()).collect();
    assert_eq!(kinds, ["RECORDED", "UPDATED", "REFUNDED", "CANCELLED"]);
    let history = shop.says("orders history o-1")?;
    assert!(history.lines().nth(2).is_some_and(|line| line.contains("revenue, line_items")), "{history}");

    shop.says("orders record o-2 --contact uid:crm-2 --revenue 300 --currency JPY")?;
    let ids = |line: &str| -> anyhow::Result<Vec<Value>> {
        Ok(shop.lists(line)?.into_iter().map(|order| order["order_id"].clone()).collect())
    };
    assert_eq!(ids("orders list")?, ["o-2", "o-1"]);
    assert_eq!(ids("orders list --contact uid:crm-2")?, ["o-2"]);
    assert_eq!(ids("orders list --contact eve@example.com --filter revenue>=20")?, ["o-1"]);
    assert!(ids("orders list --campaign autumn")?.is_empty());
    let table = shop.says("orders list --limit 1")?;
    assert_eq!(words(&table)[0][..3], ["ORDER", "ID", "SOURCE"]);
    assert!(table.contains("300 JPY"), "{table}");

    shop.says("orders properties create size --type integer")?;
    let record = "orders record o-9 --contact eve@example.com --revenue 1 --currency EUR --property";
    let (code, said) = shop.fails(&format!("{record} size=large"))?;
    assert!(code == 2 && said.contains("`size` is not a whole number"), "{code} {said}");
    assert_eq!(shop.tells(&format!("{record} size=7"))?["order"]["properties"]["size"]["integer_value"], 7);
    assert_eq!(shop.tells("orders update o-9 --property size=")?["order"]["properties"], json!({}));
    assert_eq!(shop.tells("orders properties update size --description cm")?["property"]["personal"], true);
    assert_eq!(shop.fails("orders properties delete size")?.0, 1, "it was used");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn o10_what_an_import_rejects_is_mended_and_imported_by_command_line() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    let files = tempfile::tempdir()?;
    let path = |name: &str| files.path().join(name).display().to_string();
    let (orders, rejected, other) = (path("orders.csv"), path("rejected.csv"), path("other.csv"));
    let rows = "order_id,email,revenue\no-1,eve@example.com,1\no-2,nobody,2\no-3,eve@example.com,x\n";
    std::fs::write(&orders, rows)?;
    let run = |line: &str| shop.run(&line.split(' ').collect::<Vec<_>>());
    let import = format!("orders import --currency EUR --report {rejected}");
    for tried in ["--dry-run", "--import-id i-1", ""] {
        let line = format!("{import} {orders} {tried}");
        let output = run(line.trim_end())?;
        let said = String::from_utf8(output.stdout)?;
        assert_eq!(output.status.code(), Some(5), "{said}");
        assert!(said.contains("2 rejected") && said.ends_with("rejected.csv: 2 rows\n"), "{said}");
        let report = std::fs::read_to_string(&rejected)?;
        assert!(
            report.starts_with("line,column,reason,order_id,email,revenue\n3,email,INVALID_FIELD: "),
            "{report}"
        );
        std::fs::remove_file(&rejected)?;
    }
    let report = shop.says("orders import-report --import-id i-1")?;
    let told = shop.tells(&format!("orders import-report --import-id i-1 --output {rejected}"))?;
    assert_eq!((told, &std::fs::read_to_string(&rejected)?), (json!({ "rows": 2, "left_out": 0 }), &report));
    std::fs::write(&rejected, report.replace("nobody", "eve@example.com").replace(",x\n", ",3\n"))?;
    let mended = shop.tells(&format!("orders import {rejected} --currency EUR --report {other}"))?;
    assert_eq!((&mended["recorded"], &mended["rejected"]), (&json!(2), &json!(0)));
    assert!(!std::path::Path::new(&other).exists(), "nothing was rejected");
    assert_eq!(shop.lists("orders list")?.len(), 3);
    assert_eq!(shop.fails("orders import-report --import-id i-9")?.0, 3);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_said_of_the_argument_and_the_exit_code_says_of_what_kind() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    shop.stock()?;
    let order = "orders record o-1 --currency EUR --revenue";
    for (line, exit, wanted) in [
        // clap
        ("contacts get ann", 2, "'<CONTACT>'"),
        ("contacts status ann@example.com gone", 2, "[possible values: prospect, enrolled"),
        ("orders record o-1 --contact a@b.example", 2, "--revenue <REVENUE>"),
        ("orders refund o-1 --refund-id r --amount 1", 2, "--currency"),
        ("contacts list --limit 0", 2, "--limit"),
        ("clock advance 31", 2, "`31` is not a length of time"),
        // ourselves
        (
            format!("{order} 1.005 --contact a@b.example").as_str(),
            2,
            "laurel: --revenue is finer than the minor unit of EUR",
        ),
        // the services
        (format!("{order} -1 --contact a@b.example").as_str(), 2, "laurel: --revenue is negative"),
        (
            format!("{order} 1 --contact a@b.example --at 2999-01-01").as_str(),
            2,
            "laurel: --at is more than 24 hours",
        ),
        (format!("{order} 1 --contact a@b@c").as_str(), 2, "laurel: --contact "),
        ("campaigns create Spring --currency EUR --segment fans", 2, "laurel: CAMPAIGN_ID "),
        ("campaigns update spring --segment fans --segment No", 2, "laurel: --segment (2) "),
        ("orders list --filter colour=red", 2, "laurel: --filter at character 1"),
        ("contacts get nobody@example.com", 3, "laurel: not found: no such contact"),
        ("campaigns get autumn", 3, "laurel: not found: no such campaign autumn"),
        ("orders get o-9", 3, "laurel: not found: no such order o-9"),
        ("codes issue --campaign spring --advocate nobody@example.com", 3, "laurel: not found"),
        ("segments create fans --name Others", 1, "laurel: already exists"),
    ] {
        let (code, said) = shop.fails(line)?;
        assert!(code == exit && said.contains(wanted), "{line}: {code} {said}");
    }
    let narrow = shop.deployment.token(&["--tenant", TENANT, "--scope", "orders.read"])?;
    let denied = shop.run_as(TENANT, &narrow, &["contacts", "list"])?;
    assert_eq!(denied.status.code(), Some(6));
    let output = program("laurel")?.args(["contacts", "list", "--address", "http://127.0.0.1:1"]).output()?;
    let said = String::from_utf8(output.stderr)?;
    assert!(
        output.status.code() == Some(4) && said.contains("http://127.0.0.1:1: connection failed"),
        "{said}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn m6_what_is_of_another_tenant_is_not_found() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    shop.stock()?;
    shop.says("orders record o-1 --contact eve@example.com --revenue 1 --currency EUR --code ann")?;
    let scopes = format!("{} attribution.read", story::SCOPES);
    let other = shop.deployment.token(&["--tenant", "test-other", "--scope", &scopes])?;
    for line in [
        "contacts get ann@example.com",
        "segments get fans",
        "campaigns get spring",
        "codes resolve ANN",
        "orders get o-1",
        "orders history o-1",
        "orders cancel o-1",
        "orders list --contact eve@example.com",
    ] {
        let output = shop.run_as("test-other", &other, &line.split(' ').collect::<Vec<_>>())?;
        assert_eq!(output.status.code(), Some(3), "{line}: {}", String::from_utf8_lossy(&output.stdout));
    }
    let none = shop.run_as("test-other", &other, &["contacts", "list", "--json"])?;
    assert!(none.status.success() && none.stdout.is_empty());
    Ok(())
}
