//! `laurel up`: one process, a cluster of its own, and one clear line when something is in the way.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use pg::sqlx::query_scalar;
use proto::attribution::CreateSegmentRequest;
use proto::attribution::{GetSegmentRequest, ListSegmentsRequest};
use proto::orders::{ImportOrdersOptions, ImportOrdersRequest, WatchOrderEventsRequest};
use tests::process::Deployment;
use tests::{DataDir, Up, laurel};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

fn create(id: &str) -> CreateSegmentRequest {
    CreateSegmentRequest { segment_id: id.to_owned(), ..Default::default() }
}

// the client has to answer while the test waits for the server to end
#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_kill_9_and_a_restart() -> anyhow::Result<()> {
    let data_dir = DataDir::new()?;
    for round in 0..3 {
        let up = Up::start(&data_dir.path())?;
        let clients = up.clients("acme")?;
        for earlier in 0..round {
            let request = GetSegmentRequest { segment_id: format!("s{earlier}") };
            clients.segments.clone().get_segment(request).await?;
        }
        clients.segments.clone().create_segment(create(&format!("s{round}"))).await?;
        up.kill()?;
    }
    let up = Up::start(&data_dir.path())?;
    let list = up.clients("acme")?.segments.list_segments(ListSegmentsRequest::default()).await?.into_inner();
    assert_eq!(list.segments.len(), 3);
    // another tenant sees none of it
    let request = GetSegmentRequest { segment_id: "s0".to_owned() };
    let refused = up.clients("other")?.segments.get_segment(request).await.map_err(|s| s.code());
    assert_eq!(refused.err(), Some(Code::NotFound));
    assert!(up.terminate()?.success());
    Ok(())
}

#[test]
fn it_ends_with_an_error_when_its_postgres_does() -> anyhow::Result<()> {
    let data_dir = DataDir::new()?;
    let up = Up::start(&data_dir.path())?;
    let file = std::fs::read_to_string(data_dir.path().join("pg/postmaster.pid"))?;
    let postmaster = file.lines().next().unwrap_or_default();
    anyhow::ensure!(std::process::Command::new("kill").args(["-9", postmaster]).status()?.success());
    assert!(!up.ended()?.success());
    // and starts again as if nothing had been
    assert!(Up::start(&data_dir.path())?.terminate()?.success());
    Ok(())
}

// a client that watches the health must not keep the process from ending, nor one that only stays connected
#[tokio::test(flavor = "multi_thread")]
async fn who_watches_its_health_hears_that_it_ends_and_does_not_hold_it_up() -> anyhow::Result<()> {
    let data_dir = DataDir::new()?;
    let up = Up::start_with(&data_dir.path(), &[("LAUREL_DRAIN_SECONDS", "3600")])?;
    let channel = rpc::channel::connect(&format!("http://{}", up.address))?;
    let request = HealthCheckRequest { service: "ready".to_owned() };
    let mut health = HealthClient::new(channel).watch(request).await?.into_inner();
    assert_eq!(health.message().await?.map(|told| told.status()), Some(ServingStatus::Serving));
    let ended = tokio::task::spawn_blocking(move || up.terminate());
    assert_eq!(health.message().await?.map(|told| told.status()), Some(ServingStatus::NotServing));
    assert_eq!(health.message().await.unwrap_err().code(), Code::Unavailable);
    assert!(tokio::time::timeout(Duration::from_mins(1), ended).await???.success());
    Ok(())
}

#[tokio::test]
async fn a_connection_of_age_is_closed_and_its_calls_are_finished() -> anyhow::Result<()> {
    let data_dir = DataDir::new()?;
    let up = Up::start_with(&data_dir.path(), &[("LAUREL_CONNECTION_AGE_SECONDS", "1")])?;
    let stream = tokio::net::TcpStream::connect(&up.address).await?;
    let (sender, connection) =
        http2::handshake::<_, _, String>(TokioExecutor::new(), TokioIo::new(stream)).await?;
    // nobody hangs up but the server
    tokio::time::timeout(Duration::from_mins(1), connection).await??;
    assert!(sender.is_closed());
    // a client of ours connects again, and a watch and an import that are open stay
    let clients = up.clients("acme")?;
    let begun = Instant::now();
    let (rows, chunks) = tokio::sync::mpsc::channel(2);
    rows.send(ImportOrdersRequest { options: Some(ImportOrdersOptions::default()), ..Default::default() })
        .await?;
    rows.send(chunk("order_id,email,revenue,currency\n")).await?;
    let mut import = clients.orders.clone().import_orders(ReceiverStream::new(chunks)).await?.into_inner();
    let mut watch =
        clients.orders.clone().watch_order_events(WatchOrderEventsRequest::default()).await?.into_inner();
    while begun.elapsed() < Duration::from_secs(3) {
        let list = || async { clients.segments.clone().list_segments(ListSegmentsRequest::default()).await };
        match list().await {
            // it met the end of its connection: docs/clients.md has clients repeat it
            Err(status) if status.code() == Code::Unavailable => list().await?,
            answer => answer?,
        };
        assert!(watch.message().await?.is_some(), "a heartbeat each second");
    }
    rows.send(chunk("o-1,bob@shop.example,49.00,USD\n")).await?;
    drop(rows);
    let mut recorded = None;
    while let Some(answer) = import.message().await? {
        recorded = answer.summary.map(|summary| summary.recorded);
    }
    assert_eq!(recorded, Some(1));
    Ok(())
}

fn chunk(csv: &str) -> ImportOrdersRequest {
    ImportOrdersRequest { chunk: csv.as_bytes().to_vec(), options: None }
}

#[tokio::test]
async fn the_database_is_the_one_that_a_file_names() -> anyhow::Result<()> {
    let files = tempfile::tempdir()?;
    for name in ["LAUREL_DATABASE_URL_FILE", "LAUREL_CONFIG"] {
        let (deployment, data_dir, file) =
            (Deployment::new().await?, DataDir::new()?, files.path().join(name));
        let url = deployment.database_url("postgres");
        let is_url = name == "LAUREL_DATABASE_URL_FILE";
        std::fs::write(&file, if is_url { url } else { format!("database_url = \"{url}\"") })?;
        let up = Up::start_with(&data_dir.path(), &[(name, file.to_str().unwrap_or_default())])?;
        up.clients("acme")?.segments.create_segment(create("friends")).await?;
        let mut database = deployment.connect("postgres").await?;
        let stored: Vec<String> =
            query_scalar("SELECT segment_id FROM attribution.segments").fetch_all(&mut database).await?;
        assert_eq!(stored, ["friends"], "{name}");
        assert!(!data_dir.path().exists(), "no Postgres of its own");
        assert!(up.terminate()?.success());
    }
    Ok(())
}

#[tokio::test]
async fn a_setting_that_is_misspelt_or_wrong_is_one_clear_line() -> anyhow::Result<()> {
    let wrong = [
        ("LAUREL_JWSK", "keys.json", "jwsk"),
        ("LAUREL_LOG_FORMAT", "jsno", "found `jsno`"),
        (
            "LAUREL_DATABASE_URL_FILE",
            "/nowhere",
            "LAUREL_DATABASE_URL_FILE: cannot read /nowhere: No such file",
        ),
    ];
    for (name, value, told) in wrong {
        let data_dir = DataDir::new()?;
        let mut command = laurel(&["up", "--listen", "127.0.0.1:0"], &data_dir.path())?;
        // those of client commands may be exported where it starts
        command.env("LAUREL_TENANT", "acme").env("LAUREL_ADDRESS", "http://127.0.0.1:7600");
        command.env("LAUREL_LOG", "off").env(name, value);
        // one that is content would serve for ever
        let output = tokio::process::Command::from(command).kill_on_drop(true).output();
        let output = tokio::time::timeout(Duration::from_mins(1), output).await??;
        assert_eq!(output.status.code(), Some(1), "{name}");
        let said = String::from_utf8(output.stderr)?;
        assert!(said.starts_with("laurel: ") && said.contains(told), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    Ok(())
}

#[test]
fn a_busy_port_is_one_clear_line() -> anyhow::Result<()> {
    let data_dir = DataDir::new()?;
    let busy = TcpListener::bind("127.0.0.1:0")?;
    let address = busy.local_addr()?.to_string();
    let output =
        laurel(&["up", "--listen", &address], &data_dir.path())?.env("LAUREL_LOG", "off").output()?;
    assert!(!output.status.success());
    let said = String::from_utf8(output.stderr)?;
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains(&address) && said.contains("in use"), "{said}");
    Ok(())
}

#[test]
fn a_data_directory_in_use_is_one_clear_line() -> anyhow::Result<()> {
    let data_dir = DataDir::new()?;
    let _up = Up::start(&data_dir.path())?;
    let output = laurel(&["up", "--listen", "127.0.0.1:0"], &data_dir.path())?.output()?;
    assert!(!output.status.success());
    let said = String::from_utf8(output.stderr)?;
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("in use"), "{said}");
    Ok(())
}

#[test]
fn data_of_another_postgres_version_is_one_clear_line() -> anyhow::Result<()> {
    let data_dir = DataDir::new()?;
    assert!(Up::start(&data_dir.path())?.terminate()?.success());
    std::fs::write(data_dir.path().join("pg/PG_VERSION"), "99\n")?;
    let output = laurel(&["up", "--listen", "127.0.0.1:0"], &data_dir.path())?.output()?;
    assert!(!output.status.success());
    let said = String::from_utf8(output.stderr)?;
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("was made by Postgres 99"), "{said}");
    // nobody can install that
    assert!(!said.contains("apt-get"), "{said}");
    Ok(())
}

#[test]
fn a_data_directory_that_is_a_file_is_one_clear_line() -> anyhow::Result<()> {
    let output = laurel(&["up", "--listen", "127.0.0.1:0"], "/dev/null/data".as_ref())?.output()?;
    assert!(!output.status.success());
    let said = String::from_utf8(output.stderr)?;
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("/dev/null is not a directory"), "{said}");
    Ok(())
}

#[test]
fn a_missing_postgres_is_one_clear_line() -> anyhow::Result<()> {
    let data_dir = DataDir::new()?;
    let empty = DataDir::new()?;
    let mut command = laurel(&["up", "--listen", "127.0.0.1:0"], &data_dir.path())?;
    let output = command.env("LAUREL_POSTGRES_BIN", empty.path()).output()?;
    assert!(!output.status.success());
    let said = String::from_utf8(output.stderr)?;
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("postgresql") || said.contains("LAUREL_POSTGRES_BIN"), "{said}");
    Ok(())
}

#[test]
fn an_address_beyond_loopback_is_refused() -> anyhow::Result<()> {
    let data_dir = DataDir::new()?;
    let output = laurel(&["up", "--listen", "0.0.0.0:0"], &data_dir.path())?.output()?;
    assert!(!output.status.success());
    assert!(String::from_utf8(output.stderr)?.contains("loopback"));
    Ok(())
}
