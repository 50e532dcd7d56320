"""Every pipeline that is shipped: its SQL gives the same rows on Spark, as AWS Glue runs it, and on DataFusion.

The pipelines are found in pipelines/, not by name. Each runs on the embedded cloud, over the real data where there is a
file of its sample's name, else over its sample. What then lies in the buckets that its jobs read is read by the runner.
"""

import json
import math
import pathlib
import tomllib
import unittest

from pyspark.sql import functions as F

import support
from support import Embedded, GlueJob, HIVE, ROOT, as_printed, shared, spark

# What the parameters of a saved query are here.
PARAMETERS = {("crypto-stream", "by_base"): ["BTC", 10], ("water-quality", "turbid"): [5]}
# The catalog's words for what Spark wrote.
ATHENA = {"string": "varchar", "int": "integer"}


def pipelines():
    found = sorted(ROOT.glob("pipelines/*/pipeline.toml"))
    assert found, "no pipelines"
    return {path.parent: tomllib.loads(path.read_text(encoding="utf-8")) for path in found}


def ordered(rows):
    return sorted(rows, key=lambda row: [(v is not None, str(type(v)), v) for v in row])


class Shipped(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cache = {}

    def prepared(self, folder, spec):
        """The pipeline after a run on the embedded cloud, and its jobs after a run on Spark."""
        if folder in self.cache:
            return self.cache[folder]
        name, cloud, sources = spec["name"], Embedded(), []
        for source, keys in spec.get("source", {}).items():
            real = shared(f"{name}/{keys['sample'].rsplit('/', 1)[-1]}") if keys.get("sample") else None
            if real:
                sources += ["--source", f"{source}={real}"]
        cloud.json("deploy", name, "--yes")
        report = cloud.json("run", name, *sources)
        self.assertTrue(report["ok"], report)
        database = spec.get("catalog", {}).get("database", name.replace("-", "_"))
        jobs = {}
        for title, job in spec.get("job", {}).items():
            sql = (folder / job["sql"]).read_text(encoding="utf-8")
            if job["to"].startswith("dynamodb."):
                keys = spec["dynamodb"][job["to"].removeprefix("dynamodb.")]
                keys = [*keys["hash_key"], *keys.get("range_key", {})]
                job = {**job, "dynamodb": (f"{name}-dev-{title}-items", keys)}
            place = (job["from"].removeprefix("bucket."), job.get("from_prefix", ""))
            if job["from"].startswith("crawler."):
                crawler = spec["crawler"][job["from"].removeprefix("crawler.")]
                place = (crawler["from"].removeprefix("bucket."), crawler["prefix"])
                job = {**job, "crawled": self.crawled(cloud, database, crawler)}
            glue = GlueJob({**job, "sql": sql}, f"{name}-dev-{title}")
            files = cloud.download(f"{name}/{place[0]}", place[1], glue.input)
            if "crawled" in job:
                # A crawled table is its folder.
                glue.input = glue.input / place[1].rstrip("/")
            self.assertGreater(files, 0, f"{title} has nothing to read")
            jobs[title] = (glue, glue.run())
        self.cache[folder] = (cloud, database, jobs, bool(sources))
        return self.cache[folder]

    def crawled(self, cloud, database, crawler):
        """The table that the crawler made, as AWS Glue has it."""
        name = crawler.get("table_prefix", "") + crawler["prefix"].rstrip("/").rpartition("/")[2].lower()
        table = cloud.json("catalog", "show", f"{database}.{name}")
        described = lambda all: [{"Name": c["name"], "Type": support.HIVE.get(c["type"], c["type"])} for c in all]
        return {
            "Name": name,
            "Parameters": {"classification": table["format"]},
            "PartitionKeys": described(table["partition_keys"]),
            "StorageDescriptor": {"Columns": described(table["columns"])},
        }

    def each(self):
        for folder, spec in pipelines().items():
            with self.subTest(folder.name):
                yield folder, spec, *self.prepared(folder, spec)

    def test_a_job_writes_the_same_rows_of_the_same_types_on_both_engines(self):
        compared = 0
        for folder, spec, cloud, database, jobs, _ in self.each():
            for title, (glue, done) in jobs.items():
                runs = cloud.json("jobs", "runs", f"{spec['name']}/{title}")
                for number in ("rows_in", "rows_out", "files_in"):
                    self.assertEqual(done[number], sum(run[number] for run in runs), (title, number))
                if glue.job.get("rejects"):
                    self.rejects(cloud, spec, title, glue)
                if glue.items_of:
                    table = f"{spec['name']}/{spec['job'][title]['to'].removeprefix('dynamodb.')}"
                    theirs = cloud.json("tables", "items", table, "--limit", "1000000")
                    by_text = {"key": lambda item: json.dumps(item, sort_keys=True)}
                    self.assertEqual(sorted(glue.items(), **by_text), sorted(theirs, **by_text), title)
                    self.assertGreater(len(theirs), 0)
                    compared += 1
                    continue
                if not glue.table:
                    self.without_table(cloud, spec, title, glue)
                    compared += 1
                    continue
                sql = f"select * from {glue.table}"
                theirs = cloud.json("query", sql, "--database", database, "--limit", 10_000_000)
                ours = glue.frame()
                self.assertEqual([c["name"] for c in theirs["columns"]], ours.columns)
                self.assertEqual(ordered(as_printed(ours)), ordered(theirs["rows"]))
                # The types in the files themselves, not those that the catalog declares.
                written = spark().read.parquet(*[f"file:{path}" for path in glue.written()[:100]])
                kinds = {f.name: ATHENA.get(f.dataType.simpleString(), f.dataType.simpleString()) for f in written.schema}
                for column in theirs["columns"]:
                    if column["name"] not in glue.keys:
                        self.assertEqual(kinds[column["name"]], column["type"], column["name"])
                compared += 1
        self.assertGreater(compared, 0)

    def rejects(self, cloud, spec, title, glue):
        """The bad rows that are set aside, and why, are the same."""
        bucket, _, prefix = spec["job"][title]["rejects"].removeprefix("bucket.").partition("/")
        there = glue.root / "rejected"
        cloud.download(f"{spec['name']}/{bucket}", prefix, there)
        rows = [json.loads(line) for path in sorted(there.rglob("*.jsonl")) for line in path.read_text().splitlines()]
        # s3://BUCKET/KEY there, a path that ends with the key here.
        theirs = [{**row, "file": row["file"].split("/", 3)[3]} for row in rows]
        self.assertEqual(glue.rejected(), theirs, title)

    def without_table(self, cloud, spec, title, glue):
        job = spec["job"][title]
        prefix = job.get("prefix", f"{title}/")
        there = glue.root / "embedded"
        cloud.download(f"{spec['name']}/{job['to'].removeprefix('bucket.')}", prefix, there)
        theirs = spark().read.parquet((there / prefix).as_uri())
        ours = spark().read.parquet(glue.output.as_uri()).select(*theirs.columns)
        same = [(f.name, f.dataType.simpleString().removesuffix("_ntz")) for f in theirs.schema]
        self.assertEqual([(f.name, f.dataType.simpleString().removesuffix("_ntz")) for f in ours.schema], same)
        theirs = theirs.select(*[F.col(f"`{n}`").cast(k).alias(n) for n, k in same])
        self.assertEqual(ordered(as_printed(ours)), ordered(as_printed(theirs)))

    def test_a_shipped_query_gives_the_same_on_both_engines(self):
        for folder, spec, cloud, database, jobs, _ in self.each():
            for glue, _ in jobs.values():
                if glue.table:
                    glue.frame().createOrReplaceTempView(glue.table)
            for title, table in spec.get("table", {}).items():
                self.register(cloud, spec, title, table)
            for title, query in spec.get("query", {}).items():
                sql = (folder / query["sql"]).read_text(encoding="utf-8")
                parameters = PARAMETERS.get((spec["name"], title))
                if "?" in sql and parameters is None:
                    self.fail(f"{spec['name']}/{title} has parameters: add them to PARAMETERS")
                given = [part for p in parameters or [] for part in ("--param", p)]
                theirs = cloud.json("query", "--saved", f"{spec['name']}/{title}", *given)
                ours = spark().sql(sql, args=parameters)
                self.assertEqual([c["name"] for c in theirs["columns"]], ours.columns, title)
                rows = as_printed(ours)
                self.assertEqual(len(rows), len(theirs["rows"]), title)
                if "order by" not in sql.lower():
                    rows, theirs["rows"] = ordered(rows), ordered(theirs["rows"])
                for row, their in zip(rows, theirs["rows"]):
                    for a, b in zip(row, their):
                        # Engines may add doubles in another order.
                        close = isinstance(a, float) and isinstance(b, float) and math.isclose(a, b, rel_tol=1e-12)
                        self.assertTrue(a == b or close, (title, row, their))

    def register(self, cloud, spec, title, table):
        """A table that no job fills: its files as they are, the columns in their order."""
        there = pathlib.Path(cloud.dir.name) / f"table-{title}"
        cloud.download(f"{spec['name']}/{table['from'].removeprefix('bucket.')}", table["prefix"], there)
        schema = ", ".join(f"`{name}` {HIVE.get(kind, kind)}" for name, kind in table["columns"].items())
        reader = spark().read.schema(schema).option("recursiveFileLookup", "true").option("header", "true")
        reader.format(table["format"]).load(there.as_uri()).createOrReplaceTempView(title)

    def test_crypto_stream_gives_the_known_numbers(self):
        folder = ROOT / "pipelines/crypto-stream"
        answers = shared("crypto-stream/expected.json")
        if not answers:
            self.skipTest("the shared data is missing")
        answers = json.loads(answers.read_text())
        spec = pipelines()[folder]
        glue, done = self.prepared(folder, spec)[2]["clean_prices"]
        self.assertEqual(done["rows_out"], answers["rows"])
        self.assertEqual(dict(glue.rows("select base, count(*) from prices group by base")), answers["by_base"])
        high = glue.rows("select count(*), max(amount) from prices where base = 'BTC' and amount > 60000")
        self.assertEqual(high, [[answers["btc_above_60000"], answers["btc_max"]]])
        found = glue.rows(
            "select base, year, count(*), round(min(amount), 6), round(max(amount), 6), round(avg(amount), 6) "
            "from prices group by base, year order by base, year"
        )
        self.assertEqual(len(found), len(answers["by_base_year"]))
        for row, known in zip(found, answers["by_base_year"]):
            self.assertEqual(row[:3], known[:3])
            for a, b in zip(row[3:], known[3:]):
                self.assertAlmostEqual(a, b, delta=1e-6)
        # A second run has nothing to do.
        self.assertEqual(glue.run()["files_in"], 0)


if __name__ == "__main__":
    unittest.main()
