//! Clients that call RecordOrder, each with a new contact and some advocate's shortcode; or a call that gets no further than the edge.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures::future::try_join_all;
use laurel::client::Clients;
use laurel::refusal::explain;
use proto::attribution::{
    CreateCampaignRequest, CreateSegmentRequest, EnrollContactRequest, Evidence, GetSegmentRequest,
    IssueShortcodeRequest,
};
use proto::common::ContactRef;
use proto::google::r#type::Money;
use proto::orders::{NewOrder, RecordOrderRequest, RecordResult};

use rpc::channel::{Access, Token};
use tonic::Code;

use crate::report::Measured;
use crate::server::{Server, TENANT};

/// Advocates whose codes are used.
const ADVOCATES: u64 = 500;
/// Connections that the clients share.
const CONNECTIONS: usize = 8;

/// Ready to call.
pub(crate) struct Load {
    connections: Vec<Clients>,
    next: Arc<AtomicU64>,
}

impl Load {
    /// A campaign with advocates and their codes, in a tenant of its own.
    pub(crate) async fn prepare(server: &Server) -> anyhow::Result<Self> {
        let tenant = TENANT.parse()?;
        let token = server.token.as_deref().map_or(Ok(Token::None), Token::fixed)?;
        let access = Access { token, ..Access::default() };
        let connect =
            || anyhow::Ok(Clients::new(rpc::channel::connect_as(&server.address, &access)?, &tenant));
        let connections = (0..CONNECTIONS).map(|_| connect()).collect::<anyhow::Result<Vec<_>>>()?;
        let load = Self { connections, next: Arc::new(AtomicU64::new(0)) };
        let clients = &load.connections[0];
        let segment = CreateSegmentRequest { segment_id: "advocates".to_owned(), ..Default::default() };
        clients.segments.clone().create_segment(segment).await.map_err(explain)?;
        let campaign = CreateCampaignRequest {
            campaign_id: "bench".to_owned(),
            currency_code: "USD".to_owned(),
            segment_ids: vec!["advocates".to_owned()],
            ..Default::default()
        };
        clients.campaigns.clone().create_campaign(campaign).await.map_err(explain)?;
        for n in 0..ADVOCATES {
            let contact = ContactRef { email: format!("advocate{n}@bench.example"), ..Default::default() };
            let segment_ids = vec!["advocates".to_owned()];
            let enroll =
                EnrollContactRequest { contact: Some(contact.clone()), segment_ids, occurred_at: None };
            clients.contacts.clone().enroll_contact(enroll).await.map_err(explain)?;
            let issue = IssueShortcodeRequest {
                campaign_id: "bench".to_owned(),
                advocate: Some(contact),
                shortcode: shortcode(n),
            };
            clients.codes.clone().issue_shortcode(issue).await.map_err(explain)?;
        }
        Ok(load)
    }

    /// `clients` callers, each sending its next call when the last is answered, for `length`.
    pub(crate) async fn run(&self, call: Call, clients: usize, length: Duration) -> anyhow::Result<Measured> {
        let begun = Instant::now();
        let callers = (0..clients).map(|n| {
            let connection = self.connections[n % self.connections.len()].clone();
            let next = Arc::clone(&self.next);
            async move {
                let task = tokio::spawn(run(call, connection, next, begun + length));
                task.await?
            }
        });
        let latencies: Vec<Vec<u64>> = try_join_all(callers).await?;
        Ok(Measured { latencies_us: latencies.concat(), seconds: begun.elapsed().as_secs_f64() })
    }
}

/// What callers call.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Call {
    RecordOrder,
    /// A read that names nothing to read: validation refuses it, and no handler runs.
    Refused,
}

async fn run(
    call: Call,
    mut clients: Clients,
    next: Arc<AtomicU64>,
    until: Instant,
) -> anyhow::Result<Vec<u64>> {
    let mut latencies = Vec::new();
    while Instant::now() < until {
        let n = next.fetch_add(1, Ordering::Relaxed);
        let sent = Instant::now();
        match call {
            Call::RecordOrder => {
                let answer =
                    clients.orders.record_order(record_order(n)).await.map_err(explain)?.into_inner();
                anyhow::ensure!(answer.result() == RecordResult::Recorded, "order {n} was not recorded");
            }
            Call::Refused => {
                let refused = clients.segments.get_segment(GetSegmentRequest::default()).await;
                let code = refused.err().map(|status| status.code());
                anyhow::ensure!(code == Some(Code::InvalidArgument), "not refused: {code:?}");
            }
        }
        latencies.push(u64::try_from(sent.elapsed().as_micros())?);
    }
    Ok(latencies)
}

/// An order with a new customer and some advocate's shortcode.
pub(crate) fn record_order(n: u64) -> RecordOrderRequest {
    let customer = ContactRef { email: format!("customer{n}@bench.example"), ..Default::default() };
    let order = NewOrder {
        order_id: format!("order-{n}"),
        customer: Some(customer),
        revenue: Some(Money { currency_code: "USD".to_owned(), units: 49, nanos: 990_000_000 }),
        campaign_id: "bench".to_owned(),
        evidence: Some(Evidence { shortcode: shortcode(n % ADVOCATES), ..Default::default() }),
        ..Default::default()
    };
    RecordOrderRequest { order: Some(order), ..Default::default() }
}

fn shortcode(advocate: u64) -> String {
    format!("ADV{advocate:05}")
}
