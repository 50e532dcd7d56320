//! PostgreSQL databases: a real server, `DATABASE_URL`'s or a private one of this state.
//!
//! On a private server each `[postgres.X]` is a database of its own, with a user of the same name who owns it and is no
//! superuser: it is made when it is first used. The database that `DATABASE_URL` names is used as it is, and what is in it
//! stays there when the stack goes.

mod account;
mod instance;
mod programs;

use std::{
    collections::BTreeSet,
    path::Path,
    sync::{Arc, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use sha2::{Digest, Sha256};
use tokio_postgres::{Client, Config};

use super::{Local, lookup};
use crate::{
    cloud::{
        Error, Pages, Permit, Result,
        postgres::{Database, Done, Postgres, Rows, Statement},
        resources::Properties,
    },
    postgres::{self, Roots},
};
use instance::Hold;
use programs::MISSING;

/// How long a broken connection is tried again, as a server that ends is started anew.
const AGAIN: Duration = Duration::from_millis(200);
/// What is said of a server that cannot be held on to.
const ENDS: &str = "PostgreSQL ends as soon as it is started";

/// This process's hold on the private server, from its first use on.
#[derive(Default)]
pub(crate) struct Server {
    held: Arc<tokio::sync::Mutex<Option<Hold>>>,
    /// The databases that are known to be there.
    made: std::sync::Mutex<BTreeSet<String>>,
}

#[async_trait]
impl Postgres for Local {
    fn list(&self) -> Pages<'_, Database> {
        Pages::once(async move {
            let all = self.inner.store.read(|c| lookup::all(c, "postgres")).await?;
            Ok(all
                .into_iter()
                .filter_map(|deployed| {
                    let Properties::Postgres(settings) = &deployed.resource.properties else { return None };
                    Some(Database {
                        address: self.postgres_address(&settings.database),
                        name: deployed.resource.physical_name,
                        pipeline: deployed.pipeline,
                        server: if self.inner.options.database_url.is_some() {
                            "DATABASE_URL"
                        } else {
                            "a private instance"
                        }
                        .into(),
                    })
                })
                .collect())
        })
    }

    async fn query(&self, database: &str, sql: &str, limit: usize) -> Result<Rows> {
        let mut client = self.postgres_client(database).await?;
        postgres::query(&mut client, sql, limit).await
    }

    async fn transact(&self, permit: &Permit, database: &str, statements: &[Statement]) -> Result<Vec<Done>> {
        permit.check("rds-db:connect", database)?;
        let mut client = self.postgres_client(database).await?;
        postgres::transact(&mut client, statements).await
    }
}

impl Local {
    /// The connection string of a database, without its password; none where its server was never started.
    pub(crate) fn postgres_address(&self, database: &str) -> Option<String> {
        if let Some(url) = &self.inner.options.database_url {
            return postgres::config(url).ok().map(|config| postgres::shown(&config));
        }
        address(self.inner.store.dir(), database)
    }

    /// A connection to a deployed database.
    async fn postgres_client(&self, name: &str) -> Result<Client> {
        let wanted = name.to_owned();
        let deployed = self.inner.store.read(move |c| lookup::one(c, "postgres", &wanted)).await?;
        let Properties::Postgres(settings) = deployed.resource.properties else {
            return Err(Error::not_found("PostgreSQL database", name));
        };
        if let Some(url) = &self.inner.options.database_url {
            return postgres::connect(&postgres::config(url)?, &roots()?).await;
        }
        let server = &self.inner.postgres;
        let mut held = server.held.lock().await;
        for last in [false, true] {
            if held.is_none() {
                *held = Some(self.hold_postgres().await?);
                server.made.lock().unwrap_or_else(PoisonError::into_inner).clear();
            }
            let Some(hold) = held.as_ref() else { break };
            match open(hold, &server.made, &settings.database).await {
                // It was ended behind our back: once more, from its start.
                Err(Error::Unavailable(_)) if !last => {
                    let gone = held.take();
                    self.blocking(move || {
                        drop(gone);
                        Ok(())
                    })
                    .await?;
                    tokio::time::sleep(AGAIN).await;
                }
                other => return other,
            }
        }
        Err(Error::Unavailable(ENDS.into()))
    }

    async fn hold_postgres(&self) -> Result<Hold> {
        let (dir, may_start) = (self.inner.store.dir().to_owned(), self.inner.process.is_some());
        self.blocking(move || {
            if may_start {
                return instance::hold(&dir);
            }
            instance::hold_running(&dir).ok_or_else(|| {
                Error::Unavailable("PostgreSQL does not run at the moment, and read-only mode starts nothing".into())
            })
        })
        .await
    }

    /// Makes a database ahead of its deploy: what the machine lacks is said before anything else is made. Blocks, and is not
    /// to be called by a runtime's own threads.
    ///
    /// # Errors
    /// [`Error::Unavailable`] that says what to install, or what is wrong with `DATABASE_URL`'s server.
    pub(crate) fn make_postgres(&self, database: &str) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::storage)?;
        if let Some(url) = &self.inner.options.database_url {
            let config = postgres::config(url)?;
            let roots = roots()?;
            return runtime.block_on(async { postgres::connect(&config, &roots).await.map(drop) });
        }
        if !programs::installed() {
            return Err(Error::Unavailable(MISSING.into()));
        }
        let server = &self.inner.postgres;
        let mut held = server.held.blocking_lock();
        for last in [false, true] {
            if held.is_none() {
                *held = Some(instance::hold(self.inner.store.dir())?);
                server.made.lock().unwrap_or_else(PoisonError::into_inner).clear();
            }
            let Some(hold) = held.as_ref() else { break };
            match runtime.block_on(open(hold, &server.made, database)) {
                // It was ended behind our back: once more, from its start.
                Err(Error::Unavailable(_)) if !last => {
                    drop(held.take());
                    std::thread::sleep(AGAIN);
                }
                other => return other.map(drop),
            }
        }
        Err(Error::Unavailable(ENDS.into()))
    }

    /// Removes a database of the private server with all that it holds; `others` says whether the server holds more.
    /// Blocks, and is not to be called by a runtime's own threads.
    pub(crate) fn remove_postgres(&self, database: &str, others: bool) -> Result<()> {
        let dir = self.inner.store.dir();
        if self.inner.options.database_url.is_some() || instance::port(dir).is_none() {
            return Ok(());
        }
        let server = &self.inner.postgres;
        server.made.lock().unwrap_or_else(PoisonError::into_inner).remove(database);
        if !others {
            // Its end is waited for; somebody else who holds it keeps it going, without its files.
            drop(server.held.blocking_lock().take());
            return instance::remove(dir);
        }
        let hold = instance::hold(dir)?;
        let config = hold.admin("postgres");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::storage)?;
        runtime.block_on(async {
            let client = postgres::connect(&config, &Roots::System).await?;
            let name = quoted(database);
            for sql in [format!("drop database if exists {name} with (force)"), format!("drop role if exists {name}")] {
                client.batch_execute(&sql).await.map_err(Error::failed)?;
            }
            Ok(())
        })
    }
}

/// The connection string of a database on the private server of a state.
pub(crate) fn address(state: &Path, database: &str) -> Option<String> {
    let mut config = Config::new();
    config.host("127.0.0.1").port(instance::port(state)?).user(database).dbname(database);
    Some(postgres::shown(&config))
}

/// Whose certificates `DATABASE_URL`'s server may show: libpq's variable says.
fn roots() -> Result<Roots> {
    let Some(path) = std::env::var_os("PGSSLROOTCERT").filter(|p| !p.is_empty() && p != "system") else {
        return Ok(Roots::System);
    };
    let unreadable = |e| Error::Invalid(format!("PGSSLROOTCERT, {}: {e}", Path::new(&path).display()));
    std::fs::read(&path).map(Roots::Pem).map_err(unreadable)
}

/// Connects to a database of the private server, making it where it is not there yet.
async fn open(hold: &Hold, made: &std::sync::Mutex<BTreeSet<String>>, database: &str) -> Result<Client> {
    let password = password(hold, database);
    if !made.lock().unwrap_or_else(PoisonError::into_inner).contains(database) {
        make(hold, database, &password).await?;
        made.lock().unwrap_or_else(PoisonError::into_inner).insert(database.to_owned());
    }
    postgres::connect(&hold.config(database, database, &password), &Roots::System).await
}

/// A database's own password: as secret as the server's, which it is made of.
fn password(hold: &Hold, database: &str) -> String {
    hex::encode(Sha256::digest(format!("{}/{database}", hold.seed())))
}

async fn make(hold: &Hold, database: &str, password: &str) -> Result<()> {
    let client = postgres::connect(&hold.admin("postgres"), &Roots::System).await?;
    let failed = |e: tokio_postgres::Error| Error::Unavailable(format!("the database {database} cannot be made: {e}"));
    // Another process may be about to make it, too; the lock goes with the connection.
    client.batch_execute("select pg_advisory_lock(7078)").await.map_err(failed)?;
    let name = quoted(database);
    let role = client.query_opt("select 1 from pg_roles where rolname = $1", &[&database]).await.map_err(failed)?;
    if role.is_none() {
        let sql = format!("create role {name} login password '{password}'");
        client.batch_execute(&sql).await.map_err(failed)?;
    }
    let there = client.query_opt("select 1 from pg_database where datname = $1", &[&database]).await.map_err(failed)?;
    if there.is_none() {
        client.batch_execute(&format!("create database {name} owner {name}")).await.map_err(failed)?;
        client.batch_execute(&format!("revoke all on database {name} from public")).await.map_err(failed)?;
    }
    Ok(())
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use std::{fs, process, thread, time::Instant};

    use super::*;
    use crate::local::testing;

    #[test]
    fn a_server_that_was_ended_behind_our_back_is_started_anew_for_the_next_database() {
        if !programs::installed() {
            eprintln!("skipped: no PostgreSQL");
            return;
        }
        let (dir, local) = testing::local();
        local.make_postgres("first").unwrap();
        let file = dir.path().join("postgres/data/postmaster.pid");
        let text = fs::read_to_string(&file).unwrap();
        process::Command::new("kill").args(["-INT", text.lines().next().unwrap()]).status().unwrap();
        let end = Instant::now() + Duration::from_mins(1);
        while file.exists() {
            assert!(Instant::now() < end, "it does not end");
            thread::sleep(Duration::from_millis(20));
        }
        local.make_postgres("second").unwrap();
        assert!(file.exists());
        local.remove_postgres("second", false).unwrap();
    }
}
