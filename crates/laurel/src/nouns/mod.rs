//! `laurel contacts|segments|campaigns|codes|visits|attributions|orders|journey|clock`: a command for each RPC, by noun.
//!
//! An argument has the name of its field in the request as its id, so that what a service says of a field is said of the
//! argument ([`crate::refusal::Flags`]). With `--json` a command prints the answer of its RPC, a list its items, one a line.

mod attributions;
mod campaigns;
mod clock;
mod codes;
mod contacts;
mod download;
mod erasures;
mod journeys;
mod orders;
mod properties;
mod segments;
mod upload;
mod visits;

use clap::{Args, Subcommand};
use prost::{Message, Name};
use proto::attribution::GetContactRequest;
use proto::common::ContactRef;

use crate::arguments::at_least_one;
use crate::cli::Target;
use crate::client::Clients;
use crate::refusal::explain;
use crate::show::{self, Progress, Table};
use crate::target;

/// Items of one page.
const PAGE: usize = 1000;

/// What to work on.
#[derive(Debug, Subcommand)]
pub enum NounCommand {
    /// Contacts: the people who refer and are referred
    Contacts(Noun<contacts::Command>),
    /// Segments: named sets of contacts
    Segments(Noun<segments::Command>),
    /// Campaigns: the scope of a referral offer
    Campaigns(Noun<campaigns::Command>),
    /// Codes by which advocates refer
    Codes(Noun<codes::Command>),
    /// Visits: who came through whose shortcode
    Visits(Noun<visits::Command>),
    /// Attributions: who referred whom, in which campaign
    Attributions(Noun<attributions::Command>),
    /// Orders: purchases and deals with a revenue
    Orders(Noun<orders::Command>),
    /// Journeys: contacts' ways through stages, as code and as drawings
    #[command(visible_alias = "journeys")]
    Journey(Noun<journeys::Command>),
    /// The test clock of a sandbox tenant, whose id begins with `test-`
    Clock(Noun<clock::Command>),
}

/// A noun, and what to do with it.
#[derive(Debug, Args)]
pub struct Noun<C: Subcommand> {
    /// What to do.
    #[command(subcommand)]
    command: C,
    /// Services and tenant.
    #[command(flatten)]
    target: Target,
    /// Print JSON: one object, or of a list one a line
    #[arg(long, global = true, help_heading = "Output")]
    json: bool,
}

/// How much of a list.
#[derive(Debug, Clone, Args)]
pub struct Limit {
    /// Items at most [default: all]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    limit: Option<usize>,
}

/// Which of a list.
#[derive(Debug, Clone, Args)]
pub struct Filter {
    /// Only those that match, such as `campaign_id = spring AND revenue >= 100`; docs/clients.md has the grammar
    #[arg(long, default_value = "", hide_default_value = true)]
    filter: String,
}

/// What makes a repeat safe beside the natural key.
#[derive(Debug, Clone, Args)]
pub struct RequestId {
    /// A repeat with the same one answers with what the first made, for 7 days
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    request_id: String,
}

/// The services, and how to answer.
#[derive(Debug)]
pub(crate) struct Session {
    clients: Clients,
    json: bool,
}

/// One call: `call!(session.contacts.get_contact(request))` is the answer.
macro_rules! call {
    ($session:ident.$service:ident.$method:ident($request:expr)) => {
        $session
            .clients
            .$service
            .clone()
            .$method($request)
            .await
            .map_err(crate::refusal::explain)?
            .into_inner()
    };
}
use call;

/// Runs one command.
pub fn run(command: &NounCommand) -> anyhow::Result<()> {
    macro_rules! run {
        ($noun:ident, $module:ident) => {
            target::speak(&$noun.target, async |clients| {
                let session = Session { clients, json: $noun.json };
                $module::run(&$noun.command, &session).await
            })
        };
    }
    match command {
        NounCommand::Contacts(noun) => run!(noun, contacts),
        NounCommand::Segments(noun) => run!(noun, segments),
        NounCommand::Campaigns(noun) => run!(noun, campaigns),
        NounCommand::Codes(noun) => run!(noun, codes),
        NounCommand::Visits(noun) => run!(noun, visits),
        NounCommand::Attributions(noun) => run!(noun, attributions),
        NounCommand::Orders(noun) => run!(noun, orders),
        NounCommand::Journey(noun) => run!(noun, journeys),
        NounCommand::Clock(noun) => run!(noun, clock),
    }
}

impl Session {
    /// Prints an answer.
    fn answer<M: Message + Name>(&self, message: &M) -> anyhow::Result<()> {
        show::answer(message, self.json)
    }

    /// Prints a list as it comes, page by page; `page` is called with size and token, and gives items and the next token.
    async fn list<M: Message + Name>(
        &self,
        limit: &Limit,
        columns: &'static [&'static str],
        mut page: impl AsyncFnMut(i32, String) -> anyhow::Result<(Vec<M>, String)>,
    ) -> anyhow::Result<()> {
        let progress = Progress::beside_output("so far");
        let (mut table, mut count, mut token) = (Table::new(columns), 0, String::new());
        loop {
            let left = limit.limit.map_or(PAGE, |limit| limit - count);
            let (items, next) = page(i32::try_from(left.min(PAGE))?, token).await?;
            let items = items.iter().map(show::json).collect::<anyhow::Result<Vec<_>>>()?;
            show::page(&items, &mut table, self.json)?;
            count += items.len();
            progress.at(count as u64);
            token = next;
            if token.is_empty() || limit.limit.is_some_and(|limit| count >= limit) {
                return Ok(());
            }
        }
    }

    /// The id of a contact, for lists that select by it alone.
    async fn contact_id(&self, contact: Option<&ContactRef>) -> anyhow::Result<String> {
        let Some(contact) = contact else { return Ok(String::new()) };
        if !contact.contact_id.is_empty() {
            return Ok(contact.contact_id.clone());
        }
        let request = GetContactRequest { contact: Some(contact.clone()) };
        let answer = self.clients.contacts.clone().get_contact(request).await.map_err(explain)?.into_inner();
        Ok(answer.contact.unwrap_or_default().contact_id)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory;
    use proto::attribution::{
        Attribution, AttributionChange, Campaign, Code, Contact, ContactChange, ContactProperty,
        LoggedAttempt, Segment, Visit,
    };
    use proto::journeys::{Journey, JourneyVersion, StuckRun};
    use proto::orders::{Order, OrderChange, OrderProperty};

    use super::*;
    use crate::cli::Cli;

    fn unknown<M: Message + Name + Default>(columns: &'static [&'static str]) -> Vec<&'static str> {
        let item = show::json(&M::default()).unwrap();
        let paths = columns.iter().flat_map(|column| column.rsplit('=').next().unwrap().split('|'));
        paths.filter(|path| path.split('.').next().and_then(|name| item.get(name)).is_none()).collect()
    }

    #[test]
    fn every_column_is_a_field_of_what_is_listed() {
        let none: [&str; 0] = [];
        assert_eq!(unknown::<Contact>(contacts::COLUMNS), none);
        assert_eq!(unknown::<Segment>(segments::COLUMNS), none);
        assert_eq!(unknown::<Campaign>(campaigns::COLUMNS), none);
        assert_eq!(unknown::<ContactProperty>(properties::COLUMNS), none);
        assert_eq!(unknown::<ContactChange>(contacts::HISTORY), none);
        assert_eq!(unknown::<Code>(codes::COLUMNS), none);
        assert_eq!(unknown::<Visit>(visits::COLUMNS), none);
        assert_eq!(unknown::<AttributionChange>(attributions::HISTORY), none);
        assert_eq!(unknown::<Attribution>(attributions::COLUMNS), none);
        assert_eq!(unknown::<LoggedAttempt>(attributions::ATTEMPTS), none);
        assert_eq!(unknown::<OrderProperty>(properties::COLUMNS), none);
        assert_eq!(unknown::<StuckRun>(journeys::STUCK), none);
        assert_eq!(unknown::<Order>(orders::COLUMNS), none);
        assert_eq!(unknown::<OrderChange>(orders::HISTORY), none);
        assert_eq!(unknown::<Journey>(journeys::COLUMNS), none);
        assert_eq!(unknown::<JourneyVersion>(journeys::VERSIONS), none);
    }

    /// The ids of the arguments of a command and those below it.
    fn ids(command: &clap::Command, into: &mut BTreeSet<String>) {
        let own = command.get_arguments().filter(|argument| !argument.is_global_set());
        into.extend(own.map(|argument| argument.get_id().to_string()));
        command.get_subcommands().for_each(|below| ids(below, into));
    }

    #[test]
    fn every_argument_has_the_name_of_its_field() {
        // ours alone: what is no field, and the currency of an amount
        let ours = ["currency", "file", "limit", "no_end", "no_wait", "output", "report"];
        let command = Cli::command();
        let mut told = BTreeSet::new();
        for noun in [
            "contacts",
            "segments",
            "campaigns",
            "codes",
            "visits",
            "attributions",
            "orders",
            "journey",
            "clock",
        ] {
            ids(command.find_subcommand(noun).unwrap(), &mut told);
        }
        let fields = show::field_names();
        let strange: Vec<_> =
            told.iter().filter(|id| !fields.contains(*id) && !ours.contains(&id.as_str())).collect();
        assert!(strange.is_empty() && told.contains("customer"), "{strange:?}");
    }
}
