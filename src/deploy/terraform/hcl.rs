//! Terraform's language, as far as an export writes it, in the form that `terraform fmt` gives it.

use std::fmt::Write as _;

/// What a line may have before an object or a list is broken into several.
const LINE: usize = 100;
/// What an object in one line may have.
const SHORT: usize = 64;

/// A piece of a text.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Part {
    /// Characters as they are.
    Text(String),
    /// An expression whose value is put in.
    Expr(String),
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expr {
    /// A text with what is put in.
    Text(Vec<Part>),
    /// An expression as it is written: a reference, a number, `true`.
    Raw(String),
    List(Vec<Expr>),
    Object(Vec<(String, Expr)>),
    /// An object with a line for each field, however short.
    Lines(Vec<(String, Expr)>),
    /// A function's name and what it is given.
    Call(&'static str, Vec<Expr>),
    /// What an object holds under a key that is an expression.
    Index(Box<Expr>, String),
}

impl Expr {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(vec![Part::Text(text.into())])
    }

    pub(super) fn raw(text: impl Into<String>) -> Self {
        Self::Raw(text.into())
    }

    /// A text of pieces: what is one expression alone is that expression.
    pub(super) fn parts(mut parts: Vec<Part>) -> Self {
        parts.retain(|p| !matches!(p, Part::Text(t) if t.is_empty()));
        match parts.as_slice() {
            [Part::Expr(only)] => Self::Raw(only.clone()),
            _ => Self::Text(parts),
        }
    }
}

/// What stands in a body, one under the other.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Item {
    Comment(String),
    /// An empty line.
    Gap,
    Attr(String, Expr),
    Block(Block),
}

/// A block: `resource "awscc_s3_bucket" "landing" { ... }`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Block {
    pub(super) kind: &'static str,
    pub(super) labels: Vec<String>,
    pub(super) items: Vec<Item>,
}

impl Block {
    pub(super) fn new<const N: usize>(kind: &'static str, labels: [&str; N]) -> Self {
        Self { kind, labels: labels.map(str::to_owned).to_vec(), items: Vec::new() }
    }

    /// With an argument.
    pub(super) fn with(mut self, name: &str, value: Expr) -> Self {
        self.items.push(Item::Attr(name.to_owned(), value));
        self
    }

    /// With a block inside.
    pub(super) fn inside(mut self, block: Block) -> Self {
        self.items.push(Item::Block(block));
        self
    }
}

/// The text of a file.
pub(super) fn text(items: &[Item]) -> String {
    let mut out = String::new();
    body(&mut out, items, 0);
    out
}

fn body(out: &mut String, items: &[Item], indent: usize) {
    let pad = " ".repeat(indent);
    let mut lines: Vec<(String, String)> = Vec::new();
    let mut first = true;
    let mut commented = false;
    for item in items {
        match item {
            Item::Comment(comment) => {
                aligned(out, &mut lines, &pad);
                if !first {
                    out.push('\n');
                }
                for line in comment.lines() {
                    out.push_str(format!("{pad}# {line}").trim_end());
                    out.push('\n');
                }
                commented = true;
            }
            Item::Gap => {
                aligned(out, &mut lines, &pad);
                out.push('\n');
            }
            Item::Attr(name, value) => {
                lines.push((name.clone(), render(value, indent)));
                commented = false;
            }
            Item::Block(block) => {
                aligned(out, &mut lines, &pad);
                if !first && !commented {
                    out.push('\n');
                }
                out.push_str(&pad);
                out.push_str(block.kind);
                for label in &block.labels {
                    let _ = write!(out, " {}", quoted(&[Part::Text(label.clone())]));
                }
                if block.items.is_empty() {
                    out.push_str(" {}\n");
                } else {
                    out.push_str(" {\n");
                    body(out, &block.items, indent + 2);
                    let _ = writeln!(out, "{pad}}}");
                }
                commented = false;
            }
        }
        first = false;
    }
    aligned(out, &mut lines, &pad);
}

/// Writes what was gathered, one a line: of those in a row that are whole values, the equals signs stand below each other.
/// A text of several lines is whole, too.
fn aligned(out: &mut String, lines: &mut Vec<(String, String)>, pad: &str) {
    let whole = |value: &str| !value.contains('\n') || value.starts_with("<<");
    let mut at = 0;
    while at < lines.len() {
        let run = lines[at..].iter().take_while(|(_, value)| whole(value)).count();
        let width = lines[at..at + run].iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
        for (name, value) in &lines[at..at + run.max(1)] {
            let space = " ".repeat(if run == 0 { 0 } else { width - name.chars().count() });
            let _ = writeln!(out, "{pad}{name}{space} = {value}");
        }
        at += run.max(1);
    }
    lines.clear();
}

fn render(value: &Expr, indent: usize) -> String {
    if let Some(line) = line(value)
        && line.chars().count() + indent <= LINE
    {
        return line;
    }
    let (pad, inner) = (" ".repeat(indent), indent + 2);
    match value {
        Expr::Raw(raw) => raw.clone(),
        Expr::Text(parts) => heredoc(parts, inner).unwrap_or_else(|| quoted(parts)),
        Expr::List(items) => {
            let mut out = String::from("[\n");
            for item in items {
                let _ = writeln!(out, "{pad}  {},", render(item, inner));
            }
            out + &pad + "]"
        }
        Expr::Object(fields) | Expr::Lines(fields) => {
            let mut out = String::from("{\n");
            let mut lines: Vec<_> = fields.iter().map(|(k, v)| (key(k), render(v, inner))).collect();
            aligned(&mut out, &mut lines, &" ".repeat(inner));
            out + &pad + "}"
        }
        Expr::Call(function, arguments) => {
            let arguments: Vec<String> = arguments.iter().map(|a| render(a, indent)).collect();
            format!("{function}({})", arguments.join(", "))
        }
        Expr::Index(object, key) => format!("{}[{key}]", render(object, indent)),
    }
}

/// A value in one line, if it is to be in one.
fn line(value: &Expr) -> Option<String> {
    match value {
        Expr::Raw(raw) => Some(raw.clone()),
        Expr::Text(parts) => (!many_lines(parts)).then(|| quoted(parts)),
        Expr::List(items) => {
            let items = items.iter().map(line).collect::<Option<Vec<_>>>()?;
            Some(format!("[{}]", items.join(", ")))
        }
        Expr::Object(fields) if fields.is_empty() => Some("{}".into()),
        Expr::Lines(_) => None,
        Expr::Object(fields) => {
            let field = |(k, v): &(String, Expr)| line(v).map(|v| format!("{} = {v}", key(k)));
            let text = format!("{{ {} }}", fields.iter().map(field).collect::<Option<Vec<_>>>()?.join(", "));
            (fields.len() <= 3 && text.chars().count() <= SHORT).then_some(text)
        }
        Expr::Call(function, arguments) => {
            let arguments = arguments.iter().map(line).collect::<Option<Vec<_>>>()?;
            Some(format!("{function}({})", arguments.join(", ")))
        }
        Expr::Index(object, key) => line(object).map(|object| format!("{object}[{key}]")),
    }
}

/// An object's key: a name as it is, any other text quoted.
fn key(key: &str) -> String {
    if is_name(key) { key.to_owned() } else { quoted(&[Part::Text(key.to_owned())]) }
}

/// Whether Terraform reads it as a name; a number or a word of the language would be something else.
fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !["true", "false", "null", "for", "if", "in"].contains(&text)
}

/// Whether it ends each of several lines, as a file does: then it may stand as it is.
fn many_lines(parts: &[Part]) -> bool {
    let plain = |c: char| c == '\n' || c == '\t' || !c.is_control();
    let lines: usize = parts.iter().map(|p| if let Part::Text(t) = p { t.matches('\n').count() } else { 0 }).sum();
    let ends = matches!(parts.last(), Some(Part::Text(t)) if t.ends_with('\n'));
    // A line of spaces alone would count as one that is indented less.
    let all: String = parts.iter().map(|p| if let Part::Text(t) = p { t.as_str() } else { "x" }).collect();
    let blank = all.lines().any(|l| !l.is_empty() && l.trim().is_empty());
    lines > 1 && ends && !blank && all.chars().all(plain) && all.lines().all(|l| l.trim() != "EOT")
}

/// A text of several lines as it is; its indent is taken away by Terraform.
fn heredoc(parts: &[Part], indent: usize) -> Option<String> {
    if !many_lines(parts) {
        return None;
    }
    let mut text = String::new();
    for part in parts {
        match part {
            Part::Text(t) => text.push_str(&t.replace("${", "$${").replace("%{", "%%{")),
            Part::Expr(e) => {
                let _ = write!(text, "${{{e}}}");
            }
        }
    }
    let pad = " ".repeat(indent);
    let lines: Vec<String> =
        text.lines().map(|l| if l.is_empty() { String::new() } else { format!("{pad}{l}") }).collect();
    // It ends below the argument that it is.
    let end = " ".repeat(indent.saturating_sub(2));
    Some(format!("<<-EOT\n{}\n{end}EOT", lines.join("\n")))
}

/// A text in quotes.
pub(super) fn quoted(parts: &[Part]) -> String {
    let mut out = String::from("\"");
    for (n, part) in parts.iter().enumerate() {
        match part {
            Part::Expr(e) => {
                let _ = write!(out, "${{{e}}}");
            }
            Part::Text(text) => {
                let mut left = text.chars().peekable();
                while let Some(c) = left.next() {
                    match c {
                        '"' => out.push_str("\\\""),
                        '\\' => out.push_str("\\\\"),
                        '\n' => out.push_str("\\n"),
                        '\r' => out.push_str("\\r"),
                        '\t' => out.push_str("\\t"),
                        // What would begin an expression, or would together with the one that follows.
                        '$' | '%' if left.peek() == Some(&'{') => {
                            out.push(c);
                            out.push(c);
                        }
                        c if c.is_control() => {
                            let _ = write!(out, "\\u{:04x}", u32::from(c));
                        }
                        c => out.push(c),
                    }
                }
                // `$` before an expression would escape it.
                if text.ends_with('$') && matches!(parts.get(n + 1), Some(Part::Expr(_))) {
                    out.pop();
                    out.push_str("${\"$\"}");
                }
            }
        }
    }
    out.push('"');
    out
}

/// A value inside of another expression.
pub(super) fn inline(value: &Expr) -> String {
    line(value).unwrap_or_else(|| render(value, 0))
}
