//! `laurel demo`: the CDNOW story. Real purchases, made into orders by the rules of `examples/cdnow/README.md`, go through
//! the public RPCs into attributions, journeys and rewards; then the totals are read back, through public RPCs too.

mod purchases;
mod report;
mod story;
mod totals;

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use runtime::{Config, telemetry};

use crate::cli::{DemoArguments, Service};
use crate::client::Clients;
use crate::{target, up};

/// Plays the story, prints what came of it, and serves on if asked to.
pub fn run(arguments: &DemoArguments) -> anyhow::Result<()> {
    let _telemetry = telemetry::start("warn", "laurel")?;
    if let Some(address) = &arguments.address {
        return play_on(address, arguments);
    }
    let config = Config::load_edge(arguments.listen)?;
    up::with_platform(
        &arguments.storage,
        config.drain(),
        Service::Rewards,
        |platform, lifecycle| async move {
            // a busy port is said before the work, not after it
            let listener =
                if arguments.serve { Some(runtime::process::bind(arguments.listen).await?) } else { None };
            let tenant = story::TENANT.parse().map_err(|e| anyhow::anyhow!("tenant {e}"))?;
            let clients = Clients::new(platform.channel(), &tenant);
            let begun = Instant::now();
            let stop = lifecycle.stop();
            tokio::select! {
                done = play(&clients, arguments.json, begun) => done?,
                () = stop.cancelled() => return Ok(()),
            }
            if let Some(listener) = listener {
                up::serve(&platform, &lifecycle, listener, &config, |address| eprintln!("ready {address}"))
                    .await?;
                up::end(&lifecycle).await?;
            }
            Ok(())
        },
    )
}

/// Plays it on services that run already.
fn play_on(address: &str, arguments: &DemoArguments) -> anyhow::Result<()> {
    let executor = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    executor.block_on(async {
        let clients = target::clients(address, story::TENANT, &arguments.credentials)?;
        play(&clients, arguments.json, Instant::now()).await
    })
}

async fn play(clients: &Clients, json: bool, begun: Instant) -> anyhow::Result<()> {
    story::play(clients).await?;
    let bar = progress("Adding up", 0);
    let totals = totals::collect(clients).await?;
    bar.finish_and_clear();
    let seconds = begun.elapsed();
    if json { report::print_json(&totals, seconds) } else { report::print(clients, &totals, seconds).await }
}

/// A progress bar on standard error; a spinner if `length` is 0. Hidden where nobody looks.
fn progress(what: &'static str, length: u64) -> ProgressBar {
    let bar = if length == 0 { ProgressBar::new_spinner() } else { ProgressBar::new(length) };
    bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(10));
    let template = if length == 0 {
        "{msg:<22} {spinner} {elapsed}"
    } else {
        "{msg:<22} {wide_bar:.green} {human_pos}/{human_len} {per_sec}"
    };
    // the templates are constants; a broken one falls back to the plain bar
    bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_message(what);
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}
