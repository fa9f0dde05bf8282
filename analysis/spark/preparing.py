"""Preparing on Spark: the calls are sorted and written to a spool once, and each task writes input files from it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial, reduce
from itertools import accumulate
from operator import xor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import polars as pl
import pyarrow as pa

from analysis.aws.session import EMULATOR
from analysis.aws.storage import check_bucket, delete_prefix, is_s3_uri
from analysis.engines import TRANSCRIPT, FileCut, Requests, add_counts, cut_files
from analysis.errors import CallsError, QuotaError, RunError
from analysis.facts.quotas import LATEST, Quotas
from analysis.files import explain_file_errors, flush_path, make_draft, make_folder, make_private, sweep_drafts
from analysis.jobs.batch import hash_file
from analysis.prompts import PromptSource, check_name, check_template, read_prompts
from analysis.requests.body_templates import ColumnCounts
from analysis.requests.prompt_checks import check_settings
from analysis.runs.folder import FORMAT, Run
from analysis.runs.place import RUN_FILE, Place, write_place
from analysis.runs.preparation import build_request, check_same, find_place, write_request
from analysis.runs.stored import FILES, TABLES, find_stored, move_into_place
from analysis.spark.sessions import check_calls, check_session, distribute, limit_batches, run_tasks
from analysis.spark.tasks import (
    HASH,
    SPOOL,
    Candidates,
    FileTask,
    Slice,
    SpooledPart,
    TaskPlace,
    WrittenFile,
    digest_spooled,
    list_sources,
    make_task,
    read_candidates,
    read_file_rows,
    read_slices,
    spool_calls,
    write_files,
)
from analysis.transcripts.digests import format_sum
from analysis.transcripts.frames import explain_empty, explain_missing, explain_repeated

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

PARTITION_CALLS = 50_000  # in a task of the first pass: with long calls some hundred megabytes, which it streams
PARTS_TOGETHER = 8  # in a task that reads only digests, which is shorter than its own start
MOST_JOBS = 20_000


@dataclass(frozen=True)
class Spool:
    """The calls in the order of their ids, as parts that tasks wrote, and which of them have equal values.

    Attributes
    ----------
    parts
        In the order of their calls.
    starts
        The place of the first call of each part, and the number of all calls last.
    """

    parts: list[SpooledPart]
    starts: list[int]

    def join_arrays(self, arrays: str, source: int) -> Any:
        """Join the arrays of one source over all parts."""
        return np.concatenate([np.frombuffer(getattr(part, arrays)[source], "<u4") for part in self.parts])


@explain_file_errors()
def prepare_on_spark(
    calls: DataFrame,
    prompts: PromptSource,
    *,
    into: str | Path,
    name: str,
    quota_year: str = LATEST,
    quotas: Mapping[str, int] | None = None,
    profile: str = EMULATOR,
    region: str = "",
    bucket_owner: str = "",
) -> Run:
    """Write the run by the tasks of Spark: the same input files, records and names as `prepare`. Nothing is sent.

    The table is read once and sorted by `call_id`; what tasks have written is renamed to the run's folder last.
    Preparing the same again, here or on one machine, returns the run that is there.

    Parameters
    ----------
    calls
        One row per call, in any order: `call_id` (text or whole numbers), `transcript` and whatever the templates use.
    prompts
        As in `prepare`.
    into
        A folder of runs in S3, as in `prepare`; or one that all workers see under this path.
    name
        Of the run and its folder.
    quota_year, quotas, profile, region, bucket_owner
        As in `prepare`; workers use the same profile, or with an empty one their own credentials.

    Returns
    -------
    run
        Printing it shows the plan.

    Raises
    ------
    CallsError, PromptError, ModelError, QuotaError
        As in `prepare`; a CallsError also where the table has changed while it was read.
    RunError
        The name cannot be used, or belongs to a run that was prepared for something else; workers lack what tasks
        need; or there would be more than 20,000 jobs.
    """
    variants = read_prompts(prompts)
    for prompt in variants:
        check_template(prompt)
        check_settings(prompt)
    check_name(name, "the run's name", error=RunError)
    own = quotas or {}
    build_request({}, variants, quota_year, own)  # which tells what is wrong with prompts before anything is read
    calls = check_calls(calls)
    check_session(calls.sparkSession)
    stored = find_place(str(into), name, variants, profile, region, bucket_owner) if is_s3_uri(into) else None
    run = Run(stored.folder if stored else Path(into).absolute() / name)
    if stored is not None:
        check_bucket(stored.bucket, s3=stored.s3, region=stored.s3.meta.region_name)
        find_stored(stored)
    run.folder.parent.mkdir(parents=True, exist_ok=True)
    sweep_drafts(run.folder.parent)
    with make_draft(run.folder.parent, name) as unfinished, make_spool(stored, unfinished) as spool_place:
        draft = unfinished / name
        draft.mkdir()
        place = replace(spool_place, uri=stored.uri if stored else str(draft))
        requests, spool = spool_table(calls, Requests(tuple(variants)), place)
        earlier = find_equal(calls.sparkSession, spool, requests, place)
        described = describe_spool(spool, requests, earlier)
        request = {"format": FORMAT, "name": name} | build_request(described, variants, quota_year, own)
        if run.folder.exists():
            return check_same(run, request)
        files = write_input(calls.sparkSession, spool, requests, request, earlier, place)
        finish_run(draft, stored, files, request)
        make_private(draft, run.folder.parent)
        if not move_into_place(draft, run.folder):
            return check_same(run, request)
    flush_path(run.folder.parent)
    return run


@contextmanager
def make_spool(stored: Place | None, folder: Path) -> Iterator[TaskPlace]:
    """Yield the place of a spool, and delete it at the end."""
    if stored is None:
        yield TaskPlace("", str(folder / SPOOL))
        return
    uri = f"{stored.uri}{SPOOL}"
    try:
        yield TaskPlace(stored.uri, uri, stored.profile, stored.region, stored.bucket_owner)
    finally:
        delete_prefix(f"{uri}/", s3=stored.s3)


def finish_run(folder: Path, stored: Place | None, files: pl.DataFrame, request: Mapping[str, Any]) -> None:
    """Write what the driver has of a run, `run.json` last, so that nobody sees half a run."""
    files.write_parquet(folder / FILES)
    write_request(folder / RUN_FILE, request)
    if stored is not None:
        for table in TABLES:
            make_folder(folder / table)
        for name in (FILES, RUN_FILE):
            stored.put_new(folder / name, stored.uri + name, hash_file(folder / name))
        write_place(stored, folder)


def spool_table(calls: DataFrame, requests: Requests, place: TaskPlace) -> tuple[Requests, Spool]:
    """Write the calls to the spool in the order of their ids, and digest the values that the prompts use."""
    from pyspark.sql import functions as F  # noqa: N812 (as everybody does)

    hashed = calls.withColumn(HASH, F.xxhash64("call_id"))
    counted = hashed.agg(F.count(F.lit(1)), F.count("call_id"), F.bit_xor(HASH)).first()
    rows, named, hashes = counted if counted is not None else (0, 0, 0)
    if rows > named:
        raise explain_missing("call_id", rows - named)
    if not rows:
        raise CallsError("calls", "no rows", "prepare at least one call")
    partitions = -(-rows // PARTITION_CALLS)
    by_id = hashed.repartitionByRange(partitions, "call_id").sortWithinPartitions("call_id")
    # Most templates can be joined without jinja2; where the values say otherwise, the spool is read once more.
    expected = Requests(requests.prompts, dict.fromkeys(calls.columns, ColumnCounts()))
    with limit_batches(calls.sparkSession):
        task = make_task(partial(spool_calls, requests=expected, place=place))
        parts = run_tasks(by_id, task, SpooledPart)
    parts.sort(key=lambda part: part.first.encode())
    check_parts(parts, rows, hashes or 0)
    requests = Requests(requests.prompts, add_counts(part.counts for part in parts))
    if list_sources(requests) != list_sources(expected):
        parts = digest_again(calls.sparkSession, parts, requests, place)
    return requests, Spool(parts, [0, *accumulate(part.rows for part in parts)])


def digest_again(
    spark: SparkSession, parts: Sequence[SpooledPart], requests: Requests, place: TaskPlace
) -> list[SpooledPart]:
    """Digest the spool once more by other templates."""
    slim = [SpooledPart(part.name, part.first) for part in parts]
    found = run_items(spark, slim, partial(digest_spooled, requests=requests, place=place), SpooledPart, SpooledPart)
    by_name = {part.name: part for part in found}
    for part in parts:
        digested = by_name[part.name]
        part.value_bytes, part.value_keys = digested.value_bytes, digested.value_keys
    return list(parts)


def check_parts(parts: Sequence[SpooledPart], rows: int, hashes: int) -> None:
    """Raise for rows that are no calls, as `prepare` does, and for a table that changed while it was read."""
    if sum(part.rows for part in parts) != rows or reduce(xor, (part.hashes for part in parts), 0) != hashes:
        reason = f"the table changed while it was read: it had {rows:,} rows, and then others"
        raise CallsError("calls", reason, "write it to Parquet or use checkpoint() first, or pin a snapshot of it")
    if missing := sum(part.missing for part in parts):
        raise explain_missing("transcript", missing)
    if empty := sum(part.empty for part in parts):
        raise explain_empty(empty, next(part.first_empty for part in parts if part.empty))
    if repeated := [each for part in parts for each in part.repeated]:
        raise explain_repeated(len(repeated), repeated)


def describe_spool(spool: Spool, requests: Requests, earlier: Mapping[int, pl.DataFrame]) -> dict[str, Any]:
    """Describe the calls as `run.json` does, with a digest that is the same in any order of the rows."""
    equal = earlier.get(requests.sources.index(TRANSCRIPT))
    return {
        "rows": spool.starts[-1],
        "equal": 0 if equal is None else len(equal),
        "columns": spool.parts[0].names,
        "row_digests": format_sum(sum(int.from_bytes(part.digests) for part in spool.parts)),
    }


def find_equal(spark: SparkSession, spool: Spool, requests: Requests, place: TaskPlace) -> dict[int, pl.DataFrame]:
    """Find the calls that have the values of calls before, by source.

    Returns
    -------
    earlier
        For each source that has such calls a frame of `place` (of the call, in the order of ids) and `earlier` (how
        many calls before have the same values), sorted by place.
    """
    wanted = []
    for source in range(len(requests.sources)):
        for part, places in zip(spool.parts, find_candidates(spool, source), strict=True):
            if len(places):
                wanted.append(Candidates(part.name, source, places.tobytes()))
    if not wanted:
        return {}
    work = partial(read_candidates, place=place)
    found = run_items(spark, wanted, work, Candidates, Candidates, together=PARTS_TOGETHER)
    starts = {part.name: start for part, start in zip(spool.parts, spool.starts, strict=False)}
    tables: dict[int, list[pl.DataFrame]] = {}
    for each in found:
        places = np.frombuffer(each.places, np.uint32).astype(np.int64) + starts[each.name]
        digests = [each.digests[start : start + 32] for start in range(0, len(each.digests), 32)]
        tables.setdefault(each.source, []).append(pl.DataFrame({"place": places, "digest": digests}))
    counted = {source: count_before(pl.concat(tables[source])) for source in sorted(tables)}
    return {source: table for source, table in counted.items() if len(table)}


def find_candidates(spool: Spool, source: int) -> list[Any]:
    """Find in each part the calls whose digests begin as that of another call."""
    keys = spool.join_arrays("value_keys", source)
    in_order = np.sort(keys)
    repeated = np.unique(in_order[1:][in_order[1:] == in_order[:-1]])
    if not len(repeated):
        return [np.empty(0, np.uint32) for _ in spool.parts]
    parts = [np.frombuffer(part.value_keys[source], "<u4") for part in spool.parts]
    return [np.flatnonzero(np.isin(of_part, repeated)).astype(np.uint32) for of_part in parts]


def count_before(digests: pl.DataFrame) -> pl.DataFrame:
    """Count for each of some calls those before it with the same digest, and keep the ones that have such."""
    in_order = digests.sort("place").with_columns(earlier=pl.int_range(pl.len(), dtype=pl.UInt32).over("digest"))
    return in_order.filter(pl.col("earlier") > 0).select("place", "earlier")


def write_input(
    spark: SparkSession,
    spool: Spool,
    requests: Requests,
    request: Mapping[str, Any],
    earlier: Mapping[int, pl.DataFrame],
    place: TaskPlace,
) -> pl.DataFrame:
    """Write all input files, records and calls, and return the rows of `files.parquet`."""
    quotas = msgspec.convert(request["quotas"], dict[str, Quotas])
    sizes = [spool.join_arrays("value_bytes", source) for source in range(len(requests.sources))]
    cuts = cut_files(sizes, requests, quotas, FirstIds(spool, place))
    if cuts[-1].file.job > MOST_JOBS:
        reason = f"the records need {cuts[-1].file.job:,} jobs, and a run may have {MOST_JOBS:,}"
        raise QuotaError(request["name"], reason, "split the calls, such as by month, and prepare a run of each")
    tasks = [FileTask(cut, list_slices(spool, cut, earlier, requests), cut.group == 0) for cut in cuts]
    work = partial(write_files, requests=requests, place=place)
    rows = run_items(spark, tasks, work, FileTask, WrittenFile)
    files = read_file_rows(rows)
    return sort_files(files, cuts)


def sort_files(files: pl.DataFrame, cuts: Iterable[FileCut]) -> pl.DataFrame:
    """Sort the rows of files as they were cut, and check that each has its records."""
    planned = pl.DataFrame(
        [(cut.file.job_key, cut.file.name, cut.file.end - cut.file.start) for cut in cuts],
        {"job_key": pl.String, "file": pl.String, "wanted": pl.Int64},
        orient="row",
    )
    found = planned.join(files, on=["job_key", "file"], how="left", maintain_order="left", validate="1:1")
    wrong = found.filter(pl.col("records").fill_null(0) != pl.col("wanted"))
    if len(wrong):
        raise RunError(f"{wrong['job_key'][0]}/{wrong['file'][0]}", "was not written whole", "prepare the run again")
    return found.select(files.columns)


def list_slices(spool: Spool, cut: FileCut, earlier: Mapping[int, pl.DataFrame], requests: Requests) -> list[Slice]:
    """List the slices of the spool with the calls of one input file."""
    slices = []
    for part, start, end in zip(spool.parts, spool.starts, spool.starts[1:], strict=False):
        first, last = max(cut.first, start), min(cut.last, end)
        if first >= last:
            continue
        places, counts = [], []
        for source in range(len(requests.sources)):
            found = take_between(earlier.get(source), first, last)
            places.append((found["place"].to_numpy() - start).astype(np.uint32).tobytes())
            counts.append(found["earlier"].to_numpy().astype(np.uint32).tobytes())
        slices.append(Slice(part.name, first - start, last - start, places, counts))
    return slices


def take_between(earlier: pl.DataFrame | None, first: int, last: int) -> pl.DataFrame:
    """Take the rows with places from `first` to before `last`."""
    if earlier is None:
        return pl.DataFrame(schema={"place": pl.Int64, "earlier": pl.UInt32})
    start, end = (int(earlier["place"].search_sorted(place)) for place in (first, last))
    return earlier[start:end]


class FirstIds(Sequence[str]):
    """Ids of calls by their places, read from the spool one by one: only those of errors are looked at."""

    def __init__(self, spool: Spool, place: TaskPlace) -> None:
        self.spool, self.place = spool, place

    def __len__(self) -> int:
        return self.spool.starts[-1]

    def __getitem__(self, call: Any) -> Any:

        number = int(np.searchsorted(self.spool.starts, call, side="right")) - 1
        at = call - self.spool.starts[number]
        (batch,) = read_slices([Slice(self.spool.parts[number].name, at, at + 1)], self.place, self.place.open_s3())
        return batch.column("call_id")[0].as_py()


def run_items(
    spark: SparkSession, items: Sequence[Any], work: Any, kind: Any, result: Any, *, together: int = 1
) -> list[Any]:
    """Run a task for each item, or for some together, and list what the tasks report."""
    table = distribute(spark, items, together=together)
    return run_tasks(table, make_task(partial(decode_items, work=work, kind=kind)), result)


def decode_items(batches: Iterable[pa.RecordBatch], *, work: Any, kind: Any) -> Iterable[Any]:
    """Decode the items of a task and work on them."""
    items = (msgspec.msgpack.decode(item, type=kind) for batch in batches for item in batch.column("item").to_pylist())
    yield from work(items)
