"""What the tests of the runner share: one Spark, a place for a job, the embedded cloud's binary."""

import contextlib
import datetime
import io
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import tomllib
import unittest
import uuid

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "src/deploy/glue"))
# Python's workers import the runner, too.
os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT / "src/deploy/glue"), str(ROOT / "tests/glue")])
os.environ["PYSPARK_PYTHON"] = sys.executable
os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")

from pyspark.sql import SparkSession  # noqa: E402

_spark = None


def spark():
    """One for all tests."""
    global _spark
    if _spark is None:
        settings = {
            "spark.driver.memory": "1g",
            "spark.sql.shuffle.partitions": "1",
            "spark.ui.enabled": "false",
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
        self.job, self.name = job, name
        self.input, self.output = self.root / "landing", self.root / "staging" / "out"
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
        self.catalog.write_text(json.dumps({f"db.{self.table}": {"table": table, "partitions": []}}))

    def arguments(self):
        columns = [{"name": n, "type": t} for n, t in self.job["input"].items()]
        enabled = "enable" if self.job.get("bookmark") else "disable"
        given = ["runner.py", "--JOB_NAME", self.name, "--JOB_ID", "j_1", "--JOB_RUN_ID", f"jr_{uuid.uuid4().hex}"]
        given += ["--SQL_URI", self.sql.as_uri(), "--INPUT", self.input.as_uri() + "/"]
        given += ["--INPUT_FORMAT", self.job.get("format", "json"), "--INPUT_COLUMNS", json.dumps(columns)]
        given += ["--OUTPUT", self.output.as_uri() + "/", "--job-bookmark-option", f"job-bookmark-{enabled}"]
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

    def written(self):
        return sorted(self.output.rglob("*.parquet"))

    def frame(self):
        """What was written, with the types that the table declares."""
        kinds = {n: HIVE.get(t, t) for n, t in {**self.job["columns"], **self.job.get("partition_by", {})}.items()}
        schema = ", ".join(f"`{name}` {kind}" for name, kind in kinds.items())
        return spark().read.schema(schema).option("basePath", self.output.as_uri()).parquet(self.output.as_uri())

    def rows(self, sql):
        self.frame().createOrReplaceTempView(self.table)
        return [list(map(value, row)) for row in spark().sql(sql).collect()]


def value(v):
    """A value as the command line prints it in JSON."""
    if isinstance(v, datetime.datetime):
        return v.strftime("%Y-%m-%d %H:%M:%S.") + (f"{v.microsecond:06d}" if v.microsecond % 1000 else f"{v.microsecond // 1000:03d}")
    if isinstance(v, datetime.date):
        return v.isoformat()
    return v
