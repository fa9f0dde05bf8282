"""Jobs as they are kept: what was asked, whether a stop was asked, and how far the work has come.

A job is a folder `state/jobs/<id>`: `job.json` is written once, `stop.json` when somebody stops the job, and
`progress.json` by whoever works on it. A job that has not ended has an empty file in `state/running`, or in
`state/queued` while it waits for a slot, so that nobody has to read the jobs that have ended to find those.
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
Kept = TypeVar("Kept")
ID_LETTERS = string.ascii_lowercase + string.digits


class StateError(Exception):
    """A file of a job's state cannot be read: for whoever asks for this job, and for no other, to be told."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller asked for.

    Attributes
    ----------
    request
        The body of CreateModelInvocationJob.
    model
        Base id of the model.
    submitted
        In seconds since 1970.
    number
        How many jobs there were before it: jobs of one moment have an order too. Folders of 0.1.0 do not have it.
    is_queued
        Whether the quota made it wait for a slot.
    """

    job_id: str
    arn: str
    model_arn: str
    model: str
    request: dict[str, Any]
    submitted: float
    number: int = 0
    is_queued: bool = False

    @property
    def name(self) -> str:
        """The name, which no other job of the region has."""
        return str(self.request["jobName"])

    @property
    def position(self) -> tuple[float, int]:
        """Its place among all jobs."""
        return self.submitted, self.number

    @property
    def region(self) -> str:
        """The region in which it was created, and in which alone it is seen."""
        return self.arn.split(":")[3]

    @property
    def invocation_type(self) -> str:
        """`InvokeModel` or `Converse`."""
        return str(self.request.get("modelInvocationType") or "InvokeModel")

    @property
    def timeout_hours(self) -> int:
        """The hours that the job has; 24 when the caller did not say."""
        return int(self.request.get("timeoutDurationInHours") or 24)

    @property
    def input_config(self) -> dict[str, str]:
        """Where to read: `s3Uri`, a file or prefix, and what else was said of it."""
        return dict(self.request["inputDataConfig"]["s3InputDataConfig"])

    @property
    def output_config(self) -> dict[str, str]:
        """Where to write: `s3Uri`, a prefix, and what else was said of it."""
        return dict(self.request["outputDataConfig"]["s3OutputDataConfig"])


class InputFile(msgspec.Struct, kw_only=True):
    """An input file: its key, its name below the input prefix, and the records in it.

    Attributes
    ----------
    written
        Bytes of its output that count; what is beyond them was not finished.
    """

    key: str
    name: str
    size: int
    records: int = 0
    written: int = 0


class Place(msgspec.Struct, frozen=True, array_like=True):
    """Where a record stands: the number of its file, the byte at which its line begins, and the line's number."""

    file: int
    offset: int
    line: int


class Progress(msgspec.Struct, kw_only=True):
    """How far the work has come.

    Attributes
    ----------
    phase
        `new`, `validating` or `running`; the end is in `end`.
    status
        The furthest that a caller can have seen, of those before an end.
    began
        Moment at which the job's own clock began; missing while it waits for a slot.
    files
        Known from the beginning of the validation.
    file, offset, line
        Where the next line is read.
    waiting
        Records that were read and are not answered yet.
    lease_holder, lease_renewed
        The process whose questions are out, empty for none, and when it last said so, in seconds since 1970.
    settled
        Files whose outputs are published for good, as the job is about to end.
    is_struck
        Whether a fault lets the job expire where it would begin.
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
    waiting: list[Place] = []
    # Folders of 0.1.0 have jobs under way: fields of a file keep the names that they had there.
    lease_holder: str = msgspec.field(name="asker", default="")
    lease_renewed: float = msgspec.field(name="asked", default=0.0)
    settled: int = 0
    is_struck: bool = False
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
        """Records that are answered, one way or the other."""
        return self.success + self.errors

    @property
    def done(self) -> int:
        """Records that have their line in the output."""
        return self.processed + self.unprocessed


def jobs_folder(folder: Path) -> Path:
    """Give the folder of all jobs."""
    return folder / "state" / "jobs"


def job_folder(folder: Path, job: Job) -> Path:
    """Give the folder of a job."""
    return jobs_folder(folder) / job.job_id


def input_path(folder: Path, job: Job, number: int) -> Path:
    """Give the file that keeps an input file as it was when the job looked at it."""
    return job_folder(folder, job) / "input" / f"{number}.jsonl"


def output_path(folder: Path, job: Job, number: int) -> Path:
    """Give the file into which the answers to an input file are written."""
    return job_folder(folder, job) / "output" / f"{number}.jsonl.out"


def new_job_id() -> str:
    """Make an id as the service does: 12 small letters and digits."""
    return "".join(secrets.choice(ID_LETTERS) for _ in range(12))


def save_job(folder: Path, job: Job) -> None:
    """Keep a new job."""
    # A job without its mark would never be worked on; a mark without its job does no harm.
    write_file(mark_path(folder, "queued" if job.is_queued else "running", job), b"")
    write_json(job_folder(folder, job) / "job.json", job)


def find_job(folder: Path, job_id: str) -> Job | None:
    """Find a job by its id."""
    is_there = (jobs_folder(folder) / job_id / "job.json").is_file()
    return read_job(str(folder), job_id) if is_there else None


@lru_cache(maxsize=10_000)
def read_job(folder: str, job_id: str) -> Job:
    """Read what was asked, which never changes, once."""
    return read_state(jobs_folder(Path(folder)) / job_id / "job.json", Job)


def read_state(path: Path, kind: type[Kept]) -> Kept:
    """Read a file of a job's state; after a power loss it may be empty, which is not the same as none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except msgspec.DecodeError as error:
        raise StateError(f"{path} cannot be read: {error}. Delete the job's folder if it is of no use.") from error


def list_jobs(folder: Path) -> list[Job]:
    """List the jobs, oldest first."""
    return find_jobs(folder, list_names(jobs_folder(folder)))


def list_unfinished(folder: Path) -> list[Job]:
    """List the jobs that have not ended, oldest first, without a look at the others."""
    # In this order, or a job that gets its slot in between would be in neither list.
    queued = list_queue(folder, "queued")
    return find_jobs(folder, {*queued, *list_queue(folder, "running")})


def list_queue(folder: Path, queue: Queue) -> list[str]:
    """List the ids of the jobs that have a slot, or that wait for one."""
    return list_names(folder / "state" / queue)


def list_names(folder: Path) -> list[str]:
    """List the names in a folder; none when it is not there."""
    return [path.name for path in folder.iterdir()] if folder.is_dir() else []


def find_jobs(folder: Path, ids: Iterable[str]) -> list[Job]:
    """Find jobs by their ids and put the oldest first; one that is just being created is not there yet.

    One that cannot be read is left out.
    """
    found, place = [], str(folder)
    for job_id in ids:
        with suppress(FileNotFoundError, NotADirectoryError, StateError):
            found.append(read_job(place, job_id))
    return sorted(found, key=lambda job: job.position)


def mark_path(folder: Path, queue: Queue, job: Job) -> Path:
    """Give the file that says that a job has a slot, or waits for one."""
    return folder / "state" / queue / job.job_id


def unmark_job(folder: Path, job: Job) -> None:
    """Count a job among those that have ended."""
    mark_path(folder, "running", job).unlink(missing_ok=True)
    mark_path(folder, "queued", job).unlink(missing_ok=True)


def read_progress(folder: Path, job: Job) -> Progress:
    """Read how far the work has come."""
    try:
        return read_state(job_folder(folder, job) / "progress.json", Progress)
    except FileNotFoundError:
        return Progress(changed=job.submitted, began=None if job.is_queued else job.submitted)


def save_progress(folder: Path, job: Job, progress: Progress) -> None:
    """Keep how far the work has come."""
    write_json(job_folder(folder, job) / "progress.json", progress)


def ask_stop(folder: Path, job: Job, moment: float) -> None:
    """Keep that a stop was asked."""
    write_json(job_folder(folder, job) / "stop.json", moment)


def is_stopped(folder: Path, job: Job) -> bool:
    """Tell whether a stop was asked, without reading when."""
    return (job_folder(folder, job) / "stop.json").exists()


def stop_moment(folder: Path, job: Job) -> float | None:
    """Say when a stop was asked, if it was."""
    try:
        return read_state(job_folder(folder, job) / "stop.json", float)
    except FileNotFoundError:
        return None


def lock_job(folder: Path, job: Job) -> FileLock:
    """Give the lock that whoever works on the job holds."""
    return FileLock(job_folder(folder, job) / "lock")


def lock_end(folder: Path, job: Job) -> FileLock:
    """Give the lock under which a job ends or is stopped: a job that was seen Stopping ends Stopped."""
    return FileLock(job_folder(folder, job) / "end.lock")
