"""Reading on Spark: each task reads output files, joined to the records of their input; sums are added up by Spark."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl
import pyarrow as pa

from analysis.aws.storage import StoredFile, is_s3_uri, list_prefix, open_bucket, open_s3
from analysis.engines import OutputFile, read_output_file
from analysis.jobs.keys import name_table_part, read_attempt
from analysis.jobs.ledger import JobState
from analysis.outputs import MANIFEST, OUTPUT_SCHEMA, find_job_id
from analysis.runs.accounts import open_sent
from analysis.runs.collection import list_own_outputs
from analysis.runs.costs import find_run_prices
from analysis.runs.folder import Run, RunSource, open_run
from analysis.runs.received import is_output, list_received
from analysis.runs.state import RunState, read_state
from analysis.runs.tables import list_table
from analysis.spark.sessions import check_session, distribute

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

WHOLE = "records.parquet"  # of a run that one machine prepared
COSTS = {"cost_usd": pl.Float64, "price_usd": pl.Float64, "tokens_estimated": pl.Boolean}
TYPES = {
    pl.String: ("string", pa.string()),
    pl.Int16: ("smallint", pa.int16()),
    pl.Int32: ("int", pa.int32()),
    pl.Int64: ("bigint", pa.int64()),
    pl.Float64: ("double", pa.float64()),
    pl.Boolean: ("boolean", pa.bool_()),
    OUTPUT_SCHEMA["tool_calls"]: (
        "array<struct<name: string, input: string>>",
        pa.list_(pa.struct({"name": pa.string(), "input": pa.string()})),
    ),
}


def read_outputs_on_spark(spark: SparkSession, run: RunSource) -> DataFrame:
    """Read the outputs of a run lazily by the tasks of Spark.

    What is listed now is read when the table is used: files that `collect` has downloaded, and in S3 those of jobs
    whose output is not in the run's folder. Can be called while jobs are running.

    Parameters
    ----------
    spark
        The session.
    run
        A run that has been sent, in a folder that all workers see, or in S3.

    Returns
    -------
    table
        One row per output line: the columns of `run.read_outputs()`, then `cost_usd`, `price_usd` and
        `tokens_estimated` as `add_costs` gives them.

    Raises
    ------
    RunError
        Workers lack what tasks need.
    """
    run = open_run(run)
    check_session(spark)
    state = read_state(run)
    files = list_output_files(state)
    if not files:
        return spark.createDataFrame([], describe_schema(OUTPUT_SCHEMA | COSTS))
    names = ("profile", "region", "bucket_owner")
    access = {name: str(getattr(run.place, name) if run.place else state.sending.get(name, "")) for name in names}
    task = partial(read_files, prices=find_run_prices(run), access=access)
    return distribute(spark, files).mapInArrow(task, describe_schema(OUTPUT_SCHEMA | COSTS))


def list_output_files(state: RunState) -> list[OutputFile]:
    """List the output files of a run, in its folder and in S3, each with the records of its input."""
    listed = list_own_outputs(state, list_received(state.run))
    here = {PurePosixPath(file.name).parts[0] for _, file in listed}
    listed += list_remote_outputs(state, [job for job in list_created(state) if job.job_id not in here])
    models = {job.key: job.model_id for job in state.all_jobs}
    # Other tries have the records that were left of several files.
    whole = {each.job_id for each in list_created(state) if not each.folder}
    parts = find_record_parts(state.run)
    files = [
        OutputFile(file, key, models[key], pick_records(key, file, parts[key], find_job_id(file) in whole))
        for key, file in listed
    ]
    taken = [(find_shared(state.run, part), part.name) for part in state.list_taken_parts()]
    return files + [OutputFile(StoredFile(uri, name, 0, 0.0)) for uri, name in taken]


def list_created(state: RunState) -> list[JobState]:
    """List the tries that Bedrock has created."""
    return list(chain.from_iterable(state.created.values()))


def list_remote_outputs(state: RunState, tries: Sequence[JobState]) -> list[tuple[str, StoredFile]]:
    """List the output files of some tries in S3, each with the key of its planned job."""
    if not tries or state.run.place:
        return []
    home = str(state.sending.get("region", ""))
    regions = {job.key: job.region or home for job in state.all_jobs}
    owner = str(state.sending.get("bucket_owner", ""))
    clients = {there: open_bucket(session, owner=owner) for there, session in open_sent(state, "", "").items()}
    found = []
    for each in tries:
        folder = f"{each.output_uri.rstrip('/')}/{each.job_id}/"
        files = [file for file in list_prefix(folder, s3=clients[regions[each.job_key]]) if is_output(file.name)]
        outputs = [file for file in files if file.name != MANIFEST]
        found += [(each.job_key, replace(file, name=f"{each.job_id}/{file.name}")) for file in outputs]
    return found


def find_shared(run: Run, file: Path) -> str:
    """Return where workers find a file of the run."""
    return run.place.find_uri(file) if run.place else str(file.absolute())


def find_record_parts(run: Run) -> dict[str, dict[str, str]]:
    """Find where workers find the records of each job, by the names of the parts of its input files."""
    tables = {1: list_table(run.folder, "records")}
    tables |= {number: list_table(folder, "records") for number, folder in run.list_attempts().items()}
    found: dict[str, dict[str, str]] = {}
    for job_key, file in run.read_files().select("job_key", "file").iter_rows():
        first, name = tables[read_attempt(job_key)][0], name_table_part(job_key, file)
        part = first if first.name == WHOLE else first.with_name(name)
        found.setdefault(job_key, {})[name] = find_shared(run, part)
    return found


def pick_records(key: str, file: StoredFile, parts: Mapping[str, str], is_whole: bool) -> tuple[str, ...]:  # noqa: FBT001
    """Pick the files with the records that an output file can have answers to."""
    own = parts.get(name_table_part(key, PurePosixPath(file.name).name.removesuffix(".out")))
    return (own,) if own and is_whole else tuple(dict.fromkeys(parts.values()))


def read_files(
    batches: Iterable[pa.RecordBatch], *, prices: pl.DataFrame, access: Mapping[str, str]
) -> Iterator[pa.RecordBatch]:
    """Read the output files of a task."""
    schema = make_arrow_schema(OUTPUT_SCHEMA | COSTS)
    for batch in batches:
        for item in batch.column("item").to_pylist():
            output = msgspec.msgpack.decode(item, type=OutputFile)
            remote = [uri for uri in (output.file.uri, *output.records) if is_s3_uri(uri)]
            s3 = open_s3(remote[0], **access) if remote else None
            for rows in read_output_file(output, prices, s3=s3):
                yield from pa.Table.from_batches([rows]).cast(schema).to_batches()


def describe_schema(columns: Mapping[str, Any]) -> str:
    """Describe columns as Spark's DDL does."""
    return ", ".join(f"`{name}` {TYPES[kind][0]}" for name, kind in columns.items())


def make_arrow_schema(columns: Mapping[str, Any]) -> pa.Schema:
    """Make the schema of Arrow that Spark takes for such columns."""
    return pa.schema([(name, TYPES[kind][1]) for name, kind in columns.items()])
