"""What docs/pipeline.md says of the SQL that both engines know."""

import unittest

from support import Embedded, as_printed, spark

import runner

# Each gives the same value of the same type.
SAME = """
cast('1.5' as double)
cast('12' as bigint) + 1
cast('12' as int)
cast(12 as string)
cast('true' as boolean)
cast('2020-02-29' as date)
cast('2020-02-29T23:59:59Z' as timestamp)
cast('2020-02-29 23:59:59.123456' as timestamp)
cast('2020-02-29T23:59:59+02:00' as timestamp)
cast(cast('2020-02-29T23:59:59Z' as timestamp) as date)
cast('1.005' as decimal(12, 2))
cast(trim(' 7 ') as int)
substr('2020-02-29', 1, 4)
substr('2020-02-29', 6)
trim('  a ')
lower('ÄB')
upper('äb')
concat('a', 'b', cast(1 as string))
replace('a-b-c', '-', '')
cast(length('äb') as int)
'abc' like 'a%'
split_part('a,b,c', ',', 2)
cast(extract(year from cast('2020-02-29' as date)) as int)
cast(extract(hour from cast('2020-02-29T23:59:59Z' as timestamp)) as int)
date_trunc('hour', cast('2020-02-29T23:59:59Z' as timestamp))
cast('2020-02-29' as date) < cast('2020-03-01' as date)
coalesce(cast(null as string), 'x')
nullif('a', 'a')
case when 1 = 2 then 'a' else 'b' end
1e0 / 3
cast(7 as double) / 2
10 / nullif(0, 0) is null
abs(-3.5e0)
round(2.34567e0, 2)
floor(2.7e0) = 2
cast(7 as bigint) % 3
cast('x' as string) in ('x', 'y')
'a' between 'a' and 'b'
""".strip().splitlines()

# Whole queries over these rows.
ROWS = "(select * from (values ('a', 1e0, 1), ('a', 2e0, 2), ('b', 4e0, 3), (null, 5e0, 4)) as v(g, x, n)) as t"
QUERIES = [
    f"select g, count(*) as c, sum(x) as s, min(x) as l, max(x) as h, avg(x) as m, stddev_samp(x) as d from {ROWS} "
    "group by g having count(*) > 0 order by g nulls last",
    f"select n, row_number() over (partition by g order by x desc) as r, lag(x) over (order by n) as p, "
    f"lead(x) over (order by n) as q, rank() over (order by g nulls last) as k from {ROWS} order by n",
    f"with a as (select g, x from {ROWS} where g is not null), b as (select g, n from {ROWS}) "
    "select a.g, a.x, b.n from a left join b on a.g = b.g order by a.x, b.n",
    f'select "g" as "Name" from {ROWS} union all select `g` from {ROWS} order by 1 nulls last',
]

FAILS = ["cast('abc' as double)", "cast('1.5' as int)", "cast('no time' as timestamp)", "cast('2020-02-30' as date)"]


class Dialect(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cloud = Embedded()
        cls.cloud.json("deploy", "crypto-stream", "--yes")
        for name, value in runner.SETTINGS.items():
            spark().conf.set(name, value)

    def theirs(self, sql):
        return self.cloud.json("query", sql, "--database", "crypto_stream")

    def test_expressions_give_the_same_value_and_type(self):
        words = {"string": "varchar", "int": "integer"}
        for expression in SAME:
            with self.subTest(expression):
                sql = f"select {expression} as v"
                theirs, ours = self.theirs(sql), spark().sql(sql)
                self.assertEqual(as_printed(ours), theirs["rows"])
                kind = ours.schema["v"].dataType.simpleString()
                self.assertEqual(words.get(kind, kind), theirs["columns"][0]["type"])

    def test_queries_give_the_same_rows(self):
        for sql in QUERIES:
            with self.subTest(sql):
                theirs, ours = self.theirs(sql), spark().sql(sql)
                self.assertEqual([c["name"] for c in theirs["columns"]], ours.columns)
                self.assertEqual(as_printed(ours), theirs["rows"])

    def test_a_cast_that_cannot_be_done_fails_on_both(self):
        for expression in FAILS:
            with self.subTest(expression):
                with self.assertRaises(AssertionError):
                    self.theirs(f"select {expression} as v")
                with self.assertRaises(Exception):
                    spark().sql(f"select {expression} as v").collect()

    def test_what_is_said_to_differ_differs(self):
        self.assertEqual(self.theirs("select 7 / 2 as v")["rows"], [[3]])
        self.assertEqual(as_printed(spark().sql("select 7 / 2 as v")), [[3.5]])
        self.assertEqual(spark().sql("select 1.0 / 3 as v").schema["v"].dataType.typeName(), "decimal")
        self.assertEqual(self.theirs("select 1.0 / 3 as v")["columns"][0]["type"], "double")


if __name__ == "__main__":
    unittest.main()
