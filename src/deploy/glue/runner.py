"""Runs the SQL of one job on AWS Glue 5.1 (Spark 3.5.6).

It does what the embedded cloud does with the same job: reads what is new under INPUT, executes the SQL over it as the
table `input`, writes Parquet under OUTPUT, registers the partitions, and moves the bookmark last; or it puts the rows into
the table DYNAMODB_TABLE. docs/glue.md says how, and which permissions the job's role needs.
"""

import csv
import datetime
import decimal
import json
import re
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import unquote

from awsglue.context import GlueContext
from awsglue.job import Job
from awsglue.utils import getResolvedOptions
from pyspark import StorageLevel
from pyspark.context import SparkContext
from pyspark.sql import functions as F

REQUIRED = ["JOB_NAME", "SQL_URI", "INPUT"]
OPTIONAL = ["OUTPUT", "PARTITION_BY", "DATABASE", "TABLE", "DIALECT", "REJECTS", "FILE_COLUMN"]
OPTIONAL += ["DYNAMODB_TABLE", "DYNAMODB_REPLACE"]
# What is read is told by its format and columns, or by the catalog table that a crawler made of it.
OPTIONAL += ["INPUT_FORMAT", "INPUT_COLUMNS", "INPUT_TABLE"]

SETTINGS = {
    # Times are UTC, as everywhere in a pipeline.
    "spark.sql.session.timeZone": "UTC",
    # A cast that cannot be done fails the run, as on DataFusion; without this it would give null.
    "spark.sql.ansi.enabled": "true",
    # "name" is a column, as on DataFusion and Athena, and not a text.
    "spark.sql.ansi.doubleQuotedIdentifiers": "true",
    "spark.sql.caseSensitive": "false",
    # INT64, which Athena reads; Spark's own default is INT96.
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.parquet.compression.codec": "snappy",
    # One calendar for all times, also before 1582: the Gregorian one.
    "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
    "spark.sql.parquet.int96RebaseModeInRead": "CORRECTED",
    "spark.sql.legacy.timeParserPolicy": "CORRECTED",
    # A row of another length than its header is a mistake, also where its columns are not asked for.
    "spark.sql.csv.parser.columnPruning.enabled": "false",
}

# Our words for types, and the catalog's, in Spark's words.
TYPES = {"varchar": "string", "integer": "int", "real": "float"}
WHOLE = ["tinyint", "smallint", "int", "bigint"]
NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"
BAD = "__pumphouse_bad"
FILE = "__pumphouse_file"
# How many of the newest files read are remembered, to see when a bookmark was set back.
REMEMBERED = 10000
# Rows in a file, at most.
FILE_ROWS = 5000000
THREADS = 32
# Rows that one run sets aside, at most.
MOST_REJECTS = 1000000
PLAIN = {"delimiter": ",", "trim": False, "header": True, "pipes": False}
PIPES = {"delimiter": "|", "trim": True, "header": True, "pipes": True}


class JobFailed(Exception):
    """Why a run fails, in a line."""


def log(text):
    print(f"pumphouse: {text}", flush=True)


def spark_type(kind):
    kind = kind.strip().lower()
    base = kind.split("(")[0].strip()
    return TYPES.get(base, "string" if base == "char" else kind)


def arguments(argv):
    """What the job was given, by name."""
    given = [n for n in OPTIONAL if any(a == f"--{n}" or a.startswith(f"--{n}=") for a in argv)]
    found = getResolvedOptions(argv, REQUIRED + given)
    args = {name: found.get(name) or "" for name in REQUIRED + OPTIONAL}
    args["options"] = found
    args["columns"] = [(c["name"], spark_type(c["type"])) for c in json.loads(args["INPUT_COLUMNS"] or "[]")]
    args["input_keys"] = []
    args["keys"] = [name.strip() for name in args["PARTITION_BY"].split(",") if name.strip()]
    args["run"] = re.sub(r"[^0-9A-Za-z_]", "_", found.get("JOB_RUN_ID") or f"jr_{uuid.uuid4().hex}")
    args["bookmark"] = (found.get("job_bookmark_option") or "job-bookmark-disable") != "job-bookmark-disable"
    for place in ("INPUT", "OUTPUT", "REJECTS"):
        args[place] = args[place].rstrip("/") + "/" if args[place] else ""
    if not args["INPUT_TABLE"] and args["INPUT_FORMAT"] not in ("json", "csv", "pipe", "parquet"):
        raise JobFailed(f"INPUT_FORMAT {args['INPUT_FORMAT']!r} is unknown: use json, csv, pipe or parquet")
    if bool(args["OUTPUT"]) == bool(args["DYNAMODB_TABLE"]):
        raise JobFailed("give OUTPUT or DYNAMODB_TABLE, one of them")
    by_row = args["DIALECT"] or args["REJECTS"] or args["FILE_COLUMN"]
    args["dialect"] = None
    if args["INPUT_FORMAT"] == "pipe":
        args["dialect"] = PIPES
    elif args["INPUT_FORMAT"] == "csv" and by_row:
        args["dialect"] = {**PLAIN, **json.loads(args["DIALECT"] or "{}")}
    return args


class Files:
    """Files wherever Hadoop finds them: S3 on AWS, a disk in tests."""

    def __init__(self, spark):
        self.spark = spark
        self.jvm = spark.sparkContext._jvm
        self.conf = spark.sparkContext._jsc.hadoopConfiguration()

    def at(self, uri):
        path = self.jvm.org.apache.hadoop.fs.Path(uri)
        return path.getFileSystem(self.conf), path

    def exists(self, uri):
        fs, path = self.at(uri)
        return fs.exists(path)

    def read(self, uri):
        fs, path = self.at(uri)
        stream = fs.open(path)
        try:
            return self.jvm.org.apache.commons.io.IOUtils.toString(stream, "UTF-8")
        finally:
            stream.close()

    def first_line(self, uri):
        fs, path = self.at(uri)
        lines = self.jvm.java.io.BufferedReader(self.jvm.java.io.InputStreamReader(fs.open(path), "UTF-8"))
        try:
            return lines.readLine()
        finally:
            lines.close()

    def write(self, uri, text):
        fs, path = self.at(uri)
        stream = fs.create(path, True)
        try:
            stream.write(text.encode())
        finally:
            stream.close()

    def delete(self, uris):
        def one(uri):
            fs, path = self.at(uri)
            fs.delete(path, True)

        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(one, uris))

    def move(self, moves):
        def one(move):
            (fs, source), (_, target) = self.at(move[0]), self.at(move[1])
            # Where folders are folders they must be there first.
            if not fs.rename(source, target):
                fs.mkdirs(target.getParent())
                if not fs.rename(source, target):
                    raise JobFailed(f"{move[0]} cannot be moved to {move[1]}")

        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(one, moves))

    def under(self, uri):
        """All files below a folder, with their folders."""
        if not self.exists(uri):
            return []
        fs, path = self.at(uri)
        found, files = [], fs.listFiles(path, True)
        while files.hasNext():
            found.append(files.next().getPath().toString())
        return found

    def stat(self, paths, recursive=False):
        """Each file with its time in milliseconds and its size; contents are not read."""
        reader = self.spark.read.format("binaryFile").option("recursiveFileLookup", str(recursive).lower())
        rows = reader.load(paths).select("path", F.expr("unix_millis(modificationTime)"), "length").collect()
        return sorted([row[0], row[1], row[2]] for row in rows)


def escaped(path):
    """A path that is taken by the letter where patterns are understood."""
    return re.sub(r"([\\*?\[\]{}])", r"\\\1", path)


def new_files(glue, files, args):
    """The files to read. With a bookmark Glue tells which are new; what they hold is read by Spark, with our columns."""
    if not files.exists(args["INPUT"]):
        return []
    if not args["bookmark"]:
        return files.stat([escaped(args["INPUT"])], recursive=True)
    form, options = "csv", {"withHeader": False, "separator": "\u0001", "quoteChar": -1, "attachFilename": FILE}
    if args["INPUT_FORMAT"] == "parquet":
        form, options = "parquet", {"attachFilename": FILE}
    frame = glue.create_dynamic_frame.from_options(
        connection_type="s3",
        # Grouped, a record would no longer tell which file it is from.
        connection_options={"paths": [args["INPUT"]], "recurse": True, "groupFiles": "none"},
        format=form,
        format_options=options,
        transformation_ctx="input",
    ).toDF()
    if not frame.columns:
        return []
    attached = F.col(f"`{FILE}`") if FILE in frame.columns else F.lit(None).cast("string")
    source = F.when(attached.contains("/"), attached).otherwise(F.input_file_name())
    names = [row[0] for row in frame.select(source).distinct().collect()]
    if not all(names):
        raise JobFailed("Glue does not tell which files are new: the run cannot know what it reads")
    # Spark's own names are encoded, attached ones are not.
    by_name = sorted({unquote(name) if "%" in name and not files.exists(name) else name for name in names})
    return files.stat([escaped(name) for name in by_name]) if by_name else []


def text_of(value, kind):
    """A JSON value as text; numbers keep their digits."""
    if value is None or isinstance(value, str):
        text = value
    elif isinstance(value, bool):
        return "true" if value else "false"
    elif isinstance(value, (dict, list)):
        raise ValueError(f"a single value is wanted, and there is {json.dumps(value)[:80]}")
    else:
        text = str(value)
    if text is not None and kind in WHOLE and re.fullmatch(r"-?[0-9]+\.0+", text):
        return text.split(".")[0]
    return text


def no_constant(name):
    raise ValueError(f"{name} is no JSON")


def file_name(path):
    """The last part of a file's address."""
    return unquote(path.rsplit("/", 1)[-1])


def json_rows(columns, crawled=False):
    """A function from lines and their files to rows of text; a line that cannot be read gives its reason."""

    def rows(lines):
        decoder = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=no_constant)
        for line, path in lines:
            line = line.lstrip("\ufeff").strip()
            at = 0
            try:
                while at < len(line):
                    try:
                        record, at = decoder.raw_decode(line, at)
                    except ValueError as e:
                        raise ValueError(f"not JSON ({e})") from None
                    if not isinstance(record, dict):
                        raise ValueError("not a JSON object")
                    if crawled:
                        record = {name.lower(): value for name, value in record.items()}
                    values = [text_of(record.get(name), kind) for name, kind in columns]
                    if "\\ud" in line.lower():
                        "".join(v for v in values if v).encode()
                    yield (*values, file_name(path), None)
                    while at < len(line) and line[at].isspace():
                        at += 1
            except ValueError as e:
                yield (*([None] * len(columns)), None, json.dumps([path, str(e), line]))

    return rows


def read_json(spark, files, paths, columns, args):
    lines = spark.read.option("lineSep", "\n").text([escaped(p) for p in paths])
    rows = lines.select("value", "_metadata.file_path").rdd.mapPartitions(json_rows(columns, bool(args["INPUT_TABLE"])))
    return of_rows(spark, rows, columns, args)


def of_rows(spark, rows, columns, args):
    """Rows of text, each with the name of its file and why it is bad, as a frame."""
    schema = ", ".join(f"`c{i}` string" for i in range(len(columns))) + f", {FILE} string, {BAD} string"
    frame = spark.createDataFrame(rows, schema, verifySchema=False)
    held = typed(columns, [f"c{i}" for i in range(len(columns))])
    if args["FILE_COLUMN"]:
        held.append(F.col(FILE).alias(args["FILE_COLUMN"]))
    return frame.select(*held, BAD)


def records(text, dialect):
    """The rows of a text: line, text, and values or why there are none. The embedded cloud's `delimited.rs` does the
    same, character by character."""
    text = text.removeprefix("\ufeff")
    return in_pipes(text) if dialect["pipes"] else separated(text, dialect)


def in_pipes(text):
    seen = 0
    for number, line in enumerate(text.split("\n"), 1):
        line = line.removesuffix("\r")
        row = line.strip(" \t")
        if not row:
            continue
        values = None
        if len(row) > 1 and row[0] == "|" and row[-1] == "|":
            values = [cell.strip(" \t") for cell in row[1:-1].split("|")]
        # Below the names, and nowhere else.
        if values and seen == 1 and all(re.fullmatch(":?-+:?", cell) for cell in values):
            continue
        seen += 1
        yield number, line, values, None if values else "no row of a table: it stands in no pipes"


def separated(text, dialect):
    at, number = 0, 1
    while at < len(text):
        end, following, values, why = one_row(text, at, dialect)
        row = text[at:end]
        if row and not (dialect["trim"] and not row.strip(" \t")):
            yield number, row, values, why
        number += text.count("\n", at, following)
        at = following


def one_row(text, at, dialect):
    """The row that begins at a place: where it ends, where the next begins, and its values."""
    trim, begun = dialect["trim"], at
    values, value, quoted, opened = [], "", False, False

    def done():
        return value.strip(" \t") if trim and not quoted else value

    while at < len(text):
        c = text[at]
        at += 1
        if opened:
            if c != '"':
                value += c
            elif text[at : at + 1] == '"':
                at += 1
                value += '"'
            else:
                opened = False
        elif c == dialect["delimiter"]:
            values.append(done())
            value, quoted = "", False
        elif c == "\n":
            end = at - 1
            if end > begun and text[end - 1] == "\r":
                end -= 1
                value = value.removesuffix("\r")
            values.append(done())
            return end, at, values, None
        elif c == '"' and not quoted and not (value.strip(" \t") if trim else value):
            value, quoted, opened = "", True, True
        elif not (quoted and trim and c in " \t"):
            value += c
    if opened:
        return at, at, None, "a quote that is never closed"
    values.append(done())
    return at, at, values, None


def misfit(value, kind):
    """Why a text is none of a type; nothing where it is one. What is empty is null, and of every type."""
    if value == "":
        return None
    fits, word = True, {"int": "integer"}.get(kind, kind)
    if kind in ("int", "bigint"):
        bits = 31 if kind == "int" else 63
        fits = bool(re.fullmatch(r"[-+]?[0-9]+", value)) and -(1 << bits) <= int(value) < 1 << bits
    elif kind == "double":
        fits = bool(re.fullmatch(r"[-+]?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?", value))
        fits = fits and float(value) not in (float("inf"), float("-inf"))
    elif kind == "boolean":
        fits = value.lower() in ("true", "false")
    elif kind in ("date", "timestamp"):
        form = r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
        if kind == "timestamp":
            form += r"[ T]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?Z?"
        found = re.fullmatch(form, value)
        fits = bool(found)
        try:
            if found and found.group(1) != "0000":
                datetime.date(*(int(part) for part in found.groups()[:3]))
        except ValueError:
            fits = False
    if fits:
        return None
    short = value if len(value) <= 40 else value[:40] + "…"
    return f'"{short}" is not {"an" if word.startswith("i") else "a"} {word}'


def row_reader(columns, dialect):
    """A function from a file to its rows of text; a bad one gives its line and why. What is wrong with a whole file
    has no line."""

    def read(file):
        path, content = file
        empty, name = [None] * len(columns), file_name(path)

        def bad(line, why, text):
            return (*empty, None, json.dumps([path, line, why, text]))

        rows = list(records(bytes(content).decode("utf-8", "replace"), dialect))
        places, width = list(range(len(columns))), len(columns)
        if dialect["header"]:
            if not rows:
                return [bad(0, "the file has no header", "")]
            line, _, names, why = rows.pop(0)
            if why:
                return [bad(line, f"the header: {why}", None)]
            names = [given.strip() for given in names]
            for wanted, _ in columns:
                if wanted not in names:
                    missing = f'column "{wanted}" is missing: the header has {", ".join(names)}'
                    return [bad(0, missing, "")]
            places, width = [names.index(wanted) for wanted, _ in columns], len(names)
        found = []
        for line, text, values, why in rows:
            if not why and len(values) != width:
                wanted = "the header has" if dialect["header"] else "the job reads"
                why = f"the row has {len(values)} values, and {wanted} {width}"
            if not why:
                for (column, kind), place in zip(columns, places):
                    wrong = misfit(values[place], kind)
                    if wrong:
                        why = f'column "{column}": {wrong}'
                        break
            if why:
                found.append(bad(line, why, text))
            else:
                found.append((*[values[place] or None for place in places], name, None))
        return found

    return read


def read_rows(spark, files, paths, columns, args):
    whole = spark.read.format("binaryFile").load([escaped(p) for p in paths]).select("path", "content")
    return of_rows(spark, whole.rdd.flatMap(row_reader(columns, args["dialect"])), columns, args)


def header(line):
    return [name.strip() for name in next(csv.reader([line.lstrip("\ufeff")]), [])]


def read_csv(spark, files, paths, columns, args):
    """Files may have their columns in another order: those of one header are read together."""
    with ThreadPoolExecutor(THREADS) as pool:
        first = list(pool.map(files.first_line, paths))
    groups = {}
    for path, line in zip(paths, first):
        names = header(line or "")
        if args["INPUT_TABLE"]:
            names = [name.lower() for name in names]
        if not names:
            raise JobFailed(f"{path}: the file has no header")
        for name, _ in columns:
            if name not in names and not args["INPUT_TABLE"]:
                raise JobFailed(f"{path}: column \"{name}\" is missing: the header has {', '.join(names)}")
        groups.setdefault(tuple(names), []).append(path)
    frames = []
    for names, members in groups.items():
        schema = ", ".join(f"`c{i}` string" for i in range(len(names)))
        frame = spark.read.csv(
            [escaped(p) for p in members],
            schema=schema,
            header=True,
            enforceSchema=True,
            multiLine=True,
            quote='"',
            escape='"',
            mode="FAILFAST",
            maxCharsPerColumn=-1,
        )
        held = [f"c{names.index(name)}" if name in names else None for name, _ in columns]
        frames.append(frame.select(*typed(columns, held)))
    joined = frames[0]
    for frame in frames[1:]:
        joined = joined.unionByName(frame)
    return joined.withColumn(BAD, F.lit(None).cast("string"))


def read_parquet(spark, files, paths, columns, args):
    frame = spark.read.option("mergeSchema", "true").parquet(*[escaped(p) for p in paths])
    there = {name.lower(): name for name in frame.columns}
    selected = []
    for name, kind in columns:
        held = there.get(name.lower())
        value = F.lit(None) if held is None else F.col(quoted(held))
        selected.append(value.cast(kind).alias(name))
    if args["FILE_COLUMN"]:
        selected.append(F.udf(file_name)(F.col("_metadata.file_path")).alias(args["FILE_COLUMN"]))
    return frame.select(*selected).withColumn(BAD, F.lit(None).cast("string"))


def crawled_table(args):
    """Takes format, columns and partition keys from the table that a crawler made; False where there is none yet."""
    import boto3

    database, _, name = args["INPUT_TABLE"].partition(".")
    try:
        table = boto3.client("glue").get_table(DatabaseName=database, Name=name)["Table"]
    except Exception as e:
        code = (getattr(e, "response", None) or {}).get("Error", {}).get("Code")
        if code == "EntityNotFoundException":
            return False
        raise
    args["INPUT_FORMAT"] = ((table.get("Parameters") or {}).get("classification") or "").lower()
    if args["INPUT_FORMAT"] not in READERS:
        raise JobFailed(
            f"the crawler took what is under {args['INPUT']} for {args['INPUT_FORMAT'] or 'nothing that it knows'}: json, "
            "csv and parquet are read"
        )
    columns = (table.get("StorageDescriptor") or {}).get("Columns") or []
    plain = [c for c in columns if not re.match(r"(struct|array|map|union)", c.get("Type", "string"))]
    args["columns"] = [(c["Name"].lower(), spark_type(c.get("Type", "string"))) for c in plain]
    keys = table.get("PartitionKeys") or []
    args["input_keys"] = [(k["Name"], spark_type(k.get("Type", "string"))) for k in keys]
    return True


def read_crawled(spark, files, paths, columns, args):
    """The rows of a crawled table: what is in the names of folders is the same for all files there."""
    reader, places = READERS[args["INPUT_FORMAT"]], {}
    for path in paths:
        # Below the first folder of that path: a file's address may begin in another way than the argument.
        inner = path.partition("/" + args["INPUT"].split("://", 1)[-1].split("/", 1)[-1])[2]
        values = tuple(unescape(p) if "=" in p else p for p in inner.split("/")[:-1])
        if len(values) != len(args["input_keys"]):
            raise JobFailed(f"{path} lies in {len(values)} folders, and the table has {len(args['input_keys'])} keys")
        places.setdefault(values, []).append(path)
    joined = None
    for values, members in sorted(places.items()):
        frame = reader(spark, files, members, columns, args)
        for (name, kind), value in zip(args["input_keys"], values):
            frame = frame.withColumn(name, F.lit(None if value == NULL_PARTITION else value).cast(kind))
        joined = frame if joined is None else joined.unionByName(frame)
    return joined


READERS = {"json": read_json, "csv": read_csv, "parquet": read_parquet}


def quoted(name):
    """A column's name for Spark."""
    return "`" + name.replace("`", "``") + "`"


def typed(columns, held):
    """The columns with their names and types; one that is not held is null."""
    value = lambda at: F.lit(None) if at is None else F.col(quoted(at))
    return [value(at).cast(kind).alias(name) for (name, kind), at in zip(columns, held)]


def line_number(files, path, wanted):
    """Where in a file a line stands, counted from one."""
    for number, line in enumerate(files.read(path).split("\n"), 1):
        if line.lstrip("\ufeff").strip() == wanted:
            return number
    return 0


def located(spark, files, args, paths, message):
    """Adds to the error of a cast where the value stands in the input. Slow, and done only for a run that fails."""
    try:
        return located_in(spark, files, args, paths, message)
    except Exception as e:
        # What went wrong first is what is to be told.
        log(f"where the value stands was not found: {reason(e)}")
        return message


def located_in(spark, files, args, paths, message):
    found = re.search(r"[Tt]he value '(.*?)' of the type", message, re.S)
    if not found or args["INPUT_FORMAT"] not in ("json", "csv") or "://" in message:
        return message
    value = found.group(1)
    lines = spark.read.option("lineSep", "\n").text([escaped(p) for p in paths])
    near = lines.where(F.col("value").contains(value)).select("value", "_metadata.file_path").take(1000)
    for line, path in near:
        line = line.lstrip("\ufeff").strip()
        try:
            fields = next(csv.reader([line]), []) if args["INPUT_FORMAT"] == "csv" else json.loads(line).values()
        except (ValueError, AttributeError, csv.Error):
            continue
        if any(field == value for field in fields):
            path = unquote(path)
            return f"{path} line {line_number(files, path, line)}: {message}"
    return message


def reason(error):
    """The line that matters of one of Spark's errors."""
    if isinstance(error, JobFailed):
        return str(error)
    text = str(error)
    if getattr(error, "java_exception", None) is not None:
        text = f"{text}\n{error.java_exception}"
    file = re.search(r"(?:Encountered error while reading file|FAILED_READ_FILE\S* .*?file) (\S+?)\.? ", text)
    classed = re.findall(r"\[[A-Z][A-Z0-9_]+(?:\.[A-Z0-9_]+)*\] [^\n]+", text)
    inner = [line for line in classed if not line.startswith("[FAILED_READ_FILE")]
    line = (inner or classed or [next((t for t in text.splitlines() if t.strip()), type(error).__name__)])[0]
    line = re.sub(r"; line (\d+) pos (\d+).*$", r" (line \1 of the SQL)", line.strip())
    return f"{unquote(file.group(1))}: {line}" if file else line


def lossless(given, wanted):
    """Whether each value that `wanted` can hold at all comes out the same."""
    if given == wanted or given == "void":
        return True
    decimals = [re.fullmatch(r"decimal\((\d+),(\d+)\)", kind) for kind in (given, wanted)]
    if given in WHOLE:
        return wanted in WHOLE or bool(decimals[1]) or (wanted == "double" and given != "bigint")
    if decimals[0] and decimals[1]:
        return int(decimals[1].group(2)) >= int(decimals[0].group(2))
    # Spark takes a number with a point in the SQL for a decimal, DataFusion for a double.
    if decimals[0]:
        return wanted == "double"
    return (given, wanted) in [("float", "double"), ("date", "timestamp"), ("timestamp_ntz", "timestamp")]


def declared(catalog, args):
    """The columns that the table in the catalog declares: the files', then the partition's."""
    table = catalog.get_table(DatabaseName=args["DATABASE"], Name=args["TABLE"])["Table"]
    keys = table.get("PartitionKeys") or []
    if [k["Name"] for k in keys] != args["keys"]:
        names = ", ".join(k["Name"] for k in keys)
        raise JobFailed(
            f"the job partitions by {', '.join(args['keys'])}, and table {args['DATABASE']}.{args['TABLE']} by {names}: "
            "make them the same"
        )
    descriptor = table.get("StorageDescriptor") or {}
    return [(c["Name"], spark_type(c.get("Type", "string"))) for c in (descriptor.get("Columns") or []) + keys], descriptor


def shaped(result, columns, args):
    """The result in the shape that the table declares, or with the partition's columns last."""
    given = [(field.name, field.dataType.simpleString()) for field in result.schema.fields]
    names = ", ".join(name for name, _ in given)
    by = f"table {args['DATABASE']}.{args['TABLE']}" if columns else "the job"
    if not columns:
        plain = [(n, "timestamp" if k == "timestamp_ntz" else "string" if k == "void" else k) for n, k in given]
        files = [(n.lower(), k) for n, k in plain if n.lower() not in args["keys"]]
        columns = files + [(n.lower(), k) for key in args["keys"] for n, k in plain if n.lower() == key]
        for key in args["keys"]:
            kind = dict(columns).get(key)
            if kind is None:
                raise JobFailed(f"partition column \"{key}\" is missing: the SQL gives {names}")
            if kind not in WHOLE + ["string", "date", "boolean"]:
                raise JobFailed(
                    f"partition column \"{key}\" is {kind}: only text, whole numbers, dates and booleans can be part "
                    "of a key"
                )
    selected, used = [], set()
    for name, kind in columns:
        at = next((i for i, (n, _) in enumerate(given) if n.lower() == name.lower()), None)
        if at is None:
            raise JobFailed(f"column \"{name}\" of {by} is missing: the SQL gives {names}")
        if not lossless(given[at][1], kind):
            raise JobFailed(f"column \"{name}\" of {by} is {kind}, and the SQL gives {given[at][1]}: cast it in the SQL")
        used.add(at)
        selected.append(F.col(f"c{at}").cast(kind).alias(name))
    for i, (name, _) in enumerate(given):
        if i not in used:
            raise JobFailed(
                f"the SQL gives column \"{name}\", which {by} does not declare: declare it or leave it out"
            )
    # By their places: two columns of a result may have one name.
    return result.toDF(*[f"c{i}" for i in range(len(given))]).select(*selected)


def folder(keys, values):
    """What Spark calls the folder of a partition, as Hive does."""

    def escape(text):
        return "".join(f"%{ord(c):02X}" if c < " " or c in "\"#%'*/:=?\\\x7f{[]^" else c for c in text)

    return "".join(f"{escape(k)}={escape(v)}/" for k, v in zip(keys, values))


def unescape(text):
    return unquote(text.split("=", 1)[1])


def register(catalog, args, descriptor, partitions):
    """Adds partitions to the catalog; those that are there stay."""
    target = {"DatabaseName": args["DATABASE"], "TableName": args["TABLE"]}
    for first in range(0, len(partitions), 100):
        inputs = []
        for values in partitions[first : first + 100]:
            location = args["OUTPUT"] + folder(args["keys"], values)
            inputs.append({"Values": list(values), "StorageDescriptor": {**descriptor, "Location": location}})
        answer = catalog.batch_create_partition(**target, PartitionInputList=inputs)
        for error in answer.get("Errors") or []:
            detail = error.get("ErrorDetail") or {}
            if detail.get("ErrorCode") != "AlreadyExistsException":
                raise JobFailed(f"partition {error.get('PartitionValues')}: {detail.get('ErrorMessage')}")


def unregister_others(catalog, args, partitions):
    """Removes from the catalog the partitions that a run which replaced everything did not write."""
    target = {"DatabaseName": args["DATABASE"], "TableName": args["TABLE"]}
    kept, stale = set(partitions), []
    for page in catalog.get_paginator("get_partitions").paginate(**target, ExcludeColumnSchema=True):
        stale += [p["Values"] for p in page.get("Partitions") or [] if tuple(p["Values"]) not in kept]
    for first in range(0, len(stale), 25):
        catalog.batch_delete_partition(
            **target, PartitionsToDelete=[{"Values": values} for values in stale[first : first + 25]]
        )


class Ledger:
    """What this job has read and written, beside what it wrote: `_pumphouse/_JOB.json`.

    The bookmark is Glue's, and what a run wrote is on S3: no transaction holds both. So a run writes down what it is
    about to do, and the next one finishes or undoes it. `committed` are the newest files read by runs that counted.
    """

    def __init__(self, files, args):
        self.files, self.args = files, args
        self.uri = f"{args['OUTPUT']}_pumphouse/_{args['JOB_NAME']}.json"
        self.aside = self.aside_of(args["run"])
        self.known = files.exists(self.uri)
        state = json.loads(files.read(self.uri)) if self.known else {}
        self.committed = state.get("committed") or []
        self.pending = state.get("pending")

    def aside_of(self, run):
        return f"{self.args['OUTPUT']}_pumphouse/{run}/"

    def save(self):
        state = {"version": 1, "committed": self.committed, "pending": self.pending}
        self.files.write(self.uri, json.dumps(state))
        self.known = True

    def settle(self, new):
        """Undoes a run that was cut off, or takes it as done where the bookmark has moved past what it read."""
        if not self.pending:
            return
        run, read = self.pending["run"], keyed(self.pending["inputs"])
        if self.pending["phase"] == "writing" or read & keyed(new):
            log(f"run {run} was cut off: {self.undo(run)} files of it removed")
        else:
            self.commit()

    def begin(self, new):
        self.pending = {"run": self.args["run"], "phase": "writing", "inputs": newest(new)}
        self.save()

    def undo(self, run):
        """Removes what a run wrote, which counts for nothing."""
        leftovers = self.written(run)
        self.files.delete([*leftovers, self.aside_of(run)])
        self.pending = None
        self.save()
        return len(leftovers)

    def finish(self):
        """All is written; only the bookmark is missing."""
        self.pending["phase"] = "committing"
        self.save()

    def commit(self):
        merged = {(path, at): [path, at, size] for path, at, size in self.committed + self.pending["inputs"]}
        self.committed, self.pending = newest(merged.values()), None
        self.save()

    def written(self, run=None, besides=None):
        """Files that this job wrote: those of one run, or those of all but one."""
        name = re.compile(rf"part-\d+-{re.escape(self.args['JOB_NAME'])}-(jr_[0-9A-Za-z_]+)\.snappy\.parquet")
        found = []
        for path in self.files.under(self.args["OUTPUT"]):
            match = name.fullmatch(path.rsplit("/", 1)[-1])
            if match and (match.group(1) == run if run else match.group(1) != besides):
                found.append(path)
        return found


def keyed(inputs):
    return {(path, at) for path, at, _ in inputs}


def newest(inputs):
    return sorted(inputs, key=lambda f: (f[1], f[0]))[-REMEMBERED:]


def reads_all(files, args, ledger, new):
    """Whether this run reads everything, so that what it writes takes the place of all that the job wrote before."""
    if not args["bookmark"] or not ledger.known or not ledger.committed:
        return True
    if not keyed(ledger.committed) & keyed(new):
        return False
    # Files come again: the bookmark was reset. Set back to some run, it would give a part of them alone.
    read, last = keyed(new), max(at for _, at, _ in new)
    there = files.stat([escaped(args["INPUT"])], recursive=True)
    missed = [path for path, at, size in there if at < last and size > 0 and (path, at) not in read]
    if missed:
        raise JobFailed(
            f"the bookmark was set back to an earlier run, or paused: {len(missed)} files are not read again "
            f"({missed[0]}), so what was written can be neither kept nor replaced; reset the bookmark, so that all is read"
        )
    return True


def set_aside(spark, files, args, source):
    """The bad rows of the input: they fail the run, or are written down and left out."""
    bad = source.where(F.col(BAD).isNotNull()).select(BAD)
    if not args["dialect"]:
        for row in bad.take(1):
            path, why, line = json.loads(row[0])
            path = unquote(path)
            raise JobFailed(f"{path} line {line_number(files, path, line)}: {why}: {line[:80]}")
        return source, 0
    rows = sorted((json.loads(row[0]) for row in bad.take(MOST_REJECTS + 1)), key=lambda row: (row[0], row[1]))
    for path, line, why, text in rows:
        if line == 0 or text is None:
            raise JobFailed(f"{path}: {why}" if line == 0 else f"{path} line {line}: {why}")
        if not args["REJECTS"]:
            short = text.strip()
            raise JobFailed(f"{path} line {line}: {why}: {short if len(short) <= 80 else short[:80] + '…'}")
    if len(rows) > MOST_REJECTS:
        raise JobFailed(f"more than {MOST_REJECTS} rows are bad: is this the input that the job is for?")
    if rows:
        names = ("file", "line", "reason", "text")
        lines = [json.dumps(dict(zip(names, row)), ensure_ascii=False, separators=(",", ":")) for row in rows]
        files.write(rejects_of(args), "\n".join(lines) + "\n")
        log(f"set {len(rows)} bad rows aside in {rejects_of(args)}")
    return source.where(F.col(BAD).isNull()), len(rows)


def rejects_of(args):
    return f"{args['REJECTS']}part-00000-{args['JOB_NAME']}-{args['run']}.jsonl"


def earlier_rejects(files, args):
    """What earlier runs of this job set aside."""
    if not args["REJECTS"]:
        return []
    name = re.compile(rf"part-\d+-{re.escape(args['JOB_NAME'])}-(jr_[0-9A-Za-z_]+)\.jsonl")
    found = ((path, name.fullmatch(path.rsplit("/", 1)[-1])) for path in files.under(args["REJECTS"]))
    return [path for path, match in found if match and match.group(1) != args["run"]]


def attribute(value):
    """A value as DynamoDB has it."""
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            raise JobFailed(f"{value} is no number that DynamoDB holds")
        return decimal.Decimal(repr(value))
    if isinstance(value, datetime.datetime):
        text = value.strftime("%Y-%m-%d %H:%M:%S.%f")
        return text.removesuffix("000")
    return value.isoformat() if isinstance(value, datetime.date) else value


def put_items(out, args):
    """Puts each row into the table, as an item in place of the one with its key: done again, it changes nothing."""
    import boto3

    table = boto3.resource("dynamodb").Table(args["DYNAMODB_TABLE"])
    keys = [key["AttributeName"] for key in table.key_schema]
    items = {}
    for row in out.toLocalIterator():
        item = {name: attribute(value) for name, value in row.asDict().items() if value is not None}
        missing = [key for key in keys if key not in item]
        if missing:
            raise JobFailed(f"a row has no value for the key attribute \"{missing[0]}\" of {args['DYNAMODB_TABLE']}")
        key = tuple(item[key] for key in keys)
        if key in items:
            named = ", ".join(f"{name} {value}" for name, value in zip(keys, key))
            raise JobFailed(f"two rows have the key {named}, and {args['DYNAMODB_TABLE']} holds one item a key: group them")
        items[key] = item
    with table.batch_writer() as batch:
        for item in items.values():
            batch.put_item(Item=item)
    removed = 0
    if args["DYNAMODB_REPLACE"] == "true":
        names = {f"#k{i}": key for i, key in enumerate(keys)}
        asked = {"ProjectionExpression": ", ".join(names), "ExpressionAttributeNames": names, "ConsistentRead": True}
        while True:
            page = table.scan(**asked)
            with table.batch_writer() as batch:
                for item in page["Items"]:
                    if tuple(item[key] for key in keys) not in items:
                        batch.delete_item(Key={key: item[key] for key in keys})
                        removed += 1
            if not page.get("LastEvaluatedKey"):
                break
            asked["ExclusiveStartKey"] = page["LastEvaluatedKey"]
    log(f"put {len(items)} items into {args['DYNAMODB_TABLE']}, removed {removed}")
    return len(items)


def execute(spark, sql):
    """The rows of one query; anything but a query is refused before it is executed."""
    text = sql.strip().rstrip(";")
    spark._jsparkSession.sessionState().sqlParser().parseQuery(text)
    return spark.sql(text)


def write(out, files, args, ledger):
    """Writes the files aside, then gives them their places and names; the partitions that they are in.

    So nobody reads a part of a result, and a file's name tells which run of which job wrote it.
    """
    parts = out.repartition(*[F.col(quoted(k)) for k in args["keys"]]) if args["keys"] else out
    (
        parts.write.mode("overwrite")
        .option("compression", "snappy")
        .option("maxRecordsPerFile", FILE_ROWS)
        .option("mapreduce.fileoutputcommitter.marksuccessfuljobs", "false")
        .partitionBy(*args["keys"])
        .parquet(ledger.aside)
    )
    moves, folders = [], {}
    for path in sorted(files.under(ledger.aside)):
        if path.endswith(".parquet"):
            inside = path.split(f"/_pumphouse/{args['run']}/", 1)[1].rpartition("/")[0]
            number = folders[inside] = folders.get(inside, -1) + 1
            name = f"part-{number:05d}-{args['JOB_NAME']}-{args['run']}.snappy.parquet"
            moves.append((path, f"{args['OUTPUT']}{inside}/{name}" if inside else args["OUTPUT"] + name))
    if not moves:
        raise JobFailed(f"Spark wrote no file under {ledger.aside}")
    files.move(moves)
    return sorted(tuple(unescape(part) for part in inside.split("/")) for inside in folders if inside)


def run(glue, job, args):
    begun = time.monotonic()
    spark = glue.spark_session
    for name, value in SETTINGS.items():
        spark.conf.set(name, value)
    files = Files(spark)
    # What is put into a table twice is there once: that needs no ledger.
    ledger = Ledger(files, args) if args["OUTPUT"] else None
    if args["INPUT_TABLE"] and not crawled_table(args):
        log(f"nothing was crawled yet: there is no table {args['INPUT_TABLE']}")
        job.commit()
        log("rows_in=0 rows_out=0 files_in=0 bytes_in=0 partitions=0")
        return
    new = new_files(glue, files, args)
    if ledger:
        ledger.settle(new)
    if not new:
        log(f"nothing new under {args['INPUT']}")
        job.commit()
        log("rows_in=0 rows_out=0 files_in=0 bytes_in=0 partitions=0")
        return
    size = sum(f[2] for f in new)
    log(f"reading {len(new)} files ({size} bytes) under {args['INPUT']}")
    everything = reads_all(files, args, ledger, new) if ledger else not args["bookmark"]
    catalog, columns, descriptor = None, None, None
    if args["TABLE"]:
        import boto3

        catalog = boto3.client("glue")
        columns, descriptor = declared(catalog, args)
    paths = [f[0] for f in new]
    if ledger:
        ledger.begin(new)
    try:
        try:
            read = read_rows if args["dialect"] else READERS[args["INPUT_FORMAT"]]
            read = read_crawled if args["INPUT_TABLE"] else read
            source = read(spark, files, paths, args["columns"], args).persist(StorageLevel.MEMORY_AND_DISK)
            rows_in = source.count()
            source, _ = set_aside(spark, files, args, source)
            source.drop(BAD).createOrReplaceTempView("input")
            out = execute(spark, files.read(args["SQL_URI"]))
            out = (shaped(out, columns, args) if ledger else out).persist(StorageLevel.MEMORY_AND_DISK)
            rows_out = out.count()
            if ledger:
                partitions = write(out, files, args, ledger) if rows_out else []
            else:
                put_items(out, args)
                partitions = []
        except Exception as e:
            raise JobFailed(located(spark, files, args, paths, reason(e))) from None
    except JobFailed:
        # Where this fails, too, the next run does it.
        if args["REJECTS"]:
            files.delete([rejects_of(args)])
        if ledger:
            ledger.undo(args["run"])
        raise
    if catalog and partitions:
        register(catalog, args, descriptor, partitions)
    if everything:
        earlier = (ledger.written(besides=args["run"]) if ledger else []) + earlier_rejects(files, args)
        files.delete(earlier)
        if catalog and args["keys"]:
            unregister_others(catalog, args, partitions)
        if earlier:
            log(f"read everything: {len(earlier)} files of earlier runs replaced")
    if ledger:
        files.delete([ledger.aside])
        ledger.finish()
    job.commit()
    if ledger:
        ledger.commit()
    log(
        f"rows_in={rows_in} rows_out={rows_out} files_in={len(new)} bytes_in={size} partitions={len(partitions)} "
        f"seconds={time.monotonic() - begun:.1f}"
    )


def main(argv):
    glue = None
    try:
        args = arguments(argv)
        glue = GlueContext(SparkContext.getOrCreate())
        job = Job(glue)
        job.init(args["JOB_NAME"], args["options"])
        run(glue, job, args)
    except Exception as e:
        why = reason(e)
        log(f"ERROR {why}")
        # What is printed goes to the log group of outputs, what is logged to that of errors.
        if glue:
            glue.get_logger().error(f"pumphouse: {why}")
        raise JobFailed(why) from None


if __name__ == "__main__":
    main(sys.argv)
