//! 6 Queries: the catalog, an editor for SQL, results, and what was asked before.

mod catalog;
mod editor;
mod past;
mod result;

use std::collections::{HashMap, HashSet};

use crossterm::event::KeyEvent;
use jiff::{SignedDuration, Timestamp};
use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
};
use ratatui_textarea::TextArea;

use super::{Cx, Intent, Pane, turn};
use crate::{
    backend::Prices,
    cloud::{
        catalog::{Database, Table},
        queries::{QueryExecution, QueryResult, SavedQuery, Workgroup},
    },
    text,
    tui::{
        data::{Act, Data, Loaded, Request, Target},
        keymap::{Action, Context},
        ui::Ui,
        widgets::{
            grid::Grid,
            list::{Picker, Scroll},
        },
    },
};
use catalog::Leaf;
use editor::input;
use past::Past;
use result::grid;

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
