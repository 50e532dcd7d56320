"""The context that makes sources."""

import os
from urllib.parse import unquote, urlparse

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from awsglue import job
from awsglue.dynamicframe import DynamicFrame


def _hidden(name):
    return name.startswith("_") or name.startswith(".")


def _below(folder):
    for top, folders, names in os.walk(folder):
        folders[:] = sorted(f for f in folders if not _hidden(f))
        for name in sorted(names):
            path = os.path.join(top, name)
            if not _hidden(name) and os.path.getsize(path) > 0:
                yield path


class _Logger:
    """What is logged as an error goes to a log group of its own on AWS."""

    def __init__(self):
        self.errors = []

    def error(self, text):
        self.errors.append(text)


class GlueContext:
    """Over local folders, `file:///...`."""

    logger = _Logger()

    def get_logger(self):
        return self.logger

    def __init__(self, spark_context):
        self._spark_context = spark_context
        self.spark_session = SparkSession.builder.getOrCreate()
        self.create_dynamic_frame = _From(self)


class _From:
    def __init__(self, context):
        self._context = context

    def from_options(
        self, connection_type, connection_options=None, format=None, format_options=None, transformation_ctx=""
    ):
        options = format_options or {}
        if connection_type != "s3" or not connection_options.get("recurse"):
            raise NotImplementedError("the stand-in reads folders, and all below them")
        if connection_options.get("groupFiles") != "none":
            raise NotImplementedError("the stand-in does not group files")
        past = job.known(transformation_ctx)
        found = []
        for uri in connection_options["paths"]:
            for path in _below(unquote(urlparse(uri).path)):
                seen = [path, os.stat(path).st_mtime_ns // 1_000_000]
                if seen not in past:
                    found.append(seen)
        if transformation_ctx:
            job.Job.read[transformation_ctx] = found
        spark = self._context.spark_session
        if not found:
            return DynamicFrame(spark.createDataFrame([], "none string").drop("none"))
        paths = [f"file://{path}" for path, _ in found]
        escaped = ["".join("\\" + c if c in "\\*?[]{}" else c for c in p) for p in paths]
        if format == "parquet":
            frame = spark.read.parquet(*escaped)
        elif format == "csv" and options.get("quoteChar") == -1 and not options.get("withHeader"):
            # Without quotes and with a separator that stands nowhere, a record is a line.
            frame = spark.read.text(escaped).withColumnRenamed("value", "col0")
        else:
            raise NotImplementedError(f"the stand-in does not read {format} with {options}")
        if options.get("attachFilename"):
            frame = frame.withColumn(options["attachFilename"], F.input_file_name())
        return DynamicFrame(frame)
