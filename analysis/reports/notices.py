"""Notices: one sentence for each thing that a reader must know before trusting the numbers of a report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import polars as pl

from analysis.display import count
from analysis.errors import escape_controls
from analysis.jobs.statuses import COMPLETED
from analysis.runs import Run, RunState, compare_manifests, describe_outcomes, read_state, reconcile_run
from analysis.runs.collection import list_strange_files
from analysis.runs.status import count_lost_requests

UNKNOWN_MODEL = "an unknown model"
LISTED = 5  # files that are named


def list_notices(run: Run) -> list[str]:
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
    state = read_state(run)
    columns = ("record_id", "call_id", "job_id", "file", "error_kind", "error_code", "stop")
    outputs = run.scan_outputs().select(columns).collect()
    return [
        *describe_outcomes(state),
        *describe_lost_requests(state),
        *describe_strange_files(list_strange_files(state)),
        *describe_lines(run, outputs),
        *describe_manifests(compare_manifests(run, outputs)),
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


def describe_lines(run: Run, outputs: pl.DataFrame) -> Iterator[str]:
    """Yield a sentence for each kind of line that is not the one answer or error of a record."""
    if unreadable := outputs.filter(error_kind="unreadable").height:
        yield f"{count(unreadable, 'line')} of the output cannot be read: the answer is lost, and may be charged."
    if repeated := int(reconcile_run(run)["repeated"].sum()):
        kind = "is a repeated line of its record" if repeated == 1 else "are repeated lines of their records"
        yield f"{count(repeated, 'line')} of the output {kind}: the first answer is used, and every line is charged."
    # A comparison with a missing kind is itself missing, so answers need a test of their own.
    is_read = pl.col("error_kind").is_null() | (pl.col("error_kind") != "unreadable")
    if strange := outputs.filter(pl.col("call_id").is_null(), is_read).height:
        belong, whose = ("belongs", "its") if strange == 1 else ("belong", "their")
        yield f"{count(strange, 'line')} of the output {belong} to no record of this run: {whose} cost is included."
    if refused := outputs.filter(stop="filtered")["record_id"].n_unique():
        what = "was refused" if refused == 1 else "were refused"
        yield f"{count(refused, 'answer')} {what} by the model or a content filter (stop: filtered), and charged."


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
    # An error without tokens was not charged; one with tokens was.
    was_paid = pl.col("error_kind").is_null() | pl.col("input_tokens").is_not_null()
    unpriced = costed.filter(was_paid, pl.col("cost_usd").is_null()).with_columns(
        pl.col("model_id").fill_null(UNKNOWN_MODEL)
    )
    rates = ("input_usd_per_million", "output_usd_per_million")
    known = prices.drop_nulls(rates).select("model_id", "invocation", has_price=pl.lit(value=True))
    used_cache = pl.any_horizontal(pl.col("cache_read_tokens", "cache_write_tokens").fill_null(0) > 0)
    cause = (
        pl.when(used_cache).then(pl.lit("cache")).when("has_price").then(pl.lit("tokens")).otherwise(pl.lit("price"))
    )
    causes = unpriced.join(known, on=["model_id", "invocation"], how="left").group_by("model_id", cause.alias("cause"))
    return [describe_unpriced(*row) for row in causes.agg(pl.len()).sort("cause", "model_id").rows()]


def describe_unpriced(model_id: str, cause: str, outputs: int) -> str:
    """Return a sentence on why costs of outputs of a model are missing."""
    which = f"{count(outputs, 'answer')} of {model_id}"
    has, lost = ("has", "its cost is") if outputs == 1 else ("have", "their costs are")
    if cause == "cache":
        return f"{which} used a cache, which has no published batch price: {lost} missing here."
    if cause == "tokens":
        return f"{which} {has} no token counts and no text to estimate them from: {lost} missing here."
    cure = "the command 'batchbook facts update' reads today's prices from AWS"
    return f"No price is known for {model_id}: its costs are missing here; {cure}."
