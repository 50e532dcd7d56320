//! DataFusion's errors, in the words that a person needs.

use std::{fmt::Write, sync::LazyLock};

use datafusion::{
    arrow::error::ArrowError,
    common::SchemaError,
    error::DataFusionError,
    sql::sqlparser::{parser::ParserError, tokenizer::TokenizerError},
};
use regex::Regex;

use super::text::without_kind;
use crate::cloud::Error;

/// The port's error for one of DataFusion's.
pub(crate) fn trimmed(error: DataFusionError) -> Error {
    match error {
        DataFusionError::External(inner) => match inner.downcast::<Error>() {
            Ok(ours) => *ours,
            Err(other) => Error::failed(other),
        },
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => trimmed(*inner),
        DataFusionError::Collection(errors) => match errors.into_iter().next() {
            Some(first) => trimmed(first),
            None => Error::failed("the query failed"),
        },
        DataFusionError::Shared(inner) => shared(&inner),
        DataFusionError::ArrowError(inner, _) => match *inner {
            ArrowError::ExternalError(inner) => match inner.downcast::<DataFusionError>() {
                Ok(e) => trimmed(*e),
                Err(other) => Error::failed(other),
            },
            other => Error::failed(without_kind(&other)),
        },
        DataFusionError::SQL(inner, _) => parser(&inner),
        DataFusionError::SchemaError(inner, _) => Error::Invalid(schema(&inner)),
        DataFusionError::Plan(text) | DataFusionError::Configuration(text) => Error::Invalid(one_line(&text)),
        DataFusionError::NotImplemented(text) => Error::Invalid(format!("not supported: {}", one_line(&text))),
        DataFusionError::Execution(text) => Error::failed(one_line(&text)),
        DataFusionError::ResourcesExhausted(text) => {
            Error::failed(format!("it needs more memory than the embedded cloud gives: {}", one_line(&text)))
        }
        other => Error::failed(one_line(&other.strip_backtrace())),
    }
}

fn shared(error: &DataFusionError) -> Error {
    match error {
        DataFusionError::Shared(inner) => shared(inner),
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => shared(inner),
        DataFusionError::External(inner) => match inner.downcast_ref::<Error>() {
            Some(ours) => ours.clone(),
            None => Error::failed(inner),
        },
        DataFusionError::ArrowError(inner, _) => Error::failed(without_kind(inner)),
        DataFusionError::Execution(text) => Error::failed(one_line(text)),
        other => Error::failed(one_line(&other.strip_backtrace())),
    }
}

/// What one of Arrow's errors says.
pub(crate) fn arrow(error: &ArrowError) -> String {
    without_kind(error)
}

/// The port's error for one of the parser's.
pub(crate) fn parser(error: &ParserError) -> Error {
    match error {
        ParserError::ParserError(text) | ParserError::TokenizerError(text) => {
            Error::Invalid(format!("syntax error: {}", place(text)))
        }
        ParserError::RecursionLimitExceeded => {
            Error::invalid("the statement is nested too deeply: fewer parentheses or subqueries within each other")
        }
    }
}

/// The port's error for one of the tokenizer's.
pub(crate) fn tokenizer(error: &TokenizerError) -> Error {
    Error::Invalid(format!(
        "syntax error at {}: {}",
        location(error.location.line, error.location.column),
        error.message
    ))
}

fn location(line: u64, column: u64) -> String {
    if line == 0 { "the end".into() } else { format!("line {line}, column {column}") }
}

/// Moves the parser's place to the front: "at line 1, column 8: Expected: …".
fn place(text: &str) -> String {
    static PLACE: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"(?s)^(.*?)(?: at)? Line: (\d+), Column: (\d+)(.*)$").ok());
    let Some(found) = PLACE.as_ref().and_then(|r| r.captures(text)) else { return one_line(text) };
    let part = |i| found.get(i).map_or("", |m| m.as_str());
    format!("at line {}, column {}: {}{}", part(2), part(3), one_line(part(1)), one_line(part(4)))
}

fn schema(error: &SchemaError) -> String {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => {
            let names: Vec<&str> = valid_fields.iter().map(|c| c.name.as_str()).collect();
            let mut text = format!("no column named {:?}", field.name);
            if let Some(near) = nearest(&field.name, names.iter().copied()) {
                let _ = write!(text, ": did you mean {near:?}?");
            }
            if !names.is_empty() {
                let _ = write!(text, " (there are {})", listed(&names));
            }
            text
        }
        SchemaError::AmbiguousReference { field } => {
            format!("column {:?} is in more than one table: write table.{}", field.name, field.name)
        }
        other => other.to_string(),
    }
}

/// Names in a row, not too many.
pub(crate) fn listed(names: &[&str]) -> String {
    const MOST: usize = 20;
    let shown: Vec<&str> = names.iter().copied().take(MOST).collect();
    let more = names.len().saturating_sub(MOST);
    if more == 0 { shown.join(", ") } else { format!("{} and {more} more", shown.join(", ")) }
}

/// The name that was probably meant.
pub(crate) fn nearest<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = wanted.to_lowercase();
    let most = (wanted.chars().count() / 3).max(1);
    names
        .map(|name| (datafusion::common::utils::datafusion_strsim::levenshtein(&wanted, &name.to_lowercase()), name))
        .filter(|(distance, _)| *distance <= most)
        .min()
        .map(|(_, name)| name)
}

fn one_line(text: &str) -> String {
    let text = text.split("\n\nbacktrace:").next().unwrap_or(text);
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ")
}
