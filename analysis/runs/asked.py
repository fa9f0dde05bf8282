"""Asked: which records each attempt of a run asked, why, and its input files."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from analysis.facts.models import find_model
from analysis.outputs.answers import KEYS
from analysis.requests.repairs import write_repairs
from analysis.runs.folder import Run

CAUSE_FILE = "causes.parquet"  # in the folder of a repair: why its records were asked
CAUSE_SCHEMA = {
    "call_id": pl.String,
    "variant": pl.String,
    "sample": pl.Int16,
    "cause": pl.String,
    "detail": pl.String,
    "room": pl.Int64,
    "why_not": pl.String,
}


def find_last_asked(run: Run, before: int | None = None) -> pl.DataFrame:
    """Find the record of each call, variant and sample that was asked last, or last before an attempt.

    One row each, as in the table of records and in the order of the first attempt.
    """
    records = run.read_records()
    if before is not None:
        records = records.filter(pl.col("attempt") < before)
    places = records.filter(attempt=1).select(KEYS).with_row_index("place")
    latest = records.sort("attempt", maintain_order=True).unique(KEYS, keep="last", maintain_order=True)
    return places.join(latest, on=KEYS, how="left", maintain_order="left").sort("place").drop("place")


def read_causes(run: Run) -> pl.DataFrame:
    """Read why records were asked again, over all repairs: `attempt` and the columns of `find_causes`."""
    tables = [
        pl.read_parquet(folder / CAUSE_FILE, glob=False).with_columns(attempt=pl.lit(number, pl.Int16))
        for number, folder in run.list_attempts().items()
    ]
    return pl.concat([pl.DataFrame(schema=CAUSE_SCHEMA | {"attempt": pl.Int16}), *tables])


def read_asked(run: Run, attempt: int) -> pl.DataFrame:
    """Read what a repair asked: the records as they were asked before, each with its `room`."""
    causes = read_causes(run).filter(attempt=attempt).select(*KEYS, "room")
    return find_last_asked(run, before=attempt).join(causes, on=KEYS, how="inner", maintain_order="left")


def write_input(run: Run, asked: pl.DataFrame, attempt: int, folder: Path) -> None:
    """Write the records and the input files of an attempt to a folder."""
    quotas = {find_model(model_id).base: each for model_id, each in run.read_quotas().items()}
    tables = write_repairs(
        asked,
        run.read_calls(),
        run.read_prompts(),
        attempt=attempt,
        borrow_input=lambda key, name: run.borrow(run.find_input(key) / name),
        into=folder / "input",
        find_quotas=quotas.__getitem__,
    )
    tables.records.write_parquet(folder / "records.parquet")
    tables.files.write_parquet(folder / "files.parquet")
