//! The console.

pub mod widgets;
