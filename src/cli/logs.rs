//! `logs`: groups, and the events in them.

mod follow;
mod insights;

use clap::{Args, Subcommand};

use super::{
    failure::{Failure, Result},
    input,
    names::unknown,
    out::{Cell, Column, note},
    session::Session,
    signals::{Watch, reader_gone},
    time::{When, when},
};
use crate::{
    backend::{Backend, Kind},
    cloud::{
        self,
        logs::{LogEvent, LogGroup, LogPage, ReadLogs},
    },
    config::Format,
    text,
};

/// How far back a search goes on AWS unless told otherwise: groups there may hold years.
const SEARCHED: &str = "1d";

/// What to do with logs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the log groups
    Groups,
    /// Print the events of log groups, and with -f those that come
    Tail(Tail),
    /// Find events in all log groups
    Search(Search),
    /// Execute a query of CloudWatch Logs Insights
    Query(insights::Query),
}

/// Which events to print.
#[derive(Debug, Args)]
pub struct Tail {
    /// Log groups by their names; functions and jobs as PIPELINE/NAME
    #[arg(required = true, value_name = "GROUP")]
    groups: Vec<String>,
    /// Go on with the events that come; as JSON, one document a line
    #[arg(short, long)]
    follow: bool,
    /// Follow with CloudWatch's live tail, which costs by the minute; where it fails or ends, as with -f
    #[arg(long)]
    live: bool,
    /// From so long ago (90s, 10m, 2h, 1d), or from a time (RFC 3339)
    #[arg(long, default_value = "10m", value_parser = when)]
    since: When,
    /// Only events whose text holds this
    #[arg(long, value_name = "PATTERN")]
    filter: Option<String>,
    /// Only this log stream; with a * at its end, all that begin so
    #[arg(long, value_name = "NAME")]
    stream: Option<String>,
    /// Only the newest so many of those that are there
    #[arg(short = 'n', long, visible_alias = "limit", value_name = "N", value_parser = input::count, allow_negative_numbers = true)]
    newest: Option<usize>,
}

/// Which events to find.
#[derive(Debug, Args)]
pub struct Search {
    /// The text that they hold; letter case counts
    pattern: String,
    /// Only in this log group; a function or a job as PIPELINE/NAME
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// From so long ago (90s, 10m, 2h, 1d), or from a time (RFC 3339) [default: 1d on AWS, else all]
    #[arg(long, value_parser = when)]
    since: Option<When>,
}

const GROUPS: [Column<LogGroup>; 5] = [
    ("group", |g| Cell::text(&g.name)),
    ("pipeline", |g| Cell::maybe(g.pipeline.as_ref(), Cell::text)),
    ("events", |g| Cell::maybe(g.events, Cell::Count)),
    ("size", |g| Cell::maybe(g.bytes, Cell::Bytes)),
    ("last event", |g| Cell::maybe(g.last_event, Cell::Time)),
];

impl Command {
    /// Does it.
    pub async fn run(self, s: &Session, backend: &Backend) -> Result {
        let cloud = &backend.cloud;
        match self {
            Self::Groups => s.out.list(&cloud.logs.groups().await?, &GROUPS, "no log groups"),
            Self::Tail(tail) => {
                let mut request = ReadLogs {
                    groups: groups(backend, &tail.groups).await?,
                    stream: tail.stream,
                    since: Some(tail.since.resolve(cloud.clock.now())),
                    filter: tail.filter,
                    newest: tail.newest.is_some(),
                    limit: tail.newest.unwrap_or(0),
                    live: tail.live,
                    ..ReadLogs::default()
                };
                if !tail.follow && !tail.live {
                    return print(s, backend, &mut request, &tail.groups).await;
                }
                // Listened for before anything is printed: whoever sees a line may end this.
                let mut watch = Watch::begin();
                tokio::select! {
                    ended = follow::follow(s, backend, request, &tail.groups) => ended,
                    // That is how following ends.
                    () = watch.asked_to_end() => Ok(()),
                    () = reader_gone() => Ok(()),
                }
            }
            Self::Search(search) => {
                let since = match search.since {
                    None if cloud.identity.known().cloud == "aws" => when(SEARCHED).ok(),
                    given => given,
                };
                let mut request = ReadLogs {
                    groups: groups(backend, &search.groups).await?,
                    since: since.map(|t| t.resolve(cloud.clock.now())),
                    filter: Some(search.pattern),
                    ..ReadLogs::default()
                };
                print(s, backend, &mut request, &search.groups).await
            }
            Self::Query(query) => query.run(s, backend).await,
        }
    }
}

/// The log groups that are meant. Whether they exist, reading them tells: an account may have ten thousand.
async fn groups(backend: &Backend, names: &[String]) -> Result<Vec<String>> {
    let mut groups = Vec::with_capacity(names.len());
    for name in names {
        groups.extend(backend.log_groups(name).await?);
    }
    Ok(groups)
}

/// Reads a page; `names` is how the groups were given.
async fn read(backend: &Backend, request: &ReadLogs, names: &[String]) -> std::result::Result<LogPage, cloud::Error> {
    let page = backend.cloud.logs.read(request).await?;
    for (group, why) in &page.failed {
        note(&match why {
            cloud::Error::NotFound { .. } => format!("{group} is left out: {}", missing(backend, group, names).await),
            other => format!("{group} is left out: {other}"),
        });
    }
    Ok(page)
}

/// A failed read, with the names that are near where there is no such group.
async fn told(backend: &Backend, error: cloud::Error, names: &[String]) -> Failure {
    match &error {
        cloud::Error::NotFound { kind: "log group", name } => Failure::failed(missing(backend, name, names).await),
        _ => error.into(),
    }
}

async fn missing(backend: &Backend, group: &str, names: &[String]) -> String {
    let given = match names {
        [one] => one,
        _ => group,
    };
    match backend.cloud.logs.groups().await {
        Ok(known) => {
            let known: Vec<_> = known.into_iter().map(|g| g.name).collect();
            unknown(Kind::LogGroup.word(), given, &known)
        }
        Err(_) => format!("no log group named {given:?}"),
    }
}

/// Prints everything that there is now.
async fn print(s: &Session, backend: &Backend, request: &mut ReadLogs, names: &[String]) -> Result {
    let many = request.groups.len() != 1;
    let mut all = Vec::new();
    let mut printed = false;
    loop {
        let page = match read(backend, request, names).await {
            Ok(page) => page,
            Err(error) => return Err(told(backend, error, names).await),
        };
        if s.out.format == Format::Table {
            // A page at a time: there may be millions.
            s.out.lines(page.events.iter().map(|event| line(event, many)))?;
            printed |= !page.events.is_empty();
        } else {
            all.extend(page.events);
        }
        request.after = page.next.or(request.after.take());
        if !page.more {
            break;
        }
    }
    match (s.out.format, printed) {
        (Format::Table, true) => Ok(()),
        (Format::Table, false) => {
            note(&match request.since {
                Some(since) => format!("no events since {}; --since 7d looks further back", since.strftime("%F %T")),
                None => "no events".to_owned(),
            });
            Ok(())
        }
        _ => s.out.list(&all, &EVENTS, ""),
    }
}

const EVENTS: [Column<LogEvent>; 4] = [
    ("timestamp", |e| Cell::Time(e.timestamp)),
    ("group", |e| Cell::text(&e.group)),
    ("stream", |e| Cell::text(&e.stream)),
    ("message", |e| Cell::text(&e.message)),
];

fn line(event: &LogEvent, many: bool) -> String {
    let time = event.timestamp.strftime("%Y-%m-%dT%H:%M:%S%.3fZ");
    let group = if many { format!("{} ", text::clean(&event.group)) } else { String::new() };
    let message = text::clean_lines(&event.message).collect::<Vec<_>>().join("\n");
    format!("{time} {group}{message}")
}
