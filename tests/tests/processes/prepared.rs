//! What Kubernetes runs: migration jobs under an administrator who is no superuser, services that log in as themselves and
//! migrate nothing, and probes.

use std::net::TcpListener;
use std::process::{Child, Command};

use anyhow::Context;
use pg::sqlx::postgres::PgConnection;
use pg::sqlx::{AssertSqlSafe, Connection, Error, query_scalar, raw_sql};
use proto::orders::{ListOrdersRequest, RecordOrderRequest};
use rpc::Channel;
use tests::process::{Deployment, SERVICES, Service};
use tests::story;
use tokio::time::timeout;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus::{self, NotServing, Serving};
use tonic_health::pb::health_client::HealthClient;

use crate::TENANT;
use crate::load::PATIENCE;

/// The administrator and the logins that deploy/README.md asks for under "Database".
async fn make_logins(deployment: &Deployment) -> anyhow::Result<()> {
    let database = deployment.database();
    let admin = format!(
        "CREATE ROLE {database}_admin LOGIN CREATEROLE PASSWORD 'admin';
         ALTER DATABASE {database} OWNER TO {database}_admin"
    );
    raw_sql(AssertSqlSafe(admin)).execute(&mut deployment.connect("postgres").await?).await?;
    let mut admin = deployment.connect(&login(deployment, "admin")).await?;
    for service in SERVICES {
        let create = format!("CREATE ROLE {} LOGIN PASSWORD '{service}'", login(deployment, service));
        raw_sql(AssertSqlSafe(create)).execute(&mut admin).await?;
    }
    Ok(())
}

fn login(deployment: &Deployment, service: &str) -> String {
    format!("{}_{service}", deployment.database())
}

/// The four jobs at the same time, as the cluster runs them.
fn migrate(deployment: &Deployment) -> anyhow::Result<()> {
    let admin = deployment.database_url(&login(deployment, "admin"));
    let job = |service: &&str| -> anyhow::Result<Child> {
        let mut command = deployment.configured(service, &[])?;
        Ok(command.arg("migrate").env("LAUREL_DATABASE_URL", &admin).spawn()?)
    };
    let jobs: Vec<Child> = SERVICES.iter().map(job).collect::<Result<_, _>>()?;
    for job in jobs {
        let output = job.wait_with_output()?;
        anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

/// What the probes of one pod ask.
struct Probes(HealthClient<Channel>);

impl Probes {
    fn of(address: &str) -> anyhow::Result<Self> {
        Ok(Self(HealthClient::new(rpc::channel::connect(&format!("http://{address}"))?)))
    }

    /// What it says to the probes for start-up, life and readiness, once it answers.
    async fn answers(&self) -> anyhow::Result<[ServingStatus; 3]> {
        let mut answers = [NotServing; 3];
        for (answer, service) in answers.iter_mut().zip(["startup", "live", "ready"]) {
            let request = HealthCheckRequest { service: service.to_owned() };
            let asked = async {
                loop {
                    // nobody listens before it is up
                    if let Ok(answer) = self.0.clone().check(request.clone()).await {
                        return answer.into_inner().status();
                    }
                }
            };
            *answer = timeout(PATIENCE, asked).await.with_context(|| format!("no answer to {service}"))?;
        }
        Ok(answers)
    }

    /// Waits until it is ready, or is not any more.
    async fn until(&self, wanted: ServingStatus) -> anyhow::Result<()> {
        let request = HealthCheckRequest { service: "ready".to_owned() };
        let mut told = self.0.clone().watch(request).await?.into_inner();
        let heard = async {
            while told.message().await?.context("the watch ended")?.status() != wanted {}
            anyhow::Ok(())
        };
        timeout(PATIENCE, heard).await?
    }
}

/// A service as the base of deploy/kustomize has it. Its probes are asked before it is ready: it finds a table locked that
/// it reads as it starts.
async fn serve(
    deployment: &Deployment,
    service: &str,
    upstream: &[&str],
) -> anyhow::Result<(Service, Probes)> {
    let health = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
    let mut command = deployment.configured(service, upstream)?;
    command
        .env("LAUREL_DATABASE_URL", deployment.database_url(&login(deployment, service)))
        .env("LAUREL_MIGRATE", "never")
        .env("LAUREL_HEALTH_LISTEN", &health);
    let mut database = deployment.connect("postgres").await?;
    lock(&mut database, &format!("{service}.stream")).await?;
    let started = tokio::task::spawn_blocking(move || Service::start(command));
    let probes = Probes::of(&health)?;
    assert_eq!(probes.answers().await?, [NotServing, Serving, NotServing], "{service} starts");
    database.close().await?;
    let started = started.await??;
    probes.until(Serving).await?;
    assert_eq!(probes.answers().await?, [Serving; 3], "{service} is ready");
    Ok((started, probes))
}

/// Holds a table until the connection is closed.
async fn lock(database: &mut PgConnection, table: &str) -> anyhow::Result<()> {
    let lock = format!("BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE");
    raw_sql(AssertSqlSafe(lock)).execute(database).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn services_with_a_login_each_serve_what_the_jobs_have_prepared_and_tell_their_probes()
-> anyhow::Result<()> {
    let deployment = Deployment::new().await?;
    make_logins(&deployment).await?;
    for _first_and_again in 0..2 {
        migrate(&deployment)?;
    }
    let mut running: Vec<(Service, Probes)> = Vec::new();
    for service in SERVICES {
        let upstream: Vec<&str> = running.iter().map(|(service, _)| service.address()).collect();
        let started = serve(&deployment, service, &upstream).await?;
        running.push(started);
    }
    let addresses: Vec<&str> = running.iter().map(|(service, _)| service.address()).collect();
    let access = deployment.token_access(TENANT, story::SCOPES)?;
    let clients = deployment.clients(&addresses, TENANT, &access)?;
    story::prepare(&clients).await?;
    let order = Some(story::order("o-1", "bob@shop.example"));
    clients.orders.clone().record_order(RecordOrderRequest { order, ..Default::default() }).await?;
    assert_eq!(story::rewarded(&clients, 1).await?, ["o-1"]);

    // a call that is under way when its pod is told to end is answered
    let mut database = deployment.connect("postgres").await?;
    lock(&mut database, "orders.orders").await?;
    let mut orders = clients.orders.clone();
    let call = tokio::spawn(async move { orders.list_orders(ListOrdersRequest::default()).await });
    waits(&deployment, "orders.orders").await?;
    let (service, probes) = running.swap_remove(1);
    service.terminate()?;
    probes.until(NotServing).await?;
    assert_eq!(probes.answers().await?, [Serving, Serving, NotServing], "orders drains");
    database.close().await?;
    assert_eq!(call.await??.into_inner().orders.len(), 1);
    tokio::task::spawn_blocking(move || service.ended()).await??;
    no_other_schema(&deployment).await
}

/// Waits until a statement of a service waits for `table`.
async fn waits(deployment: &Deployment, table: &str) -> anyhow::Result<()> {
    let mut database = deployment.connect("postgres").await?;
    let waiting = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = $1::regclass)";
    let wait = async {
        while !query_scalar::<_, bool>(waiting).bind(table).fetch_one(&mut database).await? {}
        anyhow::Ok(())
    };
    timeout(PATIENCE, wait).await?
}

/// The login of orders has its own schema and nothing of attribution's, nor of the database's other rooms.
async fn no_other_schema(deployment: &Deployment) -> anyhow::Result<()> {
    let mut orders = deployment.connect(&login(deployment, "orders")).await?;
    let own: i64 = query_scalar("SELECT count(*) FROM orders.orders").fetch_one(&mut orders).await?;
    assert_eq!(own, 1);
    let become_it = format!("SET ROLE {}", login(deployment, "attribution"));
    let forbidden = [
        "SELECT FROM attribution.contacts",
        "DELETE FROM attribution.events",
        "CREATE TABLE attribution.mine ()",
        "GRANT USAGE ON SCHEMA attribution TO CURRENT_USER",
        "CREATE TABLE public.mine ()",
        "CREATE SCHEMA mine",
        "CREATE ROLE mine",
        become_it.as_str(),
    ];
    for statement in forbidden {
        let refused = raw_sql(AssertSqlSafe(statement.to_owned())).execute(&mut orders).await;
        let code = match &refused {
            Err(Error::Database(error)) => error.code(),
            _ => None,
        };
        assert_eq!(code.as_deref(), Some("42501"), "{statement}: {refused:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_that_is_told_to_end_does_so_and_says_it_is_not_done() -> anyhow::Result<()> {
    let deployment = Deployment::new().await?;
    let mut other = deployment.connect("postgres").await?;
    // as another job would that prepares its schema
    raw_sql("SELECT pg_advisory_lock(hashtext('laurel.provision'))").execute(&mut other).await?;
    let mut job = deployment.configured("orders", &[])?;
    let job = job.arg("migrate").spawn()?;
    let waiting = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND locktype = 'advisory'
                   AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))";
    let wait = async {
        while !query_scalar::<_, bool>(waiting).fetch_one(&mut other).await? {}
        anyhow::Ok(())
    };
    timeout(PATIENCE, wait).await??;
    anyhow::ensure!(Command::new("kill").arg(job.id().to_string()).status()?.success());
    let ended = tokio::task::spawn_blocking(move || job.wait_with_output());
    let output = timeout(PATIENCE, ended).await???;
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr)?;
    assert_eq!(said, "laurel-orders: told to end before the schema was migrated\n");
    Ok(())
}
