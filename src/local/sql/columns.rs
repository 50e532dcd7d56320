//! The names of a result's columns, as Athena gives them: an expression without an alias is `_col` and its place, and
//! several columns may have one name.

use std::collections::HashMap;

use datafusion::sql::sqlparser::ast::{Expr, Ident, Query, Select, SelectItem, SetExpr, Statement};

/// The names of a statement's columns.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Names {
    /// Those of the select list, none for an expression; nothing where the list has a `*` in it.
    list: Option<Vec<Option<String>>>,
    /// What stands in DataFusion's place for a column that it must not name itself.
    given: HashMap<String, Option<String>>,
    /// Whether no column has a name at all.
    nameless: bool,
}

/// Takes the names from a statement, and gives columns of one name different ones for DataFusion, which wants that.
pub(crate) fn names(statement: &mut Statement) -> Names {
    match statement {
        Statement::Query(query) => of_query(query),
        _ => Names::default(),
    }
}

impl Names {
    /// The names of the columns that DataFusion calls so.
    pub(crate) fn of<'a>(&self, columns: impl ExactSizeIterator<Item = &'a str>) -> Vec<String> {
        let list = self.list.as_ref().filter(|list| list.len() == columns.len());
        columns
            .enumerate()
            .map(|(i, column)| {
                let name = match (list, self.given.get(column)) {
                    (Some(list), _) => list.get(i).cloned().flatten(),
                    (None, Some(name)) => name.clone(),
                    (None, None) => (!self.nameless).then(|| column.to_owned()),
                };
                name.unwrap_or_else(|| format!("_col{i}"))
            })
            .collect()
    }
}

fn of_query(query: &mut Query) -> Names {
    of_set(&mut query.body)
}

/// The first of several that are put together gives the names.
fn of_set(set: &mut SetExpr) -> Names {
    match set {
        SetExpr::Select(select) => of_select(select),
        SetExpr::Query(query) => of_query(query),
        SetExpr::SetOperation { left, right, .. } => {
            of_set(right);
            of_set(left)
        }
        SetExpr::Values(_) => Names { nameless: true, ..Names::default() },
        _ => Names::default(),
    }
}

fn of_select(select: &mut Select) -> Names {
    let wildcard = |item: &SelectItem| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..));
    let wildcards = select.projection.iter().any(wildcard);
    let (mut names, mut seen) = (Names::default(), Vec::<Called>::new());
    let mut list = Vec::with_capacity(select.projection.len());
    for (i, item) in select.projection.iter_mut().enumerate() {
        let (called, expression, alias) = match item {
            SelectItem::UnnamedExpr(e) => (called(e), e.clone(), false),
            SelectItem::ExprWithAlias { expr, alias } => {
                let name = spoken(alias);
                (Called { name: Some(name.clone()), key: name, table: None }, expr.clone(), true)
            }
            _ => continue,
        };
        // Beside a `*` only a name of its own tells which column it is.
        if seen.iter().any(|other| other.clashes(&called)) || (wildcards && !alias) {
            let mut own = format!("_col{i}");
            while seen.iter().any(|other| other.key == own) || names.given.contains_key(&own) {
                own.push('_');
            }
            *item = SelectItem::ExprWithAlias { expr: expression, alias: Ident::with_quote('"', own.clone()) };
            names.given.insert(own, called.name.clone());
        }
        list.push(called.name.clone());
        seen.push(called);
    }
    names.list = (!wildcards).then_some(list);
    names
}

/// What an item of a select list is called.
struct Called {
    /// Its name, as Athena has it.
    name: Option<String>,
    /// Its name without the table's, or its text.
    key: String,
    /// The table's name before it.
    table: Option<String>,
}

impl Called {
    fn clashes(&self, other: &Self) -> bool {
        self.key == other.key && (self.table.is_none() || other.table.is_none() || self.table == other.table)
    }
}

fn called(expression: &Expr) -> Called {
    match expression {
        Expr::Nested(inner) => called(inner),
        Expr::Identifier(name) => {
            let name = spoken(name);
            Called { name: Some(name.clone()), key: name, table: None }
        }
        Expr::CompoundIdentifier(parts) => {
            let mut parts: Vec<_> = parts.iter().map(spoken).collect();
            let name = parts.pop().unwrap_or_default();
            Called { name: Some(name.clone()), key: name, table: Some(parts.join(".")) }
        }
        other => Called { name: None, key: other.to_string().to_lowercase(), table: None },
    }
}

fn spoken(name: &Ident) -> String {
    if name.quote_style.is_some() { name.value.clone() } else { name.value.to_lowercase() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::sql::statement::{self, Text};

    fn given(sql: &str, columns: &[&str]) -> Vec<String> {
        let statement::Statement::Query(mut query) = Text::new(sql).unwrap().bound(&[], |_| false).unwrap() else {
            panic!("no query")
        };
        names(&mut query).of(columns.iter().copied())
    }

    #[test]
    fn an_expression_without_an_alias_has_its_place_for_a_name() {
        assert_eq!(given("select 1, A, t.B, count(*), (c), 2 as D", &["x"; 6]), ["_col0", "a", "b", "_col3", "c", "d"]);
        assert_eq!(given("select 1 union all select 2 as n", &["x"]), ["_col0"]);
        assert_eq!(given("with w as (select 1 as n) (select n + 1 from w)", &["x"]), ["_col0"]);
        assert_eq!(given("values (1, 2)", &["column1", "column2"]), ["_col0", "_col1"]);
        assert_eq!(given("explain select 1", &["plan_type", "plan"]), ["plan_type", "plan"]);
    }

    #[test]
    fn beside_a_star_the_names_are_found_by_what_was_given() {
        let sql = "select *, upper(base), amount as a, year from t";
        let columns = ["base", "year", "_col1", "a", "_col3"];
        assert_eq!(given(sql, &columns), ["base", "year", "_col2", "a", "year"]);
    }

    #[test]
    fn several_columns_may_have_one_name() {
        let Ok(statement::Statement::Query(mut query)) =
            Text::new("select a, a, b as a, count(*), count(*), x.n, y.n from t").unwrap().bound(&[], |_| false)
        else {
            panic!("no query")
        };
        let names = names(&mut query);
        assert_eq!(
            query.to_string(),
            "SELECT a, a AS \"_col1\", b AS \"_col2\", count(*), count(*) AS \"_col4\", x.n, y.n FROM t"
        );
        assert_eq!(names.of(["x"; 7].into_iter()), ["a", "a", "a", "_col3", "_col4", "n", "n"]);
    }
}
