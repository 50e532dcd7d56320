//! The shipped pipelines' function handlers.
