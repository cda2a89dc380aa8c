//! What came of it, read back through the public RPCs, page by page.

use std::collections::{BTreeMap, HashMap};

use proto::attribution::{AttributionState, ListAttributionsRequest, ListContactsRequest};
use proto::google::r#type::Money as WireMoney;
use proto::journeys::{GetFunnelRequest, GetFunnelResponse};
use proto::orders::ListOrdersRequest;
use proto::rewards::{ListRewardsRequest, Reward, RewardState, VerifyLedgerResponse};
use types::{Currency, Money};

use super::story::{CAMPAIGN, JOURNEY};
use crate::client::Clients;
use crate::refusal::explain;
use crate::tools::verify_ledger;

const PAGE: i32 = 1000;

/// A count of rewards and what they come to, in minor units.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Sum {
    pub(super) count: u64,
    pub(super) minor: i64,
}

impl Sum {
    fn add(&mut self, minor: i64) {
        self.count += 1;
        self.minor += minor;
    }
}

/// Everything the report shows.
#[derive(Debug)]
pub(super) struct Totals {
    pub(super) orders: u64,
    pub(super) revenue: i64,
    pub(super) contacts: u64,
    pub(super) attributions_active: u64,
    pub(super) funnel: GetFunnelResponse,
    pub(super) by_rule: BTreeMap<String, Sum>,
    pub(super) by_rule_and_state: BTreeMap<(String, String), Sum>,
    pub(super) by_state: BTreeMap<String, Sum>,
    /// Contact ids of advocates with what they earned, best first.
    pub(super) advocates: Vec<(String, Sum)>,
    pub(super) currency: Currency,
    pub(super) verified: VerifyLedgerResponse,
    /// Any one reward, to be explained.
    pub(super) a_reward: Option<Reward>,
}

/// Reads it all.
pub(super) async fn collect(clients: &Clients) -> anyhow::Result<Totals> {
    let currency: Currency = "USD".parse()?;
    let (orders, revenue) = orders(clients, currency).await?;
    let funnel = GetFunnelRequest {
        journey: JOURNEY.to_owned(),
        campaign_id: CAMPAIGN.to_owned(),
        ..Default::default()
    };
    let funnel = clients.funnels.clone().get_funnel(funnel).await.map_err(explain)?.into_inner();
    let verified = verify_ledger(clients).await?;
    let mut totals = Totals {
        orders,
        revenue,
        contacts: contacts(clients).await?,
        attributions_active: attributions(clients).await?,
        funnel,
        by_rule: BTreeMap::new(),
        by_rule_and_state: BTreeMap::new(),
        by_state: BTreeMap::new(),
        advocates: Vec::new(),
        currency,
        verified,
        a_reward: None,
    };
    rewards(clients, &mut totals).await?;
    Ok(totals)
}

fn minor(amount: Option<&WireMoney>, currency: Currency) -> anyhow::Result<i64> {
    let wire = amount.ok_or_else(|| anyhow::anyhow!("an amount is missing"))?;
    Ok(Money::from_units(wire.units, wire.nanos, currency)?.minor)
}

async fn orders(clients: &Clients, currency: Currency) -> anyhow::Result<(u64, i64)> {
    let (mut count, mut sum, mut page_token) = (0, 0, String::new());
    loop {
        let request = ListOrdersRequest { page_size: PAGE, page_token, ..Default::default() };
        let page = clients.orders.clone().list_orders(request).await.map_err(explain)?.into_inner();
        for order in &page.orders {
            count += 1;
            sum += minor(order.revenue.as_ref(), currency)?;
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok((count, sum));
        }
    }
}

async fn contacts(clients: &Clients) -> anyhow::Result<u64> {
    let (mut count, mut page_token) = (0, String::new());
    loop {
        let request = ListContactsRequest { page_size: PAGE, page_token, ..Default::default() };
        let page = clients.contacts.clone().list_contacts(request).await.map_err(explain)?.into_inner();
        count += page.contacts.len() as u64;
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(count);
        }
    }
}

async fn attributions(clients: &Clients) -> anyhow::Result<u64> {
    let (mut count, mut page_token) = (0, String::new());
    loop {
        let request = ListAttributionsRequest {
            page_size: PAGE,
            page_token,
            campaign_id: CAMPAIGN.to_owned(),
            state: AttributionState::Active.into(),
            ..Default::default()
        };
        let page =
            clients.attributions.clone().list_attributions(request).await.map_err(explain)?.into_inner();
        count += page.attributions.len() as u64;
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(count);
        }
    }
}

async fn rewards(clients: &Clients, totals: &mut Totals) -> anyhow::Result<()> {
    let mut advocates: HashMap<String, Sum> = HashMap::new();
    let mut page_token = String::new();
    loop {
        let request = ListRewardsRequest { page_size: PAGE, page_token, ..Default::default() };
        let page = clients.rewards.clone().list_rewards(request).await.map_err(explain)?.into_inner();
        for reward in page.rewards {
            let minor = minor(reward.amount.as_ref(), totals.currency)?;
            let state = state_name(reward.state());
            totals.by_rule.entry(reward.rule.clone()).or_default().add(minor);
            totals.by_state.entry(state.clone()).or_default().add(minor);
            totals.by_rule_and_state.entry((reward.rule.clone(), state)).or_default().add(minor);
            if reward.beneficiary_kind() == proto::rewards::BeneficiaryKind::Advocate {
                advocates.entry(reward.beneficiary_id.clone()).or_default().add(minor);
            }
            totals.a_reward.get_or_insert(reward);
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    totals.advocates = advocates.into_iter().collect();
    totals.advocates.sort_by(|(a, x), (b, y)| y.minor.cmp(&x.minor).then_with(|| a.cmp(b)));
    Ok(())
}

/// `FULFILLED` of `REWARD_STATE_FULFILLED`.
fn state_name(state: RewardState) -> String {
    state.as_str_name().trim_start_matches("REWARD_STATE_").to_owned()
}
