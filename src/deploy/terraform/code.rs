//! Texts with references in them. Of CloudFormation's functions a text is made in which each reference stands between two
//! characters that no text has: so texts can be compared, searched and put together, whatever they refer to.

use serde_json::{Map, Value};

use super::hcl::Part;

/// What an environment is called while its template is made: names have this where they have the environment's.
pub(super) const ENV: &str = "zqenvqz";
const OPEN: char = '\u{1}';
const CLOSE: char = '\u{2}';
/// The key of an object that holds a value for each environment.
pub(super) const EACH: &str = "\u{1}EACH";

/// What a text refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// What `Ref` gives of a resource.
    Reference(&'a str),
    /// An attribute of a resource.
    Attribute(&'a str, &'a str),
    /// A parameter of AWS's own: `Region`.
    Pseudo(&'a str),
    /// An expression of Terraform's.
    Expr(&'a str),
}

/// A piece of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Text(&'a str),
    Token(Token<'a>),
}

pub(super) fn reference(id: &str) -> String {
    format!("{OPEN}R{id}{CLOSE}")
}

pub(super) fn attribute(id: &str, attribute: &str) -> String {
    format!("{OPEN}A{id}.{attribute}{CLOSE}")
}

pub(super) fn pseudo(name: &str) -> String {
    format!("{OPEN}P{name}{CLOSE}")
}

pub(super) fn expr(text: &str) -> String {
    format!("{OPEN}E{text}{CLOSE}")
}

/// Whether a text refers to nothing.
pub(super) fn is_plain(text: &str) -> bool {
    !text.contains(OPEN)
}

/// Whether a value refers to nothing.
pub(super) fn is_constant(value: &Value) -> bool {
    match value {
        Value::String(text) => is_plain(text),
        Value::Array(items) => items.iter().all(is_constant),
        Value::Object(fields) => fields.iter().all(|(k, v)| k != EACH && is_constant(v)),
        _ => true,
    }
}

/// The pieces of a text.
pub(super) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut found = Vec::new();
    let mut left = text;
    while let Some((before, rest)) = left.split_once(OPEN) {
        if !before.is_empty() {
            found.push(Piece::Text(before));
        }
        let (inside, after) = rest.split_once(CLOSE).unwrap_or((rest, ""));
        let mut letters = inside.chars();
        let token = match letters.next() {
            Some('R') => Token::Reference(letters.as_str()),
            Some('A') => {
                let (id, name) = letters.as_str().split_once('.').unwrap_or((letters.as_str(), ""));
                Token::Attribute(id, name)
            }
            Some('P') => Token::Pseudo(letters.as_str()),
            _ => Token::Expr(letters.as_str()),
        };
        found.push(Piece::Token(token));
        left = after;
    }
    if !left.is_empty() {
        found.push(Piece::Text(left));
    }
    found
}

/// The resources that a value refers to.
pub(super) fn referred<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => {
            for piece in pieces(text) {
                if let Piece::Token(Token::Reference(id) | Token::Attribute(id, _)) = piece
                    && !found.contains(&id)
                {
                    found.push(id);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|v| referred(v, found)),
        Value::Object(fields) => fields.values().for_each(|v| referred(v, found)),
        _ => {}
    }
}

/// A value with texts in place of CloudFormation's functions; none where it has one that we do not write.
pub(super) fn coded(value: &Value) -> Option<Value> {
    Some(match value {
        Value::Array(items) => Value::Array(items.iter().map(coded).collect::<Option<_>>()?),
        Value::Object(fields) => {
            if let Some((name, argument)) = function(fields) {
                return call(name, argument).map(Value::String);
            }
            let field = |(k, v): (&String, &Value)| coded(v).map(|v| (k.clone(), v));
            Value::Object(fields.iter().map(field).collect::<Option<Map<_, _>>>()?)
        }
        other => other.clone(),
    })
}

fn function(fields: &Map<String, Value>) -> Option<(&str, &Value)> {
    let (name, argument) = fields.iter().next().filter(|_| fields.len() == 1)?;
    (name == "Ref" || name.starts_with("Fn::")).then_some((name.as_str(), argument))
}

fn call(name: &str, argument: &Value) -> Option<String> {
    match (name, argument) {
        ("Ref", Value::String(id)) => Some(match id.strip_prefix("AWS::") {
            Some(own) => pseudo(own),
            None => reference(id),
        }),
        ("Fn::GetAtt", Value::Array(parts)) => match parts.as_slice() {
            [Value::String(id), Value::String(name)] => Some(attribute(id, name)),
            _ => None,
        },
        ("Fn::Sub", Value::String(text)) => Some(substituted(text)),
        ("Fn::Select", Value::Array(parts)) => match parts.as_slice() {
            [Value::Number(n), Value::Object(of)] if of.contains_key("Fn::GetAZs") => {
                Some(expr(&format!("data.aws_availability_zones.available.names[{n}]")))
            }
            _ => None,
        },
        _ => None,
    }
}

/// What `Fn::Sub` makes of a text.
fn substituted(text: &str) -> String {
    let mut out = String::new();
    let mut left = text;
    while let Some((before, rest)) = left.split_once("${") {
        out.push_str(before);
        let (name, after) = rest.split_once('}').unwrap_or((rest, ""));
        let put = match (name.strip_prefix('!'), name.strip_prefix("AWS::"), name.split_once('.')) {
            (Some(literal), ..) => format!("${{{literal}}}"),
            (_, Some(own), _) => pseudo(own),
            (.., Some((id, name))) => attribute(id, name),
            _ => reference(name),
        };
        out.push_str(&put);
        left = after;
    }
    out + left
}

/// JSON in a text, unless writing it anew would change a number in it.
pub(super) fn json(text: &str) -> Option<Value> {
    fn exact(value: &Value) -> bool {
        match value {
            Value::Number(n) => n.is_i64() || n.is_u64(),
            Value::Array(items) => items.iter().all(exact),
            Value::Object(fields) => fields.values().all(exact),
            _ => true,
        }
    }
    let begins = text.starts_with(['{', '[']);
    let escaped = text.replace(OPEN, "\\u0001").replace(CLOSE, "\\u0002");
    let value: Value = begins.then(|| serde_json::from_str(&escaped).ok()).flatten()?;
    (exact(&value) && value != Value::Array(Vec::new())).then_some(value)
}

/// What names are put together from.
pub(super) struct Names<'a> {
    pub(super) pipeline: &'a str,
    /// The catalog database's name, before the environment's.
    pub(super) database: Option<&'a str>,
}

impl Names<'_> {
    /// A text with what stands for the environment in it.
    pub(super) fn parts(&self, text: &str, out: &mut Vec<Part>) {
        let mut left = text;
        while let Some(at) = left.find(ENV) {
            let (before, after) = (&left[..at], &left[at + ENV.len()..]);
            let stack = before.strip_suffix('-').and_then(|b| b.strip_suffix(self.pipeline));
            let database = self
                .database
                .filter(|_| !after.starts_with(|c: char| c == '_' || c.is_alphanumeric()))
                .and_then(|name| before.strip_suffix('_')?.strip_suffix(name));
            let ends = |b: &&str| !b.ends_with(|c: char| c.is_ascii_alphanumeric());
            let (before, put) = match (stack.filter(ends), database.filter(ends)) {
                (Some(before), _) => (before, "local.name"),
                (_, Some(before)) => (before, "local.database"),
                _ => (before, "var.env"),
            };
            out.push(Part::Text(before.to_owned()));
            out.push(Part::Expr(put.to_owned()));
            left = after;
        }
        out.push(Part::Text(left.to_owned()));
    }
}
