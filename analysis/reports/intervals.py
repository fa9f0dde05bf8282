"""Intervals: how far the variants differ from the first one, as places on a line between worse and better."""

from __future__ import annotations

from typing import Any

import polars as pl

from analysis.comparison.metric import find_metric, name_metric
from analysis.comparison.sentences import describe_difference, says_nothing


def place_differences(comparisons: pl.DataFrame) -> list[dict[str, Any]]:
    """Place each difference with its interval on a line from 0 (worse) over 50 (equal) to 100 (better).

    Parameters
    ----------
    comparisons
        One row per metric and variant, from `compare_variants` with a baseline.

    Returns
    -------
    rows
        For each row that says something: `variant`, `measure`, `verdict`, `text` (the numbers), and the places `dot`,
        `low`, `high` and, where there is one, those of the margin `margin_low` and `margin_high`. Each measure has its
        own scale, the same for all variants.
    """
    rows = [row for row in comparisons.iter_rows(named=True) if row["low"] is not None and not says_nothing(row)]
    widest: dict[str, float] = {}
    for row in rows:
        sizes = [abs(row["low"]), abs(row["high"]), row["margin"] or 0.0]
        widest[row["metric"]] = max(widest.get(row["metric"], 0.0), *sizes)
    return [place_row(row, widest[row["metric"]] or 1.0) for row in rows]


def place_row(row: dict[str, Any], widest: float) -> dict[str, Any]:
    """Place one difference on the scale of its measure."""
    sign = find_metric(row["metric"]).sign

    def place(value: float) -> float:
        return round(50 + 48 * value / widest, 2)

    low, high = sorted(place(sign * row[name]) for name in ("low", "high"))
    placed = {"dot": place(sign * row["difference"]), "low": low, "high": high}
    if row["margin"] is not None:
        placed |= {"margin_low": place(-row["margin"]), "margin_high": place(row["margin"])}
    told = {"variant": row["variant"], "measure": name_metric(row["metric"]), "text": describe_difference(row)}
    return told | placed | {"verdict": row["verdict"]}
