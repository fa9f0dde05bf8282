"""Answers of a run: the winning output of each call, variant and sample beside the call, loaded or scanned lazily."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import polars as pl

from analysis.errors import ColumnError, RunError
from analysis.files import explain_file_errors
from analysis.outputs.answers import KEYS, pick_answers, sort_columns
from analysis.runs.folder import Run, RunSource, open_run
from analysis.runs.outcomes import explain_missing
from analysis.runs.state import read_state
from analysis.runs.tables import is_whole
from analysis.runs.winners import scan_winners

ROW_BYTES = 1_400  # of an answer in memory while answers are picked, beside its texts; measured with a million records
ORIGIN = ("run", "prompt_digest")  # the first columns of the answers of several runs
Answers = TypeVar("Answers", pl.DataFrame, pl.LazyFrame)


@explain_file_errors()
def load_answers(run: RunSource | Sequence[RunSource]) -> pl.DataFrame:
    """Load the answers of a run that has been collected, or of several.

    Parameters
    ----------
    run
        A run, its folder or its name; or a list of these, also of one.

    Returns
    -------
    frame
        One row per call, variant and sample, in the order of the calls that were prepared, from `pick_answers`:
        the winning output, or `error_kind` `missing` and how its job ended, and the call's own columns.
        Of a list the answers of the first run, then those of the next; in front `run` (name of the folder) and
        `prompt_digest` (the same for prompts that ask the same); a column of the calls of some runs is missing in the
        others.

    Raises
    ------
    RunError
        A run has not been collected, or its answers need more memory than there is; or two runs have one name.
    ColumnError
        A column of the calls has other values in another run, such as numbers and texts.
    """
    if isinstance(run, Sequence) and not isinstance(run, str):
        return join_runs(run, load_answers)
    run = open_run(run)
    check_collected(run)
    check_memory(run)
    calls = run.read_calls()
    records = order_by_calls(run.read_records().lazy(), calls.lazy()).collect()
    # Without a repair each attempt is the first, and the winner needs no look at texts.
    outputs = scan_winners(run).collect() if run.list_attempts() else run.read_outputs()
    answers = pick_answers(outputs, records, calls)
    return add_reasons(run, answers, records) if (answers["error_kind"] == "missing").any() else answers


def order_by_calls(records: pl.LazyFrame, calls: pl.LazyFrame) -> pl.LazyFrame:
    """Sort records as their calls were given: files of records follow `call_id` by bytes."""
    given = calls.select("call_id").with_row_index("_given")
    return (
        records.join(given, on="call_id", how="left", maintain_order="left")
        .sort("_given", maintain_order=True)
        .drop("_given")
    )


def add_reasons(run: Run, answers: pl.DataFrame, records: pl.DataFrame) -> pl.DataFrame:
    """Set the error message of each missing answer to how its job ended."""
    keys = ["call_id", "variant", "sample"]
    latest = records.sort("attempt", maintain_order=True).unique(keys, keep="last", maintain_order=True)
    job_keys = answers.select(keys).join(latest.select(*keys, "job_key"), on=keys, how="left", maintain_order="left")
    how = job_keys["job_key"].replace_strict(explain_missing(read_state(run)), default=None, return_dtype=pl.String)
    message = pl.when(pl.col("error_kind") == "missing").then(how).otherwise("error_message")
    return answers.with_columns(error_message=message)


def scan_answers(run: RunSource | Sequence[RunSource]) -> pl.LazyFrame:
    """Scan the answers of a run, or of several, lazily: of the rows of `load_answers` only what a query uses is read.

    Collect it with `engine="streaming"`, or write it by `sink_parquet`, where the answers do not fit into memory.

    Raises
    ------
    RunError
        A run has not been collected, or two have one name.
    """
    if isinstance(run, Sequence) and not isinstance(run, str):
        return join_runs(run, scan_answers)
    run = open_run(run)
    check_collected(run)
    records, calls = run.scan_records(), run.scan_calls()
    asked = order_by_calls(records.select(*KEYS, "attempt", "job_key"), calls)
    if run.list_attempts():
        asked = asked.group_by(KEYS, maintain_order=True).agg(pl.col("job_key").sort_by("attempt").last())
    else:
        asked = asked.drop("attempt")
    answers = asked.join(scan_winners(run), on=KEYS, how="left", maintain_order="left")
    is_missing = pl.col("record_id").is_null()
    how = pl.col("job_key").replace_strict(explain_missing(read_state(run)), default=None, return_dtype=pl.String)
    answers = answers.with_columns(
        error_kind=pl.when(is_missing).then(pl.lit("missing")).otherwise("error_kind"),
        error_message=pl.when(is_missing).then(how).otherwise("error_message"),
    ).drop("job_key")
    names = answers.collect_schema().names()
    answers, taken = answers.select(sort_columns(names)), {*names} - {"call_id"}
    clashes = {name: f"{name}_call" for name in calls.collect_schema() if name in taken}
    return answers.join(calls.rename(clashes), on="call_id", how="left", maintain_order="left")


def join_runs(runs: Sequence[RunSource], read: Callable[[Run], Answers]) -> Answers:
    """Join the answers of several runs, each row with its run and the digest of its prompt."""
    opened = [open_run(run) for run in runs]
    names = [run.folder.name for run in opened]
    if not opened or len(set(names)) < len(names):
        raise RunError("runs", f"the names are {names}", "give at least one run, each once and with its own name")
    try:
        return pl.concat([add_origin(read(run), run) for run in opened], how="diagonal_relaxed")
    except pl.exceptions.SchemaError as error:
        cure = "load the runs one by one, and cast the column in one of them"
        raise ColumnError("answers", f"a column has other types in other runs ({error})", cure) from error


def add_origin(answers: Answers, run: Run) -> Answers:
    """Put the run and the digest of the prompt before the answers; a call's own column of such a name is renamed."""
    digests = {prompt.name: prompt.digest for prompt in run.read_prompts()}
    digest = pl.col("variant").replace_strict(digests, default=None, return_dtype=pl.String)
    clashes = {name: f"{name}_call" for name in answers.collect_schema() if name in ORIGIN}
    origin = [pl.lit(run.folder.name).alias("run"), digest.alias("prompt_digest")]
    return answers.rename(clashes).select(*origin, pl.all())


def check_collected(run: Run) -> None:
    """Raise for a run whose outputs have not been read."""
    if not (run.folder / "manifests.parquet").exists():
        raise RunError(run.folder, "has not been collected", "call collect(run) first")


def check_memory(run: Run) -> None:
    """Raise where the answers would not fit into the memory that is available, before they are read."""
    needed, available = estimate_memory(run), find_available_memory()
    if available is not None and needed > available:
        reason = f"its answers need about {needed / 1e9:,.1f} GB of memory, and {available / 1e9:,.1f} GB are available"
        cure = (
            'take what you need of scan_answers(run), such as .select(...).collect(engine="streaming"), '
            "or read_outputs_on_spark"
        )
        raise RunError(run.folder, reason, cure)


def estimate_memory(run: Run) -> int:
    """Estimate the bytes that `load_answers` takes, from the metadata of the Parquet files."""
    parts = [measure_parquet(part) for part in run.list_parts()]
    of_calls = sum(content for _, content in map(measure_parquet, run.list_calls()))
    asked = sum(rows for rows, _ in map(measure_parquet, run.list_first_records()))
    rows = sum(rows for rows, _ in parts)
    return max(rows, asked) * ROW_BYTES + sum(content for _, content in parts) + of_calls


def measure_parquet(path: Path) -> tuple[int, int]:
    """Return the rows of a Parquet file, and the bytes of its columns before compression; 0 for a damaged file."""
    import pyarrow.parquet as pq

    if not is_whole(path):
        return 0, 0  # an error of the reader says so next
    metadata = pq.read_metadata(path)
    return metadata.num_rows, sum(metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups))


def find_available_memory() -> int | None:
    """Return the bytes of memory that are available, or None where the system does not say."""
    available = []
    with suppress(OSError, ValueError, AttributeError):  # Windows has no sysconf
        available.append(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    with suppress(OSError, StopIteration):  # Linux counts what it can free of its cache
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        available = [int(next(line for line in lines if line.startswith("MemAvailable:")).split()[1]) * 1024]
    with suppress(OSError, ValueError):  # a container may have less than its machine; "max" where it has not
        group = Path("/sys/fs/cgroup")
        limit, used = (int((group / name).read_text(encoding="ascii")) for name in ("memory.max", "memory.current"))
        available.append(limit - used)
    return min(available, default=None)
