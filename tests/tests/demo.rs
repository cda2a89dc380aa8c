//! The main job against an independent calculation straight from the data file, undisturbed and killed again and again.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::Child;
use std::time::Duration;

use anyhow::Context;
use pg::sqlx::postgres::PgConnectOptions;
use pg::sqlx::{ConnectOptions, query_scalar};
use serde_json::Value;
use tests::cdnow::independent;
use tests::{DataDir, laurel};

/// Runs the demo to its end; its JSON without the seconds.
fn demo(data_dir: &Path) -> anyhow::Result<Value> {
    let output = laurel(&["demo", "--json"], data_dir)?.output()?;
    anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut json: Value = serde_json::from_slice(&output.stdout)?;
    let seconds = json.as_object_mut().and_then(|o| o.remove("seconds"));
    anyhow::ensure!(seconds.is_some_and(|s| s.is_number()), "no seconds");
    Ok(json)
}

/// Orders stored so far, seen through the cluster's own socket; `None` while it is not up.
async fn orders_stored(data_dir: &Path) -> Option<i64> {
    let options =
        PgConnectOptions::new().socket(data_dir.join("run")).username("postgres").database("laurel");
    let mut connection = options.connect().await.ok()?;
    query_scalar("SELECT count(*) FROM orders.orders").fetch_one(&mut connection).await.ok()
}

/// Waits until the import has come so far, or the process has ended.
async fn wait_for_orders(child: &mut Child, data_dir: &Path, threshold: i64) -> anyhow::Result<()> {
    let mut look = tokio::time::interval(Duration::from_millis(20));
    while child.try_wait()?.is_none() {
        if orders_stored(data_dir).await.is_some_and(|stored| stored >= threshold) {
            return Ok(());
        }
        look.tick().await;
    }
    anyhow::bail!("the demo ended before it could be killed")
}

/// Peak of what a process held in MiB: its resident size without the pages of its own program, whose debug information
/// alone grows with every feature.
fn peak_memory(pid: u32) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kib = |name: &str| {
        let line =
            status.lines().find(|line| line.starts_with(name)).with_context(|| format!("no {name}"))?;
        Ok::<u64, anyhow::Error>(line.split_whitespace().nth(1).context("no value")?.parse()?)
    };
    Ok(kib("VmHWM")?.saturating_sub(kib("RssFile")?) / 1024)
}

#[test]
fn the_demo_agrees_with_an_independent_calculation_in_bounded_memory() -> anyhow::Result<()> {
    let data_dir = DataDir::new()?;
    let mut child =
        laurel(&["demo", "--json", "--serve", "--listen", "127.0.0.1:0"], &data_dir.path())?.spawn()?;
    let mut stdout = child.stdout.take().context("no standard output")?;
    let mut stderr = child.stderr.take().context("no standard error")?;
    // with --serve it goes on; the address on standard error says that the demo is done
    let mut said = String::new();
    let mut byte = [0];
    while !said.contains("ready ") && stderr.read(&mut byte)? > 0 {
        said.push(char::from(byte[0]));
    }
    let peak = peak_memory(child.id());
    child.kill()?;
    child.wait()?;
    let mut text = String::new();
    stdout.read_to_string(&mut text)?;
    let mut json: Value = serde_json::from_str(&text).with_context(|| said.clone())?;
    json.as_object_mut().and_then(|o| o.remove("seconds")).context("no seconds")?;
    assert_eq!(json, independent()?);
    let peak = peak?;
    assert!(peak < 120, "the serving process held {peak} MiB");
    // killed, and run again on what it left: the same numbers
    assert_eq!(demo(&data_dir.path())?, independent()?);
    Ok(())
}

#[tokio::test]
async fn killed_five_times_during_the_import_the_numbers_are_the_same() -> anyhow::Result<()> {
    let data_dir = DataDir::new()?;
    let mut stored = 0;
    for _ in 0..5 {
        let mut child = laurel(&["demo", "--json"], &data_dir.path())?.spawn()?;
        // somewhere in the next tenth of the import
        let threshold = stored + 1 + i64::from(rand::random::<u16>()) % 7_000;
        wait_for_orders(&mut child, &data_dir.path(), threshold).await?;
        child.kill()?;
        child.wait()?;
        stored = threshold;
    }
    let path = data_dir.path();
    let survived = tokio::task::spawn_blocking(move || demo(&path)).await??;
    assert_eq!(survived, independent()?);
    Ok(())
}
