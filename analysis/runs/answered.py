"""Answered records: those of a run whose answers other runs in the same folder of runs have."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import polars as pl

from analysis.aws.session import EMULATOR, print_beside_bars
from analysis.display import count
from analysis.errors import RunError

RUNS_NAMED = 3  # in one sentence
TAKEN_SCHEMA = {"record_id": pl.String, "job_key": pl.String, "run": pl.String, "account": pl.String}


class Source(NamedTuple):
    """A run that may have answers: its name, the account that it was sent to, and how to scan its outputs."""

    run: str
    account: str
    scan: Callable[[], pl.LazyFrame]


def find_answered(read_records: Callable[[], pl.DataFrame], sources: Iterable[Source]) -> pl.DataFrame:
    """Find the records that other runs have answered; they are read only where there is such a run.

    Returns
    -------
    frame
        As `Run.find_answered`.
    """
    found = [pl.DataFrame(schema=TAKEN_SCHEMA)]
    records = None
    for source in sources:
        records = read_records() if records is None else records
        answered = records.join(read_answered_ids(source), on="record_id", how="semi", maintain_order="left")
        found.append(answered.with_columns(run=pl.lit(source.run), account=pl.lit(source.account)))
        records = records.join(answered, on="record_id", how="anti", maintain_order="left")
    return pl.concat(found)


def read_answered_ids(source: Source) -> pl.DataFrame:
    """Read the ids of the records that a run has answered; none where a part of its outputs is damaged, and say so."""
    try:
        return keep_answers(source.scan()).select("record_id").unique().collect(engine="streaming")
    except (RunError, pl.exceptions.PolarsError) as error:
        pass_over(source.run, error)
        return pl.DataFrame(schema={"record_id": pl.String})


def pass_over(run: str, error: Exception) -> None:
    """Print that nothing is taken over from a run, and why."""
    print_beside_bars(f"{run}: nothing is taken over from it: {error}.")


def keep_answers(outputs: pl.LazyFrame) -> pl.LazyFrame:
    """Keep the outputs of a run that answer its records."""
    return outputs.filter(pl.col("error_kind").is_null(), pl.col("call_id").is_not_null())


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
