//! 6 Queries: the catalog, an editor for SQL, results, and what was asked before.

use std::collections::{HashMap, HashSet};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use jiff::{SignedDuration, Timestamp};
use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Modifier, Style},
    text::Line,
    widgets::Widget,
};
use ratatui_textarea::{Input, Key, TextArea};
use serde_json::Value;

use super::{Cx, Intent, Pane, turn};
use crate::{
    backend::{Prices, prices::usd},
    cloud::{
        catalog::{Database, Table},
        queries::{QueryExecution, QueryResult, QueryState, SavedQuery, Service, Workgroup},
    },
    text,
    tui::{
        data::{Act, Data, Loaded, Request, Target, bytes, duration, moment, plural},
        glyphs,
        keymap::{Action, Context},
        theme::Role,
        ui::{Ui, below},
        widgets::{
            grid::{self, Grid},
            list::{Picker, Scroll},
        },
    },
};

/// A row of the catalog's tree.
struct Leaf {
    /// What the filter looks at: `database.table.column`.
    path: String,
    /// What is drawn, without what stands above it.
    label: String,
    said: String,
    depth: usize,
    open: bool,
}

/// A query that was asked, or is kept.
struct Past {
    sql: String,
    database: Option<String>,
    role: Role,
    glyph: &'static str,
    said: String,
    /// The execution, where it is at work.
    running: Option<String>,
    error: Option<String>,
}

/// What is shown below the editor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shows {
    Result,
    Past,
    Groups,
}

/// How long what is not looked at counts as fresh, on a cloud that asks to be spared.
const FRESH: SignedDuration = SignedDuration::from_secs(60);

/// The catalog, the editor, and results or what was asked before.
pub struct QueriesPane {
    tree: Picker<Leaf>,
    catalog: Loaded<()>,
    databases: Vec<Database>,
    /// The tables of the databases that were looked into.
    tables: HashMap<String, Vec<Table>>,
    /// The databases whose tables are shown.
    open: HashSet<String>,
    /// The one whose tables are awaited.
    opening: Option<String>,
    saved: Vec<SavedQuery>,
    /// The database that bare table names are looked up in.
    database: Option<String>,
    editor: TextArea<'static>,
    typing: bool,
    result: Loaded<QueryResult>,
    grid: Grid,
    /// The query that is at work, or was last.
    asked: Option<String>,
    cancelling: bool,
    history: Loaded<()>,
    executions: Vec<QueryExecution>,
    past: Picker<Past>,
    shows: Shows,
    groups: Picker<Workgroup>,
    groups_read: Loaded<()>,
    /// The workgroup that was chosen here.
    workgroup: Option<String>,
    prices: Prices,
    /// Whether it was said what Athena writes in read-only mode.
    warned: bool,
    /// When each was read, on a cloud that asks to be spared.
    read: [Option<Timestamp>; 2],
    scroll: Scroll,
    skip: usize,
    focus: usize,
}

impl Default for QueriesPane {
    fn default() -> Self {
        Self {
            tree: Picker::new(|leaf| &leaf.path),
            catalog: Loaded::default(),
            databases: Vec::new(),
            tables: HashMap::new(),
            open: HashSet::new(),
            opening: None,
            saved: Vec::new(),
            database: None,
            editor: TextArea::default(),
            typing: false,
            result: Loaded::default(),
            grid: Grid::default(),
            asked: None,
            cancelling: false,
            history: Loaded::default(),
            executions: Vec::new(),
            past: Picker::new(|past| &past.sql),
            shows: Shows::Result,
            groups: Picker::new(|group| &group.name),
            groups_read: Loaded::default(),
            workgroup: None,
            prices: Prices::default(),
            warned: false,
            read: [None; 2],
            scroll: Scroll::default(),
            skip: 0,
            focus: 1,
        }
    }
}

impl QueriesPane {
    fn sql(&self) -> String {
        self.editor.lines().join("\n")
    }

    fn put(&mut self, sql: &str) {
        let lines: Vec<String> = text::clean_lines(sql).map(std::borrow::Cow::into_owned).collect();
        self.editor = TextArea::new(lines);
        self.editor.move_cursor(ratatui_textarea::CursorMove::Bottom);
        self.editor.move_cursor(ratatui_textarea::CursorMove::End);
    }

    fn execute(&mut self, cx: &mut Cx) {
        let sql = self.sql();
        if sql.trim().is_empty() {
            cx.tell("there is no query yet: Enter begins to type one");
            return;
        }
        self.typing = false;
        self.shows = Shows::Result;
        self.cancelling = false;
        self.focus = 2;
        self.scroll.select(0);
        self.skip = 0;
        self.asked = Some(sql.clone());
        self.grid = Grid::default();
        self.result.clear();
        self.result.ask();
        if cx.session.read_only && cx.session.cloud == "aws" && !std::mem::replace(&mut self.warned, true) {
            cx.tell("read-only: no data changes; Athena writes the result to its results bucket");
        }
        cx.load(Request::Query { sql, database: self.database.clone(), workgroup: self.workgroup_here(cx) });
    }

    /// The workgroup of the next query: the one that was chosen, else that of the pipeline whose database it reads.
    fn workgroup_here(&self, cx: &Cx) -> Option<String> {
        if self.workgroup.is_some() || cx.session.workgroup.is_some() || cx.session.cloud != "aws" {
            return self.workgroup.clone().or_else(|| cx.session.workgroup.clone());
        }
        let database = self.database.as_ref()?;
        let pipeline = self.databases.iter().find(|d| d.name == *database)?.pipeline.as_ref()?;
        Some(format!("{pipeline}-{}", cx.session.env))
    }

    fn read_past(&mut self, cx: &mut Cx) {
        self.read = [self.read[0], Some(cx.now)];
        cx.load(Request::Saved);
        self.history.ask();
        cx.load(Request::History);
    }

    fn read_tables(&mut self, cx: &mut Cx) {
        let missing = |name: &&String| !self.tables.contains_key(*name);
        if self.opening.is_none()
            && let Some(name) = self.open.iter().find(missing)
        {
            self.opening = Some(name.clone());
            cx.load(Request::Tables(name.clone()));
        }
    }

    fn cancel(&mut self, cx: &mut Cx) {
        if self.result.loading {
            self.cancelling = true;
            cx.intents
                .push(Intent::Cancel(Request::Query { sql: String::new(), database: None, workgroup: None }.slot()));
            cx.tell("cancelling …");
        } else if let Some(id) =
            self.past.selected().and_then(|p| p.running.clone()).filter(|_| self.shows == Shows::Past)
        {
            cx.act(Act::CancelQuery(id));
        } else {
            cx.tell("no query is at work");
        }
    }

    fn use_leaf(&mut self, cx: &mut Cx) {
        let Some(leaf) = self.tree.selected() else { return };
        let mut parts = leaf.path.splitn(3, '.');
        let (database, table, column) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
        self.database = Some(database.to_owned());
        match (table, column) {
            (Some(table), None) => {
                let sql = format!("SELECT *\nFROM {database}.{table}\nLIMIT 100");
                self.put(&sql);
                self.execute(cx);
            }
            (_, Some(column)) => {
                let column = column.to_owned();
                self.editor.insert_str(&column);
                self.focus = 1;
                self.typing = true;
            }
            _ => {
                let name = database.to_owned();
                let told = format!("bare names are now looked up in {name}");
                if !self.open.remove(&name) {
                    self.open.insert(name);
                    self.read_tables(cx);
                }
                self.grow();
                cx.tell(told);
            }
        }
    }

    fn use_past(&mut self) {
        if let Some(past) = self.past.selected() {
            let (sql, database) = (past.sql.clone(), past.database.clone());
            self.put(&sql);
            self.database = database.or(self.database.take());
            self.shows = Shows::Result;
            self.focus = 1;
            if !self.result.loading {
                // What is shown would look like this query's result.
                self.result.clear();
                self.grid = Grid::default();
                self.asked = None;
            }
        }
    }

    /// Makes the tree anew from what is known.
    fn grow(&mut self) {
        let mut leaves = Vec::new();
        for database in &self.databases {
            let tables = self.tables.get(&database.name).filter(|_| self.open.contains(&database.name));
            let said = match (tables, database.tables) {
                (Some(tables), _) => plural(tables.len() as u64, "table"),
                (None, Some(n)) => plural(n, "table"),
                (None, None) if self.opening.as_ref() == Some(&database.name) => "…".into(),
                (None, None) => String::new(),
            };
            let name = &database.name;
            leaves.push(Leaf { path: name.clone(), label: name.clone(), said, depth: 0, open: tables.is_some() });
            for table in tables.into_iter().flatten() {
                branch(&mut leaves, name, table);
            }
        }
        self.tree.set(leaves);
    }

    fn take_catalog(&mut self, databases: Vec<Database>, cx: &mut Cx) {
        if self.database.is_none() {
            self.database = databases.first().map(|d| d.name.clone());
            self.open.extend(self.database.clone());
        }
        self.databases = databases;
        self.read_tables(cx);
        self.grow();
    }

    fn take_history(&mut self, now: Timestamp) {
        let past = self.executions.iter().cloned().map(|query| {
            let (glyph, role) = match query.state {
                QueryState::Queued => (glyphs::WAITING, Role::Running),
                QueryState::Running => (glyphs::RUNNING, Role::Running),
                QueryState::Succeeded => (glyphs::OK, Role::Ok),
                QueryState::Failed => (glyphs::FAILED, Role::Error),
                QueryState::Cancelled => (glyphs::STOPPED, Role::Warn),
            };
            let rows = query.rows.map(|n| format!("{} · ", plural(n, "row"))).unwrap_or_default();
            let took = query.elapsed_ms.map(|ms| format!("{} · ", duration(ms as i64))).unwrap_or_default();
            Past {
                said: format!("{rows}{took}{}", moment(query.started, now)),
                running: (!query.state.is_final()).then(|| query.id.clone()),
                sql: query.sql,
                database: query.database,
                role,
                glyph,
                error: query.error,
            }
        });
        let saved = self.saved.iter().map(|query| Past {
            sql: query.sql.clone(),
            database: query.database.clone(),
            role: Role::Key,
            glyph: "▸",
            said: query.name.clone(),
            running: None,
            error: None,
        });
        self.past.set(saved.chain(past).collect());
        if self.shows != Shows::Past {
            self.past.scroll.select(0);
        }
    }

    fn result_action(&mut self, action: Action, cx: &mut Cx) -> bool {
        if self.shows == Shows::Groups {
            match action {
                Action::Enter => {
                    if let Some(group) = self.groups.selected() {
                        cx.tell(format!("queries now run in workgroup {}", group.name));
                        self.workgroup = Some(group.name.clone());
                        self.shows = Shows::Result;
                        self.focus = 1;
                    }
                }
                Action::Back if self.groups.filter().is_empty() => self.shows = Shows::Result,
                _ => return self.groups.action(action),
            }
            return true;
        }
        if self.shows == Shows::Past {
            match action {
                Action::Enter => self.use_past(),
                Action::Back if self.past.filter().is_empty() => self.shows = Shows::Result,
                Action::GoToError => {
                    if let Some(error) = self.past.selected().and_then(|p| p.error.clone()) {
                        cx.show("Why it failed", vec![error]);
                    }
                }
                _ => return self.past.action(action),
            }
            return true;
        }
        match action {
            Action::Left => self.skip = self.skip.saturating_sub(1),
            Action::Right => self.skip = (self.skip + 1).min(self.grid.columns.len().saturating_sub(1)),
            Action::Enter => match &self.result.error {
                Some(error) => cx.show("Why it failed", vec![error.clone()]),
                None => cx.show("Row", self.grid.record(self.scroll.selected())),
            },
            Action::GoToError => match &self.result.error {
                Some(error) => cx.show("Why it failed", vec![error.clone()]),
                None => cx.tell("the query did not fail"),
            },
            Action::Back => self.focus = 1,
            _ => return self.scroll.action(action, self.grid.rows.len()),
        }
        true
    }

    fn draw_tree(&self, frame: &mut Frame, area: Rect, ui: &Ui) {
        let inner = ui.frame(frame, area, &self.catalog.title("Catalog"), self.focus == 0);
        let buffer = frame.buffer_mut();
        let empty = if self.tree.filter().is_empty() { "no databases yet" } else { "nothing fits the filter" };
        let used = ui.loaded(buffer, inner, &self.catalog, empty, self.tree.is_empty());
        let inner = below(inner, used);
        let width = usize::from(inner.width);
        for (at, row) in self.tree.scroll.visible(usize::from(inner.height), self.tree.len()).enumerate() {
            let Some(leaf) = self.tree.get(row) else { continue };
            let glyph = match leaf.depth {
                0 if leaf.open => "▾ ",
                0 => "▸ ",
                1 => "▦ ",
                _ => "",
            };
            let label = format!("{}{glyph}{}", "  ".repeat(leaf.depth), text::clean(&leaf.label));
            let said = text::clean(&leaf.said);
            let said = text::truncate(&said, width.saturating_sub(text::width(&label) + 2)).into_owned();
            let label = text::fit(&label, width.saturating_sub(text::width(&said)));
            let role = if leaf.depth == 2 { Role::Dim } else { Role::Text };
            ui.line(buffer, inner, at as u16, &Line::from(vec![ui.span(role, label), ui.span(Role::Dim, said)]));
            if row == self.tree.scroll.selected() {
                ui.select(buffer, inner, at as u16, self.focus == 0);
            }
        }
    }

    fn draw_editor(&self, frame: &mut Frame, area: Rect, ui: &Ui) {
        let database = self.database.as_deref().unwrap_or("none");
        let mode = if self.typing { " · typing" } else { "" };
        let workgroup = self.workgroup.as_ref().map(|w| format!(" · workgroup {w}")).unwrap_or_default();
        let title = format!("SQL · database {database}{workgroup}{mode}");
        let inner = ui.frame(frame, area, &title, self.focus == 1);
        if self.editor.is_empty() && !self.typing {
            let hint = "Enter begins to type, Esc ends it, F5 or Alt-Enter runs it; h shows saved and past queries";
            ui.paragraph(frame.buffer_mut(), inner, 0, Role::Dim, hint);
            return;
        }
        let mut editor = self.editor.clone();
        editor.set_style(ui.style(Role::Text));
        editor.set_cursor_line_style(Style::new());
        let cursor =
            if self.typing && !ui.covered { Style::new().add_modifier(Modifier::REVERSED) } else { Style::new() };
        editor.set_cursor_style(cursor);
        (&editor).render(inner, frame.buffer_mut());
    }

    fn draw_groups(&self, frame: &mut Frame, area: Rect, ui: &Ui) {
        let inner = ui.frame(frame, area, "Workgroups", self.focus == 2);
        let buffer = frame.buffer_mut();
        let empty = if self.groups.filter().is_empty() { "no workgroups" } else { "none fits" };
        let used = ui.loaded(buffer, inner, &self.groups_read, empty, self.groups.is_empty());
        ui.list(buffer, below(inner, used), &self.groups, self.focus == 2, |group| {
            let (role, glyph) = if group.enabled { (Role::Ok, glyphs::OK) } else { (Role::Idle, glyphs::STOPPED) };
            let said = group.description.clone().or_else(|| group.engine.clone()).unwrap_or_default();
            (role, glyph, &group.name, Role::Dim, said)
        });
    }

    fn draw_result(&self, frame: &mut Frame, area: Rect, ui: &Ui) {
        if self.shows == Shows::Groups {
            self.draw_groups(frame, area, ui);
            return;
        }
        if self.shows == Shows::Past {
            let inner = ui.frame(frame, area, "Saved and past queries", self.focus == 2);
            let buffer = frame.buffer_mut();
            let used = ui.loaded(buffer, inner, &self.history, "no query was asked yet", self.past.is_empty());
            let inner = below(inner, used);
            let width = usize::from(inner.width);
            for (at, row) in self.past.scroll.visible(usize::from(inner.height), self.past.len()).enumerate() {
                let Some(past) = self.past.get(row) else { continue };
                let sql = past.sql.split_whitespace().collect::<Vec<_>>().join(" ");
                let sql = text::clean(&sql);
                let said = text::clean(&past.said);
                let room = width.saturating_sub(text::width(&said) + 4);
                let line = Line::from(vec![
                    ui.span(past.role, format!("{} ", past.glyph)),
                    ui.span(Role::Text, text::fit(&sql, room)),
                    ui.span(Role::Dim, format!("  {said}")),
                ]);
                ui.line(buffer, inner, at as u16, &line);
                if row == self.past.scroll.selected() {
                    ui.select(buffer, inner, at as u16, self.focus == 2);
                }
            }
            return;
        }
        let title = match &self.result.value {
            Some(result) => {
                let more = if result.truncated { " (cut there)" } else { "" };
                let cost = self.prices.query(result).map(|c| format!(" {}", usd(c))).unwrap_or_default();
                format!(
                    "Result · {}{more} · {} scanned{cost} · {}{}",
                    plural(result.rows.len() as u64, "row"),
                    bytes(result.scanned_bytes),
                    duration(result.elapsed_ms as i64),
                    result.service.as_ref().map(executed).unwrap_or_default()
                )
            }
            None if self.result.loading => "Result · running; Ctrl-C cancels".into(),
            None => "Result".into(),
        };
        let inner = ui.frame(frame, area, &title, self.focus == 2);
        let buffer = frame.buffer_mut();
        if self.asked.is_none() {
            return;
        }
        if let Some(error) = &self.result.error {
            ui.paragraph(buffer, inner, 0, Role::Error, &format!("✖ {error}"));
            return;
        }
        let used = ui.loaded(buffer, inner, &self.result, "no rows", false);
        let inner = below(inner, used);
        grid::draw(buffer, inner, ui, &self.grid, &self.scroll, self.skip, self.focus == 2);
        if self.grid.rows.is_empty() && self.result.value.is_some() {
            ui.line(buffer, inner, 1, &Line::from(ui.span(Role::Dim, "no rows")));
        }
    }
}

/// How a service executed a query, in words.
fn executed(service: &Service) -> String {
    let time =
        |what: &str, ms: Option<u64>| ms.map(|ms| format!(" · {what} {}", duration(ms as i64))).unwrap_or_default();
    let reused = if service.reused { " · an earlier result reused" } else { "" };
    let times = [time("queue", service.queue_ms), time("engine", service.engine_ms)].concat();
    format!("{reused}{times} · {}", service.workgroup)
}

/// A table with its columns in the tree.
fn branch(leaves: &mut Vec<Leaf>, database: &str, table: &Table) {
    let path = format!("{database}.{}", table.name);
    let said = match table.partitions {
        _ if table.partition_keys.is_empty() => table.format.clone(),
        Some(n) => format!("{} · {}", table.format, plural(n, "partition")),
        None => format!("{} · partitioned", table.format),
    };
    leaves.push(Leaf { path: path.clone(), label: table.name.clone(), said, depth: 1, open: true });
    let keys = table.partition_keys.iter().map(|c| (c, " key"));
    for (column, key) in table.columns.iter().map(|c| (c, "")).chain(keys) {
        leaves.push(Leaf {
            path: format!("{path}.{}", column.name),
            label: column.name.clone(),
            said: format!("{}{key}", column.kind),
            depth: 2,
            open: true,
        });
    }
}

/// A result with clean text.
fn grid(result: &QueryResult) -> Grid {
    let cell = |value: &Value| match value {
        Value::Null => None,
        Value::String(value) => Some(text::clean(value).into_owned()),
        other => Some(text::clean(&other.to_string()).into_owned()),
    };
    let columns = result.columns.iter().map(|c| text::clean(&c.name).into_owned()).collect();
    Grid::new(columns, result.rows.iter().map(|row| row.iter().map(cell).collect()).collect())
}

fn input(key: KeyEvent) -> Input {
    let code = match key.code {
        KeyCode::Char(c) => Key::Char(c),
        KeyCode::Backspace => Key::Backspace,
        KeyCode::Enter => Key::Enter,
        KeyCode::Left => Key::Left,
        KeyCode::Right => Key::Right,
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::Tab => Key::Tab,
        KeyCode::Delete => Key::Delete,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        _ => Key::Null,
    };
    Input {
        key: code,
        ctrl: key.modifiers.contains(KeyModifiers::CONTROL),
        alt: key.modifiers.contains(KeyModifiers::ALT),
        shift: key.modifiers.contains(KeyModifiers::SHIFT),
    }
}

impl Pane for QueriesPane {
    fn number(&self) -> u8 {
        6
    }

    fn title(&self) -> &'static str {
        "Queries"
    }

    fn context(&self) -> Context {
        if self.typing { Context::Editor } else { Context::Queries }
    }

    fn refresh(&mut self, cx: &mut Cx) {
        self.prices = cx.session.prices;
        // What is looked at is always read; the rest from time to time, where each read has its price.
        let due = |read: Option<Timestamp>, looked_at: bool| {
            looked_at || cx.session.cloud == "local" || read.is_none_or(|read| cx.now.duration_since(read) >= FRESH)
        };
        let catalog = due(self.read[0], self.focus == 0);
        let past = due(self.read[1], self.shows == Shows::Past);
        if catalog {
            self.read[0] = Some(cx.now);
            if self.catalog.value.is_none() {
                // What came of a list that broke off comes again.
                self.databases.clear();
            }
            self.catalog.ask();
            cx.load(Request::Catalog);
        }
        if past {
            self.read_past(cx);
        }
    }

    fn arrived(&mut self, request: &Request, part: Data, _: &mut Cx) {
        match (request, part) {
            (Request::Catalog, Data::Catalog(databases)) if self.catalog.arrive(databases.len()) => {
                self.databases.extend(databases);
                self.grow();
            }
            // Until the database is whole, it stays the one that is awaited.
            (Request::Tables(database), Data::Tables(tables)) if self.opening.as_ref() == Some(database) => {
                self.tables.entry(database.clone()).or_default().extend(tables);
                self.grow();
            }
            _ => {}
        }
    }

    fn loaded(&mut self, request: &Request, result: Result<Data, String>, cx: &mut Cx) {
        match (request, result) {
            (Request::Catalog, Ok(Data::Catalog(databases))) => {
                // What is open is read again, one after the other.
                self.tables.retain(|name, _| !self.open.contains(name));
                self.opening = None;
                self.take_catalog(databases, cx);
                self.catalog.answer(Ok(()));
            }
            (Request::Tables(database), result) => {
                self.opening = None;
                match result {
                    Ok(Data::Tables(tables)) => {
                        self.tables.insert(database.clone(), tables);
                    }
                    Ok(_) => {}
                    Err(error) => {
                        self.open.remove(database);
                        self.tables.remove(database);
                        cx.intents.push(Intent::Fail(format!("{database}: {error}")));
                    }
                }
                self.read_tables(cx);
                self.grow();
            }
            (Request::Saved, Ok(Data::Saved(saved))) => {
                self.saved = saved;
                self.take_history(cx.now);
            }
            (Request::Workgroups, Ok(Data::Workgroups(groups))) => {
                self.groups.set(groups);
                self.groups_read.answer(Ok(()));
            }
            (Request::Workgroups, Err(error)) => self.groups_read.answer(Err(error)),
            (Request::Catalog, Err(error)) => self.catalog.answer(Err(error)),
            (Request::History, Ok(Data::History(history))) => {
                self.executions = history;
                self.take_history(cx.now);
                self.history.answer(Ok(()));
            }
            (Request::History, Err(error)) => self.history.answer(Err(error)),
            (Request::Query { sql, .. }, result) if self.asked.as_ref() == Some(sql) => match result {
                Ok(Data::Query(result)) => {
                    self.grid = grid(&result);
                    // The rows are in the grid now; they are not kept twice.
                    let rows = result.rows.len();
                    let result = QueryResult { rows: vec![Vec::new(); rows], ..result };
                    self.result.answer(Ok(result));
                }
                Ok(_) => {}
                Err(error) => {
                    let error = if self.cancelling {
                        // In place of the word that it is being cancelled.
                        cx.tell("cancelled");
                        "the query was cancelled".into()
                    } else {
                        error
                    };
                    self.result.answer(Err(error));
                }
            },
            _ => {}
        }
    }

    fn action(&mut self, action: Action, cx: &mut Cx) -> bool {
        if let Some(focus) = turn(self.focus, 3, action) {
            self.focus = focus;
            return true;
        }
        match action {
            Action::Execute | Action::Run => self.execute(cx),
            Action::Cancel => self.cancel(cx),
            Action::LeaveEditor => {
                self.typing = false;
                if self.result.loading {
                    self.cancel(cx);
                }
            }
            Action::Edit => {
                self.focus = 1;
                self.typing = true;
            }
            Action::History => {
                self.shows = if self.shows == Shows::Past { Shows::Result } else { Shows::Past };
                if self.shows == Shows::Past {
                    self.read_past(cx);
                }
                self.focus = 2;
            }
            Action::Back if self.result.loading => self.cancel(cx),
            Action::Workgroup => {
                self.shows = if self.shows == Shows::Groups { Shows::Result } else { Shows::Groups };
                self.focus = 2;
                if self.shows == Shows::Groups {
                    self.groups_read.ask();
                    cx.load(Request::Workgroups);
                }
            }
            Action::Enter if self.focus == 0 => self.use_leaf(cx),
            Action::Enter if self.focus == 1 => self.typing = true,
            _ if self.focus == 0 => return self.tree.action(action),
            _ if self.focus == 2 => return self.result_action(action, cx),
            _ => return false,
        }
        true
    }

    fn typing(&self) -> bool {
        self.typing
    }

    fn running(&self) -> bool {
        self.result.loading && !self.cancelling
    }

    fn key(&mut self, key: KeyEvent, _: &mut Cx) {
        self.editor.input(input(key));
    }

    fn paste(&mut self, pasted: &str, _: &mut Cx) {
        let lines: Vec<_> = text::clean_lines(pasted).collect();
        self.editor.insert_str(lines.join("\n"));
    }

    fn filter(&mut self, text: &str, _: &mut Cx) {
        if self.focus == 2 && self.shows == Shows::Past {
            self.past.set_filter(text);
        } else if self.focus == 2 && self.shows == Shows::Groups {
            self.groups.set_filter(text);
        } else {
            self.focus = 0;
            self.tree.set_filter(text);
        }
    }

    fn filter_text(&self) -> &str {
        match self.shows {
            Shows::Past if self.focus == 2 => self.past.filter(),
            Shows::Groups if self.focus == 2 => self.groups.filter(),
            _ => self.tree.filter(),
        }
    }

    fn select(&mut self, target: &Target, cx: &mut Cx) {
        match target {
            Target::Sql(sql) if sql.is_empty() => {
                self.shows = Shows::Past;
                self.focus = 2;
            }
            Target::Sql(sql) => {
                self.put(sql);
                self.execute(cx);
            }
            _ => {}
        }
    }

    fn names(&self) -> Vec<String> {
        let known = self.databases.iter().filter_map(|d| Some((&d.name, self.tables.get(&d.name)?)));
        let tables = known.flat_map(|(database, tables)| {
            tables.iter().map(move |table| format!("SELECT * FROM {database}.{} LIMIT 100", table.name))
        });
        tables.collect()
    }

    fn draw(&self, frame: &mut Frame, area: Rect, ui: &Ui) {
        let tree = if area.width >= 110 { 44 } else { 26 };
        let [left, right] = Layout::horizontal([Constraint::Length(tree), Constraint::Min(20)]).areas(area);
        let rows = (self.editor.lines().len() as u16 + 2).clamp(5, area.height / 2);
        let [editor, result] = Layout::vertical([Constraint::Length(rows), Constraint::Min(5)]).areas(right);
        self.draw_tree(frame, left, ui);
        self.draw_editor(frame, editor, ui);
        self.draw_result(frame, result, ui);
    }
}
