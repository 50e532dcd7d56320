//! The command line: parse, call the backend, print.
