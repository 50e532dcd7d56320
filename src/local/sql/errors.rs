//! DataFusion's errors, in the words that a person needs.

use std::{fmt::Write, sync::LazyLock};

use datafusion::{arrow::error::ArrowError, common::SchemaError, error::DataFusionError};
use regex::Regex;

use super::text::without_kind;
use crate::{cloud::Error, statement::Mistake, text::nearest};

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
        DataFusionError::SQL(inner, _) => syntax(&Mistake::from(&*inner)),
        DataFusionError::SchemaError(inner, _) => Error::Invalid(schema(&inner)),
        DataFusionError::Plan(text) | DataFusionError::Configuration(text) => Error::Invalid(planner(&text)),
        DataFusionError::NotImplemented(text) => Error::Invalid(format!("not supported: {}", planner(&text))),
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

/// The port's error for a mistake in the syntax.
pub(crate) fn syntax(mistake: &Mistake) -> Error {
    Error::Invalid(mistake.to_string())
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

/// What the planner says, where it speaks of how it was built.
fn planner(text: &str) -> String {
    static REPEATED: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r#"require unique expression names but the expression "(.*?)" at position"#).ok());
    let text = one_line(text);
    if let Some((what, _)) = text.split_once(" Hint: Please try with") {
        let what = what.trim_start_matches("Could not plan ").trim_end_matches('.');
        return format!("{what} cannot be executed by the embedded cloud");
    }
    match REPEATED.as_ref().and_then(|r| r.captures(&text)).and_then(|found| found.get(1)) {
        Some(name) => {
            let name = name.as_str().rsplit(" AS ").next().unwrap_or_default();
            let name = if name.contains('(') { name } else { name.rsplit('.').next().unwrap_or_default() };
            format!("two columns of one subquery are named {name:?}: give one an alias (AS)")
        }
        None => text,
    }
}

fn one_line(text: &str) -> String {
    let text = text.split("\n\nbacktrace:").next().unwrap_or(text);
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").replace("Parquet error: Parquet error:", "Parquet error:")
}
