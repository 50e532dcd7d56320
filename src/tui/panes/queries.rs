//! 6 Queries: the catalog, an editor for SQL, results, and what was asked before.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
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
    cloud::queries::{QueryExecution, QueryResult, QueryState},
    text,
    tui::{
        data::{Act, Data, Databases, Loaded, Request, Target, bytes, duration, moment, plural},
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

/// The catalog, the editor, and results or what was asked before.
pub struct QueriesPane {
    tree: Picker<Leaf>,
    catalog: Loaded<()>,
    databases: Databases,
    saved: Vec<Past>,
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
    past: Picker<Past>,
    shows_past: bool,
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
            saved: Vec::new(),
            database: None,
            editor: TextArea::default(),
            typing: false,
            result: Loaded::default(),
            grid: Grid::default(),
            asked: None,
            cancelling: false,
            history: Loaded::default(),
            past: Picker::new(|past| &past.sql),
            shows_past: false,
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
        self.shows_past = false;
        self.cancelling = false;
        self.focus = 2;
        self.scroll.select(0);
        self.skip = 0;
        self.asked = Some(sql.clone());
        self.grid = Grid::default();
        self.result.clear();
        self.result.ask();
        cx.load(Request::Query { sql, database: self.database.clone() });
    }

    fn cancel(&mut self, cx: &mut Cx) {
        if self.result.loading {
            self.cancelling = true;
            cx.intents.push(Intent::Cancel(Request::Query { sql: String::new(), database: None }.slot()));
            cx.tell("cancelling …");
        } else if let Some(id) = self.past.selected().and_then(|p| p.running.clone()).filter(|_| self.shows_past) {
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
            _ => cx.tell(format!("bare names are now looked up in {database}")),
        }
    }

    fn use_past(&mut self) {
        if let Some(past) = self.past.selected() {
            let (sql, database) = (past.sql.clone(), past.database.clone());
            self.put(&sql);
            self.database = database.or(self.database.take());
            self.shows_past = false;
            self.focus = 1;
            if !self.result.loading {
                // What is shown would look like this query's result.
                self.result.clear();
                self.grid = Grid::default();
                self.asked = None;
            }
        }
    }

    fn take_catalog(&mut self, databases: Databases) {
        let mut leaves = Vec::new();
        for (database, tables) in &databases {
            let said = plural(tables.len() as u64, "table");
            leaves.push(Leaf { path: database.clone(), label: database.clone(), said, depth: 0 });
            for table in tables {
                let path = format!("{database}.{}", table.name);
                let said = if table.partition_keys.is_empty() {
                    table.format.clone()
                } else {
                    match table.partitions {
                        Some(n) => format!("{} · {}", table.format, plural(n, "partition")),
                        None => format!("{} · partitioned", table.format),
                    }
                };
                leaves.push(Leaf { path: path.clone(), label: table.name.clone(), said, depth: 1 });
                let keys = table.partition_keys.iter().map(|c| (c, " key"));
                for (column, key) in table.columns.iter().map(|c| (c, "")).chain(keys) {
                    leaves.push(Leaf {
                        path: format!("{path}.{}", column.name),
                        label: column.name.clone(),
                        said: format!("{}{key}", column.kind),
                        depth: 2,
                    });
                }
            }
        }
        if self.database.is_none() {
            self.database = databases.first().map(|(name, _)| name.clone());
        }
        self.databases = databases;
        self.tree.set(leaves);
    }

    fn take_history(&mut self, history: Vec<QueryExecution>, now: jiff::Timestamp) {
        let past = history.into_iter().map(|query| {
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
        let saved = self.saved.iter().map(|s| Past {
            sql: s.sql.clone(),
            database: s.database.clone(),
            role: s.role,
            glyph: s.glyph,
            said: s.said.clone(),
            running: None,
            error: None,
        });
        self.past.set(saved.chain(past).collect());
    }

    fn result_action(&mut self, action: Action, cx: &mut Cx) -> bool {
        if self.shows_past {
            match action {
                Action::Enter => self.use_past(),
                Action::Back if self.past.filter().is_empty() => self.shows_past = false,
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
        let inner = ui.frame(frame, area, "Catalog", self.focus == 0);
        let buffer = frame.buffer_mut();
        let empty = if self.tree.filter().is_empty() { "no databases yet" } else { "nothing fits the filter" };
        let used = ui.loaded(buffer, inner, &self.catalog, empty, self.tree.is_empty());
        let inner = below(inner, used);
        let width = usize::from(inner.width);
        for (at, row) in self.tree.scroll.visible(usize::from(inner.height), self.tree.len()).enumerate() {
            let Some(leaf) = self.tree.get(row) else { continue };
            let glyph = match leaf.depth {
                0 => "▾ ",
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
        let inner = ui.frame(frame, area, &format!("SQL · database {database}{mode}"), self.focus == 1);
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

    fn draw_result(&self, frame: &mut Frame, area: Rect, ui: &Ui) {
        if self.shows_past {
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
                format!(
                    "Result · {}{more} · {} scanned · {}",
                    plural(result.rows.len() as u64, "row"),
                    bytes(result.scanned_bytes),
                    duration(result.elapsed_ms as i64)
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
        self.catalog.ask();
        cx.load(Request::Catalog);
        self.history.ask();
        cx.load(Request::History);
    }

    fn loaded(&mut self, request: &Request, result: Result<Data, String>, cx: &mut Cx) {
        match (request, result) {
            (Request::Catalog, Ok(Data::Catalog(databases, saved))) => {
                self.saved = saved
                    .into_iter()
                    .map(|query| Past {
                        sql: query.sql,
                        database: query.database,
                        role: Role::Key,
                        glyph: "▸",
                        said: query.name,
                        running: None,
                        error: None,
                    })
                    .collect();
                self.take_catalog(databases);
                self.catalog.answer(Ok(()));
            }
            (Request::Catalog, Err(error)) => self.catalog.answer(Err(error)),
            (Request::History, Ok(Data::History(history))) => {
                self.take_history(history, cx.now);
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
                self.shows_past = !self.shows_past;
                self.focus = 2;
            }
            Action::Back if self.result.loading => self.cancel(cx),
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
        if self.focus == 2 && self.shows_past {
            self.past.set_filter(text);
        } else {
            self.focus = 0;
            self.tree.set_filter(text);
        }
    }

    fn filter_text(&self) -> &str {
        if self.focus == 2 && self.shows_past { self.past.filter() } else { self.tree.filter() }
    }

    fn select(&mut self, target: &Target, cx: &mut Cx) {
        match target {
            Target::Sql(sql) if sql.is_empty() => {
                self.shows_past = true;
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
        let tables = self.databases.iter().flat_map(|(database, tables)| {
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
