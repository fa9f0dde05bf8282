"""Jobs as they are kept: what was asked, whether a stop was asked, and how far the work has come.

A job is a folder `state/jobs/<id>`: `job.json` is written once, `stop.json` when somebody stops the job, and
`progress.json` by whoever works on it.
"""

from __future__ import annotations

import secrets
import string
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec
from filelock import FileLock

from bedrock_local.files import write_json
from bedrock_local.settings import Settings, Waiting

Ended = Literal["Completed", "PartiallyCompleted", "Failed", "Stopped", "Expired"]
Status = Waiting | Ended
ID_LETTERS = string.ascii_lowercase + string.digits


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
    """

    job_id: str
    arn: str
    model_arn: str
    model: str
    request: dict[str, Any]
    submitted: float

    @property
    def invocation_type(self) -> str:
        """`InvokeModel` or `Converse`."""
        return str(self.request.get("modelInvocationType") or "InvokeModel")

    @property
    def timeout_hours(self) -> int:
        """The hours that the job has; 24 when the caller did not say."""
        return int(self.request.get("timeoutDurationInHours") or 24)

    @property
    def input_uri(self) -> str:
        """The file or prefix to read."""
        return str(self.request["inputDataConfig"]["s3InputDataConfig"]["s3Uri"])

    @property
    def output_uri(self) -> str:
        """The prefix to write below."""
        return str(self.request["outputDataConfig"]["s3OutputDataConfig"]["s3Uri"])


class InputFile(msgspec.Struct, kw_only=True):
    """An input file: its key, its name below the input prefix, and the records in it."""

    key: str
    name: str
    size: int
    records: int = 0


class Progress(msgspec.Struct, kw_only=True):
    """How far the work on a job has come.

    Attributes
    ----------
    phase
        `new`, `validating` or `running`; the end is in `end`.
    files
        Known from the beginning of the validation.
    file, offset, line
        Where the next line is read: in validation the next one, when running the first of a chunk.
    done
        Records of that chunk that are answered.
    written
        Bytes of the output file that count; what is beyond them was not finished.
    changed
        Moment of the last change, in seconds since 1970.
    """

    phase: Literal["new", "validating", "running"] = "new"
    files: list[InputFile] = []
    file: int = 0
    offset: int = 0
    line: int = 0
    done: int = 0
    written: int = 0
    success: int = 0
    errors: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    changed: float = 0.0
    end: Ended | None = None
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


def jobs_folder(folder: Path) -> Path:
    """Give the folder of all jobs."""
    return folder / "state" / "jobs"


def input_path(folder: Path, job: Job, number: int) -> Path:
    """Give the file that keeps an input file as it was when the job looked at it."""
    return jobs_folder(folder) / job.job_id / "input" / f"{number}.jsonl"


def output_path(folder: Path, job: Job, number: int) -> Path:
    """Give the file into which the answers to an input file are written."""
    return jobs_folder(folder) / job.job_id / "output" / f"{number}.jsonl.out"


def new_job_id() -> str:
    """Make an id as the service does: 12 small letters and digits."""
    return "".join(secrets.choice(ID_LETTERS) for _ in range(12))


def save_job(folder: Path, job: Job) -> None:
    """Keep a new job."""
    write_json(jobs_folder(folder) / job.job_id / "job.json", job)


def find_job(folder: Path, job_id: str) -> Job | None:
    """Find a job by its id."""
    try:
        return msgspec.json.decode((jobs_folder(folder) / job_id / "job.json").read_bytes(), type=Job)
    except FileNotFoundError:
        return None


def list_jobs(folder: Path) -> list[Job]:
    """List the jobs, oldest first."""
    ids = [path.name for path in jobs_folder(folder).iterdir()] if jobs_folder(folder).is_dir() else []
    found = [job for job_id in ids if (job := find_job(folder, job_id))]
    return sorted(found, key=lambda job: (job.submitted, job.job_id))


def read_progress(folder: Path, job: Job) -> Progress:
    """Read how far the work has come."""
    try:
        content = (jobs_folder(folder) / job.job_id / "progress.json").read_bytes()
    except FileNotFoundError:
        return Progress(changed=job.submitted)
    return msgspec.json.decode(content, type=Progress)


def save_progress(folder: Path, job: Job, progress: Progress) -> None:
    """Keep how far the work has come."""
    write_json(jobs_folder(folder) / job.job_id / "progress.json", progress)


def ask_stop(folder: Path, job: Job, moment: float) -> None:
    """Keep that a stop was asked."""
    write_json(jobs_folder(folder) / job.job_id / "stop.json", moment)


def stop_moment(folder: Path, job: Job) -> float | None:
    """Say when a stop was asked, if it was."""
    try:
        return msgspec.json.decode((jobs_folder(folder) / job.job_id / "stop.json").read_bytes(), type=float)
    except FileNotFoundError:
        return None


def lock_job(folder: Path, job: Job) -> FileLock:
    """Give the lock that whoever works on the job holds."""
    return FileLock(jobs_folder(folder) / job.job_id / "lock")


def find_status(job: Job, progress: Progress, settings: Settings, *, stopped: float | None, now: float) -> Status:
    """Give the earlier of what the job's clock allows and what its work has reached."""
    if progress.end:
        return progress.end
    if stopped is not None:
        return "Stopping"
    allowed = clock_status(job, settings, now)
    reached: Waiting = "InProgress" if progress.phase == "running" else "Validating"
    order = get_args(Waiting)
    return min(allowed, reached, key=order.index)


def clock_status(job: Job, settings: Settings, now: float) -> Waiting:
    """Give the furthest status, up to InProgress, that the job's clock allows."""
    begins = begin_times(settings)
    elapsed = elapsed_seconds(job, settings, now)
    return next(status for status in reversed(begins) if elapsed >= begins[status])


def begin_times(settings: Settings) -> dict[Waiting, float]:
    """Give the earliest second of the job's clock at which each status can begin."""
    submitted, validating = settings.lasts("Submitted"), settings.lasts("Validating")
    scheduled = submitted + validating
    return {
        "Submitted": float("-inf"),
        "Validating": submitted,
        "Scheduled": scheduled,
        "InProgress": scheduled + settings.lasts("Scheduled"),
    }


def elapsed_seconds(job: Job, settings: Settings, now: float) -> float:
    """Give the seconds of the job's clock since it was submitted."""
    return (now - job.submitted) * settings.factor


def records_allowed(job: Job, progress: Progress, settings: Settings, now: float) -> int:
    """Give how many records the clock allows by now: InProgress goes through them evenly, up to the timeout."""
    begin, lasts = begin_times(settings)["InProgress"], settings.lasts("InProgress")
    at = min(elapsed_seconds(job, settings, now), job.timeout_hours * 3600)
    if at < begin:
        return 0
    return progress.total if at - begin >= lasts else int(progress.total * (at - begin) / lasts)
