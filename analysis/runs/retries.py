"""Rests: what a job that ended Failed or Expired left, and the records that its next try sends."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence, Set
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl

from analysis.aws.storage import fetch_files, list_prefix
from analysis.files import flush_folder, flush_path
from analysis.jobs.batch import PlannedJob
from analysis.jobs.ledger import JobState
from analysis.jobs.on_demand import InputLine
from analysis.jobs.statuses import PLANNED, REFUSED
from analysis.outputs import list_outputs, scan_outputs
from analysis.runs.folder import Run
from analysis.runs.status import is_settled, list_latest

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


def renew(run: Run, planned: Sequence[PlannedJob], s3: S3Client) -> None:
    """Plan one more try of each job that ended before its work was done: of its records without an answer.

    A refusal is tried again under its own number, and so its token: if it was heard after all, there is one job.
    To be called by one process at a time, which holds the lock of sending.
    """
    count_left(run, planned, s3)
    for job, state in zip(planned, list_latest(run, planned), strict=True):
        if state.status == REFUSED:
            plan_try(run, state, state.job_try)
        elif state.is_unproductive and not is_settled(run, job, state):
            rest = write_rest(run, job, state)
            left = rest.get("records", job.records)
            if left == state.left:
                plan_try(run, state, state.job_try + 1, **rest)
            else:  # another process has collected what came late, so the next call sees anew what is to be sent
                run.ledger.append("left", job_key=job.key, job_try=state.job_try, left=left)


def count_left(run: Run, planned: Sequence[PlannedJob], s3: S3Client) -> None:
    """Fetch what jobs left that ended before their work was done, and note how many records have no answer."""
    for job, state in zip(planned, list_latest(run, planned), strict=True):
        if state.is_unproductive and state.job_arn:
            for one in list_tries(run, job):
                download_job(run, one, s3)
            answered = read_answered(run, job)
            left = sum(1 for file in job.files for _ in read_rest(file, answered))
            if left != state.left:
                run.ledger.append("left", job_key=job.key, job_try=state.job_try, left=left)


def plan_try(run: Run, state: JobState, job_try: int, **facts: Any) -> None:
    """Write down that a try is to be made; the next step makes it."""
    with run.ledger.lock():
        run.ledger.append("planned", job_key=state.job_key, job_try=job_try, status=PLANNED, message="", **facts)


def write_rest(run: Run, job: PlannedJob, state: JobState) -> dict[str, Any]:
    """Write the input files of the next try, and give what the ledger says of them; nothing where all are sent."""
    folder = f"{job.key}-{state.job_try + 1}"
    draft, final = run.folder / "input" / f".{folder}", run.folder / "input" / folder
    for leftover in (draft, final):
        shutil.rmtree(leftover, ignore_errors=True)  # of a process that was killed before the ledger heard of it
    draft.mkdir()
    answered, records = read_answered(run, job), 0
    for file in job.files:
        with (draft / file.name).open("wb") as target:
            for line in read_rest(file, answered):
                target.write(line)
                records += 1
        if not (draft / file.name).stat().st_size:
            (draft / file.name).unlink()  # a file without records is none to Bedrock
    if records == job.records:
        shutil.rmtree(draft)
        return {}
    # The ledger names the folder next, and no other step makes it again.
    flush_folder(draft)
    draft.rename(final)
    flush_path(final.parent)
    return {"folder": folder, "records": records}


def read_rest(file: Path, answered: Set[str]) -> Iterator[bytes]:
    """Give the lines of an input file whose records have no answer."""
    decoder = msgspec.json.Decoder(InputLine)
    with file.open("rb") as lines:
        yield from (line for line in lines if decoder.decode(line).record_id not in answered)


def read_answered(run: Run, job: PlannedJob) -> set[str]:
    """Read which records have an answer in what the tries of a job left."""
    answered: set[str] = set()
    for state in list_tries(run, job):
        folder = output_folder(run, state)
        if folder.exists() and list_outputs(folder):
            outputs = scan_outputs(folder, model_id=job.model_id).filter(pl.col("error_kind").is_null())
            answered |= set(outputs.select("record_id").collect()["record_id"])
    return answered


def list_tries(run: Run, job: PlannedJob) -> list[JobState]:
    """List the tries of a job that Bedrock has heard of."""
    return [state for state in run.ledger.replay() if state.job_key == job.key and state.job_arn]


def download_job(run: Run, state: JobState, s3: S3Client) -> None:
    """Download the files of one job, if it has any yet; those that are there and have not changed are kept."""
    files = list_prefix(f"{state.output_uri.rstrip('/')}/{state.job_id}/", s3=s3)
    fetch_files(files, output_folder(run, state), s3=s3)


def output_folder(run: Run, state: JobState) -> Path:
    """Name the folder of what a job wrote."""
    return run.folder / "output" / state.job_id
