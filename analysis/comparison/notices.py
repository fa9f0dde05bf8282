"""Notices: what a reader must know beside the numbers of a comparison, as sentences."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence

import narwhals as nw
import polars as pl
from narwhals.typing import IntoDataFrame

from analysis.columns import read_columns
from analysis.comparison.call_values import CallValues
from analysis.comparison.judged import FEW_RATED, count_rated_calls
from analysis.comparison.metric import JUDGED, Metric, find_metric, is_declared, list_metrics
from analysis.display import count
from analysis.errors import ComparisonNotice

OWN_IDS = {"call_id", "record_id", "job_id", "model_id"}
GROUPS = re.compile(
    r"(?:.+_)?(?:agent|customer|caller|client|account|user|representative|team|queue|site)(?:_name|_number)?|.+_id"
)
TRUNCATED = "length"


def warn(sentences: Sequence[str]) -> None:
    """Give each sentence as a warning of the function that called this one's caller."""
    for sentence in sentences:
        warnings.warn(sentence, ComparisonNotice, stacklevel=3)


def find_notices(
    measured: IntoDataFrame, metrics: str | Metric | Sequence[str | Metric], values: CallValues
) -> list[str]:
    """List what may make a comparison of these answers mean something else than it seems; empty where nothing does."""
    frame = read_columns(measured, (), of="measured")
    return [
        *notice_directions(metrics),
        *notice_costs(metrics, frame.columns),
        *notice_clusters(frame, values),
        *notice_rows(values),
        *notice_answers(frame),
        *notice_truncation(frame, metrics),
        *notice_picking(frame),
        *notice_ratings(frame),
    ]


def notice_directions(metrics: str | Metric | Sequence[str | Metric]) -> Iterator[str]:
    """Yield a sentence for the metrics whose direction nobody gave."""
    unknown = [str(metric) for metric in list_metrics(metrics) if not is_declared(metric)]
    if unknown:
        names = ", ".join(unknown)
        yield f"Higher is taken to be better of {names}: say so by Metric(name, better='higher') or 'lower'."


def notice_costs(metrics: str | Metric | Sequence[str | Metric], columns: Sequence[str]) -> Iterator[str]:
    """Yield a sentence where what the run paid is compared, not what answers are worth."""
    if "cost_usd" in [find_metric(metric).name for metric in list_metrics(metrics)] and "price_usd" in columns:
        yield "cost_usd is what this run paid, 0 for answers taken from another: compare price_usd."


def notice_clusters(frame: nw.DataFrame[IntoDataFrame], values: CallValues) -> Iterator[str]:
    """Yield a sentence for each column that looks like a cluster and is not used, and for calls in no cluster."""
    if values.cluster is not None:
        if lost := int(frame[values.cluster].is_null().sum()):
            yield f"{count(lost, 'answer')} without {values.cluster} are taken as one cluster."
        return
    for name in frame.columns:
        if name in OWN_IDS or not GROUPS.fullmatch(name.lower()):
            continue
        groups = frame[name].drop_nulls().n_unique()
        if 1 < groups < len(values.calls):
            yield (
                f"{name} looks like a cluster: {groups:,} of them have {len(values.calls):,} calls, which may be "
                f"alike; pass cluster={name!r}, or the intervals may be too narrow."
            )


def notice_rows(values: CallValues) -> Iterator[str]:
    """Yield a sentence where variants have no row of some calls, which may be those that they failed on."""
    all_calls = len(values.calls)
    lost = [
        f"{all_calls - calls:,} of {variant}"
        for variant, calls in zip(values.variants, values.calls_with_rows, strict=True)
        if calls < all_calls
    ]
    if lost:
        yield (
            f"Calls without a row ({', '.join(lost)}; {all_calls:,} in all) are left out: where they failed, keep "
            "their rows, or the comparison favours the variant that fails on hard calls."
        )


def notice_answers(frame: nw.DataFrame[IntoDataFrame]) -> Iterator[str]:
    """Yield a sentence where answers have not come back: what comes first is no random sample."""
    if missing := count_equal(frame, "error_kind", "missing"):
        are = "is" if missing == 1 else "are"
        yield (
            f"{count(missing, 'answer')} of {len(frame):,} {are} missing: where the job still runs, what came first is "
            "no random sample, and comparing before it has ended is a look (see drop_losers)."
        )


def notice_truncation(
    frame: nw.DataFrame[IntoDataFrame], metrics: str | Metric | Sequence[str | Metric]
) -> Iterator[str]:
    """Yield a sentence where answers were cut off and that is not compared itself."""
    names = [find_metric(metric).name for metric in list_metrics(metrics)]
    if "stop" not in frame.columns or "truncated" in names:
        return
    stops = frame.select("variant", "stop").to_polars()
    is_cut = (pl.col("stop") == TRUNCATED).fill_null(value=False)
    cut = stops.group_by("variant").agg(is_cut.mean().alias("share")).filter(pl.col("share") > 0).sort("variant")
    if len(cut):
        shares = ", ".join(f"{100 * share:.1f} % of {variant}" for variant, share in cut.rows())
        yield (
            f"Answers were cut off by max_tokens ({shares}): they cost less and say less, right or wrong. Compare a "
            "column truncated (stop == 'length') beside, or raise max_tokens."
        )


def notice_picking(frame: nw.DataFrame[IntoDataFrame]) -> Iterator[str]:
    """Yield a sentence where calls were picked because variants disagree on them."""
    if picked := count_equal(frame, "picked", "disagreement"):
        were = "was" if picked == 1 else "were"
        yield f"{count(picked, 'row')} {were} picked for disagreement: no random sample, so differences look larger."


def notice_ratings(frame: nw.DataFrame[IntoDataFrame]) -> Iterator[str]:
    """Yield a sentence for verdicts of a judge that too few calls, rated by people, could correct."""
    for rated, judged in JUDGED.items():
        if rated in frame.columns and judged in frame.columns and frame[judged].null_count() < len(frame):
            calls = count_rated_calls(frame, rated)
            if calls < FEW_RATED:
                rated_calls = f"{count(calls, 'call')} {'was' if calls == 1 else 'were'}" if calls else "No call was"
                yield (
                    f"{rated_calls} rated by people, picked at random, and it takes {FEW_RATED}: what the judge says "
                    f"({judged}) decides nothing, since a judge alone may be wrong by any amount."
                )


def count_equal(frame: nw.DataFrame[IntoDataFrame], name: str, value: str) -> int:
    """Count the rows with a value of a column; none where there is no such column."""
    if name not in frame.columns:
        return 0
    column = frame.select(name).to_polars()[name].cast(pl.String)
    return int((column == value).sum())
