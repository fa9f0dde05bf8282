"""Metrics: columns that variants are compared by, which direction is better, and which difference matters."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Literal

from analysis.errors import AnalysisError, show_name

ANSWERED = "answered"
# Names that end so are costs: less is better, and a few dear calls make their means slow to settle.
COST_ENDINGS = ("_usd", "_tokens")
# Measures of this package whose direction their names tell.
BETTER_LOW = {"has_unsupported", "unsupported_claims", "repeated_share", "truncated"}
BETTER_HIGH = {ANSWERED, "as_expected", "coverage", "rated_score", "rated_wins", "judge_score", "judge_wins"}
KEPT = "kept_"
FRACTIONS = {"coverage", "copied_share", "repeated_share", "rated_wins", "judge_wins"}
# What people say of some answers, and a judge of all.
JUDGED = {"rated_score": "judge_score", "rated_wins": "judge_wins"}
SCORE_RANGE = 4  # of the judge's scale from 1 to 5
# What people call the measures of this package.
NAMES = {
    ANSWERED: "calls answered",
    "truncated": "answers cut off",
    "has_unsupported": "answers with unsupported claims",
    "unsupported_claims": "unsupported claims",
    "as_expected": "answers as expected",
    "kept_all": "amounts, dates and codes kept",
    "kept_amounts": "amounts kept",
    "kept_dates": "dates kept",
    "kept_codes": "codes kept",
    "coverage": "key terms covered",
    "copied_share": "text copied from the call",
    "repeated_share": "text said twice",
    "rated_score": "score by people and judge",
    "rated_wins": "answers preferred by people and judge",
    "judge_score": "score by the judge alone",
    "judge_wins": "answers preferred by the judge alone",
    "price_usd": "price",
    "cost_usd": "cost",
    "input_tokens": "input tokens",
    "output_tokens": "output tokens",
}
FEW_CALLS, FEW_CALLS_OF_COSTS = 100, 300
DIRECTIONS = ("higher", "lower")


@dataclass(frozen=True)
class Metric:
    """A column that variants are compared by.

    Attributes
    ----------
    name
        The column: Boolean for a share of calls, a number for a mean.
    better
        `higher` or `lower`.
    margin
        The largest difference that does not matter, in units of the column (0.02 is 2 points of a share); chosen
        before the results are seen. Without one there is no verdict `equivalent` or `not_worse`.
    judged_by
        A column with what a judge says of all calls, where `name` has what people say of some, picked at random: both
        together are compared (see `add_verdicts`).

    Raises
    ------
    AnalysisError
        `better` is another word, or the margin is not above 0.
    """

    name: str
    better: Literal["higher", "lower"] = "higher"
    margin: float | None = None
    judged_by: str | None = None

    def __post_init__(self) -> None:
        if self.better not in DIRECTIONS:
            raise AnalysisError(f"metric {self.name!r}", f"better={self.better!r}", "use 'higher' or 'lower'")
        if self.margin is not None and not (isfinite(self.margin) and self.margin > 0):
            cure = "give a difference above 0 that does not matter, or none"
            raise AnalysisError(f"metric {self.name!r}", f"margin={self.margin!r}", cure)

    @property
    def sign(self) -> int:
        """Return 1 where a higher value is better, -1 where a lower one is."""
        return 1 if self.better == "higher" else -1

    @property
    def columns(self) -> list[str]:
        """Return the columns that are read."""
        return [self.name] if self.judged_by is None else [self.name, self.judged_by]

    @property
    def enough_calls(self) -> int:
        """Return the number of calls from which the interval holds what it says; costs are skewed and need more."""
        return FEW_CALLS_OF_COSTS if is_cost(self.name) else FEW_CALLS


def is_cost(name: str) -> bool:
    """Return whether a column is a cost or a count of tokens, by its name."""
    return name.endswith(COST_ENDINGS)


def check_margins(metrics: Iterable[Metric], shares: Collection[str]) -> None:
    """Raise for a margin of a share that is 1 or more: 2 points are 0.02."""
    for metric in metrics:
        if metric.name in shares and metric.margin is not None and metric.margin >= 1:
            raise AnalysisError(
                f"metric {metric.name!r}", f"a margin of {metric.margin} of a share", "0.02 is 2 points"
            )


def is_price(name: str) -> bool:
    """Return whether a column is in USD, by its name."""
    return name.endswith("_usd")


def is_fraction(name: str) -> bool:
    """Return whether a column of this package has numbers from 0 to 1, which people read in percent."""
    return name.startswith(KEPT) or name in FRACTIONS


def name_metric(name: str) -> str:
    """Return what people call a metric; a column of one's own keeps its name."""
    return NAMES.get(name, name)


def is_declared(metric: str | Metric) -> bool:
    """Return whether the direction of a metric is known: given, or told by its name."""
    if isinstance(metric, Metric):
        return True
    return is_cost(metric) or metric in BETTER_LOW | BETTER_HIGH or metric.startswith(KEPT)


def list_metrics(metrics: str | Metric | Sequence[str | Metric]) -> list[str | Metric]:
    """Return a list of metrics for one or several; raise for what is neither a name nor a `Metric`."""
    listed = [metrics] if isinstance(metrics, str | Metric) or not isinstance(metrics, Iterable) else list(metrics)
    for metric in listed:
        if not isinstance(metric, str | Metric):
            raise AnalysisError(
                "metrics", f"{show_name(metric)} is no metric", "give names of columns, or Metric(name)"
            )
    return listed


def find_metric(metric: str | Metric) -> Metric:
    """Return a metric with its direction: of a name alone, costs and faults are better low, all others high."""
    if isinstance(metric, Metric):
        return metric
    return Metric(metric, "lower" if is_cost(metric) or metric in BETTER_LOW else "higher")


def find_metrics(
    metrics: str | Metric | Sequence[str | Metric], margins: Mapping[str, float] | None = None
) -> list[Metric]:
    """Return metrics with their directions and margins, in the order given but for `answered`, which is first.

    Raises
    ------
    AnalysisError
        A metric is given twice or is none, a margin is of none of them, or a metric has two margins.
    """
    if margins is not None and not isinstance(margins, Mapping):
        raise AnalysisError("margins", f"{margins!r} is of no metric", "give them by name, as {'kept_all': 0.02}")
    found = {metric.name: metric for metric in map(find_metric, list_metrics(metrics))}
    if len(found) < len(list_metrics(metrics)):
        raise AnalysisError("metrics", "a metric is given twice", f"there are {', '.join(found)}")
    for name, margin in (margins or {}).items():
        if name not in found and name != ANSWERED:
            raise AnalysisError("margins", f"no metric {name!r}", f"there are {', '.join(found) or 'none'}")
        metric = found.get(name, Metric(name))
        if metric.margin is not None:
            raise AnalysisError("margins", f"metric {name!r} has a margin of its own", "leave one of them out")
        if name in found:
            found[name] = replace(metric, margin=margin)
    # What was answered comes first, wherever it is given.
    return sorted(found.values(), key=lambda metric: metric.name != ANSWERED)
