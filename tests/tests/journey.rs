//! `laurel journey`: journeys as code, by command line (J12).

use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};
use tests::{DataDir, Up, program};

const JOURNEY: &str = "journey: shop
campaigns: all
sequence: REQUIRED
stages:
  - stage: lead
    name: Lead & <Friend>
    enter_on: [{event: attribution.activated}]
  - stage: bought
    enter_on: [{event: order.recorded, when: order.revenue_minor > 0}]
";
const PROGRAM: &str = "program: p
campaign: spring
rules:
  - {key: k, journey: shop, stage: bought, action: CREATE, beneficiary: ADVOCATE, amount: {fixed: 10.00 USD}}
  - {key: l, journey: shop, stage: sold, action: CREATE, beneficiary: ADVOCATE, amount: {fixed: 10.00 USD}}
";

/// The command, in a directory with files, beside running services.
struct Desk {
    up: Up,
    files: tempfile::TempDir,
}

impl Desk {
    fn run(&self, line: &str) -> anyhow::Result<Output> {
        let address = format!("http://{}", self.up.address);
        let whose = ["--address", &address, "--tenant", "test-me"];
        let mut command = program("laurel")?;
        command.current_dir(self.files.path()).arg("journey").args(line.split(' ')).args(whose);
        Ok(command.output()?)
    }

    /// Its standard output, if all goes well.
    fn says(&self, line: &str) -> anyhow::Result<String> {
        let output = self.run(line)?;
        anyhow::ensure!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Its exit code, and what it says on both outputs.
    fn fails(&self, line: &str) -> anyhow::Result<(i32, String, String)> {
        let output = self.run(line)?;
        let (out, error) = (String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?);
        Ok((output.status.code().unwrap_or_default(), out, error))
    }
}

fn desk(data_dir: &Path) -> anyhow::Result<Desk> {
    let desk = Desk { up: Up::start(data_dir)?, files: tempfile::tempdir()? };
    let bad = JOURNEY.replace("order.revenue_minor > 0", "order.colour == 1");
    for (name, text) in [("shop.yaml", JOURNEY), ("bad.yaml", &bad), ("program.yaml", PROGRAM)] {
        std::fs::write(desk.files.path().join(name), text)?;
    }
    Ok(desk)
}

#[test]
fn j12_journeys_are_code_at_the_command_line() -> anyhow::Result<()> {
    let data_dir = DataDir::new()?;
    let desk = desk(&data_dir.path())?;
    lints(&desk)?;
    versions(&desk)?;
    draws(&desk)
}

fn lints(desk: &Desk) -> anyhow::Result<()> {
    assert_eq!(desk.says("lint shop.yaml")?, "0 errors, 0 warnings\n");
    let told = desk.says("lint shop.yaml --program program.yaml")?;
    let lines: Vec<&str> = told.lines().collect();
    assert!(lines[0].starts_with("program.yaml:4:36 warning[no-refund-path] rules[0].stage: "), "{told}");
    assert!(lines[1].starts_with("program.yaml:5:36 warning[unknown-stage] rules[1].stage: "), "{told}");
    assert_eq!(lines[2..], ["0 errors, 2 warnings"]);
    let (code, out, error) = desk.fails("lint shop.yaml bad.yaml")?;
    assert_eq!((code, error.as_str()), (2, "laurel: 1 error, 0 warnings\n"));
    assert!(out.starts_with("bad.yaml:9:46 error[invalid-definition] stages[1].enter_on[0].when: "), "{out}");
    let (_, out, _) = desk.fails("lint bad.yaml --json")?;
    let found: Value = serde_json::from_str(&out)?;
    let wanted = [json!("bad.yaml"), json!("ERROR"), json!("invalid-definition"), json!(9)];
    assert_eq!([&found["file"], &found["level"], &found["rule"], &found["line"]], wanted.each_ref());
    assert!(desk.fails("lint nosuch.yaml")?.2.contains("cannot read nosuch.yaml"));
    Ok(())
}

fn versions(desk: &Desk) -> anyhow::Result<()> {
    let (code, _, error) = desk.fails("apply bad.yaml")?;
    assert!(code == 2 && error.starts_with("laurel: bad.yaml:9:46 "), "{code} {error}");
    assert_eq!(desk.says("apply shop.yaml")?, "journey shop: version 1\n");
    assert_eq!(desk.says("apply shop.yaml")?, "journey shop: version 1, unchanged\n");
    let second = JOURNEY.replace("REQUIRED", "OPTIONAL");
    std::fs::write(desk.files.path().join("shop.yaml"), &second)?;
    let applied: Value = serde_json::from_str(&desk.says("apply shop.yaml --json")?)?;
    assert_eq!((&applied["changed"], &applied["journey"]["version"]), (&json!(true), &json!(2)));
    assert_eq!(desk.says("get shop")?, second);
    assert_eq!(desk.says("get shop --version 1")?, JOURNEY);
    let got: Value = serde_json::from_str(&desk.says("get shop --json")?)?;
    assert_eq!(got["journey"]["sequence"], "OPTIONAL");
    let listed = desk.says("versions shop --json")?;
    let listed = listed.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?;
    let told: Vec<_> = listed.iter().map(|v| (v["version"].as_i64(), v["in_force"].as_bool())).collect();
    assert_eq!(told, [(Some(2), Some(true)), (Some(1), Some(false))]);
    let table = desk.says("list")?;
    let words: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(words[1][..5], ["shop", "shop", "2", "OPTIONAL", "lead,"], "{table}");
    for line in ["get nosuch", "versions nosuch", "draw nosuch"] {
        let (code, _, error) = desk.fails(line)?;
        assert!(code == 3 && error.contains("no such journey nosuch"), "{line}: {code} {error}");
    }
    Ok(())
}

fn draws(desk: &Desk) -> anyhow::Result<()> {
    let drawn = desk.says("draw shop")?;
    assert!(drawn.starts_with("<?xml") && drawn.contains(">Lead &amp; &lt;Friend&gt;</text>"), "{drawn}");
    assert!(desk.says("draw shop --live")?.contains(">0 runs</text>"));
    let written = desk.says("draw --file shop.yaml --program program.yaml --format mermaid -o shop.mmd")?;
    assert_eq!(written, "");
    let chart = std::fs::read_to_string(desk.files.path().join("shop.mmd"))?;
    assert!(chart.contains("  s1[\"bought<br/>order.recorded<br/>10.00 USD to the advocate\"]\n"), "{chart}");
    std::fs::write(desk.files.path().join("odd.yaml"), "rules: 5\n")?;
    for (line, wanted) in [
        ("draw --file bad.yaml", "laurel: bad.yaml:9:46 "),
        ("draw shop --program odd.yaml", "laurel: odd.yaml:1:8 "),
        ("draw", "<JOURNEY>"),
        ("draw shop --file shop.yaml", "cannot be used with"),
        ("draw --file shop.yaml --live", "cannot be used with"),
        ("draw shop --campaign spring", "--live"),
    ] {
        let (code, out, error) = desk.fails(line)?;
        assert!(code == 2 && out.is_empty() && error.contains(wanted), "{line}: {code} {error}");
    }
    Ok(())
}

#[test]
fn j12_the_schema_is_printed_without_a_service() -> anyhow::Result<()> {
    let mut command = program("laurel")?;
    let printed = tests::said(command.args(["journey", "schema", "--address", "http://127.0.0.1:1"]))?;
    let schema: Value = serde_json::from_str(&printed)?;
    assert_eq!(schema["title"], "Journey");
    Ok(())
}
