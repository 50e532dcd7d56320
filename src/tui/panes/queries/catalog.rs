//! The catalog as a tree of databases, tables and columns, and what Enter does on each.

use ratatui::{Frame, layout::Rect, text::Line};

use super::{super::Cx, QueriesPane};
use crate::{
    cloud::catalog::{Database, Table},
    text,
    tui::{
        data::{Request, plural},
        theme::Role,
        ui::{Ui, below, filtered},
    },
};

/// A row of the catalog's tree.
pub(super) struct Leaf {
    /// What the filter looks at: `database.table.column`.
    pub(super) path: String,
    /// What is drawn, without what stands above it.
    label: String,
    said: String,
    depth: usize,
    open: bool,
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

impl QueriesPane {
    pub(super) fn read_tables(&mut self, cx: &mut Cx) {
        let missing = |name: &&String| !self.tables.contains_key(*name);
        if self.opening.is_none()
            && let Some(name) = self.open.iter().find(missing)
        {
            self.opening = Some(name.clone());
            cx.load(Request::Tables(name.clone()));
        }
    }

    pub(super) fn use_leaf(&mut self, cx: &mut Cx) {
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

    /// Makes the tree anew from what is known.
    pub(super) fn grow(&mut self) {
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

    pub(super) fn take_catalog(&mut self, databases: Vec<Database>, cx: &mut Cx) {
        if self.database.is_none() {
            self.database = databases.first().map(|d| d.name.clone());
            self.open.extend(self.database.clone());
        }
        self.databases = databases;
        self.read_tables(cx);
        self.grow();
    }

    pub(super) fn draw_tree(&self, frame: &mut Frame, area: Rect, ui: &Ui) {
        let inner =
            ui.frame(frame, area, &filtered(self.catalog.title("Catalog"), self.tree.filter()), self.focus == 0);
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
}
