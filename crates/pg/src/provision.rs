//! Database, schemas, roles and migrations: everything a service finds when it starts.

use std::borrow::Cow;

use sqlx::migrate::{Migration, Migrator};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

use crate::Error;

/// A service's schema; its role carries the name too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schema {
    /// Lower-case letters only.
    pub name: &'static str,
}

/// How a service comes to be its own role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Log in as the role; for private clusters that trust their socket directory.
    Login,
    /// Log in as the user of the URL, which must be a member of the role, and become the role before anything else.
    SetRole,
}

/// A database on a server, and how its roles are named and reached.
#[derive(Clone)]
pub struct Server {
    options: PgConnectOptions,
    database: String,
    role_prefix: String,
    access: Access,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // the options have the password
        f.debug_struct("Server").field("database", &self.database).finish_non_exhaustive()
    }
}

impl Server {
    /// `database` on the server that `options` reach as a user that may create roles.
    pub fn new(options: PgConnectOptions, database: &str, access: Access) -> Self {
        let options = options.database(database).log_statements(log::LevelFilter::Trace);
        Self { options, database: database.to_owned(), role_prefix: database.to_owned(), access }
    }

    /// Uses the roles of another database of the cluster, such as the template this one was cloned from.
    #[must_use]
    pub fn with_role_prefix(mut self, prefix: &str) -> Self {
        prefix.clone_into(&mut self.role_prefix);
        self
    }

    /// The role of a schema; it carries the database's name, since roles belong to the whole cluster.
    pub fn role(&self, schema: Schema) -> String {
        format!("{}_{}", self.role_prefix, schema.name)
    }

    /// Options that connect as the administrator.
    pub fn admin(&self) -> PgConnectOptions {
        self.options.clone()
    }

    /// Options that connect as the schema's role, and can reach nothing else.
    pub fn service(&self, schema: Schema) -> PgConnectOptions {
        let role = self.role(schema);
        match self.access {
            Access::Login => self.options.clone().username(&role),
            Access::SetRole => self.options.clone().options([("role", role.as_str())]),
        }
    }

    /// Creates the database unless it exists. Connects to the maintenance database `postgres`.
    pub async fn create_database(&self) -> Result<(), Error> {
        let mut maintenance = self.options.clone().database("postgres").connect().await?;
        let exists: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
            .bind(&self.database)
            .fetch_one(&mut maintenance)
            .await?;
        if !exists {
            let create = format!("CREATE DATABASE \"{}\"", self.database);
            sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut maintenance).await?;
        }
        maintenance.close().await?;
        Ok(())
    }

    /// Creates roles and schemas unless they exist: each role owns its schema and is granted no other.
    pub async fn create_schemas(&self, schemas: &[Schema]) -> Result<(), Error> {
        let mut admin = self.admin().connect().await?;
        // services that start at the same moment would change the same catalog rows; given back with the connection
        sqlx::raw_sql("SELECT pg_advisory_lock(hashtext('laurel.provision'))").execute(&mut admin).await?;
        self.lock_down(&mut admin).await?;
        for schema in schemas {
            let (role, name, database) = (self.role(*schema), schema.name, &self.database);
            let exists: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)")
                .bind(&role)
                .fetch_one(&mut admin)
                .await?;
            if !exists {
                let create = format!("CREATE ROLE \"{role}\" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE");
                sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut admin).await?;
            }
            let grant = format!(
                "GRANT CONNECT ON DATABASE \"{database}\" TO \"{role}\"; GRANT \"{role}\" TO CURRENT_USER;
                 CREATE SCHEMA IF NOT EXISTS \"{name}\" AUTHORIZATION \"{role}\""
            );
            sqlx::raw_sql(AssertSqlSafe(grant)).execute(&mut admin).await?;
        }
        admin.close().await?;
        Ok(())
    }

    /// Nobody reaches the database or its public schema without a grant; clones of a template need this again.
    async fn lock_down(&self, admin: &mut PgConnection) -> Result<(), Error> {
        let revoke = format!(
            "REVOKE ALL ON DATABASE \"{}\" FROM PUBLIC; REVOKE ALL ON SCHEMA public FROM PUBLIC",
            self.database
        );
        sqlx::raw_sql(AssertSqlSafe(revoke)).execute(admin).await?;
        Ok(())
    }

    /// Brings one schema up to date, as its own role.
    pub async fn migrate(&self, schema: Schema, parts: &[&Migrator]) -> Result<(), Error> {
        let options = self.service(schema).options([("search_path", schema.name)]);
        let mut connection = options.connect().await?;
        combine(parts).run(&mut connection).await.map_err(|e| match e {
            sqlx::migrate::MigrateError::Execute(e) => Error::from(e),
            other => Error::Bug(sqlx::Error::Migrate(Box::new(other))),
        })?;
        connection.close().await?;
        Ok(())
    }
}

/// One migrator out of several: what all schemas share first, then the service's own.
pub fn combine(parts: &[&Migrator]) -> Migrator {
    let mut migrations: Vec<Migration> = parts.iter().flat_map(|part| part.iter().cloned()).collect();
    migrations.sort();
    Migrator { migrations: Cow::Owned(migrations), ..Migrator::DEFAULT }
}
