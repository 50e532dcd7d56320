//! `logs tail -f` and `--live`: what there is, then what comes.

use std::time::Duration;

use super::{EVENTS, line, read, told};
use crate::{
    backend::Backend,
    cli::{failure::Result, out::note, session::Session},
    cloud::{
        Error,
        logs::{Live, LogEvent, ReadLogs},
    },
    config::Format,
};

/// How long following waits at most before it looks again, where the cloud tells of changes.
const LOOK: Duration = Duration::from_secs(1);
/// How long it waits after what may be better in a moment, at first and at most.
const TROUBLE: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(30));

/// Prints what there is, then what comes, until somebody ends it.
pub(super) async fn follow(s: &Session, backend: &Backend, mut request: ReadLogs, names: &[String]) -> Result {
    let many = request.groups.len() > 1;
    let mut seen = 0;
    let mut printer = Printer { s, many, header: s.out.format == Format::Csv };
    let mut live = None;
    let mut trouble: Option<(Error, Duration)> = None;
    loop {
        let page = match read(backend, &request, names).await {
            Ok(page) => page,
            // Once events have come, what passes by is waited for: nothing is lost, as reading goes on where it was.
            Err(error) if request.after.is_some() && passes(&error) => {
                let wait = trouble.as_ref().map_or(TROUBLE.0, |(_, last)| (*last * 2).min(TROUBLE.1));
                if trouble.as_ref().is_none_or(|(last, _)| *last != error) {
                    note(&format!("{error}; trying again until Ctrl-C"));
                }
                trouble = Some((error, wait));
                tokio::time::sleep(wait).await;
                continue;
            }
            Err(error) => return Err(told(backend, error, names).await),
        };
        if trouble.take().is_some() {
            note("following goes on");
        }
        printer.print(&page.events)?;
        request.after = page.next.or(request.after);
        request.limit = 0;
        if let Some(now) = page.live {
            tell(now, &mut live, page.again);
        }
        if page.more {
            continue;
        }
        if let Some(again) = page.again {
            tokio::time::sleep(again).await;
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

fn passes(error: &Error) -> bool {
    matches!(error, Error::Throttled(_) | Error::Unavailable(_) | Error::Credentials(_) | Error::Conflict(_))
}

/// Says how live tail goes, when that changes.
fn tell(now: Live, before: &mut Option<Live>, again: Option<Duration>) {
    if before.as_ref() == Some(&now) {
        return;
    }
    match &now {
        Live::On { sampled: true } => note("live tail is sampled: there are more events than CloudWatch sends"),
        Live::On { sampled: false } if before.is_some() => note("live tail is whole again"),
        Live::On { sampled: false } => note("live tail"),
        Live::Off { why } => {
            let seconds = again.map_or(1, |again| again.as_secs());
            note(&format!("{why}; looking every {seconds} s instead"));
        }
    }
    *before = Some(now);
}

struct Printer<'a> {
    s: &'a Session,
    many: bool,
    /// Whether the header of CSV is still to come.
    header: bool,
}

impl Printer<'_> {
    fn print(&mut self, events: &[LogEvent]) -> Result {
        let out = self.s.out;
        match out.format {
            Format::Table | Format::Markdown => out.lines(events.iter().map(|event| line(event, self.many))),
            Format::Json => events.iter().try_for_each(|event| out.json_line(event)),
            Format::Csv => {
                events.iter().try_for_each(|event| out.csv_line(&EVENTS, event, std::mem::take(&mut self.header)))
            }
        }
    }
}
