//! What a process tells about itself: one trace from an order to its reward, metrics, logs; and what it does not tell.

mod collector;
mod leak;
mod story;
mod trace;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use collector::Collector;
use proto::orders::GetOrderRequest;
use story::{TRACE, play};
use tests::{DataDir, Up, laurel};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const RECORD_ORDER: &str = "laurel.orders.v1.OrderService/RecordOrder";
/// Longest wait for a fact.
const PATIENCE: Duration = Duration::from_secs(30);

/// `laurel up` that exports to `collector` without delay, and serves metrics.
fn up(data_dir: &Path, collector: &str) -> anyhow::Result<Command> {
    let mut command = laurel(&["up", "--listen", "127.0.0.1:0"], data_dir)?;
    command
        .env("LAUREL_OTLP_ENDPOINT", collector)
        .env("OTEL_BSP_SCHEDULE_DELAY", "50")
        .env("LAUREL_METRICS_LISTEN", "127.0.0.1:0");
    Ok(command)
}

/// Where metrics are served: the log says it.
fn metrics_address(up: &Up) -> anyhow::Result<String> {
    let line = up.logged("serve metrics")?;
    let address = line.split("address=").nth(1).map(str::trim).unwrap_or_default();
    Ok(address.split_whitespace().next().unwrap_or_default().to_owned())
}

/// Status line and body of a GET.
async fn get(address: &str, path: &str) -> anyhow::Result<(String, String)> {
    let mut connection = tokio::net::TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    Ok((head.lines().next().unwrap_or_default().to_owned(), body.to_owned()))
}

/// Metrics, once all of `lines` are there, each as the beginning of one.
async fn metrics(address: &str, lines: &[&str]) -> anyhow::Result<String> {
    let mut last = String::new();
    let read = async {
        loop {
            last = get(address, "/metrics").await?.1;
            if lines.iter().all(|line| last.lines().any(|l| l.starts_with(line))) {
                return Ok::<_, anyhow::Error>(());
            }
        }
    };
    match tokio::time::timeout(PATIENCE, read).await {
        Ok(done) => done.map(|()| last),
        Err(_) => anyhow::bail!("{lines:#?} not all in\n{last}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_show_calls_queues_slices_streams_decisions_and_pools() -> anyhow::Result<()> {
    let data_dir = DataDir::new()?;
    let mut command = laurel(&["up", "--listen", "127.0.0.1:0"], &data_dir.path())?;
    command.env("LAUREL_METRICS_LISTEN", "127.0.0.1:0");
    let up = Up::spawn(command)?;
    let clients = up.clients("acme")?;
    play(&clients).await?;
    // the same again changes nothing
    clients.clone().orders.record_order(story::order()).await?;
    let request = GetOrderRequest { order_id: "nosuch".to_owned(), ..Default::default() };
    clients.clone().orders.get_order(request).await.unwrap_err();

    let address = metrics_address(&up)?;
    let lines = [
        r#"laurel_rpc_server_duration_seconds_count{rpc_service="laurel.orders.v1.OrderService",rpc_method="RecordOrder",code="OK"} 2"#,
        r#"laurel_rpc_server_duration_seconds_count{rpc_service="laurel.orders.v1.OrderService",rpc_method="GetOrder",code="NOT_FOUND"} 1"#,
        r#"laurel_batch_queue_depth{work="orders.RecordOrders"} 0"#,
        r#"laurel_batch_slice_size_count{work="orders.RecordOrders"} 2"#,
        r#"laurel_batch_slice_size_count{work="attribution.RecordAttempts"} 1"#,
        r#"laurel_stream_lag_events{subscription="rewards.journeys"} 0"#,
        r#"laurel_parked_events{subscription="rewards.journeys"} 0"#,
        r#"laurel_duplicates_suppressed_total{reason="natural_key"} 1"#,
        r#"laurel_decisions_total{outcome="CREATED"} 1"#,
        r#"laurel_pool_connections{schema="orders",state="idle"} "#,
        r#"laurel_pool_connections{schema="orders",state="used"} "#,
    ];
    let text = metrics(&address, &lines).await?;
    assert!(!text.contains("acme") && !text.contains("o-1"), "{text}");
    assert_eq!(get(&address, "/").await?.0, "HTTP/1.1 404 Not Found");
    assert!(up.terminate()?.success());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_does_not_answer_is_a_line_in_the_log_and_no_more() -> anyhow::Result<()> {
    // nobody accepts: connections are made, and nothing ever comes back
    let silent = std::net::TcpListener::bind("127.0.0.1:0")?;
    let gone = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    for collector in [silent.local_addr()?, gone] {
        let data_dir = DataDir::new()?;
        let up = Up::spawn(up(&data_dir.path(), &format!("http://{collector}"))?)?;
        let clients = up.clients("acme")?;
        play(&clients).await?;
        up.logged("traces are not exported")?;
        clients.clone().orders.record_order(story::order()).await?;
        let (ended, log) = up.terminate_with_log()?;
        assert!(ended.success());
        assert_eq!(log.matches("traces are not exported").count(), 1, "{log}");
        assert_eq!(log.lines().filter(|line| line.contains("ERROR")).count(), 0, "{log}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_of_a_traced_call_carry_its_ids() -> anyhow::Result<()> {
    for (format, wanted) in [
        ("json", format!("\"trace_id\":\"{TRACE:032x}\"")),
        ("text", format!(" trace_id={TRACE:032x} span_id=")),
    ] {
        let (data_dir, collector) = (DataDir::new()?, Collector::start().await?);
        let mut command = up(&data_dir.path(), &collector.address)?;
        command.env("LAUREL_LOG", "info,sqlx=trace").env("LAUREL_LOG_FORMAT", format);
        let up = Up::spawn(command)?;
        play(&up.clients("acme")?).await?;
        let line = up.logged(&wanted)?;
        if format == "json" {
            let line: serde_json::Value = serde_json::from_str(&line)?;
            assert!(line["span_id"].as_str().is_some_and(|id| id.len() == 16), "{line}");
        }
        assert!(up.terminate()?.success());
    }
    Ok(())
}
