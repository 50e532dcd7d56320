//! Connections of jobs, and the networks that jobs run in.

use super::{
    diagnostic::quote,
    read::Context,
    sections::secret_name,
    tree::{At, Section},
    types::{Connection, ConnectionTo, Postgres},
};

/// The addresses that AWS Glue knows, and what stands in them before the name of the database.
const PROTOCOLS: [(&str, char); 5] =
    [("postgresql://", '/'), ("mysql://", '/'), ("redshift://", '/'), ("oracle:thin://@", '/'), ("sqlserver://", ';')];
const URL: &str = "\"jdbc:postgresql://db.example.com:5432/stats\"";
const KINDS: &str = "a connection has `postgres` alone, `url` with `secret` and `network`, or `network` alone";

pub(super) fn connection(
    c: &mut Context<'_>,
    s: &mut Section<'_>,
    name: String,
    databases: &[Postgres],
) -> Option<Connection> {
    let postgres = s.text(c.m, "postgres", "\"stats\"");
    let url = s.text(c.m, "url", URL);
    let secret = s.text(c.m, "secret", "\"warehouse\"");
    let network = s.text(c.m, "network", "\"main\"").and_then(|n| c.bare("network", n));
    if let Some(secret) = &secret {
        secret_name(c, secret);
    }
    if let Some(postgres) = postgres {
        if let Some(at) = ["url", "secret", "network"].iter().find_map(|key| s.node(key)).map(|n| n.at.clone()) {
            c.m.add(at, format!("connection.{name} leads to a database of the pipeline already"), KINDS);
        }
        let postgres = c.bare("postgres", postgres)?;
        // One that is wrong itself was told of already.
        let database = databases.iter().find(|d| d.name == postgres.value)?;
        return Some(Connection {
            name,
            network: database.network.clone(),
            to: Some(ConnectionTo::Postgres(postgres.value)),
        });
    }
    if s.node("network").is_none() {
        s.missing(c.m, "network", "\"main\"");
    }
    let to = match (s.node("url").is_some(), s.node("secret").is_some()) {
        (false, false) => return Some(Connection { name, network: network?.value, to: None }),
        (true, false) => {
            s.missing(c.m, "secret", "\"warehouse\"");
            None
        }
        (false, true) => {
            s.missing(c.m, "url", URL);
            None
        }
        (true, true) => url.and_then(|url| self::url(c, url)).zip(secret),
    };
    let ((url, port), secret) = to?;
    Some(Connection { name, network: network?.value, to: Some(ConnectionTo::Url { url, port, secret: secret.value }) })
}

/// The address of a database, and its port.
fn url(c: &mut Context<'_>, url: At<String>) -> Option<(String, u16)> {
    let lower = url.value.to_ascii_lowercase();
    if ["user=", "username=", "password=", "pwd="].iter().any(|word| lower.contains(word)) {
        let help = "its secret holds them: {\"username\": \"...\", \"password\": \"...\"}";
        c.m.add(url.at, "credentials in an address", help);
        return None;
    }
    let found = port(&url.value);
    if found.is_none() {
        let help = "`jdbc:`, one of `postgresql`, `mysql`, `redshift` with `://HOST:PORT/DATABASE`, \
                    `oracle:thin://@HOST:PORT/SERVICE`, or `sqlserver://HOST:PORT;database=DATABASE`";
        c.m.add(url.at, format!("{} is no address of a database", quote(&url.value)), help);
    }
    Some((url.value, found?))
}

fn port(url: &str) -> Option<u16> {
    let rest = url.strip_prefix("jdbc:")?;
    let (place, database) = PROTOCOLS.iter().find_map(|(p, end)| rest.strip_prefix(p)?.split_once(*end))?;
    let (host, port) = place.rsplit_once(':')?;
    let fine = |host: &str| host.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.') && !host.is_empty();
    let plain = database.chars().all(|c| c.is_ascii_graphic() && !"\"'`\\${}".contains(c)) && !database.is_empty();
    port.parse().ok().filter(|port| *port > 0 && fine(host) && plain)
}

/// A job's connections, and the network that these or it itself put it into.
pub(super) fn of_job(
    c: &mut Context<'_>,
    s: &mut Section<'_>,
    job: &str,
    connections: &[Connection],
) -> (Vec<String>, Option<String>) {
    let own = s.text(c.m, "network", "\"main\"").and_then(|n| c.bare("network", n)).map(|n| n.value);
    let mut network = own;
    let mut found: Vec<String> = Vec::new();
    for name in s.texts(c.m, "connections", "[\"stats\"]") {
        let Some(name) = c.bare("connection", name) else { continue };
        if found.contains(&name.value) {
            c.m.add(name.at, format!("the connection {} stands twice", quote(&name.value)), "remove one");
            continue;
        }
        let leads = connections.iter().find(|k| k.name == name.value).map(|k| k.network.clone());
        match (&network, &leads) {
            (Some(network), Some(leads)) if network != leads => {
                let message = format!(
                    "connection.{} leads into network.{leads}, and job.{job} is in network.{network}",
                    name.value
                );
                c.m.add(name.at, message, "a job runs in one network: AWS Glue gives it one subnet");
                continue;
            }
            (None, _) => network.clone_from(&leads),
            _ => {}
        }
        found.push(name.value);
    }
    (found, network)
}

#[cfg(test)]
mod tests {
    use super::port;

    #[test]
    fn an_address_says_where_a_database_is_and_nothing_else() {
        for (url, wanted) in [
            ("jdbc:postgresql://db.example.com:5432/stats", Some(5432)),
            ("jdbc:mysql://10.0.0.5:3306/shop", Some(3306)),
            ("jdbc:redshift://c.abc.eu-west-1.redshift.amazonaws.com:5439/dev", Some(5439)),
            ("jdbc:oracle:thin://@db.example.com:1521/ORCL", Some(1521)),
            ("jdbc:sqlserver://db.example.com:1433;database=shop", Some(1433)),
            ("postgresql://db.example.com:5432/stats", None),
            ("jdbc:postgresql://db.example.com/stats", None),
            ("jdbc:postgresql://db.example.com:0/stats", None),
            ("jdbc:postgresql://me:hush@db.example.com:5432/stats", None),
            ("jdbc:postgresql://db.example.com:5432/", None),
            ("jdbc:postgresql://db.example.com:5432/${AWS::Region}", None),
            ("jdbc:sqlite://db.example.com:1/x", None),
        ] {
            assert_eq!(port(url), wanted, "{url}");
        }
    }
}
