//! 2 Buckets: walking through prefixes, and looking into objects; key-value tables and their items.

mod details;
mod entries;
mod look;
mod tables;
mod walk;

pub use entries::Sieve;

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
};

use super::{Cx, Intent, Pane, turn};
use crate::{
    cloud::buckets::Object,
    tui::{
        data::{Act, Data, Loaded, Request, Target},
        keymap::{Action, Context},
        popups::{Popup, Purpose},
        ui::Ui,
        widgets::list::Scroll,
    },
};
use details::{bucket_details, object_details};
use entries::{Entries, Entry, Page};
use look::{Look, look};
use tables::Tables;
use walk::READ_ON;

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
            (_, 2) => return self.tables.list_action(action, cx),
            _ => return self.tables.items_action(action, cx),
        }
        true
    }
}

impl Pane for BucketsPane {
    fn number(&self) -> u8 {
        2
    }

    fn title(&self) -> &'static str {
        "Buckets"
    }

    fn context(&self) -> Context {
        if self.focus > 1 { Context::Tables } else { Context::Buckets }
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
