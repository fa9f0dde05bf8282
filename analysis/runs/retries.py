"""Retries: which records of a job have no answer, from earlier tries or other runs, and the files with just these."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Set
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from analysis.aws.storage import list_prefix
from analysis.display import count
from analysis.files import flush_folder, flush_path, make_folder, share_like_folder
from analysis.jobs.batch import PlannedJob
from analysis.jobs.ledger import JobState, Ledger
from analysis.jobs.on_demand import InputLine
from analysis.jobs.statuses import PLANNED, PRODUCTIVE, REFUSED
from analysis.runs.folder import Run
from analysis.runs.received import download_job, output_folder, read_answered_ids
from analysis.runs.state import RunState

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


def plan_retries(state: RunState, s3: S3Client) -> RunState:
    """Plan one more try of each job that ended early, with its records that have no answer; return the new state.

    A refused job is tried again under the same number, and so with the same token: if Bedrock did create it, there is
    one job. The caller holds the sending lock.
    """
    state = count_unanswered(state, s3)
    for job, latest in state.pairs:
        if latest.status == REFUSED:
            plan_try(state.ledger, latest, latest.job_try)
        elif latest.is_unproductive and not state.is_settled(job, latest):
            plan_next_try(state, job, latest)
    return state.read_on()


def plan_first_tries(state: RunState) -> RunState:
    """Plan the first try of each job of which other runs have answered records, with those that are left.

    The caller holds the sending lock.
    """
    for job, latest in state.pairs:
        if latest.is_partly_taken:
            plan_try(state.ledger, latest, latest.job_try, **write_retry_input(state, job, latest.job_try))
    return state.read_on()


def plan_next_try(state: RunState, job: PlannedJob, latest: JobState) -> None:
    """Write the input of a job's next try, and plan it in the ledger."""
    retry = write_retry_input(state, job, latest.job_try + 1)
    unanswered = retry.get("records", job.records)
    if unanswered == latest.left:
        plan_try(state.ledger, latest, latest.job_try + 1, **retry)
    else:  # output has arrived since it was counted: the next call plans with the new count
        state.ledger.append("left", job_key=job.key, job_try=latest.job_try, left=unanswered)


def count_unanswered(state: RunState, s3: S3Client) -> RunState:
    """Download the output of jobs that ended early, and count their records without an answer; return the new state."""
    for job, latest in state.pairs:
        if latest.is_unproductive and latest.job_arn:
            for each in state.created[job.key]:
                download_job(state.run, each, s3)
            answered = read_answered(state, job)
            unanswered = sum(1 for file in job.files for _ in read_unanswered(state.run, file, answered))
            if unanswered != latest.left:
                state.ledger.append("left", job_key=job.key, job_try=latest.job_try, left=unanswered)
    return state.read_on()


def describe_gone(state: RunState, s3: S3Client) -> Iterator[str]:
    """Yield a sentence for each job of an earlier run of this name whose output is in S3 no more, as after a deletion.

    Such a job was found by its name, and never intended by this run; what was collected is not looked for.
    """
    for job, latest in state.pairs:
        is_adopted = latest.job_arn and not latest.token and latest.status in PRODUCTIVE
        if not is_adopted or output_folder(state.run, latest).exists():
            continue
        place = f"{latest.output_uri.rstrip('/')}/{latest.job_id}/"
        if not list_prefix(place, s3=s3):
            what = f"{job.key} ended {latest.status} for an earlier run of this name, and its output is not in {place}"
            again = f"`batchbook repair` or repair(run) asks its {count(job.records, 'record')} again"
            yield f"{what} any more: {again}, which is paid for again; so does another name for the run."


def plan_try(ledger: Ledger, state: JobState, job_try: int, **fields: Any) -> None:
    """Write a planned try to the ledger; the next step creates its job."""
    with ledger.lock():
        ledger.append("planned", job_key=state.job_key, job_try=job_try, status=PLANNED, message="", **fields)


def write_retry_input(state: RunState, job: PlannedJob, job_try: int) -> dict[str, Any]:
    """Write the input files of a further try, and return `folder`, `records` and `digest` for the ledger.

    Where no record has an answer, the files of the first try are sent again: nothing is written or returned.
    """
    answered = read_answered(state, job)
    folder, inputs = f"{job.key}-{job_try}", job.files[0].parents[1]
    draft, final = inputs / f".{folder}", inputs / folder
    for leftover in (draft, final):
        shutil.rmtree(leftover, ignore_errors=True)  # of a process that was killed before it wrote to the ledger
    make_folder(draft)
    records = sum(copy_unanswered(state.run, file, draft / file.name, answered) for file in job.files)
    if records == job.records:
        shutil.rmtree(draft)
        return {}
    digest = job.digest_files(sorted(draft.iterdir()))
    # The ledger names the folder next, and no other step makes it again.
    flush_folder(draft)
    draft.rename(final)
    flush_path(final.parent)
    return {"folder": folder, "records": records, "digest": digest}


def copy_unanswered(run: Run, source: Path, target: Path, answered: Set[str]) -> int:
    """Copy the lines of an input file whose records have no answer, and return how many there are."""
    records = 0
    with target.open("wb") as file:
        share_like_folder(target)
        for line in read_unanswered(run, source, answered):
            file.write(line)
            records += 1
    if not records:
        target.unlink()  # an input file needs at least one record
    return records


def read_unanswered(run: Run, file: Path, answered: Set[str]) -> Iterator[bytes]:
    """Yield the lines of an input file whose records have no answer."""
    decoder = msgspec.json.Decoder(InputLine)
    with run.borrow(file) as here, here.open("rb") as lines:
        yield from (line for line in lines if decoder.decode(line).record_id not in answered)


def read_answered(state: RunState, job: PlannedJob) -> set[str]:
    """Read the ids of the records that the output of any try of a job answers, or that another run has answered."""
    answered = set(state.taken_ids)
    for each in state.created[job.key]:
        answered.update(read_answered_ids(state.run, each, job.model_id))
    return answered
