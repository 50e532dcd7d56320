//! A state that somebody else has locked: who, since when, and what can be done.

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::{Frame, layout::Rect, text::Line};

use super::{Outcome, window};
use crate::{
    backend::Error,
    cloud::Error as CloudError,
    text,
    tui::{
        data::{Act, Request},
        theme::Role,
        ui::Ui,
    },
};

/// What was kept off, and can be tried again.
#[derive(Debug, Clone, PartialEq)]
pub enum Again {
    /// A read, and the generation in which it was asked.
    Load(Request, u64),
    /// A change.
    Act(Act),
}

/// A state that is locked.
#[derive(Debug, Clone, PartialEq)]
pub struct Locked {
    /// What was kept off.
    pub again: Again,
    /// The pipeline.
    pipeline: String,
    /// The lock's id; empty where it is not told.
    lock: String,
    /// Who has locked it, and since when.
    why: String,
}

impl Locked {
    /// What an error tells of a lock, where it is about one.
    pub fn of(error: &Error, again: Again) -> Option<Self> {
        let Error::Cloud(CloudError::Locked { lock, why }) = error else { return None };
        let pipeline = match &again {
            Again::Load(Request::Plan(pipeline) | Request::WholePlan(pipeline) | Request::Drift(pipeline), _)
            | Again::Act(Act::Deploy(pipeline) | Act::Destroy(pipeline) | Act::Unlock { pipeline, .. }) => {
                pipeline.clone()
            }
            _ => return None,
        };
        Some(Self { again, pipeline, lock: lock.clone(), why: why.clone() })
    }

    /// Takes a key.
    pub(super) fn key(&self, key: KeyEvent) -> Outcome {
        match key.code {
            KeyCode::Char('r' | 'R') => Outcome::Again(self.again.clone()),
            KeyCode::Char('u') if !self.lock.is_empty() => {
                Outcome::Ask(Act::Unlock { pipeline: self.pipeline.clone(), lock: self.lock.clone() })
            }
            KeyCode::Char('q') | KeyCode::Enter => Outcome::Close,
            _ => Outcome::Stay,
        }
    }

    /// Draws it over `area`.
    pub(super) fn draw(&self, frame: &mut Frame, area: Rect, ui: &Ui) {
        let width = area.width.saturating_sub(2).min(78);
        let cleaned = text::clean(&self.why).into_owned();
        let rows = text::wrap(&cleaned, usize::from(width.saturating_sub(4)), 20).len() as u16;
        let inner = window(frame, area, ui, &format!("{}: locked", self.pipeline), width, rows + 2);
        let used = ui.paragraph(frame.buffer_mut(), inner, 0, Role::Warn, &self.why);
        let unlock = if self.lock.is_empty() { "" } else { "   u: take the lock away" };
        let hint = format!("r: try again{unlock}   Esc: leave it");
        ui.line(frame.buffer_mut(), inner, used + 1, &Line::from(ui.span(Role::Dim, hint)));
    }
}
