//! The syntax of SQL: from text to one statement, within limits of length and depth.

use std::{fmt, sync::LazyLock};

use datafusion::sql::sqlparser::{
    ast,
    dialect::GenericDialect,
    keywords::Keyword,
    parser::{Parser, ParserError},
    tokenizer::{Token, TokenWithSpan, Tokenizer, TokenizerError},
};
use regex::Regex;

/// The longest text, in bytes: Athena's own limit.
const LONGEST: usize = 262_144;
/// Operators and words that chain expressions: a chain is as deep as it is long, and all that walks it must not run out
/// of stack.
const MOST_CHAINED: usize = 1_000;

/// A mistake in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The line and the column in characters, both from 1, where a place is meant.
    pub place: Option<(u64, u64)>,
    /// What is wrong, without the place.
    pub what: String,
    /// Whether the text is no statement, rather than one that is not wanted.
    pub syntax: bool,
}

impl Mistake {
    /// A statement that is not wanted.
    pub fn unwanted(what: impl Into<String>) -> Self {
        Self { place: None, what: what.into(), syntax: false }
    }

    fn syntax(place: Option<(u64, u64)>, what: impl Into<String>) -> Self {
        Self { place: place.filter(|(line, _)| *line > 0), what: what.into(), syntax: true }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.syntax, self.place) {
            (false, _) => f.write_str(&self.what),
            (true, Some((line, column))) => {
                write!(f, "syntax error at line {line}, column {column}: {}", self.what)
            }
            (true, None) => write!(f, "syntax error: {}", self.what),
        }
    }
}

impl From<&ParserError> for Mistake {
    fn from(error: &ParserError) -> Self {
        match error {
            ParserError::ParserError(text) | ParserError::TokenizerError(text) => placed(text),
            ParserError::RecursionLimitExceeded => {
                Self::unwanted("the statement is nested too deeply: fewer parentheses or subqueries within each other")
            }
        }
    }
}

impl From<&TokenizerError> for Mistake {
    fn from(error: &TokenizerError) -> Self {
        Self::syntax(Some((error.location.line, error.location.column)), error.message.clone())
    }
}

/// The parser's place stands at the end of its text: "Expected: … at Line: 1, Column: 8".
fn placed(text: &str) -> Mistake {
    static PLACE: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"(?s)^(.*?)(?: at)? Line: (\d+), Column: (\d+)(.*)$").ok());
    let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let Some(found) = PLACE.as_ref().and_then(|r| r.captures(text)) else {
        return Mistake::syntax(None, one_line(text));
    };
    let part = |i| found.get(i).map_or("", |m| m.as_str());
    let place = part(2).parse().ok().zip(part(3).parse().ok());
    Mistake::syntax(place, format!("{}{}", one_line(part(1)), one_line(part(4))))
}

/// Splits a text into tokens. The first word must be that of a statement which only reads.
pub fn tokens(sql: &str) -> Result<Vec<TokenWithSpan>, Mistake> {
    if sql.len() > LONGEST {
        return Err(Mistake::unwanted(format!("the text has {} bytes: {LONGEST} are the most", sql.len())));
    }
    let tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize_with_location().map_err(|e| Mistake::from(&e))?;
    let chained = tokens.iter().filter(|t| chains(&t.token)).count();
    if chained > MOST_CHAINED {
        return Err(Mistake::unwanted(format!("the statement has {chained} operators: {MOST_CHAINED} are the most")));
    }
    let first = tokens.iter().find(|t| !matches!(t.token, Token::Whitespace(_) | Token::LParen | Token::SemiColon));
    let Some(first) = first.filter(|t| t.token != Token::EOF) else {
        return Err(Mistake::unwanted("there is no statement"));
    };
    let keyword = match &first.token {
        Token::Word(word) => word.keyword,
        _ => Keyword::NoKeyword,
    };
    let word: String = first.token.to_string().chars().take(40).collect();
    let place = Some((first.span.start.line, first.span.start.column));
    match keyword {
        Keyword::SELECT
        | Keyword::WITH
        | Keyword::VALUES
        | Keyword::SHOW
        | Keyword::DESCRIBE
        | Keyword::DESC
        | Keyword::EXPLAIN => Ok(tokens),
        Keyword::NoKeyword => {
            Err(Mistake::syntax(place, format!("expected SELECT, or another statement that reads, found {word}")))
        }
        _ => Err(Mistake { place, ..refused(&word.to_uppercase()) }),
    }
}

/// What a statement is told that does not only read.
pub fn refused(word: &str) -> Mistake {
    Mistake::unwanted(format!("{word} is refused: queries only read (SELECT, WITH, VALUES, SHOW, DESCRIBE, EXPLAIN)"))
}

fn chains(token: &Token) -> bool {
    match token {
        Token::EOF
        | Token::Whitespace(_)
        | Token::Comma
        | Token::Period
        | Token::LParen
        | Token::RParen
        | Token::SemiColon
        | Token::Number(..)
        | Token::SingleQuotedString(_)
        | Token::Placeholder(_) => false,
        Token::Word(word) => matches!(
            word.keyword,
            Keyword::AND
                | Keyword::OR
                | Keyword::XOR
                | Keyword::NOT
                | Keyword::IS
                | Keyword::IN
                | Keyword::LIKE
                | Keyword::ILIKE
                | Keyword::RLIKE
                | Keyword::REGEXP
                | Keyword::SIMILAR
                | Keyword::BETWEEN
                | Keyword::COLLATE
                | Keyword::AT
                | Keyword::DIV
                | Keyword::OVERLAPS
                | Keyword::OPERATOR
                | Keyword::MEMBER
                | Keyword::UNION
                | Keyword::INTERSECT
                | Keyword::EXCEPT
                | Keyword::MINUS
                | Keyword::JOIN
                | Keyword::PIVOT
                | Keyword::UNPIVOT
        ),
        _ => true,
    }
}

/// Parses tokens as one statement.
pub fn parse(tokens: Vec<TokenWithSpan>) -> Result<ast::Statement, Mistake> {
    let dialect = GenericDialect {};
    let mut parser = Parser::new(&dialect).with_tokens_with_locations(tokens);
    while parser.consume_token(&Token::SemiColon) {}
    let statement = parser.parse_statement().map_err(|e| Mistake::from(&e))?;
    let mut ended = false;
    while parser.consume_token(&Token::SemiColon) {
        ended = true;
    }
    let next = parser.peek_token();
    let place = Some((next.span.start.line, next.span.start.column));
    match next.token {
        Token::EOF => Ok(statement),
        _ if ended => Err(Mistake {
            place,
            what: "one statement at a time: there is another after the semicolon".into(),
            syntax: false,
        }),
        other => Err(Mistake::syntax(place, format!("expected the end of the statement, found {other}"))),
    }
}

/// Whether a text is the one `SELECT` of a job.
pub fn check_select(sql: &str) -> Result<(), Mistake> {
    let tokens = tokens(sql)?;
    if let Some(token) = tokens.iter().find(|t| matches!(t.token, Token::Placeholder(_))) {
        let place = Some((token.span.start.line, token.span.start.column));
        return Err(Mistake { place, ..Mistake::unwanted(format!("a job has no parameters: {}", token.token)) });
    }
    match parse(tokens)? {
        ast::Statement::Query(_) => Ok(()),
        _ => Err(Mistake::unwanted("a job's SQL is one SELECT")),
    }
}

/// Whether a text is one statement that reads. `?` stand for parameters.
pub fn check_query(sql: &str) -> Result<(), Mistake> {
    match parse(tokens(sql)?)? {
        ast::Statement::Explain { statement, .. } if !matches!(*statement, ast::Statement::Query(_)) => {
            Err(refused("EXPLAIN of what does not only read"))
        }
        _ => Ok(()),
    }
}
