"""A job's own clock: which status it allows by now, and how many records.

The clock begins when the job gets its slot: when it is created, unless the quota made it wait.
"""

from __future__ import annotations

from bedrock_local.batch.jobs import Job, Progress
from bedrock_local.protocol.job_status import UnfinishedStatus, earlier, later
from bedrock_local.settings import Settings


def find_status(progress: Progress, settings: Settings, now: float) -> UnfinishedStatus:
    """Give the earlier of what the clock allows and what the work has reached, and never one that is past.

    A clock that was set back, or a setting that was edited, must not lead a job back to where it has been.
    """
    reached: UnfinishedStatus = "Validating"
    if progress.phase == "running":
        reached = "Scheduled" if progress.is_struck else "InProgress"
    return later(progress.status, earlier(reached, clock_status(progress, settings, now)))


def clock_status(progress: Progress, settings: Settings, now: float) -> UnfinishedStatus:
    """Give the furthest status, up to InProgress, that the clock allows."""
    begins, elapsed = begin_times(settings), elapsed_seconds(progress, settings, now)
    return next(status for status in reversed(begins) if elapsed >= begins[status])


def begin_times(settings: Settings) -> dict[UnfinishedStatus, float]:
    """Give the earliest second of the clock at which each status can begin."""
    submitted, validating = settings.lasts("Submitted"), settings.lasts("Validating")
    scheduled = submitted + validating
    return {
        "Submitted": float("-inf"),
        "Validating": submitted,
        "Scheduled": scheduled,
        "InProgress": scheduled + settings.lasts("Scheduled"),
    }


def elapsed_seconds(progress: Progress, settings: Settings, now: float) -> float:
    """Give the seconds of the clock by now; a job that waits for its slot is before its beginning."""
    return float("-inf") if progress.began is None else (now - progress.began) * settings.factor


def age_seconds(job: Job, settings: Settings, now: float) -> float:
    """Give the seconds since the job was submitted, as fast as its clock runs; the timeout counts these."""
    return (now - job.submitted) * settings.factor


def is_too_old(job: Job, settings: Settings, now: float) -> bool:
    """Tell whether the timeout of a job that waits for its slot has come."""
    return age_seconds(job, settings, now) >= job.timeout_hours * 3600


def limit_seconds(job: Job, progress: Progress, settings: Settings) -> float:
    """Give the second of the clock at which the job times out."""
    began = job.submitted if progress.began is None else progress.began
    return job.timeout_hours * 3600 - age_seconds(job, settings, began)


def running_seconds(progress: Progress, settings: Settings) -> float:
    """Give the seconds that InProgress lasts: those of the preset, or more when records take longer."""
    of_records = progress.total / settings.records_per_second if settings.records_per_second else 0.0
    return max(settings.lasts("InProgress"), of_records)


def end_seconds(progress: Progress, settings: Settings) -> float:
    """Give the second of the clock before which no job is Completed."""
    return begin_times(settings)["InProgress"] + running_seconds(progress, settings)


def records_allowed(job: Job, progress: Progress, settings: Settings, now: float) -> int:
    """Give how many records the clock allows by now: InProgress goes through them evenly, up to the timeout."""
    begin, lasts = begin_times(settings)["InProgress"], running_seconds(progress, settings)
    at = min(elapsed_seconds(progress, settings, now), limit_seconds(job, progress, settings))
    if at < begin:
        return 0
    return progress.total if at - begin >= lasts else int(progress.total * (at - begin) / lasts)
