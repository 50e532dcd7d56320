//! What panes are drawn with.

pub mod lines;
