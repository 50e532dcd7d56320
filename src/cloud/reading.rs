//! Whether a statement of SQL only reads, told from its words alone.
//!
//! The text is split as Trino splits it: comments, strings and quoted names hold no words. What cannot be told is
//! refused.

use super::error::{Error, Result};

/// The longest text, in bytes: Athena's own limit.
const LONGEST: usize = 262_144;
/// Brackets within brackets that are looked into.
const DEEPEST: usize = 200;

/// What begins a statement that does more than read, as far as words are known: the others are refused, too.
const CHANGES: [&str; 26] = [
    "ALTER",
    "ANALYZE",
    "CALL",
    "COMMENT",
    "COMMIT",
    "COPY",
    "CREATE",
    "DEALLOCATE",
    "DELETE",
    "DROP",
    "EXECUTE",
    "GRANT",
    "INSERT",
    "LOAD",
    "MERGE",
    "MSCK",
    "OPTIMIZE",
    "PREPARE",
    "REFRESH",
    "REVOKE",
    "SET",
    "TABLE",
    "TRUNCATE",
    "UNLOAD",
    "UPDATE",
    "VACUUM",
];

/// What kind of statement it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `SELECT`, `WITH` or `VALUES`.
    Select,
    /// `SHOW` or `DESCRIBE`: about the catalog.
    Catalog,
    /// `EXPLAIN`; with `ANALYZE` the query is executed.
    Explain,
}

/// A statement that only reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// What kind of statement it is.
    pub kind: Kind,
    /// Its `?`.
    pub placeholders: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    /// A word or a number without quotes.
    Word(&'a str),
    /// A name in quotes.
    Name(&'a str),
    /// A string.
    Text,
    /// Anything else.
    Sign(char),
}

impl Token<'_> {
    fn is(self, word: &str) -> bool {
        matches!(self, Self::Word(w) if w.eq_ignore_ascii_case(word))
    }

    /// Whether it is this name, with quotes or without.
    fn named(self, name: &str) -> bool {
        matches!(self, Self::Word(w) | Self::Name(w) if w.eq_ignore_ascii_case(name))
    }
}

/// Looks at a statement.
///
/// # Errors
/// [`Error::Invalid`] for what does more than read, for more than one statement, and for what cannot be told.
pub fn check(sql: &str) -> Result<Reading> {
    let mut tokens = tokens(sql)?;
    while tokens.last() == Some(&Token::Sign(';')) {
        tokens.pop();
    }
    if tokens.is_empty() {
        return Err(Error::invalid("there is no statement"));
    }
    if tokens.contains(&Token::Sign(';')) {
        return Err(Error::invalid("one statement at a time: there is something behind a semicolon"));
    }
    let placeholders = tokens.iter().filter(|t| **t == Token::Sign('?')).count();
    let kind = match tokens.first() {
        Some(first) if ["SHOW", "DESCRIBE", "DESC"].iter().any(|w| first.is(w)) => Kind::Catalog,
        Some(first) if first.is("EXPLAIN") => {
            query(explained(&tokens), 0)?;
            Kind::Explain
        }
        _ => {
            query(&tokens, 0)?;
            Kind::Select
        }
    };
    if kind != Kind::Catalog {
        body(&tokens)?;
    }
    Ok(Reading { kind, placeholders })
}

/// A value for a `?` as the literal that it is, or else as text: nothing that a value holds is ever more than one value.
pub fn literal(value: &str) -> String {
    let quoted = || format!("'{}'", value.replace('\'', "''"));
    let Ok(tokens) = tokens(value) else { return quoted() };
    let whole = value.trim();
    // A comment is no part of a literal.
    let plain = !whole.contains("--") && !whole.contains("/*");
    let is_literal = plain
        && match tokens.as_slice() {
            [Token::Text] => true,
            [Token::Word(word)] => {
                number(whole) || ["TRUE", "FALSE", "NULL"].iter().any(|w| word.eq_ignore_ascii_case(w))
            }
            [Token::Word(kind), Token::Text] => {
                kind.eq_ignore_ascii_case("DATE") || kind.eq_ignore_ascii_case("TIMESTAMP")
            }
            _ => number(whole),
        };
    if is_literal { whole.to_owned() } else { quoted() }
}

fn number(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    digits.bytes().next().is_some_and(|b| b.is_ascii_digit() || b == b'.')
        && digits.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'-' | b'+'))
        && digits.parse::<f64>().is_ok()
}

fn refused(word: &str) -> Error {
    let word: String = word.chars().take(40).collect::<String>().to_uppercase();
    Error::Invalid(format!("{word} is refused: queries only read (SELECT, WITH, VALUES, SHOW, DESCRIBE, EXPLAIN)"))
}

fn unwanted(token: Option<&Token<'_>>) -> Error {
    match token {
        Some(Token::Word(word)) if CHANGES.iter().any(|known| word.eq_ignore_ascii_case(known)) => refused(word),
        Some(Token::Word(word)) => {
            let word: String = word.chars().take(40).collect();
            Error::Invalid(format!("expected SELECT, or another statement that reads, found {word}"))
        }
        _ => Error::invalid("expected SELECT, or another statement that reads"),
    }
}

/// What an `EXPLAIN` explains.
fn explained<'t, 'a>(tokens: &'t [Token<'a>]) -> &'t [Token<'a>] {
    let mut rest = tokens.get(1..).unwrap_or_default();
    while let Some(first) = rest.first() {
        let options =
            *first == Token::Sign('(') && rest.get(1).is_some_and(|t| ["TYPE", "FORMAT"].iter().any(|word| t.is(word)));
        let skip = match group(rest) {
            Some(end) if options => end,
            _ if first.is("ANALYZE") || first.is("VERBOSE") => 1,
            _ => break,
        };
        rest = rest.get(skip..).unwrap_or_default();
    }
    rest
}

/// Where the bracket that opens at the first token has closed: the index behind it.
fn group(tokens: &[Token<'_>]) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Sign('(') => depth += 1,
            Token::Sign(')') => depth = depth.checked_sub(1)?,
            _ => {}
        }
        if depth == 0 {
            return (at > 0).then_some(at + 1);
        }
    }
    None
}

/// Whether these begin as a query does, and each query that has a name before it.
fn query(tokens: &[Token<'_>], depth: usize) -> Result<()> {
    if depth > DEEPEST {
        return Err(Error::invalid("the statement is nested too deeply: fewer brackets within each other"));
    }
    let mut rest = tokens;
    while let Some((Token::Sign('('), inner)) = rest.split_first() {
        rest = inner;
    }
    match rest.first() {
        Some(first) if first.is("SELECT") || first.is("VALUES") => Ok(()),
        Some(first) if first.is("WITH") => with(rest.get(1..).unwrap_or_default(), depth),
        other => Err(unwanted(other)),
    }
}

/// `name [(columns)] AS [[NOT] MATERIALIZED] (query), ... query`
fn with(tokens: &[Token<'_>], depth: usize) -> Result<()> {
    let odd = || Error::invalid("WITH is followed by name AS (query), and then by a SELECT");
    let mut rest = tokens;
    if rest.first().is_some_and(|t| t.is("RECURSIVE")) && !rest.get(1).is_some_and(|t| t.is("AS")) {
        rest = rest.get(1..).unwrap_or_default();
    }
    loop {
        if !matches!(rest.first(), Some(Token::Word(_) | Token::Name(_))) {
            return Err(odd());
        }
        rest = rest.get(1..).unwrap_or_default();
        if rest.first() == Some(&Token::Sign('(')) {
            rest = group(rest).and_then(|end| rest.get(end..)).ok_or_else(odd)?;
        }
        if !rest.first().is_some_and(|t| t.is("AS")) {
            return Err(odd());
        }
        rest = rest.get(1..).unwrap_or_default();
        while rest.first().is_some_and(|t| t.is("NOT") || t.is("MATERIALIZED")) {
            rest = rest.get(1..).unwrap_or_default();
        }
        if rest.first() != Some(&Token::Sign('(')) {
            return Err(odd());
        }
        let end = group(rest).ok_or_else(odd)?;
        query(rest.get(1..end).unwrap_or_default(), depth + 1)?;
        rest = rest.get(end..).unwrap_or_default();
        if rest.first() == Some(&Token::Sign(',')) {
            rest = rest.get(1..).unwrap_or_default();
        } else {
            return query(rest, depth + 1);
        }
    }
}

/// Words that no reading query holds, wherever they stand.
fn body(tokens: &[Token<'_>]) -> Result<()> {
    if tokens.iter().any(|t| t.is("INTO")) {
        return Err(refused("SELECT ... INTO"));
    }
    // What another database is given to execute, in its own words: nobody can tell what it does there.
    let passed_on = tokens.windows(4).any(|t| {
        matches!(t, [system, Token::Sign('.'), query, Token::Sign('(')] if system.named("system") && query.named("query"))
    });
    if passed_on {
        return Err(refused("system.query"));
    }
    Ok(())
}

fn tokens(sql: &str) -> Result<Vec<Token<'_>>> {
    if sql.len() > LONGEST {
        return Err(Error::invalid(format!("the text has {} bytes: {LONGEST} are the most", sql.len())));
    }
    let open = |what: &str| Error::invalid(format!("{what} is not closed"));
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(c) = sql.get(at..).and_then(|rest| rest.chars().next()) {
        let rest = sql.get(at..).unwrap_or_default();
        let after = rest.get(c.len_utf8()..).unwrap_or_default();
        at += match c {
            '-' if after.starts_with('-') => rest.find(['\n', '\r']).unwrap_or(rest.len()),
            '/' if after.starts_with('*') => {
                let end = rest.get(2..).and_then(|inside| inside.find("*/"));
                end.ok_or_else(|| open("a comment"))? + 4
            }
            '\'' => {
                found.push(Token::Text);
                quoted(after, '\'').ok_or_else(|| open("a text in quotes"))? + 2
            }
            '"' | '`' => {
                let len = quoted(after, c).ok_or_else(|| open("a name in quotes"))?;
                found.push(Token::Name(after.get(..len).unwrap_or_default()));
                len + 2
            }
            c if c.is_alphanumeric() || c == '_' => {
                let part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | '@' | '#');
                let len = rest.find(|c| !part(c)).unwrap_or(rest.len());
                found.push(Token::Word(rest.get(..len).unwrap_or_default()));
                len
            }
            c if c.is_whitespace() => c.len_utf8(),
            c => {
                found.push(Token::Sign(c));
                c.len_utf8()
            }
        };
    }
    Ok(found)
}

/// The length of what stands before the closing quote; two of them are one within.
fn quoted(text: &str, quote: char) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + text.get(from..)?.find(quote)?;
        if !text.get(at + 1..)?.starts_with(quote) {
            return Some(at);
        }
        from = at + 2;
    }
}

#[cfg(test)]
mod tests;
