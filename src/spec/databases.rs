//! Networks, PostgreSQL databases, metrics, and the dashboards that show them.
#![allow(clippy::unnecessary_wraps, reason = "the readers of all sections have one signature")]

use super::{
    diagnostic::{quote, suggest},
    read::Context,
    sections::each,
    tree::{At, Section, Table, Value},
    types::{Chart, ChartSource, Dashboard, Function, GrantKind, MetricName, Network, Postgres},
};

/// The majors that RDS has and that the pipelines were tried with.
const VERSIONS: [&str; 5] = ["14", "15", "16", "17", "18"];

pub(super) fn network(c: &mut Context<'_>, s: &mut Section<'_>, name: String) -> Option<Network> {
    let cidr = s.text(c.m, "cidr", "\"10.0.0.0/16\"");
    if let Some(cidr) = cidr.as_ref().filter(|cidr| !private_range(&cidr.value)) {
        let help = "a private range of 65,536 addresses: `10.20.0.0/16`";
        c.m.add(cidr.at.clone(), format!("{} is no range for a network", quote(&cidr.value)), help);
    }
    let internet = s.boolean(c.m, "internet").unwrap_or(false);
    Some(Network { name, cidr: cidr.map_or_else(|| "10.0.0.0/16".into(), |cidr| cidr.value), internet })
}

/// Whether a range is one of RFC 1918's with a mask of 16 bits, written as it is.
fn private_range(cidr: &str) -> bool {
    let Some(address) = cidr.strip_suffix("/16") else { return false };
    let Ok(address) = address.parse::<std::net::Ipv4Addr>() else { return false };
    let [.., third, fourth] = address.octets();
    address.is_private() && (third, fourth) == (0, 0)
}

pub(super) fn postgres(c: &mut Context<'_>, s: &mut Section<'_>, name: String) -> Option<Postgres> {
    let network = s.required(c.m, "network", "\"main\"").and_then(|n| c.bare("network", n));
    let version = s.text(c.m, "version", "\"16\"");
    if let Some(version) = version.as_ref().filter(|v| !VERSIONS.contains(&v.value.as_str())) {
        let message = format!("there is no version {}", quote(&version.value));
        c.m.add(version.at.clone(), message, format!("a major version alone: {}", VERSIONS.join(", ")));
    }
    let instance = s.text(c.m, "instance", "\"db.t4g.micro\"");
    let word = |w: &str| !w.is_empty() && w.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let class = |i: &str| {
        let parts: Vec<&str> = i.split('.').collect();
        matches!(parts.as_slice(), ["db", family, size] if word(family) && word(size))
    };
    if let Some(instance) = instance.as_ref().filter(|i| !class(&i.value)) {
        let help = "a class of RDS: `db.t4g.micro`";
        c.m.add(instance.at.clone(), format!("{} is no instance class", quote(&instance.value)), help);
    }
    let storage_gib = s.count(c.m, "storage_gib", 20..=65_536).unwrap_or(20);
    let backup_days = s.count(c.m, "backup_days", 1..=35).unwrap_or(7);
    let multi_az = s.boolean(c.m, "multi_az").unwrap_or(false);
    Some(Postgres {
        name,
        network: network?.value,
        version: version.map_or_else(|| "18".into(), |v| v.value),
        instance: instance.map_or_else(|| "db.t4g.micro".into(), |i| i.value),
        storage_gib,
        backup_days,
        multi_az,
    })
}

pub(super) fn metric(c: &mut Context<'_>, s: &mut Section<'_>, name: String) -> Option<MetricName> {
    if c.known("threshold", &name) {
        let help =
            format!("a threshold has a metric already: grant `threshold.{name}:measure`, or rename one of the two");
        c.m.add(s.at.clone(), format!("there is a threshold {}, too", quote(&name)), help);
    }
    let unit = s.text(c.m, "unit", "\"people\"").map(|u| u.value);
    Some(MetricName { name, unit })
}

/// Reads the dashboards.
pub(super) fn dashboards(c: &mut Context<'_>, root: &Table) -> Vec<Dashboard> {
    let example = "[{ title = \"Cases\", postgres = \"stats\", sql = \"queries/cases.sql\" }]";
    each(c, root, "dashboard", |c, s, name| {
        let mut charts = Vec::new();
        for item in s.list(c.m, "charts", example) {
            let Value::Table(table) = &item.value else {
                c.m.add(item.at.clone(), "a chart is a table", format!("write `charts = {example}`"));
                continue;
            };
            let mut chart = Section::new(format!("a chart of dashboard.{name}"), item.at.clone(), table);
            charts.extend(self::chart(c, &mut chart));
            chart.finish(c.m);
        }
        if s.node("charts").is_none() {
            s.missing(c.m, "charts", example);
        }
        Some(Dashboard { name, charts })
    })
}

fn chart(c: &mut Context<'_>, s: &mut Section<'_>) -> Option<Chart> {
    let title = s.required(c.m, "title", "\"Cases\"");
    let postgres = s.text(c.m, "postgres", "\"stats\"");
    let sql = s.text(c.m, "sql", "\"queries/cases.sql\"");
    let metrics = s.texts(c.m, "metrics", "[\"metric.NAME\"]");
    let (has_query, has_metrics) = (postgres.is_some() || sql.is_some(), s.node("metrics").is_some());
    if has_query == has_metrics {
        let help = "a chart has `postgres` and `sql`, or `metrics`";
        c.m.add(s.at.clone(), "what does the chart show?", help);
        return None;
    }
    if has_metrics {
        let mut found = Vec::new();
        for metric in metrics {
            let Some((section, name)) = metric.value.split_once('.') else {
                let help = "a chart shows `metric.NAME` and `threshold.NAME`";
                c.m.add(metric.at.clone(), format!("{} is no metric", quote(&metric.value)), help);
                continue;
            };
            let section = match section {
                "metric" => "metric",
                "threshold" => "threshold",
                other => {
                    let help = suggest(other, ["metric", "threshold"], "");
                    c.m.add(metric.at.clone(), format!("a chart shows no {}", quote(other)), help);
                    continue;
                }
            };
            found.extend(c.bare(section, At { value: name.to_owned(), at: metric.at.clone() }).map(|m| m.value));
        }
        return Some(Chart { title: title?.value, source: ChartSource::Metrics(found) });
    }
    if postgres.is_none() {
        s.missing(c.m, "postgres", "\"stats\"");
    }
    if sql.is_none() {
        s.missing(c.m, "sql", "\"queries/cases.sql\"");
    }
    let postgres = postgres.and_then(|p| c.bare("postgres", p));
    let text = c.text_file(sql?);
    Some(Chart { title: title?.value, source: ChartSource::Query { postgres: postgres?.value, sql: text } })
}

/// What a function needs to reach its databases and its sources.
pub(super) fn reach(
    c: &mut Context<'_>,
    at: std::ops::Range<usize>,
    function: &Function,
    databases: &[Postgres],
    networks: &[Network],
) {
    let granted = |kind| function.grants.iter().filter(move |g| g.kind == kind);
    for grant in granted(GrantKind::PostgresWrite) {
        let Some(database) = databases.iter().find(|d| d.name == grant.name) else { continue };
        if function.network.as_ref() != Some(&database.network) {
            let help = format!("add `network = \"{}\"`", database.network);
            let message = format!("function.{} does not reach postgres.{}", function.name, database.name);
            c.m.add(at.clone(), message, help);
        }
    }
    let Some(network) = function.network.as_ref().and_then(|n| networks.iter().find(|w| w.name == *n)) else { return };
    if let Some(source) = granted(GrantKind::SourceRead).next().filter(|_| !network.internet) {
        let help = format!("add `internet = true` to `[network.{}]`", network.name);
        let message = format!("function.{} does not reach source.{} from its network", function.name, source.name);
        c.m.add(at, message, help);
    }
}
