"""Axes: rows, labels, legends and colours that all plots share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from analysis.errors import ColumnError, escape_controls, needs_extra

with needs_extra("notebooks", "analysis.plots"):
    import matplotlib.pyplot as plt
    from matplotlib.text import Text
    from matplotlib.ticker import FuncFormatter, MaxNLocator

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# The palette of Okabe and Ito, safe for colour-blind readers; truncation, which can be cured, has the warmest colour.
STOP_COLOURS = {
    "end": "#0072B2",
    "stop_sequence": "#56B4E9",
    "tool": "#009E73",
    "other": "#F0E442",
    "filtered": "#CC79A7",
    "length": "#D55E00",
    "failed": "#4D4D4D",
}
LIGHT_COLOURS = {STOP_COLOURS[stop] for stop in ("stop_sequence", "other", "filtered")}  # dark text is read on these
LEAST_WRITTEN = 0.07  # of the axis: a part of a bar with room for its percent
INK, PALE = "#333333", "#C9CDD2"
LABEL_CHARS = 60
LEGEND_COLUMNS = 3
LEGEND_LINE = 17  # points
PERCENT = FuncFormatter(lambda share, _: f"{100 * share:.4g} %")
USD = FuncFormatter(lambda usd, _: f"{usd:,.6g}")


def open_axes(ax: Axes | None, labels: Any, *, room: float = 0.45) -> Axes:
    """Prepare axes with one row per label, the first on top; make a new figure if there are none."""
    if ax is None:
        _, ax = plt.subplots(figsize=(9, 1.9 + room * max(1, len(labels))), layout="constrained")
    ax.set_yticks(range(len(labels)), [shorten_label(label) for label in labels])
    # The axis is inverted, so that the first row is on top.
    ax.set_ylim(max(0, len(labels) - 1) + 0.6, -0.6)
    return ax


def shorten_label(label: str) -> str:
    """Format a label on one line of bounded length; a long one would leave no room for the plot."""
    text = escape_controls(label).replace("\n", " ")
    return text if len(text) <= LABEL_CHARS else f"{text[: LABEL_CHARS - 3]}..."


def read_numbers(table: pl.DataFrame, names: Iterable[str], *, of: str) -> pl.DataFrame:
    """Check the columns that are drawn; what is not finite has no place on an axis, and becomes missing.

    Raises
    ------
    ColumnError
        A column has no numbers; `of` is what the error calls the frame.
    """
    for name in names:
        kind = table[name].dtype
        if not (kind.is_numeric() or kind == pl.Null):
            reason = f"{name!r} has the type {kind.base_type()}, not numbers"
            raise ColumnError(of, reason, "pass the frame as the function before has returned it")
        if kind.is_float():
            table = table.with_columns(pl.when(pl.col(name).is_finite()).then(name).alias(name))
    return table


def write_beside(ax: Axes, x: float, row: int, text: str) -> None:
    """Write a text to the right of a point of a row."""
    ax.annotate(text, (x, row), (5, 0), textcoords="offset points", va="center", color=INK, fontsize=9)


def write_shares(ax: Axes, left: Sequence[float], widths: Sequence[float], colour: str) -> None:
    """Write percents on the parts of bars that begin at `left`, where a part is wide enough for the text."""
    ink = INK if colour in LIGHT_COLOURS else "white"
    for row, (start, width) in enumerate(zip(left, widths, strict=True)):
        if width >= LEAST_WRITTEN:
            text = f"{100 * width:.0f} %"
            ax.text(start + width / 2, row, text, ha="center", va="center", color=ink, fontsize=9)


def add_legend(ax: Axes, order: list[str]) -> None:
    """Add the legend between title and axes, where it cannot cover a bar."""
    handles = dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
    shown = [label for label in order if label in handles]
    if shown:
        place: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0, 1), "borderaxespad": 0.2}
        ax.legend([handles[label] for label in shown], shown, ncols=LEGEND_COLUMNS, frameon=False, **place)


def finish_axes(ax: Axes, title: str, x_label: str) -> Axes:
    """Set title and axis label, and remove lines that carry no information."""
    ax.set_xlabel(x_label, color=INK)
    legend = ax.get_legend()
    lines = -(-len(legend.get_texts()) // LEGEND_COLUMNS) if legend else 0
    ax.set_title(title, loc="left", color=INK, fontweight="bold", pad=8 + LEGEND_LINE * lines)
    ax.xaxis.set_major_locator(MaxNLocator(6))
    ax.grid(axis="x", color="#E6E8EB", linewidth=0.8)
    ax.set_axisbelow(True)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.spines["bottom"].set_color(PALE)
    ax.tick_params(length=0, labelcolor=INK)
    write_as_text(ax)
    return ax


def write_as_text(ax: Axes) -> None:
    """Keep matplotlib from reading names between dollar signs as formulas, which may be none and raise an error."""
    for text in ax.findobj(Text):
        if isinstance(text, Text):
            text.set_parse_math(False)
            text.set_usetex(False)
