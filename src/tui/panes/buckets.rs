//! 2 Buckets: walking through prefixes, and looking into objects; key-value tables and their items.

mod entries;
mod tables;

pub use entries::Sieve;

use ratatui::{
    Frame,
    buffer::Buffer,
    layout::{Constraint, Layout, Rect},
    text::Line,
};

use super::{Cx, Intent, Pane, turn};
use crate::{
    backend::preview::Preview,
    cloud::buckets::{BucketDetail, Object},
    text,
    tui::{
        data::{self, Act, Data, Loaded, Request, Target, bytes, count, moment, plural},
        keymap::{Action, Context},
        popups::{Popup, Purpose},
        theme::Role,
        ui::{Ui, below, left, right},
        widgets::{
            grid::{self, Grid},
            list::Scroll,
        },
    },
};
use entries::{Entries, Entry, Page};
use tables::Tables;

/// Columns that Left and Right scroll.
const STEP: usize = 16;
/// A walk reads on by itself up to so many entries, and G so many more.
const READ_ON: usize = 1_000_000;

/// What is looked into.
enum Look {
    Lines(Vec<String>, bool),
    Grid(Grid, Option<u64>, bool),
}

/// A walk through buckets, and a look into an object; below the list of buckets, the key-value tables.
pub struct BucketsPane {
    entries: Entries,
    list: Loaded<()>,
    /// Where we are: a bucket and a prefix in it; none: at the list of buckets.
    bucket: Option<String>,
    prefix: String,
    /// Where the next page begins, where there is one.
    next: Option<(String, Option<String>)>,
    /// Up to how many entries it is read on.
    upto: usize,
    versions: bool,
    look: Loaded<(Object, Look)>,
    /// The bucket, key and version that `look` is of, or will be.
    looked: Option<(String, String, Option<String>)>,
    scroll: Scroll,
    skip: usize,
    tables: Tables,
    /// 0 the walk, 1 the look, 2 tables, 3 items.
    focus: usize,
    /// The buckets' names, when they were last read.
    names: Vec<String>,
    /// A bucket to open that was not among them: the list that is being read will tell.
    wanted: Option<String>,
}

impl Default for BucketsPane {
    fn default() -> Self {
        Self {
            entries: Entries::default(),
            list: Loaded::default(),
            bucket: None,
            prefix: String::new(),
            next: None,
            upto: READ_ON,
            versions: false,
            look: Loaded::default(),
            looked: None,
            scroll: Scroll::default(),
            skip: 0,
            tables: Tables::default(),
            focus: 0,
            names: Vec::new(),
            wanted: None,
        }
    }
}

impl BucketsPane {
    fn place(&self) -> String {
        self.bucket.as_ref().map_or_else(|| "Buckets".into(), |bucket| format!("s3://{bucket}/{}", self.prefix))
    }

    /// The bucket that is meant: by its own name, or by PIPELINE/NAME.
    fn find(&self, name: &str, env: &str) -> Option<String> {
        let physical = data::physical(name, env).map(|physical| physical.replace('_', "-"));
        let is = |bucket: &&String| *bucket == name || Some(*bucket) == physical.as_ref();
        self.names.iter().find(is).cloned()
    }

    fn walk(&mut self, bucket: Option<String>, prefix: String, cx: &mut Cx) {
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

    fn enter(&mut self, cx: &mut Cx) {
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
    fn out(&mut self, cx: &mut Cx) -> bool {
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

    fn details(&self, cx: &mut Cx) {
        match self.entries.selected() {
            Some(Entry::Bucket { name, .. }) => cx.load(Request::BucketDetail(name.to_owned())),
            Some(Entry::Object { key, version, modified, latest, marker: true, .. }) => {
                let marker = Object {
                    key: key.to_owned(),
                    size: 0,
                    etag: String::new(),
                    modified,
                    version: version.map(str::to_owned),
                    content_type: None,
                    latest,
                    delete_marker: true,
                };
                cx.show("Object", object_details(&marker));
            }
            // What no listing says, its head does.
            Some(Entry::Object { key, version, .. }) => {
                let Some(bucket) = self.bucket.clone() else { return };
                let (key, version) = (key.to_owned(), version.map(str::to_owned));
                cx.load(Request::ObjectDetail { bucket, key, version });
            }
            _ => {
                if let Some(bucket) = &self.bucket {
                    cx.load(Request::BucketDetail(bucket.clone()));
                }
            }
        }
    }

    fn delete(&self, cx: &mut Cx) {
        match (self.entries.selected(), &self.bucket) {
            (Some(Entry::Object { key, version, .. }), Some(bucket)) => cx.act(Act::DeleteObject {
                bucket: bucket.clone(),
                key: key.to_owned(),
                version: version.map(str::to_owned),
            }),
            _ => cx.tell("objects can be deleted here; a bucket goes with its stack"),
        }
    }

    /// Asks for a page of what is below the prefix: the first, or the one that begins there.
    fn read(&mut self, from: Option<(String, Option<String>)>, cx: &mut Cx) {
        let Some(bucket) = self.bucket.clone() else { return };
        self.list.ask();
        let (after, token) = from.map_or((None, None), |(after, token)| (Some(after), token));
        cx.load(Request::Objects { bucket, prefix: self.prefix.clone(), after, token, versions: self.versions });
    }

    /// Asks for the next page, where there is one and not yet enough is there.
    fn read_on(&mut self, cx: &mut Cx) {
        if self.entries.total() < self.upto
            && let Some(next) = self.next.clone()
        {
            self.read(Some(next), cx);
        }
    }

    /// The object that is selected: its bucket, key and version.
    fn object(&self) -> Option<(String, String, Option<String>)> {
        match self.entries.selected() {
            Some(Entry::Object { key, version, marker: false, .. }) => {
                Some((self.bucket.clone()?, key.to_owned(), version.map(str::to_owned)))
            }
            _ => None,
        }
    }

    fn presign(&self, cx: &mut Cx) {
        match self.object() {
            Some((bucket, key, version)) => cx.load(Request::Presign { bucket, key, version }),
            None => cx.tell("a URL is made of an object"),
        }
    }

    fn save(&self, cx: &mut Cx) {
        let Some((bucket, key, version)) = self.object() else { return cx.tell("an object can be saved to a file") };
        let file = key.rsplit('/').find(|part| !part.is_empty()).unwrap_or("object").to_owned();
        let hint = "The file to write. What is cut off goes on when the same is asked for again.";
        let purpose = Purpose::Save { bucket, key, version };
        cx.intents.push(Intent::Popup(Popup::input("Save the object", hint, &file, purpose)));
    }

    fn put(&self, cx: &mut Cx) {
        let Some(bucket) = self.bucket.clone() else { return cx.tell("a file is put into a bucket: open one") };
        let hint = format!("The file to put below s3://{bucket}/{}.", self.prefix);
        let purpose = Purpose::PutFile { bucket, prefix: self.prefix.clone() };
        cx.intents.push(Intent::Popup(Popup::input("Put a file", hint, "", purpose)));
    }

    fn rows(&self) -> usize {
        match &self.look.value {
            Some((_, Look::Lines(lines, _))) => lines.len(),
            Some((_, Look::Grid(grid, ..))) => grid.rows.len(),
            None => 0,
        }
    }

    fn look_action(&mut self, action: Action, cx: &mut Cx) -> bool {
        let columns = match &self.look.value {
            Some((_, Look::Grid(grid, ..))) => Some(grid.columns.len()),
            _ => None,
        };
        match action {
            Action::Back => self.focus = 0,
            Action::Left => self.skip = self.skip.saturating_sub(if columns.is_some() { 1 } else { STEP }),
            Action::Right => {
                self.skip = columns.map_or(self.skip + STEP, |n| (self.skip + 1).min(n.saturating_sub(1)));
            }
            Action::Enter => {
                if let Some((_, Look::Grid(grid, ..))) = &self.look.value {
                    cx.show("Row", grid.record(self.scroll.selected()));
                }
            }
            Action::Details => {
                if let Some((object, _)) = &self.look.value {
                    cx.show("Object", object_details(object));
                }
            }
            _ if columns.is_some() => {
                let rows = self.rows();
                return self.scroll.action(action, rows);
            }
            _ => return self.scroll.page(action),
        }
        true
    }

    /// Whether the tables are seen: beside the list of buckets alone.
    fn has_tables(&self) -> bool {
        self.bucket.is_none() && self.tables.any()
    }

    /// A key among the tables, or the items of one; whether it was used.
    fn tables_action(&mut self, action: Action, cx: &mut Cx) -> bool {
        match (action, self.focus) {
            (Action::Enter | Action::Right, 2) => {
                self.tables.open(cx);
                self.focus = 3;
            }
            (Action::Back, 3) if self.tables.filter.is_empty() => self.focus = 2,
            (Action::Back, 2) if self.tables.all.filter().is_empty() => self.focus = 0,
            (Action::Versions | Action::Save | Action::Put | Action::Presign | Action::Delete, _) => {
                cx.tell("that is for buckets and objects: tables and items are only read here");
            }
            (_, 2) => return self.tables.list_action(action, cx),
            _ => return self.tables.items_action(action, cx),
        }
        true
    }

    fn draw_list(&self, frame: &mut Frame, area: Rect, ui: &Ui) {
        let mut title = self.place();
        if self.versions {
            title += " · versions";
        }
        let inner = ui.frame(frame, area, &self.list.title(&title), self.focus == 0);
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

    fn draw_look(&self, frame: &mut Frame, area: Rect, ui: &Ui) {
        let mut title = match &self.looked {
            Some((_, key, _)) => text::truncate_start(&text::clean(key), usize::from(area.width) / 2).into_owned(),
            None => "Preview".into(),
        };
        match &self.look.value {
            Some((object, Look::Grid(grid, total, truncated))) => {
                let rows = plural(total.unwrap_or(grid.rows.len() as u64), "row");
                let first = if *truncated { format!(" · the first {}", grid.rows.len()) } else { String::new() };
                title = format!("{title} · {} · {rows}{first}", bytes(object.size));
            }
            Some((object, Look::Lines(_, truncated))) => {
                let beginning = if *truncated { " · its beginning" } else { "" };
                title = format!("{title} · {}{beginning}", bytes(object.size));
            }
            None => {}
        }
        let inner = ui.frame(frame, area, &title, self.focus == 1);
        let buffer = frame.buffer_mut();
        if self.looked.is_none() {
            ui.paragraph(buffer, inner, 0, Role::Dim, "Enter looks into the selected object");
            return;
        }
        let used = ui.loaded(buffer, inner, &self.look, "the object is empty", self.rows() == 0);
        let inner = below(inner, used);
        match &self.look.value {
            Some((_, Look::Grid(grid, ..))) => {
                grid::draw(buffer, inner, ui, grid, &self.scroll, self.skip, self.focus == 1);
            }
            Some((_, Look::Lines(lines, _))) => self.draw_text(buffer, inner, ui, lines),
            None => {}
        }
    }

    fn draw_text(&self, buffer: &mut Buffer, area: Rect, ui: &Ui, lines: &[String]) {
        for (at, row) in self.scroll.text(usize::from(area.height), lines.len()).enumerate() {
            let Some(line) = lines.get(row) else { continue };
            let seen = text::window(line, self.skip, usize::from(area.width) + 1);
            ui.line(buffer, area, at as u16, &Line::from(ui.span(Role::Text, seen)));
        }
    }
}

fn object_details(object: &Object) -> Vec<String> {
    let known = |text: Option<String>| text.unwrap_or_else(|| "none".into());
    let mut lines = vec![
        format!("key       {}", object.key),
        format!("size      {} ({} bytes)", bytes(object.size), count(object.size)),
        format!("modified  {}", known(object.modified.map(|t| t.to_string()))),
        format!("etag      {}", object.etag),
        format!("type      {}", known(object.content_type.clone())),
        format!("version   {}", known(object.version.clone())),
    ];
    if object.delete_marker {
        lines.push("this version marks a deletion".into());
    } else if !object.latest {
        lines.push("this is an old version".into());
    }
    lines
}

fn bucket_details(detail: &BucketDetail, now: jiff::Timestamp) -> Vec<String> {
    let bucket = &detail.bucket;
    let known = |text: Option<String>| text.unwrap_or_else(|| "not known".into());
    let mut lines = vec![
        format!("name        {}", bucket.name),
        format!("pipeline    {}", known(bucket.pipeline.clone())),
        format!("created     {}", known(bucket.created.map(|t| moment(t, now)))),
        format!("objects     {}", known(bucket.objects.map(count))),
        format!("size        {}", known(bucket.bytes.map(bytes))),
    ];
    let width = detail.settings.iter().map(|s| s.name.len()).max().unwrap_or_default();
    if width > 0 {
        lines.push(String::new());
    }
    for setting in &detail.settings {
        let mut name = setting.name.as_str();
        for line in setting.lines() {
            lines.push(format!("{name:<width$}  {line}"));
            name = "";
        }
    }
    lines
}

impl Pane for BucketsPane {
    fn number(&self) -> u8 {
        2
    }

    fn title(&self) -> &'static str {
        "Buckets"
    }

    fn context(&self) -> Context {
        Context::Buckets
    }

    fn refresh(&mut self, cx: &mut Cx) {
        match &self.bucket {
            // A list of many pages is not thrown away under the reader.
            Some(_) if self.entries.total() > 1_000 => {}
            Some(_) => self.read(None, cx),
            None => {
                self.list.ask();
                cx.load(Request::Buckets);
                self.tables.refresh(cx);
            }
        }
    }

    fn arrived(&mut self, request: &Request, part: Data, _: &mut Cx) {
        match (request, &self.bucket, part) {
            (Request::Buckets, None, Data::Buckets(buckets)) if self.list.arrive(buckets.len()) => {
                self.entries.merge(&buckets);
            }
            (Request::KeyTables, _, Data::KeyTables(tables)) => self.tables.arrived(tables),
            _ => {}
        }
    }

    fn loaded(&mut self, request: &Request, result: Result<Data, String>, cx: &mut Cx) {
        match (request, result) {
            (Request::Buckets, result) if self.bucket.is_none() => match result {
                Ok(Data::Buckets(buckets)) => {
                    self.names = buckets.iter().map(|b| b.name.clone()).collect();
                    self.entries.set(Page::buckets(&buckets));
                    self.list.answer(Ok(()));
                    if let Some(wanted) = self.wanted.take() {
                        match self.find(&wanted, &cx.session.env) {
                            Some(bucket) => self.walk(Some(bucket), String::new(), cx),
                            None => cx.intents.push(Intent::Fail(format!("no bucket {wanted}"))),
                        }
                    }
                }
                Ok(_) => {}
                Err(error) => {
                    self.list.answer(Err(error));
                    // Who may not list buckets may still look into one.
                    if let Some(wanted) = self.wanted.take() {
                        self.walk(Some(wanted), String::new(), cx);
                    }
                }
            },
            (Request::Objects { bucket, prefix, after, .. }, result)
                if self.bucket.as_ref() == Some(bucket) && self.prefix == *prefix =>
            {
                match result {
                    Ok(Data::Objects(page)) => {
                        let entries = Page::objects(&page, self.versions);
                        self.next = page.next.map(|next| (next, page.token));
                        if after.is_some() {
                            self.entries.append(entries);
                        } else {
                            self.entries.set(entries);
                        }
                        self.list.answer(Ok(()));
                        self.read_on(cx);
                    }
                    Ok(_) => {}
                    Err(error) => self.list.answer(Err(error)),
                }
            }
            (Request::Preview { bucket, key, version }, result)
                if self.looked.as_ref().is_some_and(|(b, k, v)| (b, k, v) == (bucket, key, version)) =>
            {
                match result {
                    Ok(Data::Preview(object, preview)) => self.look.answer(Ok((object, look(preview)))),
                    Ok(_) => {}
                    Err(error) => self.look.answer(Err(error)),
                }
            }
            (Request::KeyTables | Request::KeyTable(_) | Request::Items { .. }, result) => {
                self.tables.loaded(request, result, cx);
                if self.focus > 1 && !self.has_tables() {
                    self.focus = 0;
                }
            }
            (Request::BucketDetail(_), Ok(Data::BucketDetail(detail))) => {
                let lines = bucket_details(&detail, cx.now);
                cx.show("Bucket", lines);
            }
            (Request::ObjectDetail { .. }, Ok(Data::ObjectDetail(object))) => {
                cx.show("Object", object_details(&object));
            }
            (Request::Presign { .. }, Ok(Data::Presigned(url))) => {
                let until = url.until.strftime("%Y-%m-%d %H:%M:%S UTC");
                let lines =
                    vec![url.url, String::new(), format!("Whoever has this URL can read the object until {until}.")];
                cx.show("URL", lines);
            }
            (Request::BucketDetail(_) | Request::ObjectDetail { .. } | Request::Presign { .. }, Err(error)) => {
                cx.intents.push(Intent::Fail(error));
            }
            _ => {}
        }
    }

    fn action(&mut self, action: Action, cx: &mut Cx) -> bool {
        if let Some(focus) = turn(self.focus, if self.has_tables() { 4 } else { 2 }, action) {
            self.focus = focus;
            return true;
        }
        if self.focus > 1 {
            return self.tables_action(action, cx);
        }
        if self.focus == 1 && !matches!(action, Action::Versions | Action::Delete | Action::Presign | Action::Save) {
            return self.look_action(action, cx);
        }
        match action {
            Action::Enter => self.enter(cx),
            Action::Right => match self.entries.selected() {
                Some(Entry::Bucket { .. } | Entry::Prefix(_)) => self.enter(cx),
                _ => self.focus = 1,
            },
            Action::Back => return self.out(cx),
            Action::Left => _ = self.out(cx),
            Action::Details => self.details(cx),
            Action::Delete => self.delete(cx),
            Action::Presign => self.presign(cx),
            Action::Save => self.save(cx),
            Action::Put => self.put(cx),
            Action::Versions => {
                self.versions = !self.versions;
                self.entries.set(Page::default());
                self.next = None;
                self.refresh(cx);
            }
            _ => {
                let used = self.entries.action(action);
                if action == Action::Bottom && !self.list.loading && self.entries.filter().is_empty() {
                    self.upto = self.upto.max(self.entries.total() + READ_ON);
                    self.read_on(cx);
                }
                return used;
            }
        }
        true
    }

    fn filter(&mut self, text: &str, cx: &mut Cx) {
        match self.focus {
            2 => return self.tables.all.set_filter(text),
            3 => return self.tables.set_filter(text),
            _ => {}
        }
        if let Some(sieve) = self.entries.set_filter(text) {
            cx.intents.push(Intent::Filter(sieve));
        }
    }

    fn filtered(&mut self, generation: u64, found: Vec<u32>) {
        self.entries.filtered(generation, found);
    }

    fn filter_text(&self) -> &str {
        match self.focus {
            2 => self.tables.all.filter(),
            3 => &self.tables.filter,
            _ => self.entries.filter(),
        }
    }

    fn select(&mut self, target: &Target, cx: &mut Cx) {
        if let Target::Bucket(bucket) = target {
            self.focus = 0;
            let found = self.find(bucket, &cx.session.env);
            self.wanted = if found.is_none() { Some(bucket.clone()) } else { None };
            self.walk(found, String::new(), cx);
        }
        if let Target::KeyTable(table) = target {
            self.wanted = None;
            if self.bucket.is_some() {
                self.walk(None, String::new(), cx);
            }
            self.focus = 3;
            self.tables.select(table, cx);
        }
    }

    fn names(&self) -> Vec<String> {
        self.names.clone()
    }

    fn draw(&self, frame: &mut Frame, area: Rect, ui: &Ui) {
        let [mut list, look] = if area.width < 110 {
            // One of them at a time.
            [area, area]
        } else {
            Layout::horizontal([Constraint::Percentage(45), Constraint::Min(20)]).areas(area)
        };
        let wide = area.width >= 110;
        if wide || matches!(self.focus, 0 | 2) {
            if self.has_tables() {
                let rows = (self.tables.all.len().min(1_000) as u16 + 2).clamp(3, (list.height / 2).max(3));
                let [above, tables] = Layout::vertical([Constraint::Min(3), Constraint::Length(rows)]).areas(list);
                list = above;
                self.tables.draw_list(frame, tables, ui, self.focus == 2);
            }
            self.draw_list(frame, list, ui);
        }
        match self.focus {
            2 | 3 if wide || self.focus == 3 => self.tables.draw_items(frame, look, ui, self.focus == 3),
            0 | 1 if wide || self.focus == 1 => self.draw_look(frame, look, ui),
            _ => {}
        }
    }
}

/// A preview with clean text.
fn look(preview: Preview) -> Look {
    let clean = |text: String| match text::clean(&text) {
        std::borrow::Cow::Borrowed(_) => text,
        std::borrow::Cow::Owned(cleaned) => cleaned,
    };
    match preview {
        Preview::Text { lines, truncated } => Look::Lines(lines.into_iter().map(clean).collect(), truncated),
        Preview::Binary { lines } => Look::Lines(lines, false),
        Preview::Table { columns, rows, total, truncated } => {
            let rows = rows.into_iter().map(|row| row.into_iter().map(|v| Some(clean(v))).collect()).collect();
            Look::Grid(Grid::new(columns.into_iter().map(clean).collect(), rows), total, truncated)
        }
    }
}
