//! The queries that are saved, and those that were asked before.

use jiff::Timestamp;

use super::{super::Cx, QueriesPane, Shows};
use crate::{
    cloud::queries::QueryState,
    tui::{
        data::{Request, duration, moment, plural},
        glyphs,
        theme::Role,
        widgets::grid::Grid,
    },
};

/// A query that was asked, or is kept.
pub(super) struct Past {
    pub(super) sql: String,
    pub(super) database: Option<String>,
    pub(super) role: Role,
    pub(super) glyph: &'static str,
    pub(super) said: String,
    /// The execution, where it is at work.
    pub(super) running: Option<String>,
    pub(super) error: Option<String>,
}

impl QueriesPane {
    pub(super) fn read_past(&mut self, cx: &mut Cx) {
        self.read = [self.read[0], Some(cx.now)];
        cx.load(Request::Saved);
        self.history.ask();
        cx.load(Request::History);
    }

    pub(super) fn use_past(&mut self) {
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

    pub(super) fn take_history(&mut self, now: Timestamp) {
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
}
