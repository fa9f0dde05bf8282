"""Reuse: records that another run in the same folder of runs has answered are taken over, and not paid for again."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from analysis.aws.session import print_beside_bars
from analysis.files import make_folder, replace_when_whole
from analysis.jobs.batch import hash_file
from analysis.jobs.ledger import JobState
from analysis.jobs.statuses import PLANNED, TAKEN
from analysis.outputs import OUTPUT_SCHEMA
from analysis.outputs.answers import KEYS
from analysis.runs.answered import TAKEN_SCHEMA, describe_answered, keep_answers
from analysis.runs.folder import Run
from analysis.runs.state import RunState
from analysis.runs.status import has_on_demand_output
from analysis.runs.winners import OUTPUT, rank_outputs

OF_RECORD = ("call_id", "variant", "sample", "attempt")


def can_take_over(state: RunState) -> bool:
    """Whether nothing of a run has been sent or taken over yet."""
    return not (state.has_jobs or state.taken_parts or has_on_demand_output(state.run))


def find_takeable(state: RunState, account: str) -> pl.DataFrame:
    """Find the records that other runs have answered in an account; none where the run has been sent, or no account."""
    if not account or not can_take_over(state):
        return pl.DataFrame(schema=TAKEN_SCHEMA)
    return state.run.find_answered(account)


def expect_taken(state: RunState, found: pl.DataFrame) -> RunState:
    """Return the state as it will be once the answers that were found have been taken over; nothing is written."""
    return state.with_tries(list_taken(state, found))


def list_taken(state: RunState, found: pl.DataFrame) -> list[JobState]:
    """List the first try of each job of which answers were found; its status is `taken` where no record is left."""
    counts = dict(found.group_by("job_key").len().iter_rows())
    return [
        JobState(job.key, taken=counts[job.key], status=TAKEN if counts[job.key] == job.records else PLANNED)
        for job in state.planned
        if job.key in counts
    ]


def take_over(state: RunState, found: pl.DataFrame, account: str) -> RunState:
    """Copy the answers that were found into the run, write so to the ledger, and return the new state.

    They are the run's own from then on, whatever becomes of the runs that they were taken from. The caller holds the
    sending lock.
    """
    if found.is_empty():
        return state
    parts = {}
    for (name,), records in found.partition_by("run", as_dict=True, maintain_order=True).items():
        part = write_taken(state.run, Run(state.run.folder.parent / str(name)), records)
        parts[part.name] = hash_file(part)
    with state.ledger.lock():
        jobs = {each.job_key: {"taken": each.taken, "status": each.status} for each in list_taken(state, found)}
        state.ledger.append("taken", account=account, parts=parts, jobs=jobs)
    print_beside_bars(f"{state.run.name}: {describe_answered(found, sum(job.records for job in state.planned))}.")
    return state.read_on()


def write_taken(run: Run, source: Run, records: pl.DataFrame) -> Path:
    """Write the answers of another run to records of this one into a Parquet part, and return its path."""
    asked = run.scan_first_records().select("record_id", *OF_RECORD)
    answers = pick_answered(source, records).drop(OF_RECORD)
    name = source.folder.name
    is_own = pl.col("taken_from").is_null()
    rows = answers.join(asked, on="record_id", how="left", maintain_order="left").with_columns(
        taken_from=pl.coalesce("taken_from", pl.lit(name)),
        # File and line name an output, and those of answers on demand are the same in every run.
        file=pl.when(is_own).then(pl.format("{}/{}", pl.lit(name), "file")).otherwise("file"),
    )
    make_folder(run.folder / "outputs")
    part = run.folder / "outputs" / f"taken-{name}.parquet"
    with replace_when_whole(part) as unfinished:
        rows.select(*OUTPUT_SCHEMA).sink_parquet(unfinished, compression="zstd", maintain_order=True)
    if run.place is not None:
        run.place.put(part, run.place.find_uri(part), hash_file(part))
    return part


def pick_answered(source: Run, records: pl.DataFrame) -> pl.LazyFrame:
    """Pick the winning answer of each record, under its id.

    Of a record that was cut off this is what a repair got with more room, as in the answers of the other run; not where
    that is an answer to another of these records.
    """
    wanted = records.lazy().select(_wanted="record_id")
    answers = keep_answers(source.scan_outputs())
    asked = answers.join(wanted, left_on="record_id", right_on="_wanted", how="semi")
    since = asked.group_by(_wanted="record_id").agg(pl.col(*KEYS).first(), _since=pl.col("attempt").min()).collect()
    # Only these columns are sorted, never the texts.
    ranked = rank_outputs(source, since).filter(~pl.col("_failed")).with_row_index("_rank")
    ranked = ranked.join(answers.select("record_id", *OUTPUT), on=OUTPUT, maintain_order="left")
    fits = ranked.join(since.lazy(), on=KEYS).filter(pl.col("attempt") >= pl.col("_since"))
    is_own = pl.col("record_id") == pl.col("_wanted")
    fits = fits.filter(is_own | ~pl.col("record_id").is_in(since["_wanted"].implode()))
    best = fits.sort("_rank").unique("_wanted", keep="first", maintain_order=True)
    own = fits.filter(is_own).sort("_rank").unique("_wanted", keep="first", maintain_order=True)
    # An output is named by its file and line, and so can be the answer to one record alone.
    best = best.filter(pl.struct(OUTPUT).is_unique())
    picked = pl.concat([best, own.join(best, on="_wanted", how="anti")]).select(*OUTPUT, "_wanted")
    chosen = answers.join(picked, on=OUTPUT, maintain_order="left")
    return chosen.with_columns(record_id="_wanted").drop("_wanted")
