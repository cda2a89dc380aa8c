//! The four services as processes of their own, on a database of the test cluster, with authentication.

use std::path::PathBuf;
use std::process::Command;
use std::str::FromStr;

use anyhow::Context;
use laurel::client::Clients;
use pg::sqlx::postgres::{PgConnectOptions, PgConnection};
use pg::sqlx::{AssertSqlSafe, ConnectOptions, raw_sql};
use rpc::channel::{Access, Token, by_package, connect_as};

use crate::authority::Authority;
use crate::running::Running;
use crate::{program, said};

/// Names of the services, upstream first.
pub const SERVICES: [&str; 4] = ["attribution", "orders", "journeys", "rewards"];

/// A database, and what all processes of a deployment share.
pub struct Deployment {
    files: tempfile::TempDir,
    socket: String,
    database: String,
    settings: Vec<(&'static str, String)>,
    /// Who signs the certificates by which services know each other; none: they have tokens.
    authority: Option<Authority>,
}

impl Deployment {
    /// An empty database and a new key set; services know each other by tokens.
    pub async fn new() -> anyhow::Result<Self> {
        let files = tempfile::tempdir()?;
        let socket = std::env::var("LAUREL_TEST_POSTGRES").context("run it by `make test`")?;
        let database = format!("deployment_{:016x}", rand::random::<u64>());
        let create = format!("CREATE DATABASE {database}");
        raw_sql(AssertSqlSafe(create)).execute(&mut connect(&socket, "postgres").await?).await?;
        said(program("laurel")?.arg("keys").arg("--out").arg(files.path()))?;
        let settings = vec![
            ("LAUREL_LISTEN", "127.0.0.1:0".to_owned()),
            ("LAUREL_LOG", "warn".to_owned()),
            ("LAUREL_JWKS", path(files.path().join("jwks.json"))?),
            ("LAUREL_ISSUER", "laurel-development".to_owned()),
            ("LAUREL_AUDIENCE", "laurel".to_owned()),
        ];
        Ok(Self { files, socket, database, settings, authority: None })
    }

    /// The same over TLS, with a CA of its own: services have no tokens, but certificates in the name of
    /// `spiffe://laurel.test/SERVICE`. `rules` is the file that says what their holders may do.
    pub async fn with_certificates(rules: &str) -> anyhow::Result<Self> {
        let authority = Authority::new()?;
        let plain = Self::new().await?;
        let ca = plain.write("ca.pem", &authority.pem())?;
        let rules = plain.write("laurel.toml", rules)?;
        let deployment = Self { authority: Some(authority), ..plain };
        Ok(deployment.set("LAUREL_TLS_CA", &ca).set("LAUREL_TLS_CLIENT_CA", &ca).set("LAUREL_CONFIG", &rules))
    }

    /// One more setting of all services.
    #[must_use]
    pub fn set(mut self, name: &'static str, value: &str) -> Self {
        self.settings.push((name, value.to_owned()));
        self
    }

    /// A token made by `laurel token` with these arguments.
    pub fn token(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let key = self.files.path().join("signing.pem");
        let token = said(program("laurel")?.arg("token").arg("--key").arg(key).args(arguments))?;
        Ok(token.trim().to_owned())
    }

    /// The token that a service was started with.
    pub fn token_of(&self, service: &str) -> anyhow::Result<String> {
        Ok(std::fs::read_to_string(self.files.path().join(token_file(service)))?)
    }

    /// A connection to the database, as its administrator.
    pub async fn as_admin(&self) -> anyhow::Result<PgConnection> {
        connect(&self.socket, &self.database).await
    }

    /// What a user of `tenant` comes with who has a token.
    pub fn token_access(&self, tenant: &str, scopes: &str) -> anyhow::Result<Access> {
        let token = Token::fixed(&self.token(&["--tenant", tenant, "--scope", scopes])?)?;
        let ca = self.authority.as_ref().map(|authority| authority.pem().into_bytes());
        Ok(Access { token, ca, identity: None })
    }

    /// What the holder of a certificate with this name comes with.
    pub fn certificate_access(&self, name: &str) -> anyhow::Result<Access> {
        let authority = self.authority.as_ref().context("a deployment without certificates")?;
        let (certificate, key) = authority.sign(&[name])?;
        let ca = Some(authority.pem().into_bytes());
        Ok(Access { token: Token::None, ca, identity: Some((certificate.into_bytes(), key.into_bytes())) })
    }

    /// Starts a service; `upstream` are the addresses of those before it, in their order.
    pub fn start(&self, service: &str, upstream: &[&str]) -> anyhow::Result<Service> {
        Service::start(self.configured(service, upstream)?)
    }

    /// The program of a service with all its settings.
    pub fn configured(&self, service: &str, upstream: &[&str]) -> anyhow::Result<Command> {
        let mut command = self.command(service)?;
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        for (name, address) in SERVICES.iter().zip(upstream) {
            command.env(format!("LAUREL_{}_URL", name.to_uppercase()), self.url(address));
        }
        match &self.authority {
            None => {
                let token = self.token(&["--service", service])?;
                command.env("LAUREL_TOKEN_FILE", self.write(&token_file(service), &token)?);
            }
            Some(authority) => {
                let server = authority.sign(&["localhost"])?;
                let client = authority.sign(&[&format!("spiffe://laurel.test/{service}")])?;
                for (name, (certificate, key)) in [("TLS", server), ("CLIENT", client)] {
                    let file = |what: &str| format!("{service}.{name}.{what}");
                    command
                        .env(format!("LAUREL_{name}_CERT"), self.write(&file("pem"), &certificate)?)
                        .env(format!("LAUREL_{name}_KEY"), self.write(&file("key"), &key)?);
                }
            }
        }
        Ok(command)
    }

    /// Starts all four services.
    pub fn start_all(&self) -> anyhow::Result<Vec<Service>> {
        let mut running: Vec<Service> = Vec::new();
        for service in SERVICES {
            let upstream: Vec<&str> = running.iter().map(Service::address).collect();
            let started = self.start(service, &upstream)?;
            running.push(started);
        }
        Ok(running)
    }

    /// The program of a service, knowing its database.
    pub fn command(&self, service: &str) -> anyhow::Result<Command> {
        let mut command = program(&format!("laurel-{service}"))?;
        command.env("LAUREL_DATABASE_URL", self.database_url("postgres"));
        Ok(command)
    }

    /// Name of the database.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// The database as `user` reaches it.
    pub fn database_url(&self, user: &str) -> String {
        format!("postgres://{user}@localhost/{}?host={}", self.database, self.socket)
    }

    /// A connection to it as `user`.
    pub async fn connect(&self, user: &str) -> anyhow::Result<PgConnection> {
        Ok(PgConnectOptions::from_str(&self.database_url(user))?.connect().await?)
    }

    /// How to call what listens at `address`.
    pub fn url(&self, address: &str) -> String {
        match &self.authority {
            None => format!("http://{address}"),
            // the name that certificates have
            Some(_) => format!("https://{}", address.replace("127.0.0.1", "localhost")),
        }
    }

    /// The services at `addresses`, in their order, as the commands of `laurel` take them.
    pub fn urls(&self, addresses: &[&str]) -> String {
        let urls = SERVICES.iter().zip(addresses);
        urls.map(|(service, address)| format!("{service}={}", self.url(address)))
            .collect::<Vec<_>>()
            .join(",")
    }

    /// Clients of the services at `addresses`, in their order.
    pub fn clients(&self, addresses: &[&str], tenant: &str, access: &Access) -> anyhow::Result<Clients> {
        let connect = |(service, address): (&&str, &&str)| {
            anyhow::Ok((format!("laurel.{service}.v1"), connect_as(&self.url(address), access)?))
        };
        let channels: Vec<_> = SERVICES.iter().zip(addresses).map(connect).collect::<Result<_, _>>()?;
        Ok(Clients::new(by_package(channels), &tenant.parse().map_err(|e| anyhow::anyhow!("tenant {e}"))?))
    }

    fn write(&self, name: &str, text: &str) -> anyhow::Result<String> {
        let file = self.files.path().join(name);
        std::fs::write(&file, text)?;
        path(file)
    }
}

fn token_file(service: &str) -> String {
    format!("{service}.token")
}

async fn connect(socket: &str, database: &str) -> anyhow::Result<PgConnection> {
    let options = PgConnectOptions::from_str("postgres://postgres@localhost")?.socket(socket);
    Ok(options.database(database).connect().await?)
}

fn path(path: PathBuf) -> anyhow::Result<String> {
    path.into_os_string().into_string().map_err(|path| anyhow::anyhow!("{} is not text", path.display()))
}

/// A running service; killed when dropped.
pub struct Service(Running);

impl Service {
    /// Starts it, and waits until it is ready.
    pub fn start(command: Command) -> anyhow::Result<Self> {
        Ok(Self(Running::spawn(command)?))
    }

    /// Where it listens.
    pub fn address(&self) -> &str {
        &self.0.address
    }

    /// SIGTERM; it may take a while to end.
    pub fn terminate(&self) -> anyhow::Result<()> {
        self.0.terminate()
    }

    /// Waits until it ends, which it owes: in time, without an error, and without cutting anybody off.
    pub fn ended(self) -> anyhow::Result<()> {
        self.ended_with_log().map(drop)
    }

    /// The same, and all that it logged.
    pub fn ended_with_log(self) -> anyhow::Result<String> {
        let (ended, log) = self.0.ended_with_log()?;
        let well = ended.success() && !log.contains("cut off") && !log.contains(" ERROR ");
        anyhow::ensure!(well, "{ended}: {log}");
        Ok(log)
    }
}
