"""Axes: rows, labels, legends and colours that all plots share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from analysis.errors import needs_extra

with needs_extra("notebooks", "analysis.plots"):
    import matplotlib.pyplot as plt
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
INK, PALE = "#333333", "#C9CDD2"
LEGEND_COLUMNS = 3
LEGEND_LINE = 17  # points
PERCENT = FuncFormatter(lambda share, _: f"{100 * share:.3g} %")
USD = FuncFormatter(lambda usd, _: f"{usd:,.6g}")


def open_axes(ax: Axes | None, labels: Any, *, room: float = 0.45) -> Axes:
    """Prepare axes with one row per label, the first on top; make a new figure if there are none."""
    if ax is None:
        _, ax = plt.subplots(figsize=(9, 1.9 + room * max(1, len(labels))), layout="constrained")
    ax.set_yticks(range(len(labels)), list(labels))
    # The axis is inverted, so that the first row is on top.
    ax.set_ylim(max(0, len(labels) - 1) + 0.6, -0.6)
    return ax


def write_beside(ax: Axes, x: float, row: int, text: str) -> None:
    """Write a text to the right of a point of a row."""
    ax.annotate(text, (x, row), (5, 0), textcoords="offset points", va="center", color=INK, fontsize=9)


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
    return ax
