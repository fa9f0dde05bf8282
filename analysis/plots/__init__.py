"""Plots: each takes the frame of a function and returns axes."""

from analysis.plots.axes import STOP_COLOURS
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
    "plot_costs",
    "plot_estimate",
    "plot_lengths",
    "plot_output_tokens",
    "plot_stop_reasons",
    "plot_truncation",
]
