//! Arguments of the `laurel` command.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use proto::google::r#type::Date;
use secrecy::SecretString;
use types::Timestamp;

use crate::arguments::{at_least_one, day, duration, moment};
use crate::nouns::NounCommand;
use crate::refusal::EXIT_CODES;

/// Laurel: referrals, journeys and rewards; every qualifying event pays exactly once, or says why not.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 110, after_help = EXIT_CODES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run all four services in one process, on a Postgres of its own or the one LAUREL_DATABASE_URL names
    Up(UpArguments),
    /// Play the CDNOW story: 69,659 real purchases become attributions, journeys and rewards
    Demo(DemoArguments),
    /// Make a key pair that signs development tokens: DIR/jwks.json for the services, DIR/signing.pem for `laurel token`
    Keys {
        /// Where to put them; made if missing
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Print a development token; in production tokens come from your own issuer
    Token(TokenArguments),
    /// Commands by noun.
    #[command(flatten)]
    Noun(NounCommand),
    /// Commands that speak to running services.
    #[command(flatten)]
    Client(ClientCommand),
    /// Print a completion script, such as for `source <(laurel completion bash)`
    Completion {
        /// For which shell
        shell: Shell,
    },
}

/// Arguments of `laurel token`.
#[derive(Debug, Args)]
pub struct TokenArguments {
    /// The signing key that `laurel keys` made
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// Tenant to act for
    #[arg(long, required_unless_present = "service", conflicts_with = "service")]
    pub tenant: Option<String>,
    /// Service of this deployment to act as, such as `orders`; without --scope it gets the scopes that it needs
    #[arg(long)]
    pub service: Option<String>,
    /// Scopes, separated by spaces, such as "orders.write orders.read"
    #[arg(long, default_value = "")]
    pub scope: String,
    /// Who it is for; shows in the audit
    #[arg(long, default_value = "developer")]
    pub subject: String,
    /// How long it is valid, such as 90s, 30m, 1h or 30d
    #[arg(long, default_value = "1h", value_parser = duration)]
    pub expires: Duration,
    /// The `iss` that the services expect
    #[arg(long, env = "LAUREL_ISSUER", default_value = "laurel-development")]
    pub issuer: String,
    /// The `aud` that the services expect
    #[arg(long, env = "LAUREL_AUDIENCE", default_value = "laurel")]
    pub audience: String,
}

/// Where the data is.
#[derive(Debug, Clone, Args)]
pub struct StorageArguments {
    /// Data directory of the embedded Postgres [default: /var/lib/laurel as root, else ~/.local/share/laurel]
    #[arg(long, value_name = "DIR", env = "LAUREL_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
    /// Use this Postgres instead of the embedded one: a postgres:// URL of a user who may create roles
    /// [env: LAUREL_DATABASE_URL, or LAUREL_DATABASE_URL_FILE]
    #[arg(long, value_name = "URL")]
    pub database_url: Option<SecretString>,
    /// Tenants whose order ids are scoped by source (O1), separated by commas
    #[arg(long, value_name = "TENANTS", env = "LAUREL_SCOPE_ORDERS_BY_SOURCE", default_value = "")]
    pub scope_orders_by_source: String,
}

/// Arguments of `laurel up`.
#[derive(Debug, Args)]
pub struct UpArguments {
    /// Where the data is.
    #[command(flatten)]
    pub storage: StorageArguments,
    /// Loopback address to listen on; port 0 takes any free port
    #[arg(long, value_name = "ADDRESS:PORT", env = "LAUREL_LISTEN", default_value = "127.0.0.1:7600")]
    pub listen: SocketAddr,
    /// Start the services up to this one, in the direction data flows; the others catch up when they are started again
    #[arg(long, value_enum, default_value_t, hide = true)]
    pub up_to: Service,
}

/// The last of the services to be started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Service {
    /// Attribution and orders: what a call to record an order goes through.
    Orders,
    /// Journeys as well.
    Journeys,
    /// All.
    #[default]
    Rewards,
}

/// Arguments of `laurel demo`.
#[derive(Debug, Args)]
pub struct DemoArguments {
    /// Where the data is.
    #[command(flatten)]
    pub storage: StorageArguments,
    /// Print one JSON object and nothing else on standard output
    #[arg(long)]
    pub json: bool,
    /// Keep the services up afterwards
    #[arg(long)]
    pub serve: bool,
    /// Play it on services that run already, at this address or one for each (see `laurel orders --help`)
    #[arg(long, value_name = "URL", conflicts_with_all = ["serve", "data_dir"])]
    pub address: Option<String>,
    /// With --address: credentials of the tenant test-cdnow
    #[command(flatten)]
    pub credentials: Credentials,
    /// With --serve: loopback address to listen on; port 0 takes any free port
    #[arg(long, value_name = "ADDRESS:PORT", env = "LAUREL_LISTEN", default_value = "127.0.0.1:7600")]
    pub listen: SocketAddr,
}

/// How to reach running services, and as whom.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Services and tenant")]
pub struct Target {
    /// Address of running services; where each has its own: `attribution=URL,orders=URL,journeys=URL,rewards=URL`
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "LAUREL_ADDRESS",
        default_value = "http://127.0.0.1:7600"
    )]
    pub address: String,
    /// Tenant to act for
    #[arg(long, global = true, env = "LAUREL_TENANT", default_value = "test-default")]
    pub tenant: String,
    /// Credentials.
    #[command(flatten)]
    pub credentials: Credentials,
}

/// How to prove who we are, and how to know the services.
#[derive(Debug, Clone, Args)]
pub struct Credentials {
    /// Bearer token, for services that ask for one; arguments show in the list of processes, so better by environment or file
    #[arg(long, global = true, env = "LAUREL_TOKEN", hide_env_values = true)]
    pub token: Option<SecretString>,
    /// File with the bearer token
    #[arg(long, global = true, value_name = "FILE", env = "LAUREL_TOKEN_FILE", conflicts_with = "token")]
    pub token_file: Option<String>,
    /// CA (PEM) that signed the services' certificate, for https addresses [default: the system's]
    #[arg(long, global = true, value_name = "FILE", env = "LAUREL_TLS_CA")]
    pub tls_ca: Option<PathBuf>,
    /// Our certificate (PEM), for services that ask for one
    #[arg(long, global = true, value_name = "FILE", env = "LAUREL_CLIENT_CERT", requires = "client_key")]
    pub client_cert: Option<PathBuf>,
    /// Key (PEM) of our certificate
    #[arg(long, global = true, value_name = "FILE", env = "LAUREL_CLIENT_KEY", requires = "client_cert")]
    pub client_key: Option<PathBuf>,
}

/// Commands that speak to running services.
#[derive(Debug, Subcommand)]
pub enum ClientCommand {
    /// Publish a journey or a reward program written as YAML
    Apply {
        /// Services and tenant.
        #[command(flatten)]
        target: Target,
        /// The file; a mapping with `journey` or `program`
        #[arg(short, long)]
        file: PathBuf,
    },
    /// Show a journey's funnel as bars: where contacts go on, and for how long they stay
    Funnel {
        /// Services and tenant.
        #[command(flatten)]
        target: Target,
        /// Which runs, and how to show them.
        #[command(flatten)]
        arguments: FunnelArguments,
    },
    /// Say why somebody was, or was not, paid for an order
    Explain {
        /// Services and tenant.
        #[command(flatten)]
        target: Target,
        /// The order's id
        order_id: String,
    },
    /// Say who did what, newest first
    Audit {
        /// Services and tenant.
        #[command(flatten)]
        target: Target,
        /// Which entries, and how to show them.
        #[command(flatten)]
        arguments: AuditArguments,
    },
    /// Derive the whole ledger again from the stored decisions, and report any difference
    Verify {
        /// Services and tenant.
        #[command(flatten)]
        target: Target,
    },
}

/// Which runs a funnel is of, and how to show it.
#[derive(Debug, Clone, Args)]
pub struct FunnelArguments {
    /// The journey's key
    pub journey: String,
    /// Only runs of this campaign
    #[arg(long = "campaign", value_name = "CAMPAIGN", default_value = "", hide_default_value = true)]
    pub campaign_id: String,
    /// Only runs whose contact was in this segment when they started
    #[arg(long = "segment", value_name = "SEGMENT", default_value = "", hide_default_value = true)]
    pub segment_id: String,
    /// Only runs that started on this day (UTC) or later, such as 2026-03-09
    #[arg(long = "from", value_name = "DATE", value_parser = day)]
    pub started_from: Option<Date>,
    /// Only runs that started on this day or earlier
    #[arg(long = "until", value_name = "DATE", value_parser = day)]
    pub started_until: Option<Date>,
    /// Only runs that started under this version
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub version: i32,
    /// Print JSON: one object
    #[arg(long)]
    pub json: bool,
    /// Write it as a bar chart to this file, too
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
}

/// Which audit entries, and how to show them.
#[derive(Debug, Clone, Args)]
pub struct AuditArguments {
    /// Only of this service [default: all four, merged by time]
    #[arg(long, value_enum)]
    pub service: Option<AuditedService>,
    /// Only of this principal, such as `service:orders`
    #[arg(long, default_value = "", hide_default_value = true)]
    pub principal: String,
    /// Only of this method, such as `RecordOrder`
    #[arg(long, default_value = "", hide_default_value = true)]
    pub method: String,
    /// Only recorded at this time or later: 2026-03-09T12:00:00Z, or 2026-03-09 for its beginning in UTC
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub since: Option<Timestamp>,
    /// Only recorded before this time
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub until: Option<Timestamp>,
    /// Print one JSON object a line
    #[arg(long)]
    pub json: bool,
    /// Entries at most, the newest
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = at_least_one)]
    pub limit: usize,
}

/// A service that keeps audit entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum AuditedService {
    /// Attribution.
    Attribution,
    /// Orders.
    Orders,
    /// Journeys.
    Journeys,
    /// Rewards.
    Rewards,
}

impl AuditedService {
    /// All of them, in the direction data flows.
    pub const ALL: [Self; 4] = [Self::Attribution, Self::Orders, Self::Journeys, Self::Rewards];

    /// As it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Attribution => "attribution",
            Self::Orders => "orders",
            Self::Journeys => "journeys",
            Self::Rewards => "rewards",
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_commands_contradict_each_other_in_nothing() {
        Cli::command().debug_assert();
    }
}
