//! The console: what happens goes into [`app::App::update`], which is pure; what it wants done comes out as commands,
//! each a task of its own; the screen is drawn when something has changed, and only then.

pub mod app;
pub mod command;
pub mod commands;
pub mod data;
pub mod fetch;
pub mod glyphs;
pub mod keymap;
pub mod link;
pub mod msg;
pub mod panes;
pub mod popups;
mod run;
pub mod terminal;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
pub mod theme;
pub mod ui;
pub mod view;
pub mod widgets;

pub use app::{Absence, Options};
pub use link::Switch;
pub use run::run;
