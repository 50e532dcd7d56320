//! Key-value tables below the buckets, and the items of one, page by page.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use ratatui::{Frame, layout::Rect, text::Line};
use serde_json::Value;

use super::super::{Cx, Intent};
use crate::{
    cloud::tables::{KeyIndex, KeyTable},
    text,
    tui::{
        data::{self, Data, Loaded, Request, count, plural},
        keymap::Action,
        theme::Role,
        ui::{Ui, below, filtered},
        widgets::{
            grid::{self, Grid},
            list::{Picker, Scroll},
        },
    },
};

/// Columns of a value in the list of items, and of one among all attributes of an item: the rest is cut.
const IN_LIST: usize = 200;
const IN_ITEM: usize = 4_000;
/// How long the list of tables counts as known: in the cloud each of them is a call of its own.
const FRESH: SignedDuration = SignedDuration::from_secs(60);

/// The items of a table as far as they were read.
#[derive(Default)]
struct Items {
    all: Vec<Value>,
    /// Where the next page begins, where there is one.
    next: Option<Value>,
    /// Those that fit the filter, as they are drawn, and where they are among all.
    grid: Grid,
    shown: Vec<usize>,
}

/// The tables of the pane, and the items of the one that was opened.
pub(super) struct Tables {
    pub(super) all: Picker<KeyTable>,
    list: Loaded<()>,
    /// When the list was asked for.
    asked: Option<Timestamp>,
    items: Loaded<Items>,
    /// The table that `items` are of, or will be.
    of: String,
    scroll: Scroll,
    skip: usize,
    /// Text that one of an item's values must hold.
    pub(super) filter: String,
    /// The table to be opened once the list is there.
    seeks: Option<String>,
}

impl Default for Tables {
    fn default() -> Self {
        Self {
            all: Picker::new(|t| &t.name),
            list: Loaded::default(),
            asked: None,
            items: Loaded::default(),
            of: String::new(),
            scroll: Scroll::default(),
            skip: 0,
            filter: String::new(),
            seeks: None,
        }
    }
}

impl Tables {
    /// Whether there is anything to show: tables, or why one that was jumped to is not among them.
    pub(super) fn any(&self) -> bool {
        !self.all.items().is_empty() || (self.seeks.is_some() && self.list.error.is_some())
    }

    pub(super) fn refresh(&mut self, cx: &mut Cx) {
        let fresh = self.asked.is_some_and(|asked| cx.now.duration_since(asked) < FRESH);
        if fresh && cx.session.cloud != "local" {
            return;
        }
        self.asked = Some(cx.now);
        self.list.ask();
        cx.load(Request::KeyTables);
        // What was read page by page is not thrown away under the reader.
        if !self.of.is_empty() && !self.items.loading && self.items.value.as_ref().is_none_or(|i| i.next.is_none()) {
            self.read(None, cx);
        }
    }

    /// Reads a page of items: the first, or the one that begins there.
    fn read(&mut self, after: Option<Value>, cx: &mut Cx) {
        self.items.ask();
        cx.load(Request::Items { table: self.of.clone(), after });
    }

    /// Opens the selected table.
    pub(super) fn open(&mut self, cx: &mut Cx) {
        let Some(name) = self.all.selected().map(|t| t.name.clone()) else { return };
        if self.of != name {
            self.of = name;
            self.items.clear();
            self.scroll.select(0);
            self.skip = 0;
            self.filter.clear();
        } else if self.items.value.is_some() || self.items.loading {
            return;
        }
        self.read(None, cx);
    }

    pub(super) fn select(&mut self, name: &str, cx: &mut Cx) {
        let name = data::physical(name, &cx.session.env).unwrap_or_else(|| name.to_owned());
        self.all.set_filter("");
        if self.all.select(&name) {
            self.open(cx);
        } else if self.list.value.is_some() && !self.list.loading {
            cx.intents.push(Intent::Fail(format!("no key-value table {name}")));
        } else {
            self.seeks = Some(name);
        }
    }

    pub(super) fn arrived(&mut self, tables: Vec<KeyTable>) {
        if self.list.arrive(tables.len()) {
            self.all.merge(tables);
        }
    }

    pub(super) fn loaded(&mut self, request: &Request, result: Result<Data, String>, cx: &mut Cx) {
        match (request, result) {
            (Request::KeyTables, Ok(Data::KeyTables(tables))) => {
                self.all.set(tables);
                self.list.answer(Ok(()));
                if let Some(name) = self.seeks.take() {
                    self.select(&name, cx);
                }
            }
            (Request::KeyTables, Err(error)) => self.list.answer(Err(error)),
            (Request::Items { table, after }, Ok(Data::Items(page))) if *table == self.of => {
                let mut items = self.items.value.take().filter(|_| after.is_some()).unwrap_or_default();
                items.all.extend(page.items);
                items.next = page.next;
                self.items.answer(Ok(items));
                self.lay_out();
            }
            (Request::Items { table, .. }, Err(error)) if *table == self.of => self.items.answer(Err(error)),
            (Request::KeyTable(_), Ok(Data::KeyTable(table))) => cx.show("Key-value table", details(&table)),
            (Request::KeyTable(_), Err(error)) => cx.intents.push(Intent::Fail(error)),
            _ => {}
        }
    }

    pub(super) fn set_filter(&mut self, text: &str) {
        text.clone_into(&mut self.filter);
        self.scroll.select(0);
        self.lay_out();
    }

    /// Lays out the items that fit the filter: the keys first, then the other attributes by name.
    fn lay_out(&mut self) {
        let wanted = self.filter.to_lowercase();
        let table = self.all.items().iter().find(|t| t.name == self.of);
        let Some(items) = &mut self.items.value else { return };
        let mut names: Vec<String> =
            table.map(|t| std::iter::once(t.hash_key.clone()).chain(t.range_key.clone()).collect()).unwrap_or_default();
        let others: BTreeSet<&String> = items.all.iter().filter_map(Value::as_object).flat_map(|i| i.keys()).collect();
        let others: Vec<String> = others.into_iter().filter(|name| !names.contains(name)).cloned().collect();
        names.extend(others);
        items.shown.clear();
        let mut rows = Vec::new();
        for (at, item) in items.all.iter().enumerate() {
            let cells: Vec<Option<String>> = names.iter().map(|n| item.get(n).map(|v| value(v, IN_LIST))).collect();
            if wanted.is_empty() || cells.iter().flatten().any(|cell| cell.to_lowercase().contains(&wanted)) {
                items.shown.push(at);
                rows.push(cells.into_iter().map(|cell| Some(cell.unwrap_or_default())).collect());
            }
        }
        items.grid = Grid::new(names.iter().map(|n| text::clean(n).into_owned()).collect(), rows);
        let last = items.shown.len().saturating_sub(1);
        self.scroll.select(self.scroll.selected().min(last));
    }

    /// A key in the list of tables; whether it was used.
    pub(super) fn list_action(&mut self, action: Action, cx: &mut Cx) -> bool {
        if action == Action::Details {
            if let Some(table) = self.all.selected() {
                cx.load(Request::KeyTable(table.name.clone()));
            }
            return true;
        }
        self.all.action(action)
    }

    /// A key among the items; whether it was used.
    pub(super) fn items_action(&mut self, action: Action, cx: &mut Cx) -> bool {
        let columns = self.items.value.as_ref().map_or(0, |items| items.grid.columns.len());
        match action {
            Action::Left => self.skip = self.skip.saturating_sub(1),
            Action::Right => self.skip = (self.skip + 1).min(columns.saturating_sub(1)),
            Action::Details => return self.list_action(action, cx),
            Action::Enter => {
                let Some(items) = &self.items.value else { return true };
                let item = items.shown.get(self.scroll.selected()).and_then(|at| items.all.get(*at));
                if let Some(item) = item {
                    cx.show(format!("Item of {}", self.of), attributes(&items.grid.columns, item));
                }
            }
            _ => {
                let (len, next) = self.items.value.as_ref().map_or((0, None), |i| (i.shown.len(), i.next.as_ref()));
                let used = self.scroll.action(action, len);
                // Whoever is at the end wants what comes behind it.
                let down = matches!(action, Action::Down | Action::PageDown | Action::Bottom);
                if let Some(next) = next.filter(|_| down && !self.items.loading && self.scroll.selected() + 1 >= len) {
                    self.read(Some(next.clone()), cx);
                }
                return used;
            }
        }
        true
    }

    pub(super) fn draw_list(&self, frame: &mut Frame, area: Rect, ui: &Ui, focused: bool) {
        let inner = ui.frame(frame, area, &filtered(self.list.title("Tables"), self.all.filter()), focused);
        let empty = if self.all.filter().is_empty() { "no key-value tables" } else { "none fits the filter" };
        let used = ui.loaded(frame.buffer_mut(), inner, &self.list, empty, self.all.is_empty());
        ui.list(frame.buffer_mut(), below(inner, used), &self.all, focused, |table| {
            let said = table.items.map(|n| plural(n, "item")).unwrap_or_default();
            (Role::Dim, "▥", &table.name, Role::Dim, said)
        });
    }

    pub(super) fn draw_items(&self, frame: &mut Frame, area: Rect, ui: &Ui, focused: bool) {
        let title = if self.of.is_empty() { "Items".into() } else { format!("Items of {}", self.of) };
        let inner = ui.frame(frame, area, &filtered(title, &self.filter), focused);
        let buffer = frame.buffer_mut();
        if self.of.is_empty() {
            ui.paragraph(buffer, inner, 0, Role::Dim, "Enter reads the items of the selected table");
            return;
        }
        let none = self.items.value.as_ref().is_none_or(|items| items.shown.is_empty());
        let empty = if self.filter.is_empty() { "the table is empty" } else { "no item that was read fits the filter" };
        let mut inner = below(inner, ui.loaded(buffer, inner, &self.items, empty, none));
        let Some(items) = &self.items.value else { return };
        if items.next.is_some() && inner.height > 2 {
            let last = Rect { y: inner.y + inner.height - 1, height: 1, ..inner };
            let total = count(items.all.len() as u64);
            let told =
                if self.items.loading { format!("{total} so far …") } else { format!("{total} so far; G reads on") };
            ui.line(buffer, last, 0, &Line::from(ui.span(Role::Dim, told)));
            inner.height -= 1;
        }
        if !none {
            grid::draw(buffer, inner, ui, &items.grid, &self.scroll, self.skip, focused);
        }
    }
}

/// A value as text of one line, cleaned and cut.
fn value(value: &Value, columns: usize) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    text::truncate(&text::clean(&text), columns).into_owned()
}

/// All attributes of an item, in the order of the columns; what is not one line is laid out.
fn attributes(columns: &[String], item: &Value) -> Vec<String> {
    let longest = columns.iter().map(|c| text::width(c)).max().unwrap_or(0);
    let mut all: Vec<(&String, &Value)> = item.as_object().into_iter().flatten().collect();
    let place = |name: &str| columns.iter().position(|c| *c == text::clean(name)).unwrap_or(usize::MAX);
    all.sort_by_key(|(name, _)| place(name));
    let mut lines = Vec::new();
    for (name, of_name) in all {
        let name = text::fit(&text::clean(name), longest);
        if of_name.is_object() || of_name.is_array() {
            lines.push(name);
            let laid_out = serde_json::to_string_pretty(of_name).unwrap_or_default();
            lines.extend(laid_out.lines().map(|line| format!("  {}", text::truncate(&text::clean(line), IN_ITEM))));
        } else {
            lines.push(format!("{name}  {}", value(of_name, IN_ITEM)));
        }
    }
    lines
}

fn keys(hash: &str, range: Option<&str>) -> String {
    range.map_or_else(|| hash.to_owned(), |range| format!("{hash} / {range}"))
}

/// All about a table.
fn details(table: &KeyTable) -> Vec<String> {
    let known = |text: Option<String>| text.unwrap_or_else(|| "none".into());
    let index = |index: &KeyIndex| format!("{} ({})", index.name, keys(&index.hash_key, index.range_key.as_deref()));
    let recovery = table.point_in_time_recovery.map_or("not known", |on| if on { "on" } else { "off" });
    let mut lines = vec![
        format!("name          {}", table.name),
        format!("pipeline      {}", known(table.pipeline.clone())),
        format!("items         {}", table.items.map_or_else(|| "not known".into(), count)),
        format!("key           {}", keys(&table.hash_key, table.range_key.as_deref())),
    ];
    lines.extend(table.indexes.iter().map(|i| format!("index         {}", index(i))));
    lines.push(format!("time to live  {}", known(table.ttl.clone())));
    lines.push(format!("recovery      {recovery} (to a point in time)"));
    lines.push(format!("stream        {}", known(table.stream.clone())));
    lines
}
