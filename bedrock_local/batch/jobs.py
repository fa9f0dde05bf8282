"""Jobs in the folder: the request that created each, whether a stop was requested, and its progress.

A job is a folder `state/jobs/<id>`: `job.json` is written once, `stop.json` when a client stops the job, and
`progress.json` by the process that works on it. A job that has not ended has an empty file in `state/running`, or in
`state/queued` while it waits for a slot, so these are found without reading the jobs that have ended.
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec
from filelock import FileLock

from bedrock_local.files import write_file, write_json
from bedrock_local.protocol.job_status import EndStatus, UnfinishedStatus

Queue = Literal["running", "queued"]
Form = Literal["bedrock", "openai"]
State = TypeVar("State")
ID_LETTERS = string.ascii_lowercase + string.digits


class StateError(Exception):
    """A file of a job's state cannot be read; a request about this job says so, requests about others do not."""


class OpenAIBatch(msgspec.Struct, frozen=True, kw_only=True):
    """What a batch of OpenAI's API has beside a job."""

    completion_window: str
    metadata: dict[str, Any] | None = None


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """The request that created a job, which never changes.

    Attributes
    ----------
    request
        The body of CreateModelInvocationJob.
    model
        Base id of the model.
    submitted
        In seconds since 1970.
    number
        How many jobs were created before it, the order of jobs of the same moment. Missing in older folders.
    is_queued
        Whether the quota made it wait for a slot.
    openai
        Missing but for a batch of OpenAI's API, which has lines, files and operations of its own.
    """

    job_id: str
    arn: str
    model_arn: str
    model: str
    request: dict[str, Any]
    submitted: float
    number: int = 0
    is_queued: bool = False
    openai: OpenAIBatch | None = None

    @property
    def form(self) -> Form:
        """The form of its lines."""
        return "openai" if self.openai else "bedrock"

    @property
    def output_name(self) -> str:
        """The name of the folder of its outputs: its id, by which a client of OpenAI's API knows it as a batch."""
        return f"batch_{self.job_id}" if self.openai else self.job_id

    @property
    def name(self) -> str:
        """The name, unique in its region."""
        return str(self.request["jobName"])

    @property
    def position(self) -> tuple[float, int]:
        """The sort key of jobs, by the order in which they were created."""
        return self.submitted, self.number

    @property
    def region(self) -> str:
        """The region in which it was created; clients of other regions do not see it."""
        return self.arn.split(":")[3]

    @property
    def invocation_type(self) -> str:
        """`InvokeModel` or `Converse`."""
        return str(self.request.get("modelInvocationType") or "InvokeModel")

    @property
    def timeout_hours(self) -> int:
        """Hours after which the job times out; 24 when the request does not say."""
        return int(self.request.get("timeoutDurationInHours") or 24)

    @property
    def input_config(self) -> dict[str, str]:
        """Where to read: `s3Uri`, a file or prefix, and the owner of the bucket if the request names one."""
        return dict(self.request["inputDataConfig"]["s3InputDataConfig"])

    @property
    def output_config(self) -> dict[str, str]:
        """Where to write: `s3Uri`, a prefix, and the owner of the bucket if the request names one."""
        return dict(self.request["outputDataConfig"]["s3OutputDataConfig"])


class InputFile(msgspec.Struct, kw_only=True):
    """An input file: its key, its name below the input prefix, and the records in it.

    Attributes
    ----------
    written
        Bytes of its output that count; more than these were written by a process that was interrupted.
    """

    key: str
    name: str
    size: int
    records: int = 0
    written: int = 0


class RecordRef(msgspec.Struct, frozen=True, array_like=True):
    """The position of a record: the number of its file, the byte at which its line begins, and the line's number."""

    file: int
    offset: int
    line: int


class Progress(msgspec.Struct, kw_only=True):
    """How far the work on a job has come.

    Attributes
    ----------
    phase
        `new`, `validating` or `running`; the end is in `end`.
    status
        The furthest that a client can have seen, of those before an end.
    began
        Moment at which the job's own clock began; missing while it waits for a slot.
    files
        Known from the beginning of the validation.
    file, offset, line
        Where the next line is read.
    waiting
        Records that were read and are not answered yet.
    lease_holder, lease_renewed
        The process whose questions are out, empty for none, and when it last renewed its lease, in seconds since 1970.
    final_files
        How many files have their final outputs published, when the job is about to end.
    expires_by_fault
        Whether a fault makes the job expire at the moment at which it would begin.
    unprocessed
        Records that have an error line because the job ended before they were processed.
    changed
        Moment of the last change, in seconds since 1970.
    """

    phase: Literal["new", "validating", "running"] = "new"
    status: UnfinishedStatus = "Submitted"
    began: float | None = None
    files: list[InputFile] = []
    file: int = 0
    offset: int = 0
    line: int = 0
    waiting: list[RecordRef] = []
    # Older folders have jobs under way: the fields of a file keep the names that they had there.
    lease_holder: str = msgspec.field(name="asker", default="")
    lease_renewed: float = msgspec.field(name="asked", default=0.0)
    final_files: int = msgspec.field(name="settled", default=0)
    expires_by_fault: bool = msgspec.field(name="is_struck", default=False)
    success: int = 0
    errors: int = 0
    unprocessed: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    changed: float = 0.0
    end: EndStatus | None = None
    ended: float | None = None
    message: str | None = None

    @property
    def total(self) -> int:
        """Records of all files; 0 until they are validated."""
        return sum(file.records for file in self.files) if self.phase == "running" else 0

    @property
    def processed(self) -> int:
        """Records that are answered, by a reply or by an error."""
        return self.success + self.errors

    @property
    def done(self) -> int:
        """Records that have their line in the output."""
        return self.processed + self.unprocessed


def jobs_folder(folder: Path) -> Path:
    """Return the folder of all jobs."""
    return folder / "state" / "jobs"


def job_folder(folder: Path, job: Job) -> Path:
    """Return the folder of a job."""
    return jobs_folder(folder) / job.job_id


def input_path(folder: Path, job: Job, number: int) -> Path:
    """Return the path of the job's copy of an input file, as it was when it was validated."""
    return job_folder(folder, job) / "input" / f"{number}.jsonl"


def output_path(folder: Path, job: Job, number: int) -> Path:
    """Return the path to which the answers to an input file are written."""
    return job_folder(folder, job) / "output" / f"{number}.jsonl.out"


def new_job_id() -> str:
    """Make an id as the service does: 12 small letters and digits."""
    return "".join(secrets.choice(ID_LETTERS) for _ in range(12))


def save_job(folder: Path, job: Job) -> None:
    """Write a new job, and its marker."""
    # The marker first: a job without one would never be worked on, a marker without its job does no harm.
    # Not flushed: file systems with a journal have it on disk with the job, which is flushed after it.
    write_file(marker_path(folder, "queued" if job.is_queued else "running", job), b"", flush=False)
    write_json(job_folder(folder, job) / "job.json", job)


def find_job(folder: Path, job_id: str) -> Job | None:
    """Find a job by its id."""
    is_there = (jobs_folder(folder) / job_id / "job.json").is_file()
    return read_job(str(folder), job_id) if is_there else None


@lru_cache(maxsize=10_000)
def read_job(folder: str, job_id: str) -> Job:
    """Read the request that created a job, once, as it never changes."""
    return read_state(jobs_folder(Path(folder)) / job_id / "job.json", Job)


def read_state(path: Path, kind: type[State]) -> State:
    """Read a file of a job's state; a StateError says that it is damaged, as when a power loss left it empty."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except msgspec.DecodeError as error:
        raise StateError(f"{path} cannot be read: {error}. Delete the job's folder if it is of no use.") from error


def list_jobs(folder: Path) -> list[Job]:
    """List the jobs, oldest first."""
    return find_jobs(folder, list_names(jobs_folder(folder)))


def list_unfinished(folder: Path) -> list[Job]:
    """List the jobs that have not ended, oldest first, without reading the others."""
    # Queued ones first, or a job that gets its slot between the two reads would be in neither list.
    queued = list_queue(folder, "queued")
    return find_jobs(folder, {*queued, *list_queue(folder, "running")})


def list_queue(folder: Path, queue: Queue) -> list[str]:
    """List the ids of the jobs that have a slot, or that wait for one."""
    return list_names(folder / "state" / queue)


def list_names(folder: Path) -> list[str]:
    """List the names in a folder; none when it does not exist."""
    return [path.name for path in folder.iterdir()] if folder.is_dir() else []


def find_jobs(folder: Path, ids: Iterable[str]) -> list[Job]:
    """Find jobs by their ids, oldest first, without those that are just being created or cannot be read."""
    found, place = [], str(folder)
    for job_id in ids:
        with suppress(FileNotFoundError, NotADirectoryError, StateError):
            found.append(read_job(place, job_id))
    return sorted(found, key=lambda job: job.position)


def marker_path(folder: Path, queue: Queue, job: Job) -> Path:
    """Return the path of the marker: the empty file that says that a job has a slot, or waits for one."""
    return folder / "state" / queue / job.job_id


def delete_markers(folder: Path, job: Job) -> None:
    """Delete the markers of a job, which has ended."""
    marker_path(folder, "running", job).unlink(missing_ok=True)
    marker_path(folder, "queued", job).unlink(missing_ok=True)


def read_progress(folder: Path, job: Job) -> Progress:
    """Read the progress of a job; a job without any work has a new one."""
    try:
        return read_state(job_folder(folder, job) / "progress.json", Progress)
    except FileNotFoundError:
        return Progress(changed=job.submitted, began=None if job.is_queued else job.submitted)


def save_progress(folder: Path, job: Job, progress: Progress) -> None:
    """Write the progress of a job."""
    # Not flushed: written many times a second; after a power loss an older one only means records answered again.
    write_json(job_folder(folder, job) / "progress.json", progress, flush=False)


def request_stop(folder: Path, job: Job, moment: float) -> None:
    """Write that a stop was requested, and when."""
    write_json(job_folder(folder, job) / "stop.json", moment)


def is_stop_requested(folder: Path, job: Job) -> bool:
    """Return whether a stop was requested, without reading when."""
    return (job_folder(folder, job) / "stop.json").exists()


def stop_time(folder: Path, job: Job) -> float | None:
    """Return when a stop was requested, if it was."""
    try:
        return read_state(job_folder(folder, job) / "stop.json", float)
    except FileNotFoundError:
        return None


def lock_job(folder: Path, job: Job) -> FileLock:
    """Return the lock that is held by the process that works on the job."""
    return FileLock(job_folder(folder, job) / "lock")


def lock_end(folder: Path, job: Job) -> FileLock:
    """Return the lock under which a job ends or is stopped: a job that was seen Stopping has to end Stopped."""
    return FileLock(job_folder(folder, job) / "end.lock")
