"""Plots: each takes the frame of a function and returns axes."""

from analysis.plots.axes import STOP_COLOURS
from analysis.plots.comparisons import VERDICT_COLOURS, plot_comparison, plot_cost_and_quality
from analysis.plots.runs import (
    plot_costs,
    plot_estimate,
    plot_lengths,
    plot_output_tokens,
    plot_stop_reasons,
    plot_truncation,
)

__all__ = [
    "STOP_COLOURS",
    "VERDICT_COLOURS",
    "plot_comparison",
    "plot_cost_and_quality",
    "plot_costs",
    "plot_estimate",
    "plot_lengths",
    "plot_output_tokens",
    "plot_stop_reasons",
    "plot_truncation",
]
