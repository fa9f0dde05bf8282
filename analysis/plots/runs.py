"""Plots of a run: calls, costs, stop reasons and lengths."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
from matplotlib.ticker import FuncFormatter, MaxNLocator

from analysis.columns import read_columns
from analysis.errors import ColumnError
from analysis.plots.axes import (
    INK,
    PALE,
    PERCENT,
    STOP_COLOURS,
    USD,
    add_legend,
    finish_axes,
    open_axes,
    read_numbers,
    write_beside,
    write_shares,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from narwhals.typing import IntoDataFrame

STOP_LABELS = {"length": "length (truncated)", "stop_sequence": "stop sequence", "failed": "no answer"}
COST_PARTS = ("cost_usd", "truncated_cost_usd", "failed_cost_usd")
NO_KEY = "none"  # the label of rows without a variant
BINS = 40
RIDGE = 0.8  # height of a histogram, as a share of the distance between two variants
RIDGE_LABELS = ("ended by itself", "truncated", "max_tokens")


def plot_lengths(calls: IntoDataFrame, ax: Axes | None = None) -> Axes:
    """Draw a histogram of the calls by length.

    Parameters
    ----------
    calls
        One row per call, from `read_calls`; `transcript` is read.
    ax
        The axes to draw on; a new figure when left out.
    """
    texts = read_columns(calls, ("transcript",), of="calls").select("transcript").to_polars()["transcript"]
    if texts.dtype != pl.String:
        reason = f"'transcript' has the type {texts.dtype.base_type()}, not text"
        raise ColumnError("calls", reason, "pass the calls of read_calls")
    lengths = texts.str.len_chars().drop_nulls().to_numpy()
    if ax is None:
        _, ax = plt.subplots(figsize=(9, 3), layout="constrained")
    ax.hist(
        lengths, np.linspace(0, max([1, *lengths]), BINS + 1).tolist(), color=STOP_COLOURS["end"], edgecolor="white"
    )
    ax.set_xlim(0, None)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda length, _: f"{length:,.0f}"))
    ax.set_ylabel("calls", color=INK)
    ax.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    return finish_axes(ax, "Length of calls", "characters of a transcript")


def plot_costs(summary: IntoDataFrame, ax: Axes | None = None) -> Axes:
    """Draw the cost of each variant, with the parts that were paid for truncated answers and for failed records.

    Rows are in the order of the frame in every plot, so that a variant is found in the same place.

    Parameters
    ----------
    summary
        One row per variant, from `sum_costs`.
    ax
        The axes to draw on; a new figure when left out.
    """
    frame = label_rows(summary, before="calls", of="summary", needed=COST_PARTS)
    frame = frame.filter((pl.col("label") != NO_KEY) | pl.col("cost_usd").is_not_null())  # unreadable lines
    ax = open_axes(ax, frame["label"])
    wasted = [frame[name].fill_null(0) for name in ("truncated_cost_usd", "failed_cost_usd")]
    rest = frame["cost_usd"].fill_null(0) - wasted[0] - wasted[1]
    # Answers that do not say how they ended may be truncated.
    untold = rest.zip_with(frame["truncated_cost_usd"].is_null(), rest * 0)
    parts = [("end", "whole answers", rest - untold), ("other", "whole or truncated", untold)]
    parts += [("length", "truncated answers", wasted[0]), ("failed", "failed records", wasted[1])]
    shown = [part for part in parts if part[0] == "end" or part[2].sum() > 0]
    stack_bars(ax, [(STOP_COLOURS[stop], label, widths.to_numpy()) for stop, label, widths in shown])
    for row, cost in enumerate(frame["cost_usd"]):
        if cost is None:
            write_beside(ax, 0, row, "cost not known")
        else:
            write_beside(ax, cost, row, f"{cost:,.2f}" if cost >= 1 else f"{cost:.3g}")
    if len(shown) > 1:
        add_legend(ax, [label for _, label, _ in shown])
    ax.set_xlim(0, (max(frame["cost_usd"].drop_nulls(), default=0) or 1) * 1.12)
    ax.xaxis.set_major_formatter(USD)
    return finish_axes(ax, "Cost by variant", "cost in USD")


def plot_stop_reasons(counts: IntoDataFrame, ax: Axes | None = None) -> Axes:
    """Draw why the answers of each variant, or of each variant and length of call, ended.

    Parameters
    ----------
    counts
        One row per variant and stop, from `count_stop_reasons` or `count_stop_reasons_by_length`.
    ax
        The axes to draw on; a new figure when left out.
    """
    frame = label_rows(counts, before="stop", of="counts", needed=("stop", "share"))
    frame = frame.with_columns(pl.col("stop").fill_null("failed"))
    wide = frame.pivot("stop", index="label", values="share", maintain_order=True).fill_null(0)
    stops = [stop for stop in STOP_COLOURS if stop in wide.columns]
    ax = open_axes(ax, wide["label"])
    stack_bars(ax, [(STOP_COLOURS[stop], STOP_LABELS.get(stop, stop), wide[stop].to_numpy()) for stop in stops])
    left = np.zeros(len(wide))
    for stop in stops:
        widths = wide[stop].cast(pl.Float64).to_numpy()
        write_shares(ax, left.tolist(), widths.tolist(), STOP_COLOURS[stop])
        left = left + widths
    add_legend(ax, [STOP_LABELS.get(stop, stop) for stop in stops])
    ax.set_xlim(0, 1)
    ax.xaxis.set_major_formatter(PERCENT)
    return finish_axes(ax, "Stop reasons", "share of records")


def plot_truncation(shares: IntoDataFrame, ax: Axes | None = None) -> Axes:
    """Draw the share of truncated answers with its interval.

    Parameters
    ----------
    shares
        One row per variant, from `share_truncated`.
    ax
        The axes to draw on; a new figure when left out.
    """
    frame = label_rows(shares, before="answers", of="shares", needed=("share", "share_low", "share_high"))
    ax = open_axes(ax, frame["label"])
    share, low, high = (frame[name].cast(pl.Float64).to_numpy() for name in ("share", "share_low", "share_high"))
    rows, colour = np.arange(len(frame)), STOP_COLOURS["length"]
    ax.hlines(rows, low, high, color=colour, linewidth=2.5, alpha=0.45)
    ax.plot(share, rows, "o", color=colour, markersize=8)
    for row in np.flatnonzero(np.isnan(share)).tolist():
        write_beside(ax, 0, row, "no answers")
    for row in np.flatnonzero(~np.isnan(share)).tolist():
        write_beside(ax, high[row], row, f"{100 * share[row]:.1f} %")
    ax.set_xlim(0, max(0.01, np.nanmax([0, *high]) * 1.12))
    ax.xaxis.set_major_formatter(PERCENT)
    return finish_axes(ax, "Truncated answers", "share of answers that max_tokens cut off, with its interval")


def plot_output_tokens(answers: IntoDataFrame, ax: Axes | None = None) -> Axes:
    """Draw a histogram of the answers of each variant by length, with `max_tokens` and the truncated ones marked.

    Parameters
    ----------
    answers
        One row per answer, from `load_answers`.
    ax
        The axes to draw on; a new figure when left out.
    """
    needed = ("variant", "stop", "output_tokens", "max_tokens")
    frame = read_columns(answers, needed, of="answers").select(*needed).to_polars()
    frame = read_numbers(frame, needed[2:], of="answers").filter(pl.col("output_tokens") >= 0)
    frame = frame.with_columns(label=pl.col("variant").fill_null(NO_KEY))
    labels = frame["label"].unique().sort()
    ax = open_axes(ax, labels, room=0.75)
    top = frame.select(pl.max_horizontal(pl.max("output_tokens", "max_tokens"))).item() or 1
    for row, label in enumerate(labels):
        draw_ridge(ax, row, frame.filter(pl.col("label") == label), bin_tokens=top / BINS)
    ax.set_xlim(0, top * 1.03)
    add_legend(ax, [*RIDGE_LABELS])
    return finish_axes(ax, "Length of answers", "output tokens per answer")


def plot_estimate(comparison: IntoDataFrame, ax: Axes | None = None) -> Axes:
    """Draw the bill of each variant on its estimate and interval.

    Parameters
    ----------
    comparison
        One row per variant, from `compare_estimate`.
    ax
        The axes to draw on; a new figure when left out.
    """
    usd = ("cost_usd_estimate", "cost_usd_low", "cost_usd_high", "cost_usd")
    frame = label_rows(comparison, before="records", of="comparison", needed=usd)
    frame = frame.filter((pl.col("label") != NO_KEY) | pl.any_horizontal(pl.col(usd).is_not_null()))
    ax = open_axes(ax, frame["label"])
    guess, low, high, bill = (frame[name].cast(pl.Float64).to_numpy() for name in usd)
    rows = np.arange(len(frame))
    ax.hlines(rows, low, high, color=PALE, linewidth=9, label="estimate, low to high")
    ax.plot(guess, rows, "|", color=INK, markersize=15, markeredgewidth=2, label="estimate")
    ax.plot(bill, rows, "o", color=STOP_COLOURS["end"], markersize=9, label="bill")
    for row in np.flatnonzero(np.isnan(bill) & np.isnan(guess)).tolist():
        write_beside(ax, 0, row, "cost not known")
    add_legend(ax, ["bill", "estimate", "estimate, low to high"])
    ax.set_xlim(0, (np.nanmax([0, *high, *bill]) or 1) * 1.05)
    ax.xaxis.set_major_formatter(USD)
    return finish_axes(ax, "Estimate and bill", "cost in USD")


def label_rows(frame: IntoDataFrame, *, before: str, of: str, needed: tuple[str, ...]) -> pl.DataFrame:
    """Add a label to each row, made of its keys: the columns before the column `before`."""
    table = read_columns(frame, (before, *needed), of=of).to_polars()
    table = read_numbers(table, (name for name in needed if name != "stop"), of=of)
    keys = table.columns[: table.columns.index(before)]
    labels = [format_label(row) for row in table.select(keys).iter_rows(named=True)] if keys else ["all"] * len(table)
    return table.with_columns(pl.Series("label", labels, pl.String))


def format_label(keys: dict[str, Any]) -> str:
    """Format the keys of a row as its label, with the two columns of a band of lengths as one."""
    texts = {name: NO_KEY if key is None else str(key) for name, key in keys.items()}
    if "length_from" in texts:
        first, last = keys["length_from"], keys["length_to"]
        texts |= {"length_from": "no length" if first is None else f"{first:,.0f} to {last:,.0f}", "length_to": ""}
    return " · ".join(text for text in texts.values() if text)


def stack_bars(ax: Axes, parts: list[tuple[str, str, Any]]) -> None:
    """Draw parts (colour, label, widths) side by side, one bar per row."""
    left: Any = 0
    for colour, label, widths in parts:
        ax.barh(
            range(len(widths)), widths, 0.62, left=left, color=colour, label=label, edgecolor="white", linewidth=0.8
        )
        left = left + widths


def draw_ridge(ax: Axes, row: int, group: pl.DataFrame, *, bin_tokens: float) -> None:
    """Draw one variant's histogram on its row, truncated answers on top of the others, and its max_tokens."""
    # The last bin ends at max_tokens, so that what was cut off stands just before the mark.
    top = group.select(pl.max_horizontal(pl.max("output_tokens", "max_tokens"))).item()
    edges = np.linspace(0, max(top, 1), max(1, round(top / bin_tokens)) + 1)
    is_truncated = (group["stop"] == "length").fill_null(value=False)
    lengths = [group.filter(keep)["output_tokens"].to_numpy() for keep in (~is_truncated, is_truncated)]
    whole, truncated = (np.histogram(values, edges)[0] for values in lengths)
    scale, base = RIDGE / max(1, (whole + truncated).max()), row + RIDGE / 2
    labels = RIDGE_LABELS if row == 0 else ("", "", "")
    left: Any = edges[:-1]
    box: dict[str, Any] = {"width": np.diff(edges), "align": "edge", "linewidth": 0}
    ax.bar(left, -whole * scale, bottom=base, color=STOP_COLOURS["end"], label=labels[0], **box)
    floor = base - whole * scale
    ax.bar(left, -truncated * scale, bottom=floor, color=STOP_COLOURS["length"], label=labels[1], **box)
    ceilings = group["max_tokens"].drop_nulls().unique().to_list()
    ax.vlines(ceilings, base, base - RIDGE, color=INK, linewidth=1.5, linestyle=(0, (2, 1.5)), label=labels[2])
    ax.axhline(base, color=PALE, linewidth=0.8, zorder=0)
