"""Input files that are damaged: written anew from the calls and prompts of their run before they are sent."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from analysis.errors import InputError, RunError
from analysis.facts.models import find_model
from analysis.files import make_draft, replace_when_whole
from analysis.jobs.batch import PlannedJob, hash_file
from analysis.jobs.ledger import JobState
from analysis.requests.records import write_records
from analysis.runs.asked import read_asked, write_input
from analysis.runs.folder import Run
from analysis.runs.retries import plan_try, write_retry_input
from analysis.runs.state import RunState


def restore_input(state: RunState, job_key: str) -> None:
    """Write the input of a job's latest try anew, since it is not as it was prepared.

    Raises
    ------
    RunError
        The calls or the prompts of the run have changed as well, so that other bytes would be written.
    """
    job, latest = next((job, latest) for job, latest in state.read_on().pairs if job.key == job_key)
    if state.run.place is None or not latest.folder:
        write_first_input(state.run, job)
    else:
        restore_changed(state, [job])  # mostly the further try alone is missing, as on another machine
    if latest.folder:
        restore_retry(state.read_on(), job, latest)


def restore_changed(state: RunState, jobs: Iterable[PlannedJob]) -> None:
    """Write the input of each of some planned jobs anew that is not as it was prepared, before lines are read from it.

    Raises
    ------
    RunError
        The calls or the prompts of the run have changed as well, so that other bytes would be written.
    """
    for job in jobs:
        try:
            check_input(state.run, job)
        except InputError as error:
            if not job.sha256:
                cure = "put the file back from a copy, or prepare the calls again under another name"
                raise RunError(state.run.folder, f"was prepared before the first release, and {error}", cure) from error
            write_first_input(state.run, job)


def write_first_input(run: Run, job: PlannedJob) -> None:
    """Write the files of a planned job anew, if they are not as they were prepared, and say so."""
    print(f"{run.name}: the input of {job.key} is not as it was prepared, and is written anew.")
    changed = list_changed(run, job)
    if not changed:
        return
    with make_draft(run.folder, "input") as draft:
        write_attempt_input(run, job.attempt, draft)
        for file, digest in changed:
            replace_file(run, draft / "input" / job.key / file.name, file, digest)


def check_input(run: Run, job: PlannedJob) -> None:
    """Raise an InputError where the input of a planned job is not as it was prepared, here or in S3."""
    if run.place is None:
        job.check_files(JobState(job.key))
    else:
        job.check_objects(run.place.s3)


def list_changed(run: Run, job: PlannedJob) -> list[tuple[Path, str]]:
    """List the files of a planned job that are not as they were prepared, each with its SHA-256 from then."""
    if run.place is None:
        known = {file: hash_file(file) if file.exists() else "" for file in job.files}
    else:
        known = {file: run.place.find_sha256(file) for file in job.files}
    return [(file, digest) for file, digest in zip(job.files, job.sha256, strict=True) if known[file] != digest]


def write_attempt_input(run: Run, attempt: int, folder: Path) -> None:
    """Write the input files of an attempt to `input/` in a folder."""
    if attempt > 1:
        write_input(run, read_asked(run, attempt), attempt, folder)
        return
    quotas = {find_model(model_id).base: values for model_id, values in run.read_quotas().items()}
    into = folder / "input"
    write_records(run.read_calls().sort("call_id"), run.read_prompts(), into=into, find_quotas=quotas.__getitem__)


def replace_file(run: Run, written: Path, file: Path, digest: str) -> None:
    """Replace a file by one that was written anew, if that has the digest of before."""
    if not written.exists() or hash_file(written) != digest:
        reason = "is not as it was prepared, and cannot be written anew: the calls or prompts have changed as well"
        raise RunError(file, reason, "put the run's folder back from a copy, or prepare again under another name")
    if run.place is not None:
        run.place.put(written, run.place.find_uri(file), digest)
        return
    with replace_when_whole(file) as unfinished:
        written.rename(unfinished)


def restore_retry(state: RunState, job: PlannedJob, latest: JobState) -> None:
    """Write the input of a further try anew; output that has come meanwhile is not sent again."""
    plan_try(state.ledger, latest, latest.job_try, **write_retry_input(state, job, latest.job_try))
