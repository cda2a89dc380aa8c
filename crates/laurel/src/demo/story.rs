//! The steps of the story. Each may be repeated: running the demo again on the same data changes nothing.

use anyhow::Context;
use futures::{StreamExt, TryStreamExt, stream};
use prost_types::Timestamp;
use proto::attribution::{
    CreateCampaignRequest, CreateSegmentRequest, EnrollContactRequest, GetTestClockRequest,
    IssueShortcodeRequest, SetTestClockRequest,
};
use proto::common::ContactRef;
use proto::journeys::ApplyJourneyRequest;
use proto::orders::ImportOrdersOptions;
use proto::rewards::reward_event::Fact;
use proto::rewards::{ApplyProgramRequest, WatchRewardEventsRequest};
use time::macros::datetime;
use tonic::Code;

use super::progress;
use super::purchases::{self, OrdersCsv};
use crate::client::Clients;
use crate::import::{import, rejected_line};
use crate::refusal::explain;

/// The story's own sandbox.
pub(super) const TENANT: &str = "test-cdnow";
/// Campaign of the story.
pub(super) const CAMPAIGN: &str = "cdnow";
/// Journey of the story.
pub(super) const JOURNEY: &str = "cdnow-lifecycle";

const SEGMENT: &str = "advocates";
const BEGIN: time::OffsetDateTime = datetime!(1997-01-01 0:00 UTC);
const END: time::OffsetDateTime = datetime!(1998-08-31 0:00 UTC);
const JOURNEY_YAML: &str = include_str!("../../../../examples/cdnow/journey.yaml");
const PROGRAM_YAML: &str = include_str!("../../../../examples/cdnow/program.yaml");
/// Calls under way at once while enrolling.
const CONCURRENCY: usize = 64;

/// Plays it all.
pub(super) async fn play(clients: &Clients) -> anyhow::Result<()> {
    begin(clients).await?;
    prepare(clients).await?;
    enroll(clients).await?;
    buy(clients).await?;
    move_clock(clients, END).await?;
    settle(clients).await
}

fn wire(at: time::OffsetDateTime) -> Timestamp {
    rpc::fields::wire_time(at)
}

/// Sets the test clock to the beginning, unless it has been set before: it only moves forward.
async fn begin(clients: &Clients) -> anyhow::Result<()> {
    match clients.test_clock.clone().get_test_clock(GetTestClockRequest {}).await {
        Ok(_) => Ok(()),
        Err(status) if status.code() == Code::NotFound => move_clock(clients, BEGIN).await,
        Err(status) => Err(explain(status)),
    }
}

async fn move_clock(clients: &Clients, to: time::OffsetDateTime) -> anyhow::Result<()> {
    let request = SetTestClockRequest { now: Some(wire(to)) };
    clients.test_clock.clone().set_test_clock(request).await.map_err(explain)?;
    Ok(())
}

async fn prepare(clients: &Clients) -> anyhow::Result<()> {
    let segment = CreateSegmentRequest { segment_id: SEGMENT.to_owned(), ..Default::default() };
    clients.segments.clone().create_segment(segment).await.map_err(explain)?;
    let campaign = CreateCampaignRequest {
        campaign_id: CAMPAIGN.to_owned(),
        name: "CDNOW referrals".to_owned(),
        currency_code: "USD".to_owned(),
        segment_ids: vec![SEGMENT.to_owned()],
        starts_at: Some(wire(BEGIN)),
        ..Default::default()
    };
    clients.campaigns.clone().create_campaign(campaign).await.map_err(explain)?;
    let journey = ApplyJourneyRequest { definition: JOURNEY_YAML.to_owned(), base_version: 0 };
    clients.journeys.clone().apply_journey(journey).await.map_err(explain).context("journey.yaml")?;
    let program = ApplyProgramRequest { definition: PROGRAM_YAML.to_owned(), base_version: 0 };
    clients.programs.clone().apply_program(program).await.map_err(explain).context("program.yaml")?;
    Ok(())
}

async fn enroll(clients: &Clients) -> anyhow::Result<()> {
    let advocates = purchases::advocates()?;
    let bar = progress("Enrolling advocates", advocates.len() as u64);
    stream::iter(advocates.into_iter().map(anyhow::Ok))
        .try_for_each_concurrent(CONCURRENCY, |advocate| {
            let bar = bar.clone();
            async move {
                enroll_one(clients, advocate).await?;
                bar.inc(1);
                Ok(())
            }
        })
        .await?;
    bar.finish_and_clear();
    Ok(())
}

async fn enroll_one(clients: &Clients, advocate: u32) -> anyhow::Result<()> {
    let contact = ContactRef { email: purchases::email(advocate), ..Default::default() };
    let request = EnrollContactRequest {
        contact: Some(contact.clone()),
        segment_ids: vec![SEGMENT.to_owned()],
        occurred_at: Some(wire(BEGIN)),
    };
    clients.contacts.clone().enroll_contact(request).await.map_err(explain)?;
    let request = IssueShortcodeRequest {
        campaign_id: CAMPAIGN.to_owned(),
        advocate: Some(contact),
        shortcode: purchases::shortcode(advocate),
    };
    clients.codes.clone().issue_shortcode(request).await.map_err(explain)?;
    Ok(())
}

async fn buy(clients: &Clients) -> anyhow::Result<()> {
    let bar = progress("Importing orders", purchases::count() as u64);
    let mut first = None;
    let summary = import(
        clients,
        OrdersCsv::new(),
        ImportOrdersOptions::default(),
        |counts| bar.set_position(u64::try_from(counts.rows).unwrap_or(0)),
        |row| {
            first.get_or_insert_with(|| rejected_line(row));
        },
    )
    .await?;
    bar.finish_and_clear();
    match first {
        Some(first) => anyhow::bail!("{} rows were rejected; the first: {first}", summary.rejected),
        None => Ok(()),
    }
}

/// Waits until ClockMoved is on the reward stream: then everything due has been carried through (M4).
async fn settle(clients: &Clients) -> anyhow::Result<()> {
    let bar = progress("Settling rewards", 0);
    let mut cursor = String::new();
    loop {
        let request = WatchRewardEventsRequest {
            cursor: cursor.clone(),
            types: vec!["clock_moved".to_owned()],
            ..Default::default()
        };
        let mut events =
            clients.rewards.clone().watch_reward_events(request).await.map_err(explain)?.into_inner();
        while let Some(message) = events.next().await {
            let Ok(message) = message else { break };
            for event in message.events {
                let moved = matches!(&event.fact, Some(Fact::ClockMoved(moved))
                    if moved.to.as_ref().is_some_and(|to| to.seconds >= END.unix_timestamp()));
                if moved {
                    bar.finish_and_clear();
                    return Ok(());
                }
            }
            if let Some(checkpoint) = message.checkpoint {
                cursor = checkpoint.cursor;
            }
        }
    }
}
