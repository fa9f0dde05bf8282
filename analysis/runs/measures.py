"""Measures of a run: its answers with all that is measured of them without a reference and without a judge."""

from __future__ import annotations

import polars as pl

from analysis.metrics.claims.kept import measure_kept
from analysis.metrics.costs import PRICES, add_costs
from analysis.metrics.quality import measure_answers
from analysis.metrics.stop_reasons import TRUNCATED
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
        One row per call, variant and sample, as from `load_answers`, and last: the columns of `add_costs` at the prices
        of the run's Region, those of `measure_answers` with the prompts of the run, those of `measure_kept`, and
        `truncated` (whether max_tokens ended the answer; missing without an answer). A column of the call that has one
        of these names is called `<name>_call`.

    Raises
    ------
    RunError
        The run has not been collected, or its answers need more memory than there is.
    """
    run = open_run(run)
    answers = rename_clashes(load_answers(run))
    costed = add_costs(answers, find_run_prices(run), records=run.read_records())
    measured = measure_kept(measure_answers(costed, prompts=run.read_prompts()))
    return measured.with_columns(truncated=pl.col("stop") == TRUNCATED)


def rename_clashes(answers: pl.DataFrame) -> pl.DataFrame:
    """Rename columns of calls that have the name of what is added, as `load_answers` does with those of outputs."""
    return answers.rename({name: f"{name}_call" for name in (*PRICES, "truncated") if name in answers.columns})
