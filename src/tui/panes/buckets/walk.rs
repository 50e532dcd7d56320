//! The way through buckets and prefixes: a page after the other, in and out.

use ratatui::{Frame, layout::Rect, text::Line};

use super::{
    super::{Cx, Pane},
    BucketsPane,
    entries::{Entries, Entry, Page},
};
use crate::{
    text,
    tui::{
        data::{self, Request, bytes, count, moment},
        theme::Role,
        ui::{Ui, below, filtered, left, right},
    },
};

/// A walk reads on by itself up to so many entries, and G so many more.
pub(super) const READ_ON: usize = 1_000_000;

impl BucketsPane {
    fn place(&self) -> String {
        self.bucket.as_ref().map_or_else(|| "Buckets".into(), |bucket| format!("s3://{bucket}/{}", self.prefix))
    }

    /// The bucket that is meant: by its own name, or by PIPELINE/NAME.
    pub(super) fn find(&self, name: &str, env: &str) -> Option<String> {
        let physical = data::physical(name, env).map(|physical| physical.replace('_', "-"));
        let is = |bucket: &&String| *bucket == name || Some(*bucket) == physical.as_ref();
        self.names.iter().find(is).cloned()
    }

    pub(super) fn walk(&mut self, bucket: Option<String>, prefix: String, cx: &mut Cx) {
        let elsewhere = |(there, ..): &(String, String, Option<String>)| bucket.as_ref().is_some_and(|b| b != there);
        if self.looked.as_ref().is_some_and(elsewhere) {
            // What was looked into is in another bucket.
            self.look.clear();
            self.looked = None;
        }
        self.bucket = bucket;
        self.prefix = prefix;
        (self.next, self.upto) = (None, READ_ON);
        self.entries = Entries::default();
        self.entries.scroll.select(0);
        self.list.clear();
        self.refresh(cx);
    }

    pub(super) fn enter(&mut self, cx: &mut Cx) {
        match self.entries.selected() {
            Some(Entry::Bucket { name, .. }) => {
                let name = name.to_owned();
                self.walk(Some(name), String::new(), cx);
            }
            Some(Entry::Prefix(prefix)) => {
                let (bucket, prefix) = (self.bucket.clone(), prefix.to_owned());
                self.walk(bucket, prefix, cx);
            }
            Some(Entry::Object { key, version, marker: false, .. }) => {
                let Some(bucket) = self.bucket.clone() else { return };
                let (key, version) = (key.to_owned(), version.map(str::to_owned));
                let wanted = (bucket.clone(), key.clone(), version.clone());
                self.focus = 1;
                if self.looked.as_ref() != Some(&wanted) {
                    self.look.clear();
                    self.scroll.select(0);
                    self.skip = 0;
                }
                self.look.ask();
                cx.load(Request::Preview { bucket, key, version });
                self.looked = Some(wanted);
            }
            Some(Entry::Object { .. }) => cx.tell("a delete marker has no content"),
            None => {}
        }
    }

    /// One step out; whether there was one.
    pub(super) fn out(&mut self, cx: &mut Cx) -> bool {
        let Some(bucket) = self.bucket.clone() else { return false };
        if !self.entries.filter().is_empty() {
            return false;
        }
        let from = self.prefix.clone();
        if self.prefix.is_empty() {
            self.walk(None, String::new(), cx);
            self.from(bucket);
        } else {
            let parent =
                from.strip_suffix('/').unwrap_or(&from).rfind('/').map_or("", |at| from.get(..=at).unwrap_or_default());
            self.walk(Some(bucket), parent.to_owned(), cx);
            self.from(from);
        }
        true
    }

    /// Keeps the selection on where we come from: once the list is there, it goes by name.
    fn from(&mut self, from: String) {
        if !self.entries.select(&from) {
            let mut page = Page::default();
            page.prefix(&from);
            self.entries.set(page);
        }
    }

    /// Asks for a page of what is below the prefix: the first, or the one that begins there.
    pub(super) fn read(&mut self, from: Option<(String, Option<String>)>, cx: &mut Cx) {
        let Some(bucket) = self.bucket.clone() else { return };
        self.list.ask();
        let (after, token) = from.map_or((None, None), |(after, token)| (Some(after), token));
        cx.load(Request::Objects { bucket, prefix: self.prefix.clone(), after, token, versions: self.versions });
    }

    /// Asks for the next page, where there is one and not yet enough is there.
    pub(super) fn read_on(&mut self, cx: &mut Cx) {
        if self.entries.total() < self.upto
            && let Some(next) = self.next.clone()
        {
            self.read(Some(next), cx);
        }
    }

    pub(super) fn draw_list(&self, frame: &mut Frame, area: Rect, ui: &Ui) {
        let mut title = self.place();
        if self.versions {
            title += " · versions";
        }
        let title = filtered(self.list.title(&title), self.entries.filter());
        let inner = ui.frame(frame, area, &title, self.focus == 0);
        let buffer = frame.buffer_mut();
        let empty = match (&self.bucket, self.entries.filter()) {
            (_, filter) if !filter.is_empty() => "nothing fits the filter",
            (Some(_), _) => "nothing here",
            (None, _) => "no buckets: a pipeline that is deployed has some",
        };
        let used = ui.loaded(buffer, inner, &self.list, empty, self.entries.is_empty());
        let mut inner = below(inner, used);
        if self.entries.is_empty() {
            return;
        }
        if (self.next.is_some() || self.entries.filtering()) && inner.height > 2 {
            let last = Rect { y: inner.y + inner.height - 1, height: 1, ..inner };
            let total = count(self.entries.total() as u64);
            let told = match (self.entries.filtering(), self.list.loading) {
                (true, _) => format!("filtering {total} …"),
                (false, true) => format!("{total} so far …"),
                (false, false) => format!("{total} so far; G reads on"),
            };
            ui.line(buffer, last, 0, &Line::from(ui.span(Role::Dim, told)));
            inner.height -= 1;
        }
        let (second, third) = if self.bucket.is_some() { ("size", "modified") } else { ("objects", "size") };
        let all = [left("  name", 0), right(second, 9), left(third, 16)];
        // AWS does not count what is in a bucket: the names, whose ends are alike, get all the room.
        let counted = |n| matches!(self.entries.get(n), Some(Entry::Bucket { objects: Some(_), .. }));
        let bare = self.bucket.is_none() && !(0..self.entries.len().min(50)).any(counted);
        let columns = if bare { &all[..1] } else { &all[..] };
        let visible = self.entries.scroll.visible(usize::from(inner.height.saturating_sub(1)), self.entries.len());
        let selected = Some((self.entries.scroll.selected(), self.focus == 0));
        let cut = self.prefix.len();
        let room = usize::from(inner.width).saturating_sub(if bare { 4 } else { 31 });
        let shown = |glyph: &str, name: &str| format!("{glyph} {}", text::truncate_start(&text::clean(name), room));
        ui.table(buffer, inner, columns, visible, selected, |n| match self.entries.get(n) {
            Some(Entry::Bucket { name, objects, bytes: size }) => {
                let (objects, size) = (objects.map(count).unwrap_or_default(), size.map(bytes).unwrap_or_default());
                vec![(Role::Text, shown("▤", name)), (Role::Text, objects), (Role::Dim, size)]
            }
            Some(Entry::Prefix(prefix)) => {
                let name = prefix.get(cut..).filter(|_| self.bucket.is_some()).unwrap_or(prefix);
                vec![(Role::Key, shown("▸", name)), (Role::Dim, String::new()), (Role::Dim, String::new())]
            }
            Some(Entry::Object { key, size, modified, latest, marker, .. }) => {
                // A folder that somebody made in the S3 console is an object of the prefix's own name.
                let name = key.get(cut..).filter(|name| !name.is_empty()).unwrap_or(key);
                let (role, glyph) = match (marker, latest) {
                    (true, _) => (Role::Removed, "✖"),
                    (false, false) => (Role::Dim, "○"),
                    (false, true) => (Role::Text, " "),
                };
                let modified = modified.map(|t| moment(t, ui.now)).unwrap_or_default();
                let size = if marker { "deleted".into() } else { bytes(size) };
                vec![(role, shown(glyph, name)), (role, size), (Role::Dim, modified)]
            }
            None => Vec::new(),
        });
    }
}
