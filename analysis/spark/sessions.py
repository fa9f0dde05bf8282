"""Sessions of Spark: what they and their workers have to be able to, and how tasks are run on them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from analysis.errors import CallsError, RunError, describe_passed
from analysis.spark.tasks import HASH, Task, decode_result
from analysis.transcripts.sources import suggest_columns

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

BATCH_ROWS = "spark.sql.execution.arrow.maxRecordsPerBatch"
MOST_ROWS = 500  # of calls in a batch: with 200,000 characters each 100 MB; Arrow's texts end at 2 GB
MODULES = ("pyarrow", "polars", "msgspec", "numpy", "botocore")
INSTALL = "install batchbook for their Python, as docs/cluster.md says, and set PYSPARK_PYTHON to it"
# As PySpark writes it: "Python in worker has different version (3, 9) than that in driver 3.11".
VERSIONS = re.compile(r"different version[^0-9]{0,9}(\d+)[., ]+(\d+)")


def check_calls(calls: Any) -> DataFrame:
    """Check that calls are a table of Spark with the columns of calls; ids become text."""
    from pyspark.sql import functions as F  # noqa: N812
    from pyspark.sql.types import IntegralType, StringType

    if not hasattr(calls, "mapInArrow"):
        known = hasattr(calls, "sparkSession")
        reason = "a session without mapInArrow" if known else f"{describe_passed(calls)} is not a table of Spark"
        cure = "use Spark 3.5 or newer" if known else "pass a DataFrame of Spark, or use prepare(calls, prompts)"
        raise CallsError("calls", reason, cure)
    for column in ("call_id", "transcript"):
        if column not in calls.columns:
            raise CallsError("calls", f"no column {column!r}", f"{suggest_columns(column, calls.columns)}; rename one")
    kinds = {field.name: field.dataType for field in calls.schema.fields}
    if not isinstance(kinds["transcript"], StringType):
        reason = f"'transcript' has the type {kinds['transcript'].simpleString()}, not text"
        raise CallsError("calls", reason, "check that the column has what was said, and cast it")
    if not isinstance(kinds["call_id"], StringType | IntegralType):
        reason = f"'call_id' has the type {kinds['call_id'].simpleString()}, and is not text or whole numbers"
        raise CallsError("calls", reason, "give each call an id as text")
    if HASH in calls.columns:
        raise CallsError("calls", f"there is a column {HASH!r}", "rename it")
    return calls.withColumn("call_id", F.col("call_id").cast("string"))


def check_session(spark: SparkSession) -> None:
    """Run one small task, which tells whether workers have what tasks need."""
    try:
        (row,) = spark.range(0, 1, 1, 1).mapInArrow(make_probe(), "found string").collect()
    except Exception as error:
        raise explain_workers(str(error)) from error
    missing = msgspec.json.decode(row["found"], type=list[str])
    if missing:
        raise RunError("Spark", f"workers cannot import what tasks need ({'; '.join(missing)})", INSTALL)


def make_probe() -> Any:
    """Make the function of the task that is tried first: it goes to workers whole, which may not have this package."""

    def probe(batches: Iterable[Any]) -> Iterator[Any]:
        import json
        from importlib import import_module

        import pyarrow

        missing = []
        for name in (*MODULES, "analysis.spark.tasks"):
            try:
                import_module(name)
            except ImportError as error:
                missing.append(f"{name}: {error}")
        for _ in batches:
            yield pyarrow.RecordBatch.from_arrays([pyarrow.array([json.dumps(missing)])], ["found"])

    probe.__module__ = "__main__"
    return probe


def explain_workers(message: str) -> RunError:
    """Explain why a task could not even start."""
    found = VERSIONS.search(message)
    if found:
        return RunError("Spark", f"workers run Python {found[1]}.{found[2]}, unlike this process", INSTALL)
    for name in (*MODULES, "pandas"):
        if f"No module named '{name}'" in message:
            return RunError("Spark", f"workers lack {name}", INSTALL)
    if "PACKAGE_NOT_INSTALLED" in message:
        return RunError("Spark", f"this process lacks what PySpark needs ({message})", "pip install 'batchbook[spark]'")
    return RunError("Spark", f"a first small task failed ({message.strip().splitlines()[-1][:300]})", INSTALL)


@contextmanager
def limit_batches(spark: SparkSession) -> Iterator[None]:
    """Let Spark give its workers small batches: 10,000 long calls, its default, are more than Arrow can hold."""
    before = spark.conf.get(BATCH_ROWS)
    spark.conf.set(BATCH_ROWS, str(min(MOST_ROWS, int(before) if int(before) > 0 else MOST_ROWS)))
    try:
        yield
    finally:
        spark.conf.set(BATCH_ROWS, before)


def run_tasks(table: DataFrame, task: Task, result: Any) -> list[Any]:
    """Run a task on each partition of a table, and list what the tasks report."""
    rows = table.mapInArrow(task, "result binary").collect()
    return [decode_result(row["result"], result) for row in rows]


def distribute(spark: SparkSession, items: Sequence[Any], *, together: int = 1) -> DataFrame:
    """Make a table of items, in their order and some together in a partition."""
    rows = [(number, bytearray(msgspec.msgpack.encode(item))) for number, item in enumerate(items)]
    table = spark.createDataFrame(rows, "number bigint, item binary")
    return table.repartitionByRange(-(-len(rows) // together), "number").select("item")
