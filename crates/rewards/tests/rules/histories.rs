//! Any history of orders, refunds, approvals, payments and events told again, in any batching, against a plain calculation.

use proto::journeys::{JourneyEvent, TransitionCause};
use proto::rewards as wire;
use proto::rewards::RewardState as State;

use crate::common::{TENANT, World, enters, money_text, rule};
use crate::told::refunded;

const ORDERS: usize = 6;
/// Of each order, in cents.
const REVENUE: i64 = 12_345;
/// 7 % of that is 864.15.
const CREATED: i64 = 864;
const STEPS: u128 = 60;

/// A small generator, so that a failure comes again.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % n
    }
}

fn cents(minor: i64) -> String {
    format!("{}.{:02} USD", minor / 100, minor % 100)
}

/// What was told, and what a plain calculation makes of it.
struct History {
    random: Random,
    /// Orders with a reward, in the order of their transitions.
    entered: Vec<usize>,
    /// Refunded of each order.
    refunded: [i64; ORDERS],
    /// Refunds, to be told again: verification takes it that transitions are on the stream once.
    told: Vec<JourneyEvent>,
    /// To be told at once.
    batch: Vec<JourneyEvent>,
}

impl History {
    /// What is due of an order's reward: the amount at creation times what is left, half to even.
    fn due(&self, order: usize) -> i64 {
        let (part, whole) = (CREATED * (REVENUE - self.refunded[order]), REVENUE);
        let (floor, rest) = (part / whole, part % whole * 2);
        match rest.cmp(&whole) {
            std::cmp::Ordering::Less => floor,
            std::cmp::Ordering::Greater => floor + 1,
            std::cmp::Ordering::Equal => floor + floor % 2,
        }
    }

    async fn step(&mut self, n: u128, world: &World) {
        let order = self.random.below(ORDERS);
        match self.random.below(6) {
            0 | 1 if !self.entered.contains(&order) => {
                // the order is as it was when it was placed: refunds until then are known by their facts only
                let entry = enters(TENANT, order as u128 + 1, "bought").revenue(&cents(REVENUE));
                self.batch.push(entry.with(|t| t.cause = TransitionCause::Waited.into()).event());
                self.entered.push(order);
            }
            0..=2 => {
                let more = i64::try_from(self.random.below(5_000)).unwrap();
                let now = (self.refunded[order] + more).min(REVENUE);
                self.refunded[order] = now;
                self.tell(refunded(TENANT, 1_000 + n, order as u128 + 1, &cents(REVENUE), &cents(now)));
            }
            3 if !self.told.is_empty() => {
                let again = self.told[self.random.below(self.told.len())].clone();
                self.tell(again);
            }
            4 => world.bring(&std::mem::take(&mut self.batch)).await,
            _ => self.move_some(world).await,
        }
    }

    fn tell(&mut self, event: JourneyEvent) {
        self.told.push(event.clone());
        self.batch.push(event);
    }

    /// Approves and pays some rewards; refused where the state does not allow it.
    async fn move_some(&mut self, world: &World) {
        for reward in world.all(TENANT).await {
            let (reward_id, mut client) = (reward.reward_id.clone(), world.rewards(TENANT));
            if self.random.below(3) > 0 {
                continue;
            }
            if reward.state() == State::Pending {
                drop(client.approve_reward(wire::ApproveRewardRequest { reward_id }).await);
            } else {
                drop(client.fulfil_reward(wire::FulfilRewardRequest { reward_id }).await);
            }
        }
    }

    /// Amounts are what the plain calculation says, the ledger sums to zero, and verification finds nothing.
    async fn check(&self, world: &World) {
        let all = world.all(TENANT).await;
        assert_eq!(all.len(), self.entered.len());
        let mut sum = 0;
        for reward in &all {
            let order =
                self.entered.iter().find(|order| reward.order_id == format!("o-{}", *order + 1)).unwrap();
            assert_eq!(money_text(reward.amount.as_ref()), cents(self.due(*order)), "{reward:?}");
            sum += self.due(*order);
        }
        let balances = world.balances(TENANT, "").await;
        let minor = |text: &String| text.split(' ').nth(1).unwrap().replace('.', "").parse::<i64>().unwrap();
        assert_eq!(balances.iter().map(minor).sum::<i64>(), 0, "{balances:?}");
        // what is neither due nor denied is in the budget
        assert_eq!(balances.first().map_or(0, minor), -sum, "{balances:?}");
        let report = world.verify(TENANT).await;
        assert!(report.balanced, "{report:?}");
    }
}

#[tokio::test]
async fn r9_any_history_in_any_batching_comes_to_what_a_plain_calculation_says() {
    for seed in 0..8 {
        let world = World::new().await;
        let more = "beneficiary: ADVOCATE, amount: {percent: 7%}, approval: BY_HAND";
        world.apply(TENANT, &rule("share", "bought", more)).await;
        let mut history = History {
            random: Random(seed),
            entered: Vec::new(),
            refunded: [0; ORDERS],
            told: Vec::new(),
            batch: Vec::new(),
        };
        for n in 0..STEPS {
            history.step(n, &world).await;
        }
        world.bring(&history.batch).await;
        history.check(&world).await;
        // all of it again
        world.tamper("UPDATE rewards.subscriptions SET position = 0").await;
        world.bring(&[refunded(TENANT, 9_999, 99, &cents(REVENUE), &cents(1))]).await;
        history.check(&world).await;
    }
}
