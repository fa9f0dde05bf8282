"""Choices: the prompts of a run compared by what decides, which one to take, and what to know beside that."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from analysis.columns import read_columns
from analysis.comparison.call_values import check_dtype
from analysis.comparison.decision import Advice, advise, choose_metrics
from analysis.comparison.metric import Metric, find_metric, is_price, name_metric
from analysis.comparison.ranks import rank_variants
from analysis.comparison.sentences import describe_comparison, describe_weakness, read_pairs
from analysis.comparison.variants import compare_variants
from analysis.display import show_table
from analysis.errors import ColumnError, ComparisonNotice, escape_controls

TUNED = "These wordings were tuned on these calls: confirm on fresh ones."


@dataclass(frozen=True, repr=False)
class Decision:
    """Which prompt to take, and what that rests on; a notebook shows its sentences.

    Attributes
    ----------
    baseline
        The prompt that the others are compared with.
    cluster
        The column whose calls are alike; empty where none was given.
    metrics
        What decides.
    comparisons
        From `compare_round`.
    advice
        From `advise`.
    notices
        Sentences on what may make the comparison mean something else than it seems.
    """

    baseline: str
    cluster: str
    metrics: list[Metric]
    comparisons: pl.DataFrame
    advice: Advice
    notices: list[str]

    @property
    def sentences(self) -> list[str]:
        """The advice, then its reasons."""
        return [self.advice.sentence, *self.advice.reasons]

    @property
    def remarks(self) -> pl.DataFrame:
        """One row per sentence to know beside the numbers: `notice`, and last each difference that is open."""
        told = dict.fromkeys([*self.notices, *describe_comparison(self.comparisons)])
        kept = [sentence for sentence in told if sentence not in self.advice.reasons]
        return pl.DataFrame({"notice": kept}, schema={"notice": pl.String})

    def __repr__(self) -> str:
        return escape_controls("\n".join(self.sentences))

    def _repr_html_(self) -> str:
        return show_table(pl.DataFrame({"the answer": self.sentences}))._repr_html_()


def decide(
    measured: pl.DataFrame,
    *,
    decide_by: Sequence[str] = (),
    margin_points: float = 2.0,
    baseline: str = "",
    cluster: str = "",
    are_tuned: bool = False,
) -> Decision:
    """Decide between the prompts of a run, where its calls support that.

    Parameters
    ----------
    measured
        One row per answer, from `measure_run`.
    decide_by, margin_points, baseline, cluster
        As in `compare_round`, whose warnings become notices.
    are_tuned
        Whether the prompts were tuned on these calls, which is then a notice.

    Returns
    -------
    decision
        Its `advice` says which prompt to take, and `comparisons` and `remarks` are frames to show.

    Raises
    ------
    ColumnError
        A column of `decide_by` or `cluster` is not there.
    AnalysisError
        There is no such baseline.
    """
    check_measured(measured)
    base = baseline or find_first(measured)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ComparisonNotice)
        comparisons = compare_round(
            measured, decide_by=decide_by, margin_points=margin_points, baseline=base, cluster=cluster
        )
    notices = [*([TUNED] if are_tuned else []), *(str(notice.message) for notice in caught)]
    notices += [sentence for rows in read_pairs(comparisons) for sentence in describe_weakness(rows)]
    metrics = find_deciding(measured, decide_by, margin_points)
    return Decision(base, cluster, metrics, comparisons, advise(comparisons), [*dict.fromkeys(notices)])


def compare_round(
    measured: pl.DataFrame,
    *,
    decide_by: Sequence[str] = (),
    margin_points: float = 2.0,
    baseline: str = "",
    cluster: str = "",
) -> pl.DataFrame:
    """Compare the prompts of a run by what decides between them.

    Parameters
    ----------
    measured
        One row per answer, from `measure_run`.
    decide_by
        Columns that decide; without them those of `choose_metrics`.
    margin_points
        The largest difference that does not matter, in points of 100, of shares and of columns from 0 to 1. The price
        has a margin of 0.
    baseline
        The prompt that all others are compared with; by default the first one.
    cluster
        A column with the agent or customer of a call, whose calls are alike; by default none.

    Returns
    -------
    frame
        One row per metric and prompt, from `compare_variants`, prompts in the order of `measured`; no rows with one
        prompt.

    Raises
    ------
    ColumnError
        A column of `decide_by` or `cluster` is not there.
    """
    check_measured(measured)
    metrics, base = find_deciding(measured, decide_by, margin_points), baseline or find_first(measured)
    comparisons = compare_variants(measured, metrics, baseline=base, cluster=cluster or None)
    in_order = pl.Enum(measured["variant"].drop_nulls().unique(maintain_order=True))
    return comparisons.sort(pl.col("variant").cast(in_order), maintain_order=True)


def tabulate_places(measured: pl.DataFrame, decision: Decision) -> pl.DataFrame:
    """Tabulate which places each prompt may have among all, by each measure that decides.

    Parameters
    ----------
    measured
        One row per answer: what the decision was made by.
    decision
        From `decide`.

    Returns
    -------
    frame
        One row per measure: `measure`, and a column for each prompt with its place, as `1` or `1 to 2`.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ComparisonNotice)  # they are those of the decision
        pairs = compare_variants(measured, decision.metrics, cluster=decision.cluster or None)
    place = pl.when(pl.col("rank_low") < pl.col("rank_high")).then(pl.format("{} to {}", "rank_low", "rank_high"))
    places = rank_variants(pairs).with_columns(place=place.otherwise(pl.format("{}", "rank_low")))
    names = {name: name_metric(name) for name in places["metric"]}
    table = places.select("variant", "place", measure=pl.col("metric").replace(names))
    in_order = [name for name in measured["variant"].unique(maintain_order=True) if name in {*table["variant"]}]
    return table.pivot("variant", index="measure", values="place").select("measure", *in_order)


def check_measured(measured: pl.DataFrame) -> None:
    """Raise for what is no polars frame of measured answers."""
    if not read_columns(measured, ("call_id", "variant"), of="measured answers").implementation.is_polars():
        reason = "a pandas frame, where one of polars is read"
        raise ColumnError("measured answers", reason, "pass what measure_run(run) returns, or use compare_variants")


def find_first(measured: pl.DataFrame) -> str:
    """Find the first prompt of a table of answers; empty where there are none."""
    return str(measured["variant"].first()) if len(measured) else ""


def find_deciding(measured: pl.DataFrame, decide_by: Sequence[str], margin_points: float) -> list[Metric]:
    """Find the metrics that decide: those that were named, else those of `choose_metrics`."""
    metrics = choose_metrics(measured, margin=margin_points / 100)
    if not decide_by:
        return metrics
    chosen = {metric.name: metric for metric in metrics}
    return [chosen.get(name) or make_metric(measured, name, margin_points / 100) for name in decide_by]


def make_metric(measured: pl.DataFrame, name: str, margin: float) -> Metric:
    """Make the metric of a column, with a margin where its values are shares."""
    if name not in measured.columns:
        raise ColumnError("decide_by", f"no column {name!r}", f"there are {', '.join(sorted(measured.columns))}")
    column = measured[name]
    check_dtype(column)
    has_margin = not is_price(name) and (column.dtype == pl.Boolean or is_fraction(column))
    return Metric(name, find_metric(name).better, margin if has_margin else None)


def is_fraction(column: pl.Series) -> bool:
    """Whether all values of a column lie between 0 and 1."""
    return bool(column.drop_nulls().is_between(0, 1).all())
