"""Attempts: what came back each time for the records that were asked more than once."""

from __future__ import annotations

import polars as pl

from analysis.outputs.answers import KEYS
from analysis.runs.answers import check_collected
from analysis.runs.asked import read_causes
from analysis.runs.folder import RunSource, open_run
from analysis.runs.winners import OUTPUT, scan_winners

SHOWN = ("record_id", "job_id", *OUTPUT, "invocation", "text", "stop", "max_tokens", "input_tokens", "output_tokens")
ERRORS = ("error_kind", "error_code", "error_message")


def load_attempts(run: RunSource) -> pl.DataFrame:
    """Load what came back each time for the records that a repair asked again.

    Parameters
    ----------
    run
        A run that has been collected, or its folder or name.

    Returns
    -------
    frame
        One row per output of such a call, variant and sample, by `call_id`, `variant`, `sample` and `attempt`: these
        four; `cause` (why it was asked once more, as `find_causes` of the plan of the repair says; missing for the
        first attempt); `won` (whether it is the answer in `load_answers`); columns of outputs. An attempt of which
        nothing came back is a row with `error_kind` `missing`. No rows where nothing was asked again.

    Raises
    ------
    RunError
        The run has not been collected.
    """
    run = open_run(run)
    check_collected(run)
    causes = read_causes(run).select(*KEYS, "attempt", "cause")
    records = run.read_records(*KEYS, "attempt").join(causes.select(KEYS).unique(), on=KEYS, how="semi")
    outputs = run.scan_outputs().join(records.lazy().select(KEYS).unique(), on=KEYS, how="semi")
    winners = scan_winners(run).select(*OUTPUT, won=pl.lit(value=True))
    found = outputs.join(winners, on=OUTPUT, how="left").select(*KEYS, "attempt", "won", *SHOWN, *ERRORS).collect()
    rows = records.join(causes, on=[*KEYS, "attempt"], how="left").join(found, on=[*KEYS, "attempt"], how="left")
    kind = pl.when(pl.col("file").is_null()).then(pl.lit("missing")).otherwise("error_kind")
    rows = rows.with_columns(won=pl.col("won").fill_null(value=False), error_kind=kind)
    return rows.select(*KEYS, "attempt", "cause", "won", *SHOWN, *ERRORS).sort(*KEYS, "attempt", *OUTPUT)
