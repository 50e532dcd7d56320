//! The way to a PostgreSQL server, for every adapter: TLS that is verified, queries that only read, transactions.

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use rustls::{ClientConfig, RootCertStore, pki_types::CertificateDer, pki_types::pem::PemObject};
use serde_json::{Number, Value};
use tokio_postgres::{
    Client, Config, NoTls, Row, SimpleQueryMessage,
    config::{Host, SslMode},
    error::SqlState,
    types::{ToSql, Type},
};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::cloud::{
    Error, Result,
    catalog::Column,
    postgres::{Done, MOST_ROWS, Rows, Statement},
};

/// How long the way to a server may take.
const CONNECT: Duration = Duration::from_secs(10);
/// The name under which the server sees us.
const APPLICATION: &str = "pumphouse";

/// Whose certificates a server may show.
#[derive(Debug, Clone, Default)]
pub enum Roots {
    /// Those that the system trusts.
    #[default]
    System,
    /// Those in a PEM file's content.
    Pem(Vec<u8>),
}

/// Reads a connection string: `postgresql://user:password@host:port/database`, or libpq's `key=value` words.
///
/// `sslmode=verify-full` is what all have here that is not on this machine, unless `sslmode=disable` is written.
///
/// # Errors
/// [`Error::Invalid`], without the text: it may hold a password.
pub fn config(text: &str) -> Result<Config> {
    let known = text.replace("sslmode=verify-full", "sslmode=require").replace("sslmode=verify-ca", "sslmode=require");
    known
        .parse()
        .map_err(|e| Error::Invalid(format!("the connection string of the database cannot be read: {}", in_words(&e))))
}

/// A server's connection string without the password.
pub fn shown(config: &Config) -> String {
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(host)) if host.contains(':') => format!("[{host}]"),
        Some(Host::Tcp(host)) => host.clone(),
        #[cfg(unix)]
        Some(Host::Unix(path)) => path.display().to_string().replace('/', "%2F"),
        _ => "localhost".into(),
    };
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let user = config.get_user().map(|u| format!("{u}@")).unwrap_or_default();
    let database = config.get_dbname().or(config.get_user()).unwrap_or_default();
    format!("postgresql://{user}{host}:{port}/{database}")
}

/// Whether a server is on this machine: what is said to it goes over no network.
pub fn on_this_machine(config: &Config) -> bool {
    let local = |host: &Host| match host {
        Host::Tcp(name) => name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()),
        #[cfg(unix)]
        Host::Unix(_) => true,
    };
    // An address is gone to whatever the name beside it says.
    !config.get_hosts().is_empty()
        && config.get_hosts().iter().all(local)
        && config.get_hostaddrs().iter().all(IpAddr::is_loopback)
}

/// Connects. A server on another machine must speak TLS and show a certificate of its name that `roots` vouch for, unless
/// the connection string itself says `sslmode=disable`.
///
/// # Errors
/// [`Error::Unavailable`] where it cannot be reached, does not let us in, or cannot be trusted.
pub async fn connect(config: &Config, roots: &Roots) -> Result<Client> {
    let mut config = config.clone();
    config.application_name(APPLICATION);
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT);
    }
    let place = shown(&config);
    let unreachable = |e: tokio_postgres::Error| unreachable(&place, &e);
    let plain = config.get_ssl_mode() == SslMode::Disable
        || (config.get_ssl_mode() == SslMode::Prefer && on_this_machine(&config));
    if plain {
        let (client, connection) = config.connect(NoTls).await.map_err(unreachable)?;
        // It ends with the client; what went wrong with it, the client's calls tell.
        tokio::spawn(connection);
        return Ok(client);
    }
    config.ssl_mode(SslMode::Require);
    let (client, connection) = config.connect(tls(roots)?).await.map_err(unreachable)?;
    tokio::spawn(connection);
    Ok(client)
}

fn tls(roots: &Roots) -> Result<MakeRustlsConnect> {
    // Fails where there is one already, which serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match roots {
        Roots::System => match MakeRustlsConnect::with_native_certs() {
            Ok((tls, _)) => Ok(tls),
            Err(_) => Err(Error::Unavailable(
                "this machine has no root certificates, so no database can be trusted: install them (apt install \
                 ca-certificates), or name a file with PGSSLROOTCERT"
                    .into(),
            )),
        },
        Roots::Pem(pem) => {
            let mut store = RootCertStore::empty();
            let unreadable = |e: &dyn std::fmt::Display| {
                Error::Invalid(format!("the file of root certificates for the database cannot be read: {e}"))
            };
            for certificate in CertificateDer::pem_slice_iter(pem) {
                store.add(certificate.map_err(|e| unreadable(&e))?).map_err(|e| unreadable(&e))?;
            }
            if store.is_empty() {
                return Err(unreadable(&"there is no certificate in it"));
            }
            let config = ClientConfig::builder().with_root_certificates(store).with_no_client_auth();
            Ok(MakeRustlsConnect::new(config))
        }
    }
}

/// One query in a transaction that only reads.
///
/// # Errors
/// [`Error::Failed`] with what the database says, [`Error::Invalid`] for what is no query.
pub async fn query(client: &mut Client, sql: &str, limit: usize) -> Result<Rows> {
    let begun = Instant::now();
    let limit = if limit == 0 { MOST_ROWS } else { limit.min(MOST_ROWS) };
    let sql = sql.trim().trim_end_matches(|c: char| c == ';' || c.is_whitespace());
    let transaction = client.build_transaction().read_only(true).start().await.map_err(|e| told(&e))?;
    transaction.batch_execute("set local statement_timeout = '60s'").await.map_err(|e| told(&e))?;
    // What can be prepared is one statement, and tells its columns.
    let prepared = transaction.prepare(sql).await.map_err(|e| told(&e))?;
    if !prepared.params().is_empty() {
        return Err(Error::Invalid("a query here has no parameters: write the values themselves".into()));
    }
    if prepared.columns().is_empty() {
        return Err(Error::Invalid("this gives no rows: write a SELECT".into()));
    }
    // What has a cursor gives no more rows than are asked for; what has none (SHOW, EXPLAIN) is short.
    let cursor = ["select", "with", "values", "table"].contains(&first_word(sql).to_ascii_lowercase().as_str());
    let messages = if cursor {
        transaction
            .batch_execute(&format!("declare pumphouse no scroll cursor for {sql}"))
            .await
            .map_err(|e| told(&e))?;
        transaction.simple_query(&format!("fetch forward {} from pumphouse", limit + 1)).await
    } else {
        transaction.simple_query(sql).await
    };
    let mut rows = Vec::new();
    for message in messages.map_err(|e| told(&e))? {
        if let SimpleQueryMessage::Row(row) = message {
            let cells = prepared.columns().iter().enumerate();
            rows.push(cells.map(|(n, c)| from_text(c.type_(), row.try_get(n).unwrap_or_default())).collect());
        }
    }
    let columns = prepared.columns().iter();
    let columns = columns.map(|c| Column { name: c.name().to_owned(), kind: kind(c.type_()) }).collect();
    transaction.rollback().await.map_err(|e| told(&e))?;
    let truncated = rows.len() > limit;
    rows.truncate(limit);
    Ok(Rows { columns, rows, elapsed_ms: begun.elapsed().as_millis() as u64, truncated })
}

/// The first word of a statement, behind comments and brackets.
fn first_word(sql: &str) -> &str {
    let mut rest = sql;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '(');
        if let Some(comment) = rest.strip_prefix("--") {
            rest = comment.split_once('\n').map_or("", |(_, behind)| behind);
        } else if rest.starts_with("/*") {
            // PostgreSQL's comments may stand in one another.
            let mut depth = 0_u32;
            loop {
                if let Some(behind) = rest.strip_prefix("/*") {
                    (depth, rest) = (depth + 1, behind);
                } else if let Some(behind) = rest.strip_prefix("*/") {
                    (depth, rest) = (depth - 1, behind);
                } else {
                    let mut chars = rest.chars();
                    if chars.next().is_none() {
                        break;
                    }
                    rest = chars.as_str();
                }
                if depth == 0 {
                    break;
                }
            }
        } else {
            return rest.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
        }
    }
}

/// Statements in one transaction.
///
/// # Errors
/// [`Error::Failed`] with what the database says, or with the reason of a statement that forbids; nothing is changed then.
pub async fn transact(client: &mut Client, statements: &[Statement]) -> Result<Vec<Done>> {
    let transaction = client.transaction().await.map_err(|e| told(&e))?;
    let mut all = Vec::with_capacity(statements.len());
    for statement in statements {
        let parameters: Vec<&(dyn ToSql + Sync)> = statement.parameters.iter().map(|p| p as _).collect();
        let prepared = transaction.prepare(&statement.sql).await.map_err(|e| told(&e))?;
        let done = if prepared.columns().is_empty() {
            let affected = transaction.execute(&prepared, &parameters).await.map_err(|e| told(&e))?;
            Done { affected, rows: Vec::new() }
        } else {
            let rows = transaction.query(&prepared, &parameters).await.map_err(|e| told(&e))?;
            let rows: Vec<Vec<Value>> = rows.iter().map(values).collect::<Result<_>>()?;
            Done { affected: rows.len() as u64, rows }
        };
        if statement.forbids
            && let Some(row) = done.rows.first()
        {
            let why = row.first().and_then(Value::as_str).unwrap_or("the transaction is forbidden").to_owned();
            transaction.rollback().await.map_err(|e| told(&e))?;
            return Err(Error::Failed(why));
        }
        all.push(done);
    }
    transaction.commit().await.map_err(|e| told(&e))?;
    Ok(all)
}

/// A row of a statement whose parameters are bound.
fn values(row: &Row) -> Result<Vec<Value>> {
    row.columns()
        .iter()
        .enumerate()
        .map(|(n, column)| {
            let unknown =
                |e: tokio_postgres::Error| Error::Invalid(format!("column {}: {e}: cast it to text", column.name()));
            let or_null = |v: Option<Value>| v.unwrap_or_default();
            Ok(match *column.type_() {
                Type::BOOL => or_null(row.try_get::<_, Option<bool>>(n).map_err(unknown)?.map(Value::from)),
                Type::INT2 => or_null(row.try_get::<_, Option<i16>>(n).map_err(unknown)?.map(Value::from)),
                Type::INT4 => or_null(row.try_get::<_, Option<i32>>(n).map_err(unknown)?.map(Value::from)),
                Type::INT8 => or_null(row.try_get::<_, Option<i64>>(n).map_err(unknown)?.map(Value::from)),
                Type::FLOAT8 => or_null(row.try_get::<_, Option<f64>>(n).map_err(unknown)?.map(Value::from)),
                // What `select do_it()` gives that gives nothing.
                Type::VOID => Value::Null,
                _ => or_null(row.try_get::<_, Option<String>>(n).map_err(unknown)?.map(Value::from)),
            })
        })
        .collect()
}

/// A value in PostgreSQL's own words.
fn from_text(kind: &Type, text: Option<&str>) -> Value {
    let Some(text) = text else { return Value::Null };
    let as_is = || Value::from(text);
    match *kind {
        Type::BOOL => Value::from(text == "t"),
        Type::INT2 | Type::INT4 | Type::INT8 | Type::OID => text.parse::<i64>().map_or_else(|_| as_is(), Value::from),
        Type::FLOAT4 | Type::FLOAT8 => {
            text.parse::<f64>().ok().and_then(Number::from_f64).map_or_else(as_is, Value::Number)
        }
        Type::NUMERIC => {
            let exact = |f: &Number| f.to_string() == text;
            if let Ok(whole) = text.parse::<i64>() {
                return whole.into();
            }
            text.parse::<f64>().ok().and_then(Number::from_f64).filter(exact).map_or_else(as_is, Value::Number)
        }
        Type::JSON | Type::JSONB => serde_json::from_str(text).unwrap_or_else(|_| as_is()),
        _ => as_is(),
    }
}

/// A type in the words that columns have elsewhere.
fn kind(kind: &Type) -> String {
    match *kind {
        Type::BOOL => "boolean",
        Type::INT2 | Type::INT4 => "integer",
        Type::INT8 => "bigint",
        Type::FLOAT4 | Type::FLOAT8 => "double",
        Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN => "varchar",
        _ => kind.name(),
    }
    .to_owned()
}

/// What the database says.
fn told(error: &tokio_postgres::Error) -> Error {
    let Some(said) = error.as_db_error() else {
        return Error::Unavailable(format!("the connection to the database broke: {}", in_words(error)));
    };
    let mut text = said.message().to_owned();
    for more in [said.detail(), said.hint()].into_iter().flatten() {
        text.push_str(": ");
        text.push_str(more);
    }
    match *said.code() {
        SqlState::INSUFFICIENT_PRIVILEGE | SqlState::READ_ONLY_SQL_TRANSACTION => Error::Invalid(text),
        SqlState::ADMIN_SHUTDOWN | SqlState::CRASH_SHUTDOWN | SqlState::CANNOT_CONNECT_NOW => Error::Unavailable(text),
        _ => Error::Failed(text),
    }
}

fn unreachable(place: &str, error: &tokio_postgres::Error) -> Error {
    let why = in_words(error);
    let mend = if why.contains("certificate") || why.contains("TLS") || why.contains("tls") {
        "; a database on another machine must speak TLS with a certificate that is trusted: name its root certificates with \
         PGSSLROOTCERT, or, where nobody else can listen, write sslmode=disable into the connection string"
    } else {
        ""
    };
    Error::Unavailable(format!("{place} cannot be reached: {why}{mend}"))
}

/// An error with its causes.
fn in_words(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let more = cause.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_string_is_shown_without_its_password() {
        for (text, expected) in [
            (
                "postgresql://me:s3cret@db.example.com/stats?sslmode=verify-full",
                "postgresql://me@db.example.com:5432/stats",
            ),
            ("postgres://me:s3cret@[::1]:5433", "postgresql://me@[::1]:5433/me"),
            ("host=/run/pg user=me password=s3cret dbname=x", "postgresql://me@%2Frun%2Fpg:5432/x"),
        ] {
            assert_eq!(shown(&config(text).unwrap()), expected);
        }
        let error = config("postgresql://me:s3cret@host:port/x").unwrap_err().to_string();
        assert!(!error.contains("s3cret"), "{error}");
    }

    #[test]
    fn only_what_is_on_this_machine_is_spoken_to_without_tls() {
        for (text, local) in [
            ("postgresql://me@localhost/x", true),
            ("postgresql://me@127.0.0.5/x", true),
            ("postgresql://me@[::1]/x", true),
            ("host=/run/pg", true),
            ("postgresql://me@db.example.com/x", false),
            ("postgresql://me@localhost,db.example.com/x", false),
            ("postgresql://me@10.0.0.1/x", false),
            ("host=localhost hostaddr=10.0.0.1", false),
            ("host=localhost hostaddr=127.0.0.1", true),
        ] {
            assert_eq!(on_this_machine(&config(text).unwrap()), local, "{text}");
        }
    }

    #[tokio::test]
    async fn a_server_elsewhere_without_tls_is_not_spoken_to() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = [0; 8];
            stream.read_exact(&mut asked).await.unwrap();
            // "No TLS here."
            stream.write_all(b"N").await.unwrap();
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest).await;
            rest
        });
        // Its name is none of this machine's, whatever its address is.
        let mut config = config("user=me password=s3cret dbname=x").unwrap();
        config.host("db.example.com").hostaddr("127.0.0.1".parse().unwrap()).port(port);
        let pem = include_bytes!("../tests/support/root.pem").to_vec();
        let error = connect(&config, &Roots::Pem(pem)).await.unwrap_err();
        assert!(matches!(&error, Error::Unavailable(text) if text.contains("PGSSLROOTCERT")), "{error}");
        assert_eq!(server.await.unwrap(), b"", "neither a name nor a password was sent");
    }

    #[test]
    fn a_file_without_certificates_is_no_reason_to_trust() {
        for pem in [&b""[..], b"hello", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            assert!(tls(&Roots::Pem(pem.to_vec())).is_err());
        }
    }

    #[test]
    fn a_statement_s_first_word_stands_behind_its_comments() {
        for (sql, word) in [
            ("select 1", "select"),
            ("-- The newest\n  -- of all\nSELECT 1", "SELECT"),
            ("/* a /* b */ é */ (with x as (select 1) table x)", "with"),
            ("/**/((values(1)))", "values"),
            ("show all", "show"),
            ("-- nothing", ""),
            ("/* open", ""),
            ("", ""),
        ] {
            assert_eq!(first_word(sql), word, "{sql}");
        }
    }

    #[test]
    fn numbers_stay_as_they_are() {
        let number = |text| from_text(&Type::NUMERIC, Some(text));
        assert_eq!(number("7262695"), Value::from(7_262_695));
        assert_eq!(number("0.5"), Value::from(0.5));
        assert_eq!(number("0.50"), Value::from("0.50"));
        assert_eq!(number("NaN"), Value::from("NaN"));
        assert_eq!(from_text(&Type::FLOAT8, Some("Infinity")), Value::from("Infinity"));
        assert_eq!(from_text(&Type::BOOL, Some("t")), Value::from(true));
        assert_eq!(from_text(&Type::TEXT, None), Value::Null);
    }
}
