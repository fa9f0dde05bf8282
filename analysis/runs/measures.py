"""Measures of a run: its answers with all that is measured of them without a reference and without a judge."""

from __future__ import annotations

import polars as pl

from analysis.metrics.claims.kept import measure_kept
from analysis.metrics.costs import PRICES, add_costs
from analysis.metrics.quality import measure_answers
from analysis.metrics.stop_reasons import TRUNCATED
from analysis.runs.answers import load_answers
from analysis.runs.costs import find_run_prices
from analysis.runs.folder import Run, RunSource, open_run


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
    return measure_loaded(run, load_answers(run), find_run_prices(run))


def measure_loaded(run: Run, answers: pl.DataFrame, prices: pl.DataFrame) -> pl.DataFrame:
    """Measure answers that were loaded from a run, all or some, as `measure_run` does."""
    costed = add_costs(rename_clashes(answers), prices, records=read_silent(run, answers))
    measured = measure_kept(measure_answers(costed, prompts=run.read_prompts()))
    return measured.with_columns(truncated=pl.col("stop") == TRUNCATED)


def read_silent(run: Run, answers: pl.DataFrame) -> pl.DataFrame | None:
    """Read the estimated tokens of records whose answers do not say theirs; None where all do."""
    is_silent = pl.any_horizontal(pl.col("input_tokens", "output_tokens").is_null()) & pl.col("error_kind").is_null()
    silent = answers.filter(is_silent)["record_id"]
    if silent.is_empty():
        return None
    records = run.scan_first_records().select("record_id", "input_tokens_estimate")
    return records.filter(pl.col("record_id").is_in(silent.implode())).collect(engine="streaming")


def rename_clashes(answers: pl.DataFrame) -> pl.DataFrame:
    """Rename columns of calls that have the name of what is added, as `load_answers` does with those of outputs."""
    return answers.rename({name: f"{name}_call" for name in (*PRICES, "truncated") if name in answers.columns})
