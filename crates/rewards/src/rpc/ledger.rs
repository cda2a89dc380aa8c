//! `LedgerService`.

use pg::Database;
use proto::rewards as wire;
use proto::rewards::ledger_service_server::LedgerService;
use rpc::caller::tenant;
use rpc::fields::{parse_optional, wire_money};
use rpc::page::Page;
use rpc::{Channel, Error};
use tonic::{Request, Response, Status};
use types::RewardId;

use crate::commands::verify_ledger;
use crate::domain::audit::{Difference, Kind};
use crate::domain::ledger::Posting;
use crate::store::postings;
use crate::store::programs::Programs;
use crate::wire as convert;

/// The ledger of the tenants of a schema.
#[derive(Debug)]
pub(crate) struct Ledger {
    db: Database,
    journeys: Channel,
    programs: Programs,
}

impl Ledger {
    /// The ledger in `db`; `journeys` is asked for its transitions when the ledger is verified.
    pub(crate) fn new(db: Database, journeys: Channel, programs: Programs) -> Self {
        Self { db, journeys, programs }
    }
}

#[tonic::async_trait]
impl LedgerService for Ledger {
    async fn get_balance(
        &self,
        request: Request<wire::GetBalanceRequest>,
    ) -> Result<Response<wire::GetBalanceResponse>, Status> {
        let tenant = tenant(&request)?;
        let beneficiary = parse_optional("beneficiary_id", &request.into_inner().beneficiary_id)?;
        let balances = postings::balances(self.db.read(), &tenant, beneficiary).await.map_err(Error::from)?;
        let balance = |(account, amount)| wire::Balance {
            account: convert::account(account).into(),
            amount: Some(wire_money(amount)),
        };
        Ok(Response::new(wire::GetBalanceResponse { balances: balances.into_iter().map(balance).collect() }))
    }

    async fn list_postings(
        &self,
        request: Request<wire::ListPostingsRequest>,
    ) -> Result<Response<wire::ListPostingsResponse>, Status> {
        let tenant = tenant(&request)?;
        let request = request.into_inner();
        let reward: Option<RewardId> = parse_optional("reward_id", &request.reward_id)?;
        let query = [request.reward_id.as_str()];
        let page = Page::read(&tenant, "ListPostings", &query, request.page_size, &request.page_token)?;
        let after = page.after_as::<Key>()?.map(|Key(reward, number)| (reward, number));
        let list = postings::list(self.db.read(), &tenant, reward, after, page.limit())
            .await
            .map_err(Error::from)?;
        let (postings, next_page_token) = page.cut(list, Key::write, |posting| convert::posting(&posting));
        Ok(Response::new(wire::ListPostingsResponse { postings, next_page_token }))
    }

    async fn verify_ledger(
        &self,
        request: Request<wire::VerifyLedgerRequest>,
    ) -> Result<Response<wire::VerifyLedgerResponse>, Status> {
        let tenant = tenant(&request)?;
        let report = verify_ledger::verify(&self.db, &self.journeys, &self.programs, &tenant)
            .await
            .map_err(Error::from)?;
        Ok(Response::new(wire::VerifyLedgerResponse {
            balanced: report.differences.is_empty(),
            decisions: report.decisions,
            rewards: report.rewards,
            postings: report.postings,
            transitions: report.transitions,
            differences: report.differences.into_iter().map(difference).collect(),
        }))
    }
}

/// The end of a page: reward and number of its last posting.
struct Key(RewardId, i32);

impl Key {
    fn write(posting: &Posting) -> String {
        format!("{}/{}", posting.reward_id, posting.number)
    }
}

impl std::str::FromStr for Key {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (reward, number) = text.split_once('/').ok_or(())?;
        Ok(Self(reward.parse().map_err(|_| ())?, number.parse().map_err(|_| ())?))
    }
}

fn difference(difference: Difference) -> wire::Difference {
    let kind = match difference.kind {
        Kind::Decision => "decision",
        Kind::Reward => "reward",
        Kind::Posting => "posting",
        Kind::Move => "move",
        Kind::Turn => "turn",
        Kind::Transition => "transition",
        Kind::Credit => "credit",
        Kind::Receivable => "receivable",
    };
    wire::Difference { kind: kind.to_owned(), id: difference.id, detail: difference.detail }
}
