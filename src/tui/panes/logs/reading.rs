//! Which events are read, from where on, and when to look again.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{HELD, LogsPane};
use crate::{
    cloud::logs::{Cursor, Live, LogGroup},
    tui::{
        data::{self, Reach, Request},
        panes::{Cx, Intent},
        widgets::lines::Lines,
    },
};

/// A list of more groups than this is not read again at every turn, but after [`LISTED`].
const MANY: usize = 200;
/// How long the list of many groups counts as fresh, in seconds.
const LISTED: i64 = 60;
/// How many times further back to read at a time.
const FURTHER: i32 = 10;

/// How a group is read.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// Which events.
    pub(super) reach: Reach,
    /// Where to read on.
    pub(super) after: Option<Cursor>,
    pub(super) more: bool,
    /// Whether live tail is asked for.
    pub(super) live: bool,
    /// Whether live tail leaves events out; none where there is none.
    pub(super) sampled: Option<bool>,
}

/// How reading goes on, as the cloud says.
pub(super) struct Came {
    pub(super) next: Option<Cursor>,
    pub(super) more: bool,
    pub(super) again: Option<Duration>,
    pub(super) live: Option<Live>,
}

impl LogsPane {
    /// Whether the groups are to be listed again.
    pub(super) fn groups_are_due(&self, cx: &Cx) -> bool {
        let fresh = |at: Timestamp| cx.now.duration_since(at) < SignedDuration::from_secs(LISTED);
        self.groups.items().len() <= MANY || self.wanted.is_some() || !self.listed.is_some_and(fresh)
    }

    pub(super) fn open(&mut self, group: &str, stream: Option<String>, cx: &mut Cx) {
        if self.group.as_deref() != Some(group) || self.reading.reach.stream != stream {
            self.group = Some(group.to_owned());
            // Where counting events is cheap, so is reading them all; elsewhere a group may hold years.
            let counted = |g: &LogGroup| g.name == group && g.events.is_some();
            let newest = stream.is_none() && !self.groups.items().iter().any(counted);
            self.begin(Reach { stream, since: None, newest }, cx);
        }
        self.focus = 1;
    }

    /// Begins to read anew.
    fn begin(&mut self, reach: Reach, cx: &mut Cx) {
        self.reading = Reading { reach, live: self.reading.live, ..Reading::default() };
        self.lines = Lines::new(HELD);
        self.read.clear();
        self.cursor = 0;
        self.top.set(0);
        self.follow = true;
        self.skip = 0;
        self.forget_found();
        cx.intents.push(Intent::Cancel(Request::logs_slot()));
        self.read_on(cx);
    }

    pub(super) fn read_on(&mut self, cx: &mut Cx) {
        self.read_after(None, cx);
    }

    fn read_after(&mut self, wait: Option<Duration>, cx: &mut Cx) {
        if let Some(group) = self.group.clone() {
            self.read.ask();
            let Reading { reach, after, live, .. } = &self.reading;
            let (reach, after) = (reach.clone(), after.clone());
            cx.load(Request::Logs { group, reach, after, live: *live, wait });
        }
    }

    /// Goes on after a page.
    pub(super) fn go_on(&mut self, came: Came, cx: &mut Cx) {
        let Came { next, more, again, live } = came;
        self.reading.after = next.or(self.reading.after.take());
        self.reading.more = more;
        let before = self.reading.sampled;
        self.reading.sampled = match live {
            Some(Live::On { sampled }) => Some(sampled),
            Some(Live::Off { why }) if self.reading.live => {
                self.reading.live = false;
                cx.intents.push(Intent::Fail(format!("{why}; looking from time to time instead")));
                None
            }
            _ => None,
        };
        if self.reading.sampled == Some(true) && before != Some(true) {
            cx.tell("live tail is sampled: there are more events than CloudWatch sends");
        }
        if self.reading.live && !cx.shown {
            // It costs by the minute, and nobody looks.
            self.reading.live = false;
            self.read_on(cx);
        } else if more {
            self.read_on(cx);
        } else if self.follow && cx.shown && again.is_some() {
            self.read_after(again, cx);
        }
    }

    pub(super) fn toggle_live(&mut self, cx: &mut Cx) {
        if self.group.is_none() {
            cx.tell("no log group is open: Enter reads the selected one");
            return;
        }
        self.reading.live = !self.reading.live;
        self.reading.sampled = None;
        if self.reading.live {
            self.follow = true;
            self.jump_to_end();
        }
        cx.tell(if self.reading.live { "live tail begins …" } else { "live tail is off" });
        cx.intents.push(Intent::Cancel(Request::logs_slot()));
        self.read_on(cx);
    }

    /// Reads further back, ten times as far.
    pub(super) fn older(&mut self, cx: &mut Cx) {
        let Reach { stream, since, newest } = self.reading.reach.clone();
        if self.group.is_none() {
            cx.tell("no log group is open: Enter reads the selected one");
            return;
        }
        if since.is_none() && !newest {
            cx.tell("the oldest event is here already");
            return;
        }
        let first = self.lines.with(self.lines.numbers().start, |time, _| time);
        let first = since.or(first.and_then(|ms| Timestamp::from_millisecond(ms).ok())).unwrap_or(cx.now);
        let back = cx.now.duration_since(first).max(SignedDuration::from_hours(1));
        let since = back.checked_mul(FURTHER).and_then(|back| cx.now.checked_sub(back).ok());
        // Before there was CloudWatch there is nothing.
        let since = since.filter(|since| since.as_second() > 0);
        cx.tell(match since {
            Some(since) => format!("reading from {} on", data::moment(since, cx.now)),
            None => "reading from the first event on".to_owned(),
        });
        self.begin(Reach { stream, since, newest: false }, cx);
    }
}
