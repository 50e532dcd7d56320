//! The sources of settings: the environment, and a config file.

use std::path::{Path, PathBuf};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{Environment, Error, Format, KEYS, Origin, Setting};
use crate::text;

/// What a config file says: key, value, line.
#[derive(Debug, Default)]
pub(super) struct File {
    path: PathBuf,
    entries: Vec<(String, Value, usize)>,
}

#[derive(Debug, Clone)]
enum Value {
    Text(String),
    Number(f64),
    Flag(bool),
}

/// Whether an environment may have this name.
pub(super) fn named_well(env: &str) -> bool {
    (2..=10).contains(&env.len())
        && env.starts_with(|c: char| c.is_ascii_lowercase())
        && env.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
}

/// A setting that may be left out.
pub(super) fn optional(found: Option<Setting<String>>) -> Setting<Option<String>> {
    match found {
        Some(s) => Setting { value: Some(s.value), origin: s.origin },
        None => Setting { value: None, origin: Origin::Default },
    }
}

/// The environment and the config file, in this order.
pub(super) struct Sources<'a> {
    pub(super) env: Environment<'a>,
    pub(super) file: &'a File,
}

impl Sources<'_> {
    fn find(&self, key: &str) -> Option<(&Value, Origin)> {
        let (_, value, line) = self.file.entries.iter().find(|(k, ..)| k == key)?;
        Some((value, Origin::File(self.file.path.clone(), *line)))
    }

    /// A path: one from a config file is relative to the file's folder, and may begin with `~/`.
    pub(super) fn text(
        &self,
        key: &'static str,
        variable: &'static str,
        flag: Option<&Path>,
    ) -> Result<Option<Setting<PathBuf>>, Error> {
        if let Some(path) = flag {
            let name = if key == "state_dir" { "--state-dir" } else { "--pipelines" };
            return Ok(Some(Setting { value: path.to_owned(), origin: Origin::Flag(name) }));
        }
        Ok(self.string(key, variable)?.map(|s| {
            let value = match (&s.origin, s.value.strip_prefix("~/")) {
                (Origin::File(..), Some(rest)) => etcetera::home_dir().unwrap_or_default().join(rest),
                (Origin::File(file, _), None) => file.parent().unwrap_or(Path::new("")).join(&s.value),
                _ => s.value.into(),
            };
            Setting { value, origin: s.origin }
        }))
    }

    pub(super) fn string(&self, key: &'static str, variable: &'static str) -> Result<Option<Setting<String>>, Error> {
        if let Some(value) = (self.env)(variable) {
            return Ok(Some(Setting { value, origin: Origin::Environment(variable) }));
        }
        match self.find(key) {
            None => Ok(None),
            Some((Value::Text(text), origin)) => Ok(Some(Setting { value: text.clone(), origin })),
            Some((_, origin)) => Err(Error(format!("{origin}: {key} must be text in quotes"))),
        }
    }

    /// Text that may be left out.
    pub(super) fn option(
        &self,
        key: &'static str,
        variable: &'static str,
        flag: Option<&String>,
        name: &'static str,
    ) -> Result<Setting<Option<String>>, Error> {
        if let Some(value) = flag {
            return Ok(Setting { value: Some(value.clone()), origin: Origin::Flag(name) });
        }
        Ok(optional(self.string(key, variable)?))
    }

    pub(super) fn number(&self, key: &'static str, variable: &'static str) -> Result<Setting<Option<f64>>, Error> {
        if let Some(text) = (self.env)(variable) {
            let n = text.parse().map_err(|_| Error(format!("${variable}: {text:?} is not a number")))?;
            return Ok(Setting { value: Some(n), origin: Origin::Environment(variable) });
        }
        match self.find(key) {
            None => Ok(Setting { value: None, origin: Origin::Default }),
            Some((Value::Number(n), origin)) => Ok(Setting { value: Some(*n), origin }),
            Some((_, origin)) => Err(Error(format!("{origin}: {key} must be a number"))),
        }
    }

    /// An amount of money.
    pub(super) fn price(&self, key: &'static str, variable: &'static str, usual: f64) -> Result<Setting<f64>, Error> {
        let Setting { value, origin } = self.number(key, variable)?;
        match value {
            None => Ok(Setting { value: usual, origin }),
            Some(value) if value.is_finite() && value >= 0.0 => Ok(Setting { value, origin }),
            Some(value) => Err(Error(format!("{origin}: {key} {value} is no price"))),
        }
    }

    pub(super) fn flag(
        &self,
        key: &'static str,
        variable: &'static str,
        given: bool,
        name: &'static str,
    ) -> Result<Setting<bool>, Error> {
        if given {
            return Ok(Setting { value: true, origin: Origin::Flag(name) });
        }
        if let Some(text) = (self.env)(variable) {
            let value = match text.to_ascii_lowercase().as_str() {
                "1" | "true" | "yes" | "on" => true,
                "0" | "false" | "no" | "off" => false,
                _ => return Err(Error(format!("${variable}: {text:?} is neither true nor false"))),
            };
            return Ok(Setting { value, origin: Origin::Environment(variable) });
        }
        match self.find(key) {
            None => Ok(Setting { value: false, origin: Origin::Default }),
            Some((Value::Flag(value), origin)) => Ok(Setting { value: *value, origin }),
            Some((_, origin)) => Err(Error(format!("{origin}: {key} must be true or false"))),
        }
    }

    pub(super) fn format(&self, key: &'static str, variable: &'static str) -> Result<Setting<Format>, Error> {
        let Some(text) = self.string(key, variable)? else {
            return Ok(Setting { value: Format::default(), origin: Origin::Default });
        };
        let value = clap::ValueEnum::from_str(&text.value, false).map_err(|_| {
            Error(format!("{}: {:?} is not one of table, json, csv, markdown", text.origin, text.value))
        })?;
        Ok(Setting { value, origin: text.origin })
    }
}

impl File {
    pub(super) fn parse(path: &Path, text: &str) -> Result<Self, Error> {
        let line_of = |offset: usize| text.get(..offset).map_or(1, |before| before.matches('\n').count() + 1);
        let parsed = DeTable::parse(text).map_err(|e| {
            let line = e.span().map_or(1, |s| line_of(s.start));
            Error(format!("{}:{line}: {}", path.display(), e.message()))
        })?;
        let mut entries = Vec::new();
        for (key, value) in parsed.get_ref() {
            let line = line_of(key.span().start);
            let name: &str = key.get_ref();
            if !KEYS.contains(&name) {
                let near = text::nearest(name, KEYS.iter().copied()).map_or_else(
                    || format!("; known are {}", KEYS.join(", ")),
                    |near| format!("; did you mean {near:?}?"),
                );
                return Err(Error(format!("{}:{line}: unknown setting {name:?}{near}", path.display())));
            }
            entries.push((
                name.to_owned(),
                Value::read(value)
                    .map_err(|what| Error(format!("{}:{line}: {name} cannot be {what}", path.display())))?,
                line,
            ));
        }
        Ok(Self { path: path.to_owned(), entries })
    }
}

impl Value {
    fn read(value: &Spanned<DeValue<'_>>) -> Result<Self, &'static str> {
        match value.get_ref() {
            DeValue::String(text) => Ok(Self::Text(text.to_string())),
            DeValue::Boolean(value) => Ok(Self::Flag(*value)),
            DeValue::Integer(n) => n.as_str().parse().map(Self::Number).map_err(|_| "a number written like that"),
            DeValue::Float(n) => n.as_str().parse().map(Self::Number).map_err(|_| "a number written like that"),
            DeValue::Datetime(_) => Err("a time"),
            DeValue::Array(_) => Err("an array"),
            DeValue::Table(_) => Err("a table"),
        }
    }
}
