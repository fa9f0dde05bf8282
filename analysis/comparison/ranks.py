"""Ranks: which places a variant may hold among all, where some cannot be told apart."""

from __future__ import annotations

from typing import Any

from narwhals.typing import IntoDataFrameT

from analysis.columns import FRACTION, TEXT, WHOLE, read_columns
from analysis.comparison.rows import make_frame
from analysis.comparison.verdicts import BETTER, WORSE

NEEDED = ("metric", "variant", "baseline", "calls", "value", "baseline_value", "verdict")
RANKS = {"metric": TEXT, "variant": TEXT, "value": FRACTION, "rank_low": WHOLE, "rank_high": WHOLE}


def rank_variants(comparisons: IntoDataFrameT) -> IntoDataFrameT:
    """Rank variants by each metric, as far as they can be told apart.

    Parameters
    ----------
    comparisons
        One row per metric and pair, from `compare_variants` without a baseline. A pair that was not compared cannot be
        told apart.

    Returns
    -------
    frame
        One row per metric and variant, metrics in their order, the best first: `metric`, `variant`, `value` (of the
        pair with the most calls), `rank_low` (1 and one more for each variant that is better) and `rank_high` (the
        number of variants, and one less for each that is worse). Variants whose ranks overlap are tied.
    """
    frame = read_columns(comparisons, NEEDED, of="comparisons")
    metrics: dict[str, list[dict[str, Any]]] = {}
    for row in frame.select(*NEEDED).to_polars().iter_rows(named=True):
        metrics.setdefault(row["metric"], []).append(row)
    return make_frame([rank for rows in metrics.values() for rank in rank_rows(rows)], RANKS, like=frame)


def rank_rows(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rank the variants of one metric."""
    values = collect_values(rows)
    won = [(row["variant"], row["baseline"]) for row in rows if row["verdict"] == BETTER]
    won += [(row["baseline"], row["variant"]) for row in rows if row["verdict"] == WORSE]
    ranks = [
        {
            "metric": rows[0]["metric"],
            "variant": variant,
            "value": value,
            "rank_low": 1 + sum(loser == variant for _, loser in won),
            "rank_high": len(values) - sum(winner == variant for winner, _ in won),
        }
        for variant, value in values.items()
    ]
    return sorted(ranks, key=lambda rank: (rank["rank_low"], rank["rank_high"], rank["variant"]))


def collect_values(rows: list[dict[str, Any]]) -> dict[str, float | None]:
    """Collect the value of each variant, of the pair in which it has the most calls."""
    values: dict[str, float | None] = {}
    for row in sorted(rows, key=lambda row: -row["calls"]):
        values.setdefault(row["variant"], row["value"])
        values.setdefault(row["baseline"], row["baseline_value"])
    return values
