"""Notices: what whoever reads a report has to know before trusting its numbers, one plain sentence each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import polars as pl

from analysis.display import count
from analysis.jobs.statuses import COMPLETED
from analysis.runs import Run, compare_manifests, describe_ends, reconcile_run

MADE_BY = "a model that is not named"


def list_notices(run: Run) -> list[str]:
    """Say what is odd about what came back; nothing of what did not occur.

    Parameters
    ----------
    run
        A run that has been collected.

    Returns
    -------
    notices
        Sentences: jobs that ended before their work was done, lines that cannot be read, that came twice or that
        belong to nobody, answers that are refusals, manifests that are missing, broken or count otherwise.
    """
    columns = ("record_id", "call_id", "job_id", "file", "error_kind", "error_code", "stop")
    outputs = run.scan_outputs().select(columns).collect()
    return [*describe_ends(run), *notice_lines(run, outputs), *notice_manifests(compare_manifests(run, outputs))]


def notice_lines(run: Run, outputs: pl.DataFrame) -> Iterator[str]:
    """Name the lines that are not one answer or one error for one record."""
    if unreadable := outputs.filter(error_kind="unreadable").height:
        yield f"{count(unreadable, 'line')} of the output cannot be read: the answer is lost, and may be charged."
    if repeated := int(reconcile_run(run)["repeated"].sum()):
        whose = "came back for a record that has another line"
        yield f"{count(repeated, 'line')} {whose}: the first answer counts, and the cost is that of every line."
    is_read = pl.col("error_kind").is_null() | (pl.col("error_kind") != "unreadable")
    if strange := outputs.filter(pl.col("call_id").is_null(), is_read).height:
        answer, whose = ("answers", "its") if strange == 1 else ("answer", "their")
        yield f"{count(strange, 'line')} of the output {answer} no record of this run: {whose} cost is counted."
    if refused := outputs.filter(stop="filtered")["record_id"].n_unique():
        what = "was refused" if refused == 1 else "were refused"
        yield f"{count(refused, 'answer')} {what}, by the model or a content filter (stop: filtered), and paid for."


def notice_manifests(compared: pl.DataFrame) -> Iterator[str]:
    """Name the manifests that cannot confirm the lines."""
    for row in compared.fill_null(0).iter_rows(named=True):
        job = row["job_key"] + (f" (try {row['job_try']})" if row["job_try"] > 1 else "")
        has_lines = row["read_success"] + row["read_error"] > 0
        if row["error_message"]:
            yield f"Bedrock's manifest of {job} cannot be read: its lines are all there is to count by."
        elif row["file"] is None and (has_lines or row["status"] == COMPLETED):
            yield f"Bedrock left no manifest for {job}: no other count confirms its lines."
        elif row["agrees"] is False:
            yield f"Bedrock's manifest of {job} {compare_counts(row)}: the lines count here."


def compare_counts(row: Mapping[str, int]) -> str:
    """Write what a manifest and the lines count."""
    broken = f" and {row['unreadable']:,} that cannot be read" if row["unreadable"] else ""
    errors = row["read_error"] - row["unreadable"]
    manifest = f"{row['manifest_success']:,} answers and {row['manifest_error']:,} errors"
    return f"counts {manifest}, and its lines are {row['read_success']:,} answers, {errors:,} errors{broken}"


def list_unpriced(costed: pl.DataFrame, prices: pl.DataFrame) -> list[str]:
    """Say which costs are missing and why, each model once.

    Parameters
    ----------
    costed
        One row per output, from `add_costs`.
    prices
        From `find_prices`, the ones that they were priced by.
    """
    was_paid = pl.col("error_kind").is_null() | pl.col("input_tokens").is_not_null()
    unpriced = costed.filter(was_paid, pl.col("cost_usd").is_null()).with_columns(pl.col("model_id").fill_null(MADE_BY))
    rates = ("input_usd_per_million", "output_usd_per_million")
    known = prices.drop_nulls(rates).select("model_id", "invocation", has_price=pl.lit(value=True))
    used_cache = pl.any_horizontal(pl.col("cache_read_tokens", "cache_write_tokens").fill_null(0) > 0)
    cause = (
        pl.when(used_cache).then(pl.lit("cache")).when("has_price").then(pl.lit("tokens")).otherwise(pl.lit("price"))
    )
    causes = unpriced.join(known, on=["model_id", "invocation"], how="left").group_by("model_id", cause.alias("cause"))
    return [say_unpriced(*row) for row in causes.agg(pl.len()).sort("cause", "model_id").rows()]


def say_unpriced(model_id: str, cause: str, outputs: int) -> str:
    """Say why the costs of some outputs of a model are missing."""
    one = outputs == 1
    which, lost = (
        f"{count(outputs, 'answer')} of {model_id}",
        f"{'its cost is' if one else 'their costs are'} missing here",
    )
    if cause == "cache":
        return f"{which} used a cache, which has no published batch price: {lost}."
    if cause == "tokens":
        say = "says no tokens, and has" if one else "say no tokens, and have"
        return f"{which} {say} no text to estimate them by: {lost}."
    cure = "the command 'batchbook facts update' reads today's prices from AWS"
    return f"No price is known for {model_id}: its costs are missing here; {cure}."
