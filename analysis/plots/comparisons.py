"""Plots of comparisons: differences with their verdicts, and cost against quality."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
import polars as pl

from analysis.columns import read_columns
from analysis.comparison.metric import Metric, find_metric, name_metric
from analysis.comparison.sentences import NEEDED, describe_difference, is_percent
from analysis.errors import AnalysisError
from analysis.plots.axes import (
    INK,
    PALE,
    PERCENT,
    STOP_COLOURS,
    USD,
    add_legend,
    finish_axes,
    open_axes,
    shorten_label,
    write_beside,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from narwhals.typing import IntoDataFrame

# Of the palette of Okabe and Ito, as the colours of stop reasons.
VERDICT_COLOURS = {
    "better": "#009E73",
    "not_worse": "#56B4E9",
    "equivalent": "#0072B2",
    "undecided": "#4D4D4D",
    "worse": "#D55E00",
}
COSTS = ("price_usd", "cost_usd")


def plot_comparison(comparisons: IntoDataFrame, ax: Axes | None = None) -> Axes:
    """Draw each difference with its interval, its margin as a grey band, and its verdict as a colour.

    Parameters
    ----------
    comparisons
        One row per metric and pair of variants, from `compare_variants`. Each metric has its own scale, with 0 where
        the two are equal; the numbers stand beside.
    ax
        The axes to draw on; a new figure when left out.
    """
    frame = read_columns(comparisons, NEEDED, of="comparisons").select(*NEEDED).to_polars()
    widest = pl.max_horizontal(
        *(pl.col(name).cast(pl.Float64).abs() for name in ("low", "high", "difference", "margin"))
    )
    scaled = frame.with_columns(scale=pl.max_horizontal(widest.max().over("metric"), pl.lit(1e-300)))
    names = frame["metric"].map_elements(name_metric, pl.String)
    baselines = frame["baseline"].unique().to_list()
    # Where all are compared with one, its name stands once, and leaves room for theirs.
    against = pl.lit("") if len(baselines) == 1 else pl.format(" against {}", "baseline")
    pairs = pl.format("{}: {}{}", names, "variant", against)
    ax = open_axes(ax, frame.select(pairs.alias("label"))["label"])
    for place, row in enumerate(scaled.iter_rows(named=True)):
        draw_difference(ax, place, row)
    ax.axvline(0, color=INK, linewidth=0.8, zorder=1)
    add_legend(ax, [verdict.replace("_", " ") for verdict in VERDICT_COLOURS])
    ax.set_xlim(-1.05, 1.05)
    title = f"Differences from {shorten_label(baselines[0])}" if len(baselines) == 1 else "Differences"
    finish_axes(ax, title, "each measure on its own scale, 0 where both are equal; margin in grey")
    ax.set_xticks([])
    return ax


def plot_cost_and_quality(comparisons: IntoDataFrame, quality: str | Metric, ax: Axes | None = None) -> Axes:
    """Draw cost against quality, with the interval of each difference from the baseline, and join what none beats.

    Parameters
    ----------
    comparisons
        One row per metric and variant, from `compare_variants` with a baseline: `price_usd`, or `cost_usd` where there
        is no such metric, and the quality are drawn.
    quality
        The other metric, as it was given to `compare_variants`.
    ax
        The axes to draw on; a new figure when left out.

    Raises
    ------
    AnalysisError
        There are several baselines, or the cost or the quality was not compared.
    """
    metric = find_metric(quality)
    frame = read_columns(comparisons, NEEDED, of="comparisons").select(*NEEDED).to_polars()
    rows = read_points(frame, metric)
    if ax is None:
        _, ax = plt.subplots(figsize=(9, 5), layout="constrained")
    for name, cost, score in rows:
        draw_point(ax, name, cost, score)
    best = find_best([(cost[0], score[0], metric.sign * score[0]) for _, cost, score in rows])
    ax.plot([cost for cost, _ in best], [score for _, score in best], color=PALE, linewidth=1.5, zorder=1)
    ax.set_ylabel(shorten_label(f"{name_metric(metric.name)} ({metric.better} is better)"), color=INK)
    finish_axes(ax, "Cost and quality", "cost in USD of 1,000 calls, with the interval of its difference")
    ax.xaxis.set_major_formatter(USD)
    if is_any_percent(frame, metric.name):
        ax.yaxis.set_major_formatter(PERCENT)
    return ax


def draw_difference(ax: Axes, place: int, row: dict[str, Any]) -> None:
    """Draw one row of a comparison, scaled to the widest of its metric."""
    if row["margin"] is not None:
        ax.barh(place, 2 * row["margin"] / row["scale"], 0.8, -row["margin"] / row["scale"], color=PALE, alpha=0.6)
    if row["difference"] is None:
        write_beside(ax, 0, place, "no call has a value of both")
        return
    colour, label = VERDICT_COLOURS[row["verdict"]], row["verdict"].replace("_", " ")
    ax.plot(row["difference"] / row["scale"], place, "o", color=colour, markersize=8, label=label)
    if row["low"] is None:
        write_beside(ax, row["difference"] / row["scale"], place, "spread not known")
        return
    ax.hlines(place, row["low"] / row["scale"], row["high"] / row["scale"], color=colour, linewidth=2.5, alpha=0.6)
    ax.annotate(
        describe_difference(row), (1.01, place), xycoords=("axes fraction", "data"), va="center", color=INK, fontsize=9
    )


def read_points(frame: pl.DataFrame, metric: Metric) -> list[tuple[str, list[float], list[float]]]:
    """Read the name, cost and quality of the baseline and of each variant, each with the ends of its interval."""
    if frame["baseline"].n_unique() > 1:
        raise AnalysisError("comparisons", "there are several baselines", "pass baseline= to compare_variants")
    compared = frame["metric"].unique().to_list()
    cost = next((name for name in COSTS if name in compared), COSTS[0])
    for name in (cost, metric.name):
        if len(frame) and name not in compared:
            raise AnalysisError("comparisons", f"no metric {name!r}", f"there are {', '.join(sorted(compared))}")
    pairs = [frame.filter(metric=name).sort("variant").rows(named=True) for name in (cost, metric.name)]
    known = [(one, other) for one, other in zip(*pairs, strict=True) if None not in (one["value"], other["value"])]
    points = [(one["variant"], list_ends(one, 1000), list_ends(other, 1)) for one, other in known]
    first = [(one["baseline"], [1000 * one["baseline_value"]], [other["baseline_value"]]) for one, other in known[:1]]
    return first + points


def list_ends(row: dict[str, Any], times: int) -> list[float]:
    """List a value and, where they are known, the ends of its interval: those of the difference from the baseline."""
    if row["low"] is None:
        return [times * row["value"]]
    return [times * row["value"], *(times * (row["baseline_value"] + row[name]) for name in ("low", "high"))]


def draw_point(ax: Axes, name: str, cost: list[float], score: list[float]) -> None:
    """Draw one variant with its intervals; the baseline, which has none, as a ring."""
    is_baseline = len(cost) == 1 and len(score) == 1
    face = "white" if is_baseline else STOP_COLOURS["end"]
    ax.plot(cost[0], score[0], "o", color=STOP_COLOURS["end"], markerfacecolor=face, markersize=8)
    line: dict[str, Any] = {"color": STOP_COLOURS["end"], "linewidth": 2, "alpha": 0.45}
    if len(cost) > 1:
        ax.hlines(score[0], cost[1], cost[2], **line)
    if len(score) > 1:
        ax.vlines(cost[0], score[1], score[2], **line)
    ax.annotate(shorten_label(name), (cost[0], score[0]), (6, 6), textcoords="offset points", color=INK, fontsize=9)


def find_best(points: list[tuple[float, float, float]]) -> list[tuple[float, float]]:
    """Find the points that no other beats in cost (first) and in worth (last), the cheapest first."""
    best: list[tuple[float, float]] = []
    most = -np.inf
    for cost, score, worth in sorted(points, key=lambda point: (point[0], -point[2])):
        if worth > most:
            best, most = [*best, (cost, score)], worth
    return best


def is_any_percent(frame: pl.DataFrame, name: str) -> bool:
    """Return whether a metric of a comparison is read in percent."""
    return any(map(is_percent, frame.filter(metric=name).iter_rows(named=True)))
