"""Answered records: those of a run whose answers other runs in the same folder of runs have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import polars as pl

from analysis.aws.session import EMULATOR, print_beside_bars
from analysis.display import count
from analysis.errors import RunError

if TYPE_CHECKING:
    from analysis.runs.folder import Run

RUNS_NAMED = 3  # in one sentence
TAKEN_SCHEMA = {"record_id": pl.String, "job_key": pl.String, "run": pl.String, "account": pl.String}


def find_answered(run: Run, account: str = "") -> pl.DataFrame:
    """Find the records of a run that other runs beside it have answered.

    Parameters
    ----------
    run
        A run that has been prepared.
    account
        The account that the others were sent to, from `name_account`; empty for any.

    Returns
    -------
    frame
        One row per record that has an answer without an error, truncated or not: `record_id`, `job_key` of this run,
        `run` (the folder that has the answer; of several the first by name) and its `account`. A record's id is made
        of all that the model is asked, so the answer is one to the very same input.
    """
    found = [pl.DataFrame(schema=TAKEN_SCHEMA)]
    records = None
    for source, owner in list_sources(run, account):
        records = run.read_records("record_id", "job_key") if records is None else records
        answered = records.join(read_answered_ids(source), on="record_id", how="semi", maintain_order="left")
        found.append(answered.with_columns(run=pl.lit(source.folder.name), account=pl.lit(owner)))
        records = records.join(answered, on="record_id", how="anti", maintain_order="left")
    return pl.concat(found)


def list_sources(run: Run, account: str) -> Iterator[tuple[Run, str]]:
    """Yield the collected runs in the same folder that asked a model of this one, each with its account."""
    models = {(prompt.model_id, prompt.invocation_type) for prompt in run.read_prompts()}
    for other in run.list_beside():
        owner = str(other.read_sending().get("account", ""))
        asked = {(prompt.model_id, prompt.invocation_type) for prompt in other.read_prompts()}
        if other.is_collected and owner and owner == (account or owner) and models & asked:
            yield other, owner


def read_answered_ids(run: Run) -> pl.DataFrame:
    """Read the ids of the records that a run has answered; none where a part of its outputs is damaged, and say so."""
    try:
        return scan_answered(run).select("record_id").unique().collect(engine="streaming")
    except (RunError, pl.exceptions.PolarsError) as error:
        print_beside_bars(f"{run.folder.name}: nothing is taken over from it: {error}.")
        return pl.DataFrame(schema={"record_id": pl.String})


def scan_answered(run: Run) -> pl.LazyFrame:
    """Scan the outputs of a run that answer its records."""
    return run.scan_outputs().filter(pl.col("error_kind").is_null(), pl.col("call_id").is_not_null())


def describe_answered(found: pl.DataFrame, records: int) -> str:
    """Describe which records are not sent: `600 of 900 records were answered in tune-001 and are taken from there`."""
    were, are = ("was", "is") if len(found) == 1 else ("were", "are")
    there = "there" if found["run"].n_unique() == 1 else "these"
    where = name_runs(found["run"])
    return f"{len(found):,} of {count(records, 'record')} {were} answered in {where} and {are} taken from {there}"


def describe_reusable(found: pl.DataFrame, records: int) -> Iterator[str]:
    """Describe, for each account, which records need not be sent again there."""
    for (account,), own in found.partition_by("account", as_dict=True, maintain_order=True).items():
        where = "on the emulator" if str(account).startswith(EMULATOR) else f"in account {account}"
        were, are = ("was", "is") if len(own) == 1 else ("were", "are")
        what = f"{len(own):,} of {count(records, 'record')} {were} answered {where} in {name_runs(own['run'])}"
        yield f"{what}: sent there again, {'it' if len(own) == 1 else 'they'} {are} taken over and cost nothing"


def name_runs(names: pl.Series) -> str:
    """Name the first three runs, and say how many more there are."""
    runs = names.unique(maintain_order=True).to_list()
    more = len(runs) - RUNS_NAMED
    return ", ".join(runs[:RUNS_NAMED]) + (f" and {count(more, 'more run')}" if more > 0 else "")
