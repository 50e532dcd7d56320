"""What the tests of the runner share: one Spark, a place for a job, the embedded cloud's binary."""

import contextlib
import io
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
import uuid

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "src/deploy/glue"))
# Python's workers import the runner, too.
os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT / "src/deploy/glue"), str(ROOT / "tests/glue")])
os.environ["PYSPARK_PYTHON"] = sys.executable
os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")

from pyspark.sql import SparkSession  # noqa: E402
from pyspark.sql import functions as F  # noqa: E402

_spark = None


def spark():
    """One for all tests."""
    global _spark
    if _spark is None:
        settings = {
            "spark.driver.memory": "1g",
            "spark.sql.shuffle.partitions": "1",
            "spark.ui.enabled": "false",
            # Thousands of folders are listed in one task rather than in one each.
            "spark.sql.sources.parallelPartitionDiscovery.parallelism": "1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.sql.warehouse.dir": tempfile.mkdtemp(prefix="warehouse-"),
        }
        builder = SparkSession.builder.master("local[1]").appName("pumphouse")
        for name, value in settings.items():
            builder = builder.config(name, value)
        _spark = builder.getOrCreate()
        _spark.sparkContext.setLogLevel("OFF")
    return _spark


class Killed(BaseException):
    """What no handler of the runner catches: the process is gone."""


class Failed(Exception):
    """A run that failed."""


# The catalog's words for our types.
HIVE = {"varchar": "string", "integer": "int"}


def hive(columns):
    return [{"Name": name, "Type": HIVE.get(kind, kind)} for name, kind in columns.items()]


class GlueJob:
    """A job with its folders, as pipeline.toml declares it."""

    def __init__(self, job, name="test-dev-job"):
        self.dir = tempfile.TemporaryDirectory(prefix="glue-")
        self.root = pathlib.Path(self.dir.name)
        self.job, self.name, self._frame = job, name, None
        self.input, self.output = self.root / "landing", self.root / "staging" / "out"
        self.rejects = self.root / "rejects"
        self.input.mkdir()
        self.sql = self.root / "job.sql"
        self.sql.write_text(job["sql"], encoding="utf-8")
        self.keys = list(job.get("partition_by", {}))
        self.table = job.get("table")
        table = {
            "Name": self.table,
            "PartitionKeys": hive(job.get("partition_by", {})),
            "StorageDescriptor": {
                "Columns": hive(job.get("columns", {})),
                "Location": self.output.as_uri() + "/",
                "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
                "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
                "SerdeInfo": {"SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"},
            },
        }
        self.catalog = self.root / "catalog.json"
        catalog = {f"db.{self.table}": {"table": table, "partitions": []}}
        # A job that writes a key-value table: its name and its keys.
        self.items_of, keys = job.get("dynamodb") or (None, None)
        if self.items_of:
            catalog[self.items_of] = {"keys": keys, "items": []}
        if "crawled" in job:
            catalog["db.crawled"] = {"table": job["crawled"], "partitions": []}
        self.catalog.write_text(json.dumps(catalog))

    def arguments(self):
        columns = [{"name": n, "type": t} for n, t in self.job.get("input", {}).items()]
        enabled = "enable" if self.job.get("bookmark") else "disable"
        given = ["runner.py", "--JOB_NAME", self.name, "--JOB_ID", "j_1", "--JOB_RUN_ID", f"jr_{uuid.uuid4().hex}"]
        given += ["--SQL_URI", self.sql.as_uri(), "--INPUT", self.input.as_uri() + "/"]
        if "crawled" in self.job:
            given += ["--INPUT_TABLE", "db.crawled"]
        else:
            given += ["--INPUT_FORMAT", self.job.get("format", "json"), "--INPUT_COLUMNS", json.dumps(columns)]
        given += ["--job-bookmark-option", f"job-bookmark-{enabled}"]
        if self.items_of:
            given += ["--DYNAMODB_TABLE", self.items_of]
            given += ["--DYNAMODB_REPLACE", "true" if self.job.get("replace") else "false"]
        else:
            given += ["--OUTPUT", self.output.as_uri() + "/"]
        if self.job.get("csv"):
            given += ["--DIALECT", json.dumps(self.job["csv"])]
        if self.job.get("file_column"):
            given += ["--FILE_COLUMN", self.job["file_column"]]
        if self.job.get("rejects"):
            given += ["--REJECTS", self.rejects.as_uri() + "/"]
        given += ["--enable-glue-datacatalog", "true"]
        if self.keys:
            given += ["--PARTITION_BY", ",".join(self.keys)]
        if self.table:
            given += ["--DATABASE", "db", "--TABLE", self.table]
        return given

    def put(self, key, text, at=None):
        path = self.input / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        if at is not None:
            os.utime(path, (at, at))
        return path

    def run(self):
        """Runs it: the numbers of its last line, and all that it logged."""
        import runner

        spark()
        os.environ["GLUE_STANDIN_STATE"] = str(self.root / "bookmarks.json")
        os.environ["GLUE_STANDIN_CATALOG"] = str(self.catalog)
        self._frame = None
        said = io.StringIO()
        try:
            with contextlib.redirect_stdout(said):
                runner.main(self.arguments())
        except runner.JobFailed as e:
            raise Failed(str(e)) from None
        finally:
            spark().catalog.clearCache()
            self.said = said.getvalue()
        last = self.said.strip().splitlines()[-1].removeprefix("pumphouse: ")
        return {k: float(v) if "." in v else int(v) for k, v in (part.split("=") for part in last.split())}

    def reset_bookmark(self, keep=0):
        from awsglue import job

        os.environ["GLUE_STANDIN_STATE"] = str(self.root / "bookmarks.json")
        job.reset(self.name, keep)

    def partitions(self):
        return json.loads(self.catalog.read_text())[f"db.{self.table}"]["partitions"]

    def items(self):
        return sorted(json.loads(self.catalog.read_text())[self.items_of]["items"], key=json.dumps)

    def rejected(self):
        """What the bad rows' files say, each file by its path below the input."""
        lines = [line for path in sorted(self.rejects.rglob("*.jsonl")) for line in path.read_text().splitlines()]
        rows = [json.loads(line) for line in lines]
        return [{**row, "file": row["file"].split("/landing/", 1)[1]} for row in rows]

    def written(self):
        return sorted(self.output.rglob("*.parquet"))

    def frame(self):
        """What was written, with the types that the table declares."""
        kinds = {n: HIVE.get(t, t) for n, t in {**self.job["columns"], **self.job.get("partition_by", {})}.items()}
        schema = ", ".join(f"`{name}` {kind}" for name, kind in kinds.items())
        if self._frame is None:
            frame = spark().read.schema(schema).option("basePath", self.output.as_uri()).parquet(self.output.as_uri())
            self._frame = frame.cache()
        return self._frame

    def rows(self, sql, parameters=None):
        self.frame().createOrReplaceTempView(self.table)
        return as_printed(spark().sql(sql, args=parameters))


def as_printed(frame):
    """The rows as the command line prints them in JSON, whatever the machine's own time zone is."""
    columns = []
    for field in frame.schema.fields:
        column = F.col(f"`{field.name}`")
        if field.dataType.simpleString() == "timestamp":
            column = F.date_format(column, "yyyy-MM-dd HH:mm:ss.SSSSSS").alias(field.name)
        elif field.dataType.simpleString() == "date" or field.dataType.simpleString().startswith("decimal"):
            column = column.cast("string").alias(field.name)
        columns.append(column)
    times = [field.dataType.simpleString() == "timestamp" for field in frame.schema.fields]
    rows = []
    for row in frame.select(*columns).collect():
        rows.append([v.removesuffix("000") if time and v else v for v, time in zip(row, times)])
    return rows


class Embedded:
    """The embedded cloud, with a state of its own."""

    def __init__(self):
        given = os.environ.get("PUMPHOUSE_BINARY")
        self.binary = pathlib.Path(given) if given else ROOT / "target/debug/pumphouse"
        if not self.binary.is_file():
            missing(f"{self.binary} is missing: build it, or name it in PUMPHOUSE_BINARY")
        self.dir = tempfile.TemporaryDirectory(prefix="embedded-")

    def run(self, *args):
        env = {k: v for k, v in os.environ.items() if not k.startswith("PUMPHOUSE_")}
        env |= {"HOME": self.dir.name, "XDG_CONFIG_HOME": f"{self.dir.name}/config", "NO_COLOR": "1"}
        command = [str(self.binary), "--local", "--state-dir", f"{self.dir.name}/state", *map(str, args)]
        done = subprocess.run(command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, capture_output=True)
        if done.returncode:
            raise AssertionError(f"{args}: {done.stderr.decode()}")
        return done.stdout

    def json(self, *args):
        return json.loads(self.run(*args, "--output", "json"))

    def download(self, bucket, prefix, into):
        """The objects of a bucket, into a folder."""
        there = self.json("buckets", "objects", bucket, prefix, "--recursive", "--limit", "100000")
        for entry in there["objects"]:
            path = into / entry["key"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.run("buckets", "get", bucket, entry["key"]))
        return len(there["objects"])


def missing(message):
    """What is not there is skipped over, but not in CI."""
    if os.environ.get("CI") == "true":
        raise AssertionError(message)
    raise unittest.SkipTest(message)


def shared(path):
    """A file of the shared data beside the checkout; none where there is none of that name, or no such data at all."""
    data = (ROOT / "../shared/data").resolve()
    if not data.is_dir() and os.environ.get("CI") == "true":
        raise AssertionError(f"{data} is missing: the shared data must lie beside the checkout")
    return data / path if (data / path).is_file() else None
