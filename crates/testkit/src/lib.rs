//! What tests stand on: a database per test on real Postgres, cloned from a migrated template.
//!
//! The cluster is started by `with-postgres` (`make test` does it), which sets `LAUREL_TEST_POSTGRES`.

mod import;
mod plan;
mod proxy;
mod search;

pub use import::summary;
pub use plan::plan;
pub use proxy::Proxy;
pub use search::tables_with;

use std::str::FromStr;

use anyhow::Context;
use pg::sqlx::migrate::Migrator;
use pg::sqlx::postgres::{PgConnectOptions, PgConnection};
use pg::sqlx::{AssertSqlSafe, ConnectOptions, Connection, query, query_scalar, raw_sql};
use pg::{Access, Database, Schema, Server};

/// Environment variable that names the socket directory of the test cluster.
pub const CLUSTER: &str = "LAUREL_TEST_POSTGRES";

/// A schema and what migrates it.
pub type Part<'a> = (Schema, &'a [&'a Migrator]);

/// A database of one test's own.
#[derive(Debug, Clone)]
pub struct Sandbox {
    server: Server,
}

impl Sandbox {
    /// A fresh database with these schemas. The first test to ask makes the template, the others clone it (16 ms).
    pub async fn new(parts: &[Part<'_>]) -> anyhow::Result<Self> {
        let socket = std::env::var(CLUSTER).with_context(|| {
            format!("{CLUSTER} is not set: run `make test`, or `cargo run -p testkit --bin with-postgres -- COMMAND`")
        })?;
        let options = PgConnectOptions::from_str("postgres://postgres@localhost")?.socket(&socket).port(5432);
        let template = template_name(parts);
        let mut maintenance = options.clone().database("postgres").connect().await?;
        make_template(&mut maintenance, &options, &template, parts).await?;
        let name = format!("test_{:032x}", rand::random::<u128>());
        let clone = format!("CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy");
        raw_sql(AssertSqlSafe(clone)).execute(&mut maintenance).await?;
        maintenance.close().await?;
        let server = Server::new(options, &name, Access::Login).with_role_prefix(&template);
        // clones lose what was granted on the database
        let schemas: Vec<Schema> = parts.iter().map(|(schema, _)| *schema).collect();
        server.create_schemas(&schemas).await?;
        Ok(Self { server })
    }

    /// The database server, for what needs more than a schema.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// One schema, with its own role.
    pub async fn database(&self, schema: Schema) -> anyhow::Result<Database> {
        Ok(Database::connect(self.server.service(schema), schema, 8).await?)
    }

    /// A connection as the administrator, for looking at what no role may.
    pub async fn admin(&self) -> anyhow::Result<PgConnection> {
        Ok(self.server.admin().connect().await?)
    }

    /// The tables of a schema that hold one of these texts.
    pub async fn tables_with(&self, schema: Schema, texts: &[&str]) -> anyhow::Result<Vec<String>> {
        tables_with(&mut self.admin().await?, schema.name, texts).await
    }
}

/// Changes whenever a migration does.
fn template_name(parts: &[Part<'_>]) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for (schema, migrators) in parts {
        let bytes = migrators.iter().flat_map(|m| m.iter()).flat_map(|m| m.checksum.iter().copied());
        for byte in schema.name.bytes().chain(bytes) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    format!("template_{hash:016x}")
}

async fn make_template(
    maintenance: &mut PgConnection,
    options: &PgConnectOptions,
    template: &str,
    parts: &[Part<'_>],
) -> anyhow::Result<()> {
    // tests are processes of their own: the lock holds them apart, and the marker says that it is finished
    query("SELECT pg_advisory_lock(hashtext($1), 7)").bind(template).execute(&mut *maintenance).await?;
    let finished: bool =
        query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1 AND datistemplate)")
            .bind(template)
            .fetch_one(&mut *maintenance)
            .await?;
    if !finished {
        raw_sql(AssertSqlSafe(format!("DROP DATABASE IF EXISTS {template}")))
            .execute(&mut *maintenance)
            .await?;
        let server = Server::new(options.clone(), template, Access::Login);
        server.create_database().await?;
        let schemas: Vec<Schema> = parts.iter().map(|(schema, _)| *schema).collect();
        server.create_schemas(&schemas).await?;
        for (schema, migrators) in parts {
            server.migrate(*schema, migrators).await?;
        }
        raw_sql(AssertSqlSafe(format!("ALTER DATABASE {template} IS_TEMPLATE true")))
            .execute(&mut *maintenance)
            .await?;
    }
    query("SELECT pg_advisory_unlock(hashtext($1), 7)").bind(template).execute(&mut *maintenance).await?;
    Ok(())
}
