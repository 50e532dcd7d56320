//! From text to one statement that only reads, with its parameters in place.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::{
    ast::{self, ObjectName, ShowStatementFilter, ShowStatementFilterPosition, ShowStatementOptions, visit_relations},
    dialect::GenericDialect,
    keywords::Keyword,
    tokenizer::{Token, TokenWithSpan, Tokenizer},
};

use super::errors;
use crate::{
    cloud::{Error, Result, reading},
    statement,
};

/// Tables in one statement.
const MOST_TABLES: usize = 64;

/// A statement that only reads.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Statement {
    /// For DataFusion.
    Query(Box<ast::Statement>),
    /// Answered from the catalog.
    Show(Show),
}

/// A question about the catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Show {
    /// `SHOW DATABASES`, with a `LIKE` pattern.
    Databases(Option<String>),
    /// `SHOW TABLES`, in a database, with a `LIKE` pattern.
    Tables(Option<String>, Option<String>),
    /// `DESCRIBE`: the table's name in parts.
    Describe(Vec<String>),
    /// `SHOW COLUMNS IN`: the table's name in parts.
    Columns(Vec<String>),
    /// `SHOW PARTITIONS`: the table's name in parts.
    Partitions(Vec<String>),
}

/// A text that begins as a reading statement does.
#[derive(Debug, Clone)]
pub(crate) struct Text {
    tokens: Vec<TokenWithSpan>,
}

impl Text {
    /// Splits a text into tokens.
    ///
    /// # Errors
    /// [`Error::Invalid`] for what cannot be one, or changes something.
    pub(crate) fn new(sql: &str) -> Result<Self> {
        let tokens = statement::tokens(sql).map_err(|e| errors::syntax(&e))?;
        reading::check(sql)?;
        Ok(Self { tokens })
    }

    /// The statement with its `?` numbered, `$1` and so on: to find out which types they stand for.
    ///
    /// # Errors
    /// [`Error::Invalid`], with line and column where the syntax is wrong.
    pub(crate) fn numbered(&self) -> Result<Statement> {
        let mut number = 0;
        let mut tokens = self.tokens.clone();
        for token in &mut tokens {
            if matches!(token.token, Token::Placeholder(_)) {
                number += 1;
                token.token = Token::Placeholder(format!("${number}"));
            }
        }
        classify(parse_one(tokens)?)
    }

    /// The statement with the parameters in place of its `?`; `is_text` says, by their index, which of them stand where
    /// a text does, so that `5` is a text there.
    ///
    /// # Errors
    /// [`Error::Invalid`], with line and column where the syntax is wrong.
    pub(crate) fn bound(self, parameters: &[String], is_text: impl Fn(usize) -> bool) -> Result<Statement> {
        classify(parse_one(bind(self.tokens, parameters, is_text)?)?)
    }
}

/// Parses the one query of a job.
pub(crate) fn parse_job(sql: &str) -> Result<Box<ast::Statement>> {
    match Text::new(sql)?.bound(&[], |_| false)? {
        Statement::Query(query) if matches!(*query, ast::Statement::Query(_)) => Ok(query),
        _ => Err(Error::invalid("a job's SQL is one SELECT")),
    }
}

/// Puts literals in place of the placeholders: tokens, so no value can become anything else.
fn bind(
    tokens: Vec<TokenWithSpan>,
    parameters: &[String],
    is_text: impl Fn(usize) -> bool,
) -> Result<Vec<TokenWithSpan>> {
    let placeholders = tokens.iter().filter(|t| matches!(t.token, Token::Placeholder(_))).count();
    if placeholders != parameters.len() {
        return Err(Error::invalid(format!(
            "the statement has {placeholders} ? and {} parameters are given",
            parameters.len()
        )));
    }
    let mut parameters = parameters.iter().enumerate();
    let mut bound = Vec::with_capacity(tokens.len() + placeholders);
    for token in tokens {
        match &token.token {
            Token::Placeholder(name) if name == "?" => {
                let Some((i, value)) = parameters.next() else { continue };
                let literal = literal(value, is_text(i)).into_iter();
                bound.extend(literal.map(|t| TokenWithSpan::new(t, token.span)));
            }
            Token::Placeholder(name) => {
                return Err(Error::invalid(format!("placeholder {name}: write ?, they are filled in order")));
            }
            _ => bound.push(token),
        }
    }
    Ok(bound)
}

/// The tokens of a parameter: those of a literal where it is one, else one text.
fn literal(value: &str, is_text: bool) -> Vec<Token> {
    let text = || vec![Token::SingleQuotedString(value.to_owned())];
    let Ok(tokens) = Tokenizer::new(&GenericDialect {}, value).tokenize() else { return text() };
    let tokens: Vec<Token> = tokens.into_iter().filter(|t| !matches!(t, Token::Whitespace(_))).collect();
    let is_literal = match tokens.as_slice() {
        [Token::SingleQuotedString(_)] => true,
        _ if is_text => false,
        [Token::Number(_, false)] | [Token::Minus | Token::Plus, Token::Number(_, false)] => true,
        [Token::Word(word)] => {
            word.quote_style.is_none() && matches!(word.keyword, Keyword::TRUE | Keyword::FALSE | Keyword::NULL)
        }
        [Token::Word(word), Token::SingleQuotedString(_)] => {
            word.quote_style.is_none() && matches!(word.keyword, Keyword::DATE | Keyword::TIMESTAMP)
        }
        _ => false,
    };
    if is_literal { tokens } else { text() }
}

fn parse_one(tokens: Vec<TokenWithSpan>) -> Result<ast::Statement> {
    statement::parse(tokens).map_err(|e| errors::syntax(&e))
}

fn classify(statement: ast::Statement) -> Result<Statement> {
    use ast::Statement as S;
    let mut tables = 0;
    let _ = visit_relations(&statement, |_| {
        tables += 1;
        ControlFlow::<()>::Continue(())
    });
    if tables > MOST_TABLES {
        return Err(Error::invalid(format!("the statement names {tables} tables: {MOST_TABLES} are the most")));
    }
    let show = match statement {
        S::Explain { ref statement, .. } if !matches!(**statement, S::Query(_)) => {
            return Err(errors::syntax(&statement::refused("EXPLAIN of what does not only read")));
        }
        S::Query(_) | S::Explain { .. } => return Ok(Statement::Query(Box::new(statement))),
        S::ExplainTable { table_name, .. } => Show::Describe(parts(&table_name)),
        S::ShowDatabases { show_options, .. } | S::ShowSchemas { show_options, .. } => {
            Show::Databases(pattern(&show_options)?)
        }
        S::ShowTables { show_options, .. } => {
            let database = show_options.show_in.as_ref().and_then(|i| i.parent_name.as_ref());
            Show::Tables(database.map(|d| parts(d).pop().unwrap_or_default()), pattern(&show_options)?)
        }
        S::ShowColumns { show_options, .. } => {
            match show_options.show_in.as_ref().and_then(|i| i.parent_name.as_ref()) {
                Some(table) => Show::Columns(parts(table)),
                None => return Err(Error::invalid("SHOW COLUMNS: of which table? SHOW COLUMNS IN table")),
            }
        }
        S::ShowVariable { variable } => match variable.as_slice() {
            [word, table @ ..] if word.value.eq_ignore_ascii_case("partitions") && !table.is_empty() => {
                Show::Partitions(table.iter().map(|i| i.value.to_lowercase()).collect())
            }
            _ => return Err(unknown_show()),
        },
        _ => return Err(unknown_show()),
    };
    Ok(Statement::Show(show))
}

fn unknown_show() -> Error {
    Error::invalid(
        "SHOW knows DATABASES, SCHEMAS, TABLES [IN database], COLUMNS IN table and PARTITIONS table, each but the \
         last with LIKE 'pattern'",
    )
}

fn parts(name: &ObjectName) -> Vec<String> {
    name.0.iter().filter_map(|part| part.as_ident()).map(|i| i.value.to_lowercase()).collect()
}

fn pattern(options: &ShowStatementOptions) -> Result<Option<String>> {
    match &options.filter_position {
        None => Ok(None),
        Some(ShowStatementFilterPosition::Infix(filter) | ShowStatementFilterPosition::Suffix(filter)) => {
            match filter {
                ShowStatementFilter::Like(p) | ShowStatementFilter::ILike(p) | ShowStatementFilter::NoKeyword(p) => {
                    Ok(Some(p.clone()))
                }
                ShowStatementFilter::Where(_) => Err(unknown_show()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(sql: &str, parameters: &[String]) -> Result<Statement> {
        Text::new(sql)?.bound(parameters, |_| false)
    }

    fn bound(sql: &str, parameters: &[&str]) -> String {
        let parameters: Vec<String> = parameters.iter().map(ToString::to_string).collect();
        match parse(sql, &parameters).unwrap() {
            Statement::Query(q) => q.to_string(),
            Statement::Show(show) => format!("{show:?}"),
        }
    }

    fn error(sql: &str) -> String {
        parse(sql, &[]).unwrap_err().to_string()
    }

    #[test]
    fn parameters_are_literals_in_order_and_nothing_else() {
        let sql = "select * from t where a = ? and b < ? offset ? limit ?";
        assert_eq!(
            bound(sql, &["BTC", "-1.5", "3", "10"]),
            "SELECT * FROM t WHERE a = 'BTC' AND b < -1.5 LIMIT 10 OFFSET 3"
        );
        assert_eq!(bound("select ?", &["'it''s'"]), "SELECT 'it''s'");
        assert_eq!(bound("select ?", &["x' or 1=1 --"]), "SELECT 'x'' or 1=1 --'");
        assert_eq!(bound("select ?", &["(select 1)"]), "SELECT '(select 1)'");
        assert_eq!(bound("select ?", &["date '2020-01-01'"]), "SELECT DATE '2020-01-01'");
        assert_eq!(bound("select ?, '?'", &["null"]), "SELECT NULL, '?'");
        assert_eq!(bound("select ?", &[""]), "SELECT ''");
        assert!(error("select ?").contains("1 ? and 0 parameters"));
        let texts = ["5".to_owned(), "null".to_owned(), "'it''s'".to_owned()];
        let Ok(Statement::Query(query)) = Text::new("select ?, ?, ?").unwrap().bound(&texts, |_| true) else {
            panic!()
        };
        assert_eq!(query.to_string(), "SELECT '5', 'null', 'it''s'");
        let Ok(Statement::Query(query)) = Text::new("select ? limit ?").unwrap().numbered() else { panic!() };
        assert_eq!(query.to_string(), "SELECT $1 LIMIT $2");
    }

    #[test]
    fn only_reading_statements_pass() {
        for sql in
            ["select 1", "(select 1)", "with a as (select 1) select * from a;", "values (1), (2)", "explain select 1"]
        {
            assert!(matches!(parse(sql, &[]), Ok(Statement::Query(_))), "{sql}");
        }
        for sql in [
            "insert into t values (1)",
            "delete from t",
            "drop table t",
            "create table t (a int)",
            "create external table t stored as csv location '/etc/passwd'",
            "copy t to '/tmp/x'",
            "set x = 1",
            "explain delete from t",
            "begin",
        ] {
            assert!(matches!(parse(sql, &[]), Err(Error::Invalid(_))), "{sql}");
        }
        assert!(error("select 1; select 2").contains("one statement"));
        assert!(error("").contains("no statement"));
        assert!(error(" ; -- nothing").contains("no statement"));
    }

    #[test]
    fn a_mistake_has_its_place() {
        assert_eq!(
            error("select *\nfrom t\nwher a = 1").split(": ").next().unwrap(),
            "syntax error at line 3, column 6"
        );
        assert!(error("select 'open").starts_with("syntax error at line 1, column 8"));
        assert!(error("select 1 1 1 from").starts_with("syntax error at line 1"));
        assert!(error("\nselec * fro t").starts_with("syntax error at line 2, column 1: expected SELECT"));
        assert!(error("drop table t").starts_with("DROP is refused"));
    }

    #[test]
    fn shows_are_understood() {
        assert_eq!(bound("show tables", &[]), "Tables(None, None)");
        assert_eq!(bound("SHOW TABLES IN Crypto LIKE 'p*'", &[]), "Tables(Some(\"crypto\"), Some(\"p*\"))");
        assert_eq!(bound("show databases", &[]), "Databases(None)");
        assert_eq!(bound("show schemas", &[]), "Databases(None)");
        assert_eq!(bound("describe db.T", &[]), "Describe([\"db\", \"t\"])");
        assert_eq!(bound("desc t", &[]), "Describe([\"t\"])");
        assert_eq!(bound("show columns in t", &[]), "Columns([\"t\"])");
        assert_eq!(bound("show partitions t", &[]), "Partitions([\"t\"])");
    }

    #[test]
    fn depth_is_an_error_and_never_a_crash() {
        for sql in [
            format!("select {}1{}", "(".repeat(50_000), ")".repeat(50_000)),
            format!("select 1{}", "+1".repeat(100_000)),
            format!("select {}1", "- ".repeat(100_000)),
            format!("select {}true", "not ".repeat(50_000)),
            format!("select 1{}", " union all select 1".repeat(10_000)),
            format!("select a{}", "::int".repeat(40_000)),
            format!("select {}1{}", "case when 1=1 then ".repeat(10_000), " end".repeat(10_000)),
            format!("select * from {}", vec!["t"; 50_000].join(",")),
            format!("select a{}", "[1]".repeat(50_000)),
            format!("select {}", "a.".repeat(100_000)),
            "x".repeat(300_000),
            "(".repeat(250_000),
            "select \u{0} \u{202e} \\ ' \" ` $$".to_owned(),
        ] {
            assert!(matches!(parse(&sql, &[]), Err(Error::Invalid(_))), "{}", &sql[..20]);
        }
    }

    proptest::proptest! {
        #[test]
        fn garbage_never_panics(sql in "\\PC{0,80}", parameters in proptest::collection::vec("\\PC{0,20}", 0..3)) {
            let _ = parse(&sql, &parameters);
            let _ = parse(&format!("select {sql}"), &parameters);
        }

        #[test]
        fn a_parameter_is_always_one_value(value in "\\PC{0,30}") {
            let Ok(Statement::Query(query)) = parse("select ? as a", &[value]) else { panic!("not parsed") };
            let ast::Statement::Query(query) = *query else { panic!("not a query") };
            let ast::SetExpr::Select(select) = *query.body else { panic!("not a select") };
            proptest::prop_assert_eq!(select.projection.len(), 1);
        }
    }
}
