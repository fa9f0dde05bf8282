"""Retries: which records a job that ended Failed or Expired did not answer, and the files that its next try sends."""

from __future__ import annotations

import shutil
from collections import defaultdict
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


def plan_retries(run: Run, planned: Sequence[PlannedJob], s3: S3Client) -> None:
    """Plan one more try of each job that ended early, with its records that have no answer.

    A refused job is tried again under the same number, and so with the same token: if Bedrock did create it, there is
    one job. The caller holds the sending lock.
    """
    count_unanswered(run, planned, s3)
    created = list_created_tries(run)
    for job, state in zip(planned, list_latest(run, planned), strict=True):
        if state.status == REFUSED:
            plan_try(run, state, state.job_try)
        elif state.is_unproductive and not is_settled(run, job, state):
            retry = write_retry_input(run, job, state, read_answered(run, job, created[job.key]))
            unanswered = retry.get("records", job.records)
            if unanswered == state.left:
                plan_try(run, state, state.job_try + 1, **retry)
            else:  # output has arrived since it was counted: the next call plans with the new count
                run.ledger.append("left", job_key=job.key, job_try=state.job_try, left=unanswered)


def count_unanswered(run: Run, planned: Sequence[PlannedJob], s3: S3Client) -> None:
    """Download the output of jobs that ended early, and write to the ledger how many records have no answer."""
    created = list_created_tries(run)
    for job, state in zip(planned, list_latest(run, planned), strict=True):
        if state.is_unproductive and state.job_arn:
            for each in created[job.key]:
                download_job(run, each, s3)
            answered = read_answered(run, job, created[job.key])
            unanswered = sum(1 for file in job.files for _ in read_unanswered(file, answered))
            if unanswered != state.left:
                run.ledger.append("left", job_key=job.key, job_try=state.job_try, left=unanswered)


def plan_try(run: Run, state: JobState, job_try: int, **fields: Any) -> None:
    """Write a planned try to the ledger; the next step creates its job."""
    with run.ledger.lock():
        run.ledger.append("planned", job_key=state.job_key, job_try=job_try, status=PLANNED, message="", **fields)


def write_retry_input(run: Run, job: PlannedJob, state: JobState, answered: Set[str]) -> dict[str, Any]:
    """Write the input files of the next try, and return `folder` and `records` for the ledger.

    Where no record has an answer, the files of the first try are sent again: nothing is written or returned.
    """
    folder = f"{job.key}-{state.job_try + 1}"
    draft, final = run.folder / "input" / f".{folder}", run.folder / "input" / folder
    for leftover in (draft, final):
        shutil.rmtree(leftover, ignore_errors=True)  # of a process that was killed before it wrote to the ledger
    draft.mkdir()
    records = sum(copy_unanswered(file, draft / file.name, answered) for file in job.files)
    if records == job.records:
        shutil.rmtree(draft)
        return {}
    # The ledger names the folder next, and no other step makes it again.
    flush_folder(draft)
    draft.rename(final)
    flush_path(final.parent)
    return {"folder": folder, "records": records}


def copy_unanswered(source: Path, target: Path, answered: Set[str]) -> int:
    """Copy the lines of an input file whose records have no answer, and return how many there are."""
    records = 0
    with target.open("wb") as file:
        for line in read_unanswered(source, answered):
            file.write(line)
            records += 1
    if not records:
        target.unlink()  # an input file needs at least one record
    return records


def read_unanswered(file: Path, answered: Set[str]) -> Iterator[bytes]:
    """Yield the lines of an input file whose records have no answer."""
    decoder = msgspec.json.Decoder(InputLine)
    with file.open("rb") as lines:
        yield from (line for line in lines if decoder.decode(line).record_id not in answered)


def read_answered(run: Run, job: PlannedJob, created: Sequence[JobState]) -> set[str]:
    """Read the ids of the records that the output of any try of a job answers."""
    answered: set[str] = set()
    for state in created:
        folder = output_folder(run, state)
        if folder.exists() and list_outputs(folder):
            outputs = scan_outputs(folder, model_id=job.model_id).filter(pl.col("error_kind").is_null())
            answered |= set(outputs.select("record_id").collect()["record_id"])
    return answered


def list_created_tries(run: Run) -> dict[str, list[JobState]]:
    """List the tries that Bedrock has created, by the key of their job; an absent job has none."""
    created: dict[str, list[JobState]] = defaultdict(list)
    for state in run.ledger.replay():
        if state.job_arn:
            created[state.job_key].append(state)
    return created


def download_job(run: Run, state: JobState, s3: S3Client) -> None:
    """Download the output files of one job, if there are any yet, except those that are here and unchanged."""
    files = list_prefix(f"{state.output_uri.rstrip('/')}/{state.job_id}/", s3=s3)
    fetch_files(files, output_folder(run, state), s3=s3)


def output_folder(run: Run, state: JobState) -> Path:
    """Return the local folder for the output of a job."""
    return run.folder / "output" / state.job_id
