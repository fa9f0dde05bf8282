"""Measures of a run: its answers with all that is measured of them without a reference and without a judge."""

from __future__ import annotations

import polars as pl

from analysis.metrics.claims.kept import measure_kept
from analysis.metrics.costs import add_costs
from analysis.metrics.quality import measure_answers
from analysis.runs.answers import load_answers
from analysis.runs.costs import find_run_prices
from analysis.runs.folder import RunSource, open_run


def measure_run(run: RunSource) -> pl.DataFrame:
    """Load the answers of a run and measure each by its own text, its call's and its price.

    Parameters
    ----------
    run
        A run that has been collected, or its folder or name.

    Returns
    -------
    frame
        One row per call, variant and sample, as from `load_answers`, and last: the columns of `measure_answers` with
        the prompts of the run, those of `measure_kept`, those of `add_costs` at the prices of the run's Region, and
        `truncated` (whether max_tokens ended the answer; missing without an answer).

    Raises
    ------
    RunError
        The run has not been collected, or its answers need more memory than there is.
    """
    run = open_run(run)
    answers = measure_kept(measure_answers(load_answers(run), prompts=run.read_prompts()))
    costed = add_costs(answers, find_run_prices(run), records=run.read_records())
    return costed.with_columns(truncated=pl.col("stop") == "length")
