"""Runs of small jobs: what is read, written, replaced, undone and refused."""

import json
import os
import unittest
from unittest import mock

import support  # noqa: F401: the paths

from awsglue.context import GlueContext
from support import Failed, GlueJob, Killed, spark

CLEAN = """with typed as (
    select base, currency, cast(amount as double) as amount, cast(timestamp_utc as timestamp) as timestamp_utc
    from input
)
select currency, amount, timestamp_utc, cast(timestamp_utc as date) as "date", base,
    cast(extract(year from timestamp_utc) as int) as year
from typed"""
JOB = {
    "sql": CLEAN,
    "input": {"base": "varchar", "currency": "varchar", "amount": "varchar", "timestamp_utc": "varchar"},
    "table": "prices",
    "columns": {"currency": "varchar", "amount": "double", "timestamp_utc": "timestamp", "date": "date"},
    "partition_by": {"base": "varchar", "year": "integer"},
    "bookmark": True,
}


def price(base, amount, at="2020-01-01T00:00:00Z"):
    return json.dumps({"base": base, "currency": "USD", "amount": amount, "timestamp_utc": at}) + "\n"


def job(**changes):
    return GlueJob({**JOB, **changes})


def amounts(j):
    return [row[0] for row in j.rows("select amount from prices order by amount")]


class Reading(unittest.TestCase):
    def test_a_run_reads_what_is_new_and_writes_partitions(self):
        j = job()
        first = price("BTC", "60123.5", "2021-03-13T23:59:59Z") + price("ETH", "1.5", "2021-03-13T10:00:00+02:00")
        j.put("2021/a b%41.json", first)
        done = j.run()
        self.assertEqual((done["rows_in"], done["rows_out"], done["files_in"]), (2, 2, 1))
        self.assertEqual((done["bytes_in"], done["partitions"]), (len(first), 2))
        names = [str(path.relative_to(j.output)) for path in j.written()]
        self.assertRegex(names[0], r"^base=BTC/year=2021/part-00000-test-dev-job-jr_\w+\.snappy\.parquet$")
        self.assertEqual(len(names), 2)
        self.assertEqual(
            j.rows("select * from prices order by base"),
            [
                ["USD", 60123.5, "2021-03-13 23:59:59.000", "2021-03-13", "BTC", 2021],
                ["USD", 1.5, "2021-03-13 08:00:00.000", "2021-03-13", "ETH", 2021],
            ],
        )
        self.assertEqual([p["Values"] for p in j.partitions()], [["BTC", "2021"], ["ETH", "2021"]])
        location = j.partitions()[0]["StorageDescriptor"]["Location"]
        self.assertEqual(location, j.output.as_uri() + "/base=BTC/year=2021/")

        # Nothing new: nothing changes.
        before = j.written()
        done = j.run()
        self.assertEqual((done["rows_in"], done["rows_out"], done["files_in"]), (0, 0, 0))
        self.assertIn("nothing new", j.said)
        self.assertEqual(j.written(), before)

        j.put("dt=1/b.json", price("BTC", "2", "2021-03-13T23:00:00Z"))
        done = j.run()
        self.assertEqual((done["rows_in"], done["files_in"]), (1, 1))
        self.assertEqual(amounts(j), [1.5, 2.0, 60123.5])
        self.assertEqual(len(j.partitions()), 2)

        # Forgotten: everything is read again, and written in place of what was there.
        (j.input / "2021/a b%41.json").write_text(price("XRP", "7"))
        j.reset_bookmark()
        done = j.run()
        self.assertEqual((done["rows_in"], done["files_in"]), (2, 2))
        self.assertEqual(amounts(j), [2.0, 7.0])
        self.assertEqual(sorted(p["Values"] for p in j.partitions()), [["BTC", "2021"], ["XRP", "2020"]])
        self.assertIn("files of earlier runs replaced", j.said)

    def test_an_object_that_is_written_again_is_new(self):
        j = job()
        path = j.put("a.json", price("BTC", "1"), at=1_600_000_000)
        j.run()
        path.write_text(price("BTC", "2"))
        self.assertEqual(j.run()["rows_in"], 1)
        self.assertEqual(amounts(j), [1.0, 2.0])

    def test_without_a_bookmark_each_run_replaces_the_last(self):
        j = job(bookmark=False)
        j.put("a.json", price("BTC", "1"))
        j.run()
        j.put("b.json", price("ETH", "2"))
        self.assertEqual(j.run()["files_in"], 2)
        self.assertEqual(amounts(j), [1.0, 2.0])
        self.assertEqual(len(j.written()), 2)

    def test_no_input_at_all_is_success(self):
        j = job()
        j.input.rmdir()
        self.assertEqual(j.run()["files_in"], 0)

    def test_rows_that_the_sql_leaves_out_are_read_once_too(self):
        j = job(sql=CLEAN + " where amount > 5")
        j.put("a.json", price("BTC", "1"))
        done = j.run()
        self.assertEqual((done["rows_in"], done["rows_out"], done["partitions"]), (1, 0, 0))
        self.assertEqual(j.written(), [])
        self.assertEqual(j.run()["files_in"], 0)

    def test_numbers_and_truths_become_text_as_they_stand_and_blank_lines_are_passed_over(self):
        kinds = {"t": "varchar", "n": "bigint", "d": "double", "b": "boolean", "no": "varchar"}
        j = job(sql="select * from input", input=kinds, columns=kinds, partition_by={}, table="prices")
        j.put("a.json", '\ufeff{"t": 1.50, "n": 3.0, "d": "1e3", "b": true, "other": [1]}\n\n  \n{"t": 12345678.9}{"t": "é"}\n')
        self.assertEqual(j.run()["rows_in"], 3)
        self.assertEqual(
            j.rows("select * from prices order by t"),
            [["1.50", 3, 1000.0, True, None], ["12345678.9", None, None, None, None], ["é", None, None, None, None]],
        )

    def test_values_in_keys_are_escaped_and_null_has_a_name(self):
        j = job()
        nameless = '{"currency": "USD", "amount": "2", "timestamp_utc": "2020-01-01T00:00:00Z"}\n'
        j.put("a.json", price("a/b=c %é", "1") + nameless + price("", "3"))
        j.run()
        folders = sorted({path.relative_to(j.output).parts[0] for path in j.written()})
        self.assertEqual(folders, ["base=__HIVE_DEFAULT_PARTITION__", "base=a%2Fb%3Dc %25é"])
        self.assertEqual(
            sorted(p["Values"] for p in j.partitions()),
            [["__HIVE_DEFAULT_PARTITION__", "2020"], ["a/b=c %é", "2020"]],
        )
        self.assertEqual(
            j.rows("select base, amount from prices order by amount"),
            [["a/b=c %é", 1.0], [None, 2.0], [None, 3.0]],
        )
        for partition in j.partitions():
            path = partition["StorageDescriptor"]["Location"].removeprefix("file://")
            self.assertTrue(os.path.isdir(path), path)

    def test_times_are_stored_as_microseconds(self):
        j = job()
        j.put("a.json", price("BTC", "1", "1500-01-01T00:00:00.123456Z"))
        j.run()
        jvm = spark().sparkContext._jvm
        path = jvm.org.apache.hadoop.fs.Path(f"file:{j.written()[0]}")
        conf = spark().sparkContext._jsc.hadoopConfiguration()
        source = jvm.org.apache.parquet.hadoop.util.HadoopInputFile.fromPath(path, conf)
        reader = jvm.org.apache.parquet.hadoop.ParquetFileReader.open(source)
        schema = reader.getFooter().getFileMetaData().getSchema().toString()
        reader.close()
        self.assertIn("int64 timestamp_utc (TIMESTAMP(MICROS,true))", schema)
        self.assertEqual(
            j.rows("select timestamp_utc, date from prices"), [["1500-01-01 00:00:00.123456", "1500-01-01"]]
        )


class OtherFormats(unittest.TestCase):
    def csv(self, **changes):
        return job(
            sql="select `Date` as `date`, `Deaths (all)` as deaths, `Country/Region` as state from input "
            "where `Deaths (all)` > 0",
            format="csv",
            input={"Date": "date", "Deaths (all)": "bigint", "Country/Region": "varchar"},
            columns={"date": "date", "deaths": "integer", "state": "varchar"},
            partition_by={},
            **changes,
        )

    def test_csv_is_read_by_its_header(self):
        j = self.csv()
        j.put("us/a.csv", '\ufeffDeaths (all), Country/Region,Date\r\n3,"Ohio, ""US""\nnorth",2020-03-01\r\n0,x,2020-03-02\r\n')
        j.put("us/b.csv", "Date,extra,Country/Region,Deaths (all)\n2020-03-03,?,,5")
        done = j.run()
        self.assertEqual((done["rows_in"], done["rows_out"]), (3, 2))
        self.assertEqual(
            j.rows("select * from prices order by date"),
            [["2020-03-01", 3, 'Ohio, "US"\nnorth'], ["2020-03-03", 5, None]],
        )

    def test_a_mistake_in_csv_is_told_with_its_place(self):
        def failure(text):
            j = self.csv()
            j.put("a.csv", text)
            with self.assertRaises(Failed) as caught:
                j.run()
            self.assertEqual(j.written(), [])
            return str(caught.exception).split("landing/", 1)[1]

        self.assertEqual(
            failure("date,Country/Region\n2020-03-01,x\n"),
            'a.csv: column "Date" is missing: the header has date, Country/Region',
        )
        self.assertEqual(failure("\n"), "a.csv: the file has no header")
        many = failure("Date,Deaths (all),Country/Region\n2020-03-01,1,x\n2020-03-02,many,y\n")
        self.assertRegex(many, r"^a\.csv line 3: .*'many'")
        self.assertRegex(failure("Date,Deaths (all),Country/Region\n2020-03-01,1\n"), r"^a\.csv: .*MALFORMED")

    SAMPLES = (
        "| Sample | pH  | Temp (°C) |\n|---|---|---|\n| 1 | 7.2 | 25.6 |\n| 2 | acid | 24 |\n"
        "| 3 | 7.0 |\nno row\n| 4 | 6.5 |  |\n"
    )

    def pipes(self, **changes):
        job = dict(
            sql="select replace(file, '.txt', '') as site, `Sample` as sample, `pH` as ph, `Temp (°C)` as temp "
            "from input order by site, sample",
            format="pipe",
            input={"Sample": "integer", "Temp (°C)": "double", "pH": "double"},
            file_column="file",
            rejects="bucket.staging/rejects/",
            columns={"site": "varchar", "sample": "integer", "ph": "double", "temp": "double"},
            partition_by={},
        )
        return GlueJob({"table": "prices", **job, **changes})

    def test_bad_rows_are_set_aside_with_their_file_line_and_reason(self):
        j = self.pipes()
        j.put("b/mill pond.txt", self.SAMPLES)
        j.put("a.txt", "| pH | Sample | Temp (°C) |\r\n|--|--|--|\r\n| 8 | 9 | 1 |\r\n")
        done = j.run()
        self.assertEqual((done["rows_in"], done["rows_out"]), (6, 3))
        expected = [["a", 9, 8.0, 1.0], ["mill pond", 1, 7.2, 25.6], ["mill pond", 4, 6.5, None]]
        self.assertEqual(j.rows("select * from prices order by site, sample"), expected)
        file = "b/mill pond.txt"
        self.assertEqual(
            j.rejected(),
            [
                {"file": file, "line": 4, "reason": 'column "pH": "acid" is not a double', "text": "| 2 | acid | 24 |"},
                {"file": file, "line": 5, "reason": "the row has 2 values, and the header has 3", "text": "| 3 | 7.0 |"},
                {"file": file, "line": 6, "reason": "no row of a table: it stands in no pipes", "text": "no row"},
            ],
        )
        # Again: the same. Mended: nothing is left of the bad rows.
        j.run()
        self.assertEqual((len(j.rejected()), j.rows("select count(*) from prices")), (3, [[3]]))
        j.put("b/mill pond.txt", "| Sample | pH  | Temp (°C) |\n|---|---|---|\n| 1 | 7.2 | 25.6 |\n")
        self.assertEqual(j.run()["rows_out"], 2)
        self.assertEqual(j.rejected(), [])

    def test_without_a_place_for_it_a_bad_row_fails_the_run(self):
        j = self.pipes(
            sql="select id, n from input",
            format="csv",
            csv={"delimiter": "\t", "trim": True, "header": False},
            input={"id": "varchar", "n": "bigint"},
            columns={"id": "varchar", "n": "bigint"},
            rejects=None,
            file_column=None,
        )
        j.put("a.tsv", "PRS1  \t  7\r\nPRS2\t 8\r\n")
        j.run()
        self.assertEqual(j.rows("select * from prices order by n"), [["PRS1", 7], ["PRS2", 8]])
        j.put("b.tsv", "PRS3\t9\nPRS4\tmany\n")
        with self.assertRaisesRegex(Failed, r'/b\.tsv line 2: column "n": "many" is not a bigint: PRS4\tmany$'):
            j.run()
        j = self.pipes()
        j.put("c.txt", "| Sample | ph |\n|---|---|\n| 1 | 2 |\n")
        with self.assertRaisesRegex(Failed, r'/c\.txt: column "Temp \(°C\)" is missing: the header has Sample, ph$'):
            j.run()
        self.assertEqual(j.rejected(), [])

    def test_rows_and_values_are_what_the_embedded_cloud_takes_for_them(self):
        import runner

        def rows(text, **changes):
            found = runner.records(text, {**runner.PLAIN, **changes})
            return [(line, values if values is not None else why) for line, _, values, why in found]

        text = '\ufeffa,b\r\n1,"x, ""y""\nz"\r\n\r\n2,\n'
        self.assertEqual(rows(text), [(1, ["a", "b"]), (2, ["1", 'x, "y"\nz']), (5, ["2", ""])])
        self.assertEqual(rows(" a,b "), [(1, [" a", "b "])])
        text = 'id \t value\r\nPRS  \t  1.5 \r\n \r\n" x " \t y'
        self.assertEqual(rows(text, delimiter="\t", trim=True), [(1, ["id", "value"]), (2, ["PRS", "1.5"]), (4, [" x ", "y"])])
        self.assertEqual(rows('a,b\n1,"x\n2,y\n'), [(1, ["a", "b"]), (2, "a quote that is never closed")])
        table = "| Sample | pH  |\n|:-------|----:|\n| 1      | 7.2 |\r\n\noops\n|--|--|\n"
        found = rows(table, **runner.PIPES)
        self.assertEqual([line for line, _ in found], [1, 3, 5, 6])
        for kind, good, bad in [
            ("bigint", ["1", "-9223372036854775808", "+7", ""], ["1.0", " 1", "9223372036854775808", "x", "+"]),
            ("int", ["2147483647"], ["2147483648", "0x1"]),
            ("double", ["1", "-1.5", "2.5e-3", "+1E5"], ["1.", ".5", "NaN", "inf", "1e999", "1,5", "e5"]),
            ("boolean", ["true", "FALSE"], ["yes", "1"]),
            ("date", ["2020-02-29"], ["2021-02-29", "2020-2-1", "20200201", "2020-02-29 "]),
            (
                "timestamp",
                ["2020-02-29 10:00:00", "2020-02-29T10:00:00.123456Z"],
                ["2020-02-29", "2020-02-29 24:00:00", "2020-02-29 10:00"],
            ),
        ]:
            for value in good:
                self.assertIsNone(runner.misfit(value, kind), (kind, value))
            for value in bad:
                self.assertIsNotNone(runner.misfit(value, kind), (kind, value))
        self.assertEqual(runner.misfit("abc", "int"), '"abc" is not an integer')

    def species(self, **changes):
        return GlueJob(
            dict(
                sql="select `UniqueID`, `SpeciesName`, `PopulationCount` from input",
                format="csv",
                input={"UniqueID": "integer", "SpeciesName": "varchar", "PopulationCount": "integer"},
                dynamodb=("species", ["UniqueID", "SpeciesName"]),
                **changes,
            )
        )

    def test_a_job_run_twice_leaves_the_same_items(self):
        for replace in (False, True):
            j = self.species(replace=replace)
            j.put("a.csv", "UniqueID,SpeciesName,Habitat,PopulationCount\n2,Elm,wood,\n1,Oak,wood,1200\n3,Ash,x,5\n")
            for _ in range(2):
                done = j.run()
                self.assertEqual((done["rows_in"], done["rows_out"]), (3, 3))
                expected = [
                    {"UniqueID": 1, "SpeciesName": "Oak", "PopulationCount": 1200},
                    {"UniqueID": 2, "SpeciesName": "Elm"},
                    {"UniqueID": 3, "SpeciesName": "Ash", "PopulationCount": 5},
                ]
                self.assertEqual(j.items(), expected)
            j.put("a.csv", "UniqueID,SpeciesName,PopulationCount\n1,Oak,7\n")
            j.run()
            self.assertEqual(j.items()[0], {"UniqueID": 1, "SpeciesName": "Oak", "PopulationCount": 7})
            self.assertEqual(len(j.items()), 1 if replace else 3)

    def test_items_that_the_table_would_not_take_fail_the_run(self):
        for rows, why in [
            ("1,Oak,1\n1,Oak,2\n", "two rows have the key UniqueID 1, SpeciesName Oak"),
            ("1,Oak,1\n2,,2\n", 'no value for the key attribute "SpeciesName"'),
        ]:
            j = self.species(replace=True)
            j.put("a.csv", "UniqueID,SpeciesName,PopulationCount\n" + rows)
            with self.assertRaisesRegex(Failed, why):
                j.run()
            self.assertEqual(j.items(), [])

    def test_parquet_is_read_by_names(self):
        j = job(
            sql="select a, b, c from input",
            format="parquet",
            input={"a": "bigint", "b": "varchar", "c": "timestamp"},
            columns={"a": "bigint", "b": "varchar", "c": "timestamp"},
            partition_by={},
        )
        spark().sql("select cast(1 as int) as a, timestamp'2020-01-01' as c").write.parquet(str(j.input / "one"))
        spark().sql("select 'x' as B, 2 as a, 9 as other").write.parquet(str(j.input / "two"))
        self.assertEqual(j.run()["rows_in"], 2)
        self.assertEqual(
            j.rows("select * from prices order by a"), [[1, None, "2020-01-01 00:00:00.000"], [2, "x", None]]
        )
        self.assertEqual(j.run()["files_in"], 0)


class Crawled(unittest.TestCase):
    def crawled(self, form, columns, keys=()):
        described = lambda all: [{"Name": n, "Type": t} for n, t in all]
        table = {
            "Name": "crawled",
            "Parameters": {"classification": form},
            "PartitionKeys": described(keys),
            "StorageDescriptor": {"Columns": described(columns)},
        }
        sql = "select id, note, day from input" if keys else "select id, note from input"
        return GlueJob({"sql": sql, "crawled": table, "bookmark": True})

    def frame(self, j):
        return sorted([row.id, row.note, getattr(row, "day", None)] for row in spark().read.parquet(str(j.output)).collect())

    def test_the_table_tells_format_columns_and_partitions(self):
        j = self.crawled("csv", [("id", "bigint"), ("note", "string"), ("more", "array<int>")], [("day", "string")])
        j.put("day=1/a.csv", "Id,Other\n1,x\n")
        j.put("day=2/b.csv", "note,ID\nn,2\n")
        done = j.run()
        self.assertEqual((done["rows_in"], done["rows_out"], done["files_in"]), (2, 2, 2))
        self.assertEqual(self.frame(j), [[1, None, "1"], [2, "n", "2"]])
        self.assertEqual(j.run()["files_in"], 0)

    def test_json_s_keys_are_known_whatever_their_case(self):
        j = self.crawled("json", [("id", "int"), ("note", "string")])
        j.put("a.json", '{"Id": 7, "NOTE": "n"}\n{"id": 8}\n')
        self.assertEqual(j.run()["rows_in"], 2)
        self.assertEqual(sorted(map(str, self.frame(j))), ["[7, 'n', None]", "[8, None, None]"])

    def test_what_no_crawler_knew_fails_the_run(self):
        with self.assertRaisesRegex(Failed, "json, csv and parquet are read"):
            self.crawled("UNKNOWN", []).run()


class Failures(unittest.TestCase):
    def failure(self, text, **changes):
        j = job(**changes)
        j.put("a.json", price("BTC", "1"))
        j.put("b.json", text)
        with self.assertRaises(Failed) as caught:
            j.run()
        self.assertEqual(j.written(), [])
        self.assertEqual(j.partitions(), [])
        # The bookmark is where it was.
        j.put("b.json", price("ETH", "2"))
        j.sql.write_text(CLEAN)
        if not changes.keys() - {"sql"}:
            self.assertEqual(j.run()["files_in"], 2)
        said = str(caught.exception)
        self.assertNotIn("\n", said)
        self.assertIn(f"pumphouse: {said}", GlueContext.logger.errors)
        return said

    def test_a_line_that_cannot_be_read_fails_the_run_with_its_place(self):
        good = price("ETH", "1")
        self.assertRegex(self.failure(good + '{"base": "X", \n'), r"landing/b\.json line 2: not JSON \(")
        self.assertRegex(self.failure(good + "\n\n[1]\n"), r"landing/b\.json line 4: not a JSON object")
        self.assertRegex(self.failure('{"base": {"a": 1}}\n'), r"landing/b\.json line 1: a single value is wanted")

    def test_a_cast_that_cannot_be_done_fails_the_run_with_its_place(self):
        good = price("ETH", "1")
        self.assertRegex(self.failure(good + price("ETH", "abc")), r"landing/b\.json line 2: .*'abc'")
        self.assertRegex(self.failure(good + price("ETH", "1", "yesterday")), r"landing/b\.json line 2: .*'yesterday'")

    def test_a_place_that_cannot_be_found_hides_no_mistake_and_the_run_is_undone(self):
        lost = mock.patch("runner.line_number", side_effect=OSError("the file is gone"))
        with lost:
            said = self.failure(price("ETH", "1") + price("ETH", "abc"))
        self.assertRegex(said, r"'abc'")
        self.assertNotIn("gone", said)

    def test_mistakes_in_the_sql_are_a_line(self):
        good = price("ETH", "1")
        self.assertRegex(self.failure(good, sql="select amuont from input"), r"UNRESOLVED_COLUMN.*`amuont`.*`amount`")
        self.assertRegex(self.failure(good, sql="select base frm input, x y z"), r"PARSE_SYNTAX_ERROR")
        self.assertRegex(self.failure(good, sql="drop view input"), r"PARSE_SYNTAX_ERROR.*drop")

    def test_a_result_that_does_not_fit_its_table_is_refused(self):
        good = price("ETH", "1")
        kinds = {**JOB["columns"], "amount": "varchar"}
        self.assertEqual(
            self.failure(good, columns=kinds),
            'column "amount" of table db.prices is string, and the SQL gives double: cast it in the SQL',
        )
        self.assertRegex(
            self.failure(good, columns={**JOB["columns"], "volume": "double"}),
            r'^column "volume" of table db\.prices is missing: the SQL gives currency,',
        )
        fewer = {k: v for k, v in JOB["columns"].items() if k != "currency"}
        self.assertRegex(
            self.failure(good, columns=fewer), r'the SQL gives column "currency", which table db\.prices does not declare'
        )


class CutOff(unittest.TestCase):
    """A run that is killed, at each point where it can hurt, and tried again: the totals are exact."""

    def killed(self, j, where, before=None):
        import runner

        real = getattr(runner, where[0]).__dict__[where[1]]

        def dies(*args, **kwargs):
            if before:
                before(real, *args, **kwargs)
            raise Killed

        with mock.patch.object(getattr(runner, where[0]), where[1], dies), self.assertRaises(Killed):
            j.run()

    def points(self):
        def half(real, files, moves):
            real(files, moves[: len(moves) // 2])

        yield "while files are given their names", ("Files", "move"), half
        yield "when all is written", ("Ledger", "finish"), None
        yield "before the bookmark moves", ("Job", "commit"), None
        yield "after the bookmark has moved", ("Ledger", "commit"), None

    def test_and_tried_again(self):
        for what, where, before in self.points():
            with self.subTest(what):
                j = job()
                j.put("a.json", price("BTC", "1") + price("ETH", "2"))
                self.killed(j, where, before)
                again = j.run()
                self.assertEqual(amounts(j), [1.0, 2.0])
                self.assertEqual(again["rows_in"], 0 if where == ("Ledger", "commit") else 2)
                j.put("b.json", price("BTC", "3") + price("XRP", "4"))
                self.killed(j, where, before)
                j.put("c.json", price("BTC", "5"))
                j.run()
                self.assertEqual(amounts(j), [1.0, 2.0, 3.0, 4.0, 5.0])
                # Reset, killed, tried again.
                j.reset_bookmark()
                self.killed(j, where, before)
                j.run()
                self.assertEqual(amounts(j), [1.0, 2.0, 3.0, 4.0, 5.0])
                self.assertEqual(j.run()["files_in"], 0)
                self.assertEqual(amounts(j), [1.0, 2.0, 3.0, 4.0, 5.0])
                self.assertFalse(list((j.output / "_pumphouse").glob("jr_*")), "files were left aside")

    def test_a_bookmark_that_is_set_back_in_part_is_refused_and_a_reset_mends_it(self):
        j = job()
        for day, name in enumerate("abc"):
            j.put(f"{name}.json", price("BTC", str(day)), at=1_600_000_000 + day)
            j.run()
        j.reset_bookmark(keep=1)
        with self.assertRaisesRegex(Failed, "reset the bookmark, so that all is read"):
            j.run()
        self.assertEqual(amounts(j), [0.0, 1.0, 2.0])
        j.reset_bookmark()
        self.assertEqual(j.run()["files_in"], 3)
        self.assertEqual(amounts(j), [0.0, 1.0, 2.0])

    def test_a_reset_after_old_input_is_gone_replaces_what_it_gave(self):
        j = job()
        j.put("a.json", price("BTC", "1"), at=1_600_000_000)
        j.put("b.json", price("BTC", "2"), at=1_600_000_001)
        j.run()
        (j.input / "a.json").unlink()
        j.reset_bookmark()
        j.run()
        self.assertEqual(amounts(j), [2.0])


if __name__ == "__main__":
    unittest.main()
