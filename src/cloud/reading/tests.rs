use proptest::prelude::*;

use super::*;

fn kind(sql: &str) -> Kind {
    check(sql).unwrap_or_else(|e| panic!("{sql}: {e}")).kind
}

fn why(sql: &str) -> String {
    check(sql).map_or_else(|e| e.to_string(), |r| panic!("{sql}: {r:?}"))
}

#[test]
fn what_reads_passes() {
    for sql in [
        "select 1",
        "  (( SELECT 1 ) union (select 2));;",
        "/* drop */ select * from t -- insert into t\n where a = 'delete; from'",
        "values (1), (2)",
        "with a as (select 1), b (x, y) as (with c as (select 1, 2) select * from c) select * from a, b",
        "with recursive t (n) as (values 1 union all select n + 1 from t where n < 9) select n from t",
        "with recursive as (select 1) select * from recursive",
        "with \"drop\" as materialized (select 1) (select * from \"drop\")",
        "select \"insert\", update, `delete` from \"into\".\"drop\" where x = 'it''s -- no comment' and y = '/*'",
        "select 'a;b' as \"semi;colon\"",
        "select * from t where a = ? and b = '?' -- ?\n",
    ] {
        assert_eq!(kind(sql), Kind::Select, "{sql}");
    }
    for sql in ["show tables in x like 'p*'", "SHOW CREATE TABLE t", "describe t", "desc a.b;"] {
        assert_eq!(kind(sql), Kind::Catalog, "{sql}");
    }
    for sql in [
        "explain select 1",
        "EXPLAIN ANALYZE VERBOSE select 1",
        "explain (type distributed, format json) with a as (select 1) select * from a",
        "explain analyze (format text) (select 1)",
        "explain (select 1)",
    ] {
        assert_eq!(kind(sql), Kind::Explain, "{sql}");
    }
    assert_eq!(check("select ?, '?', \"?\" from t where a = ? -- ?").map(|r| r.placeholders), Ok(2));
}

#[test]
fn what_changes_anything_is_refused() {
    for sql in [
        "insert into t select 1",
        "create table t as select 1",
        "CREATE VIEW v AS SELECT 1",
        "unload (select 1) to 's3://x/'",
        "msck repair table t",
        "drop table t",
        "alter table t add partition (a = 1)",
        "delete from t",
        "merge into t using u on a = b when matched then delete",
        "vacuum t",
        "optimize t rewrite data using bin_pack",
        "execute q using 1",
        "prepare q from select 1",
        "using external function f(x int) returns int lambda 'f' select f(1)",
        "select 1 into t",
        "select * into t from u",
        "/* select */ drop table t",
        "-- select 1\ndrop table t",
        "explain insert into t select 1",
        "explain analyze create table t as select 1",
        "explain (type io) unload (select 1) to 's3://x/'",
        "with a as (select 1) insert into t select * from a",
        "with a as (delete from t returning *) select * from a",
        "with a as (with b as (insert into t values 1) select 1) select * from a",
        "select * from table(postgres.system.query(query => 'drop table t'))",
        "select * from table(\"x\".\"SYSTEM\" . query ( 'x'))",
        "table t",
        "'select' drop table t",
        "\"select\" 1",
        "(drop table t)",
    ] {
        assert!(matches!(check(sql), Err(Error::Invalid(_))), "{sql}");
    }
    assert!(why("MSCK repair table t").starts_with("MSCK is refused: queries only read"));
    assert!(why("select 1; select 2").starts_with("one statement"));
    assert!(why("select 1; -- x\n ;drop table t").starts_with("one statement"));
    assert!(why(" ; -- nothing").starts_with("there is no statement"));
    assert!(why("").starts_with("there is no statement"));
    assert!(why("select 'open").contains("is not closed"));
    assert!(why("select 1 /* open").contains("is not closed"));
    // A backslash does not keep a string open, so what follows is seen.
    assert!(why("show tables 'x\\'; drop table t; --'").starts_with("one statement"));
    // The first end of a comment ends it, as in Trino.
    assert!(why("/* /* */ drop table t -- */ select 1").starts_with("DROP is refused"));
}

#[test]
fn a_value_is_one_literal() {
    for (value, wanted) in [
        ("BTC", "'BTC'"),
        ("5", "5"),
        ("-1.5", "-1.5"),
        ("1e3", "1e3"),
        ("true", "true"),
        ("null", "null"),
        ("'it''s'", "'it''s'"),
        ("date '2026-01-01'", "date '2026-01-01'"),
        ("it's", "'it''s'"),
        ("1 or 1=1", "'1 or 1=1'"),
        ("x' or '1'='1", "'x'' or ''1''=''1'"),
        ("'a' or 'b'", "'''a'' or ''b'''"),
        ("1 -- 2", "'1 -- 2'"),
        ("", "''"),
        ("1-2", "'1-2'"),
        ("0x10", "'0x10'"),
        ("now()", "'now()'"),
        ("2026-11-20", "'2026-11-20'"),
    ] {
        assert_eq!(literal(value), wanted, "{value}");
    }
}

#[test]
fn depth_is_an_error_and_never_a_crash() {
    let deep = format!("{}select 1{}", "with a as (".repeat(20_000), ") select 1".repeat(20_000));
    assert!(check(&deep).is_err());
    assert!(check(&format!("{}select 1", "(".repeat(100_000))).is_ok(), "Athena says what is wrong with it");
    assert!(check(&"x".repeat(300_000)).is_err());
}

/// Text that may stand in a string, a quoted name or a comment.
fn inside() -> impl Strategy<Value = String> {
    proptest::collection::vec(
        prop_oneof![
            Just("drop table t".to_owned()),
            Just("; insert into t values (1)".to_owned()),
            Just("--".to_owned()),
            Just("/*".to_owned()),
            Just(" into ".to_owned()),
            Just("?".to_owned()),
            "[a-z(); \\\\]{0,6}",
        ],
        0..6,
    )
    .prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn what_stands_in_strings_and_comments_fools_nobody(words in inside(), quote in prop_oneof![Just('\''), Just('"'), Just('`')]) {
        let quoted = format!("{quote}{words}{quote}");
        let read = Reading { kind: Kind::Select, placeholders: 0 };
        prop_assert_eq!(check(&format!("select {quoted} from t")), Ok(read));
        prop_assert_eq!(check(&format!("select 1 /* {} */ from t", words.replace("*/", ""))), Ok(read));
        prop_assert_eq!(check(&format!("-- {words}\nselect 1 -- {words}")), Ok(read));
        let dropped = format!("drop table {quoted}");
        prop_assert!(check(&dropped).is_err());
        let second = format!("select {quoted}; drop table t");
        prop_assert!(check(&second).is_err());
        let first = format!("/* {} */ insert into t select {quoted}", words.replace("*/", ""));
        prop_assert!(check(&first).is_err());
    }

    #[test]
    fn any_text_is_told_without_a_panic(sql in "\\PC{0,60}") {
        let _ = check(&sql);
        let _ = check(&format!("select {sql}"));
        let _ = check(&format!("with {sql}"));
    }

    #[test]
    fn any_value_is_one_value(value in "\\PC{0,30}") {
        let read = check(&format!("select {}", literal(&value)));
        prop_assert_eq!(read, Ok(Reading { kind: Kind::Select, placeholders: 0 }), "{}", literal(&value));
    }
}
