"""Notices: one sentence for each thing that a reader must know before trusting the numbers of a report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import polars as pl

from analysis.display import count
from analysis.errors import escape_controls
from analysis.jobs.statuses import COMPLETED
from analysis.metrics.costs import UNREADABLE, count_unpriced
from analysis.runs import (
    Run,
    RunSource,
    RunState,
    compare_manifests,
    describe_outcomes,
    open_run,
    read_state,
    reconcile_run,
)
from analysis.runs.collection import list_strange_files
from analysis.runs.status import count_lost_requests

UNKNOWN_MODEL = "an unknown model"
LISTED = 5  # files that are named


def list_notices(run: RunSource) -> list[str]:
    """List what is unusual about the output of a run; empty where nothing is.

    Parameters
    ----------
    run
        A run that has been collected.

    Returns
    -------
    notices
        Sentences on jobs that ended early, lines that cannot be read, that are repeated or that belong to no record,
        answers that are refusals, and manifests that are missing, unreadable or have other counts.
    """
    run = open_run(run)
    state = read_state(run)
    return [
        *describe_outcomes(state),
        *describe_lost_requests(state),
        *describe_strange_files(list_strange_files(state)),
        *describe_lines(run),
        *describe_manifests(compare_manifests(run)),
    ]


def describe_lost_requests(state: RunState) -> Iterator[str]:
    """Yield a sentence where a process ended between a request on demand and its answer."""
    if lost := count_lost_requests(state):
        were, their = ("was", "its") if lost == 1 else ("were", "their")
        what = f"{count(lost, 'request')} on demand {were} made before a process ended or the network broke off"
        yield f"{what}: {their} cost may be charged, and is not included."


def describe_strange_files(files: Sequence[str]) -> Iterator[str]:
    """Yield a sentence where there are output files that no job of the run wrote."""
    if files:
        shown = ", ".join(escape_controls(file) for file in files[:LISTED]) + (", ..." if len(files) > LISTED else "")
        was, they_are = ("was", "it is") if len(files) == 1 else ("were", "they are")
        what = f"{count(len(files), 'file')} of output {was} written by no job of this run"
        yield f"{what}, and {they_are} not counted: {shown}."


def describe_lines(run: Run) -> Iterator[str]:
    """Yield a sentence for each kind of line that is not the one answer or error of a record."""
    unreadable, strange, refused = count_lines(run)
    if unreadable:
        yield f"{count(unreadable, 'line')} of the output cannot be read: the answer is lost, and may be charged."
    if repeated := int(reconcile_run(run)["repeated"].sum()):
        kind = "is a repeated line of its record" if repeated == 1 else "are repeated lines of their records"
        yield f"{count(repeated, 'line')} of the output {kind}: the first answer is used, and every line is charged."
    if strange:
        belong, whose = ("belongs", "its") if strange == 1 else ("belong", "their")
        yield f"{count(strange, 'line')} of the output {belong} to no record of this run: {whose} cost is included."
    if refused:
        what = "was refused" if refused == 1 else "were refused"
        yield f"{count(refused, 'answer')} {what} by the model or a content filter (stop: filtered), and charged."


def count_lines(run: Run) -> tuple[int, int, int]:
    """Count the lines that cannot be read, those of no record of the run, and the records that were refused."""
    is_unreadable = (pl.col("error_kind") == UNREADABLE).fill_null(value=False)
    is_strange = pl.col("call_id").is_null() & ~is_unreadable
    refused = pl.col("record_id").filter(pl.col("stop") == "filtered").n_unique()
    counts = run.scan_outputs().select(is_unreadable.sum(), is_strange.sum().alias("strange"), refused)
    return counts.collect(engine="streaming").row(0)


def describe_manifests(compared: pl.DataFrame) -> Iterator[str]:
    """Yield a sentence for each manifest that does not confirm the lines."""
    for row in compared.fill_null(0).iter_rows(named=True):
        job = row["job_key"] + (f" (try {row['job_try']})" if row["job_try"] > 1 else "")
        has_lines = row["read_success"] + row["read_error"] > 0
        if row["error_message"]:
            yield f"Bedrock's manifest of {job} cannot be read: the counts are those of its lines."
        elif row["file"] is None and (has_lines or row["status"] == COMPLETED):
            yield f"Bedrock wrote no manifest for {job}: the counts are those of its lines."
        elif row["agrees"] is False:
            yield f"Bedrock's manifest of {job} {compare_counts(row)}: the counts here are those of the lines."


def compare_counts(row: Mapping[str, int]) -> str:
    """Return the counts of a manifest and of the lines as a phrase."""
    broken = f" and {row['unreadable']:,} that cannot be read" if row["unreadable"] else ""
    errors = row["read_error"] - row["unreadable"]
    manifest = f"{row['manifest_success']:,} answers and {row['manifest_error']:,} errors"
    return f"counts {manifest}, but its lines are {row['read_success']:,} answers, {errors:,} errors{broken}"


def list_unpriced(costed: pl.DataFrame, prices: pl.DataFrame) -> list[str]:
    """List which costs are missing and why, one sentence for each model and reason.

    Parameters
    ----------
    costed
        One row per output, from `add_costs`.
    prices
        From `find_prices`: the prices that were passed to `add_costs`.
    """
    return describe_unpriced(count_unpriced(costed, prices))


def describe_unpriced(unpriced: pl.DataFrame) -> list[str]:
    """Return a sentence for each row of `count_unpriced`."""
    named = unpriced.with_columns(pl.col("model_id").fill_null(UNKNOWN_MODEL)).sort("cause", "model_id")
    return [describe_cause(*row) for row in named.rows()]


def describe_cause(model_id: str, cause: str, outputs: int) -> str:
    """Return a sentence on why costs of outputs of a model are missing."""
    which = f"{count(outputs, 'answer')} of {model_id}"
    has, lost = ("has", "its cost is") if outputs == 1 else ("have", "their costs are")
    if cause == UNREADABLE:
        return f"{count(outputs, 'line')} of the output cannot be read: {lost} missing here."
    if cause == "cache":
        return f"{which} used a cache, which has no published batch price: {lost} missing here."
    if cause == "tokens":
        return f"{which} {has} no token counts and no text to estimate them from: {lost} missing here."
    cure = "the command 'batchbook facts update' reads today's prices from AWS"
    return f"No price is known for {model_id}: its costs are missing here; {cure}."
