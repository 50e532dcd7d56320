//! `logs`: groups, and the events in them.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::{
    failure::Result,
    names::resolve,
    out::{Cell, Column, note},
    session::Session,
    signals::{asked_to_end, reader_gone},
    time::{When, when},
};
use crate::{
    backend::{Backend, Kind},
    cloud::logs::{LogEvent, LogGroup, ReadLogs},
    config::Format,
    text,
};

/// How long following waits at most before it looks again.
const LOOK: Duration = Duration::from_secs(1);

/// What to do with logs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the log groups
    Groups,
    /// Print the events of log groups, and with -f those that come
    Tail(Tail),
    /// Find events in all log groups
    Search(Search),
}

/// Which events to print.
#[derive(Debug, Args)]
pub struct Tail {
    /// Log groups, functions or jobs: their names, or PIPELINE/NAME
    #[arg(required = true, value_name = "GROUP")]
    groups: Vec<String>,
    /// Go on with the events that come; as JSON, one document a line
    #[arg(short, long)]
    follow: bool,
    /// From so long ago (90s, 10m, 2h, 1d), or from a time (RFC 3339)
    #[arg(long, default_value = "10m", value_parser = when)]
    since: When,
    /// Only events whose text holds this
    #[arg(long, value_name = "PATTERN")]
    filter: Option<String>,
}

/// Which events to find.
#[derive(Debug, Args)]
pub struct Search {
    /// The text that they hold; letter case counts
    pattern: String,
    /// Only in this log group, function or job
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// From so long ago (90s, 10m, 2h, 1d), or from a time (RFC 3339)
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
                    since: Some(tail.since.resolve(cloud.clock.now())),
                    filter: tail.filter,
                    ..ReadLogs::default()
                };
                if !tail.follow {
                    return print(s, backend, &mut request).await;
                }
                tokio::select! {
                    ended = follow(s, backend, request) => ended,
                    // That is how following ends.
                    () = asked_to_end() => Ok(()),
                    () = reader_gone() => Ok(()),
                }
            }
            Self::Search(search) => {
                let mut request = ReadLogs {
                    groups: groups(backend, &search.groups).await?,
                    since: search.since.map(|t| t.resolve(cloud.clock.now())),
                    filter: Some(search.pattern),
                    ..ReadLogs::default()
                };
                print(s, backend, &mut request).await
            }
        }
    }
}

async fn groups(backend: &Backend, names: &[String]) -> Result<Vec<String>> {
    let mut groups = Vec::with_capacity(names.len());
    for name in names {
        groups.push(resolve(backend, Kind::LogGroup, name).await?);
    }
    Ok(groups)
}

/// Prints everything that there is now.
async fn print(s: &Session, backend: &Backend, request: &mut ReadLogs) -> Result {
    let many = request.groups.len() != 1;
    let mut all = Vec::new();
    let mut printed = false;
    loop {
        let page = backend.cloud.logs.read(request).await?;
        if s.out.format == Format::Table {
            // A page at a time: there may be millions.
            s.out.lines(page.events.iter().map(|event| line(event, many)))?;
            printed |= !page.events.is_empty();
        } else {
            all.extend(page.events);
        }
        request.after_id = page.next.or(request.after_id);
        if !page.more {
            break;
        }
    }
    match (s.out.format, printed) {
        (Format::Table, true) => Ok(()),
        (Format::Table, false) => {
            note(&match request.since {
                Some(since) => format!("no events since {}; --since 1d looks further back", since.strftime("%F %T")),
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

/// Prints what there is, then what comes, until somebody ends it.
async fn follow(s: &Session, backend: &Backend, mut request: ReadLogs) -> Result {
    let many = request.groups.len() > 1;
    let mut seen = 0;
    let mut header = s.out.format == Format::Csv;
    loop {
        let page = backend.cloud.logs.read(&request).await?;
        for event in &page.events {
            match s.out.format {
                Format::Table => s.out.line(&line(event, many))?,
                Format::Json => s.out.json_line(event)?,
                Format::Csv => {
                    s.out.csv_line(&EVENTS, event, header)?;
                    header = false;
                }
            }
        }
        request.after_id = page.next.or(request.after_id);
        if page.more {
            continue;
        }
        match tokio::time::timeout(LOOK, backend.cloud.changes.after(seen)).await {
            Ok(Ok(mark)) => seen = mark,
            // A cloud that cannot tell of changes is looked at from time to time.
            Ok(Err(_)) => tokio::time::sleep(LOOK).await,
            Err(_) => {}
        }
    }
}

fn line(event: &LogEvent, many: bool) -> String {
    let time = event.timestamp.strftime("%Y-%m-%dT%H:%M:%S%.3fZ");
    let group = if many { format!("{} ", text::clean(&event.group)) } else { String::new() };
    let message = text::clean_lines(&event.message).collect::<Vec<_>>().join("\n");
    format!("{time} {group}{message}")
}
