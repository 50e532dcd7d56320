//! What panes are drawn with.

pub mod edit;
pub mod graph;
pub mod grid;
pub mod lines;
pub mod list;
pub mod sparkline;
pub mod timeline;
