//! What a command reads from files and stdin.

use std::io::{self, Read};

use super::failure::{Failure, Result};

/// The bytes of a file; `-` is stdin.
pub fn read(from: &str) -> Result<Vec<u8>> {
    if from == "-" {
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes).map_err(|e| Failure::failed(format!("stdin: {e}")))?;
        return Ok(bytes);
    }
    std::fs::read(from).map_err(|e| Failure::failed(format!("{from}: {e}")))
}

/// The text of a file; `-` is stdin.
pub fn text(from: &str) -> Result<String> {
    String::from_utf8(read(from)?).map_err(|_| Failure::failed(format!("{from}: the text is not UTF-8")))
}

/// Reads a number of things to show, from 1.
pub fn count(text: &str) -> std::result::Result<usize, String> {
    text.parse().ok().filter(|n| *n > 0).ok_or_else(|| "a whole number from 1 on is wanted".to_owned())
}

/// Reads a number.
pub fn number(text: &str) -> std::result::Result<f64, String> {
    text.parse().map_err(|_| "a number is wanted, such as 60000 or 0.5".to_owned())
}

/// Reads a day.
pub fn date(text: &str) -> std::result::Result<jiff::civil::Date, String> {
    text.parse().map_err(|_| "a day is wanted, such as 2026-11-20".to_owned())
}

/// Reads `NAME=VALUE`.
pub fn pair(text: &str) -> std::result::Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("{text:?} is not of the form NAME=VALUE")),
    }
}
