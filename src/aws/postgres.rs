//! PostgreSQL databases (Amazon RDS for PostgreSQL), over what their secrets say.
//!
//! A database's secret has its name, and holds where it is and who may enter: `{"host", "port", "dbname", "username",
//! "password"}`, as Secrets Manager writes it for RDS; `"sslmode": "disable"` may stand there, too. So whoever may read the
//! secret needs no other service. A database of RDS is in private subnets: its functions reach it, and a person does from
//! inside of the network.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_secretsmanager::types::SecretListEntry;
use serde::Deserialize;
use serde_json::Value;
use tokio_postgres::{Client, Config, config::SslMode};

use super::{Aws, error::failed, secrets::pipeline_of};
use crate::{
    cloud::{
        Error, Pages, Permit, Result,
        postgres::{Database, Done, Postgres, Rows, SECRET_TAG, Statement},
        resources::Source,
    },
    http,
    postgres::{self, Roots, on_this_machine},
};

/// Names a file with the root certificates, as it does for libpq.
const ROOTS: &str = "PGSSLROOTCERT";

/// What the secret of a database holds.
#[derive(Deserialize)]
struct Secret {
    host: Option<String>,
    port: Option<Value>,
    dbname: Option<String>,
    username: String,
    password: String,
    sslmode: Option<String>,
}

#[async_trait]
impl Postgres for Aws {
    fn list(&self) -> Pages<'_, Database> {
        Pages::follow(move |token| async move {
            let (page, next) = self.secret_entries(token).await?;
            let owners = self.owners().await;
            let page = page.into_iter().filter(of_a_database).filter_map(|entry| {
                let pipeline = pipeline_of(&entry, &owners);
                // Its address is in the secret, and in the outputs of its stack: a list reads no secrets.
                Some(Database { name: entry.name?, pipeline, address: None, server: "Amazon RDS".into() })
            });
            Ok((page.collect(), next))
        })
    }

    async fn query(&self, database: &str, sql: &str, limit: usize) -> Result<Rows> {
        let mut client = self.postgres_client(database).await?;
        postgres::query(&mut client, sql, limit).await
    }

    async fn transact(&self, permit: &Permit, database: &str, statements: &[Statement]) -> Result<Vec<Done>> {
        permit.check("rds-db:connect", database)?;
        let mut client = self.postgres_client(database).await?;
        let done = postgres::transact(&mut client, statements).await?;
        let written = done.iter().zip(statements).filter(|(d, s)| s.counts(d)).map(|(d, _)| d.affected).sum();
        permit.wrote(written);
        Ok(done)
    }
}

impl Aws {
    async fn postgres_client(&self, name: &str) -> Result<Client> {
        let asked = self.client.secretsmanager().await?.get_secret_value().secret_id(name).send().await;
        let answer = asked.map_err(failed("secretsmanager:GetSecretValue", "secret", name))?;
        let config = config(name, answer.secret_string.as_deref().unwrap_or_default())?;
        let roots = if on_this_machine(&config) || config.get_ssl_mode() == SslMode::Disable {
            Roots::System
        } else {
            roots(&config).await?
        };
        postgres::connect(&config, &roots).await.map_err(|e| match e {
            Error::Unavailable(why) => Error::Unavailable(format!(
                "{why}; a database of RDS is in private subnets: it is reached from a function, or from a machine, with \
                 `network` of its pipeline"
            )),
            other => other,
        })
    }
}

fn of_a_database(entry: &SecretListEntry) -> bool {
    entry.tags.as_deref().unwrap_or_default().iter().any(|t| t.key.as_deref() == Some(SECRET_TAG))
}

/// How to reach the database that a secret is about. No error shows what it holds.
fn config(name: &str, secret: &str) -> Result<Config> {
    let wrong =
        |what: &str| Error::Invalid(format!("the secret {name} {what}: has its stack been deployed to its end?"));
    let secret: Secret = serde_json::from_str(secret).map_err(|_| wrong("does not say how to reach a database"))?;
    let port = match &secret.port {
        None => Some(5432),
        Some(Value::String(text)) => text.parse().ok(),
        Some(other) => other.as_u64().and_then(|n| u16::try_from(n).ok()),
    };
    let mut config = Config::new();
    config
        .host(secret.host.as_deref().ok_or_else(|| wrong("has no `host`"))?)
        .port(port.ok_or_else(|| wrong("has a `port` that is none"))?)
        .dbname(secret.dbname.as_deref().ok_or_else(|| wrong("has no `dbname`"))?)
        .user(&secret.username)
        .password(&secret.password);
    match secret.sslmode.as_deref() {
        // The default: verified, but on this machine.
        None | Some("prefer") => {}
        Some("disable") => drop(config.ssl_mode(SslMode::Disable)),
        Some(_) => drop(config.ssl_mode(SslMode::Require)),
    }
    Ok(config)
}

/// Who vouches for a server: a file that is named; for RDS, whose authority no system knows, the bundle that AWS publishes,
/// fetched from an address that the system's own authorities vouch for; else these.
async fn roots(config: &Config) -> Result<Roots> {
    if let Some(path) = std::env::var_os(ROOTS).filter(|p| !p.is_empty() && p != "system") {
        let unreadable = |e| Error::Invalid(format!("{ROOTS}, {}: {e}", std::path::Path::new(&path).display()));
        return std::fs::read(&path).map(Roots::Pem).map_err(unreadable);
    }
    let Some(url) = bundle(config) else { return Ok(Roots::System) };
    let unavailable = |why: &dyn std::fmt::Display| {
        Error::Unavailable(format!(
            "the root certificates of RDS cannot be fetched, and without them no server is trusted ({why}): name a file that \
             holds them with {ROOTS}"
        ))
    };
    let source = Source { url: url.clone(), headers: BTreeMap::new(), recording: None, directory: None };
    let answer = http::get(&source, &[], &[]).await.map_err(|e| unavailable(&e))?;
    if answer.status != 200 {
        return Err(unavailable(&format!("GET {url}: status {}", answer.status)));
    }
    Ok(Roots::Pem(answer.body.to_vec()))
}

/// The address of the bundle of root certificates for a server of RDS, by the server's own.
fn bundle(config: &Config) -> Option<String> {
    let tokio_postgres::config::Host::Tcp(host) = config.get_hosts().first()? else { return None };
    let region = host.strip_suffix(".rds.amazonaws.com")?.rsplit('.').next()?;
    let fine = region.contains('-') && region.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    fine.then(|| format!("https://truststore.pki.rds.amazonaws.com/{region}/{region}-bundle.pem"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = r#"{"engine":"postgres","host":"stats.abc.eu-west-1.rds.amazonaws.com","port":5432,
        "dbname":"stats","username":"pumphouse","password":"s3cret","dbInstanceIdentifier":"stats"}"#;

    #[test]
    fn a_secret_says_how_to_reach_its_database() {
        let found = config("stats", SECRET).unwrap();
        assert_eq!(postgres::shown(&found), "postgresql://pumphouse@stats.abc.eu-west-1.rds.amazonaws.com:5432/stats");
        assert_eq!(found.get_ssl_mode(), SslMode::Prefer, "which is verified TLS for what is elsewhere");
        assert_eq!(
            bundle(&found).as_deref(),
            Some("https://truststore.pki.rds.amazonaws.com/eu-west-1/eu-west-1-bundle.pem")
        );
        let text = SECRET.replace("5432", "\"5433\"");
        assert_eq!(config("stats", &text).unwrap().get_ports(), [5433]);
        for broken in ["", "{}", "s3cret", &SECRET.replace("host", "hast"), &SECRET.replace("5432", "\"s3cret\"")] {
            let error = config("stats", broken).unwrap_err().to_string();
            assert!(error.contains("the secret stats") && !error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn only_servers_of_rds_have_its_roots() {
        for host in ["db.example.com", "evil.rds.amazonaws.com.example.com", "x.a/b.rds.amazonaws.com", "127.0.0.1"] {
            let text = SECRET.replace("stats.abc.eu-west-1.rds.amazonaws.com", host);
            assert_eq!(bundle(&config("stats", &text).unwrap()), None, "{host}");
        }
    }
}
