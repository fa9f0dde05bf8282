"""A job's own clock: which status it allows by now, and how many records.

The clock begins when the job gets its slot: when it is created, unless the quota made it wait.
"""

from __future__ import annotations

from bedrock_local.batch.jobs import Job, Progress
from bedrock_local.protocol.job_status import UnfinishedStatus, earlier, later
from bedrock_local.settings import Settings


def find_status(progress: Progress, settings: Settings, now: float) -> UnfinishedStatus:
    """Return the status up to which both the clock and the work have come, and never one before the present status.

    A clock that was set back, or a setting that was edited, must not move a job back.
    """
    reached: UnfinishedStatus = "Validating"
    if progress.phase == "running":
        reached = "Scheduled" if progress.expires_by_fault else "InProgress"
    return later(progress.status, earlier(reached, clock_status(progress, settings, now)))


def clock_status(progress: Progress, settings: Settings, now: float) -> UnfinishedStatus:
    """Return the furthest status, up to InProgress, that the clock allows."""
    begins, elapsed = start_seconds(settings), elapsed_seconds(progress, settings, now)
    return next(status for status in reversed(begins) if elapsed >= begins[status])


def start_seconds(settings: Settings) -> dict[UnfinishedStatus, float]:
    """Return the earliest second of the clock at which each status can begin."""
    submitted, validating = settings.minimum_seconds("Submitted"), settings.minimum_seconds("Validating")
    scheduled = submitted + validating
    return {
        "Submitted": float("-inf"),
        "Validating": submitted,
        "Scheduled": scheduled,
        "InProgress": scheduled + settings.minimum_seconds("Scheduled"),
    }


def elapsed_seconds(progress: Progress, settings: Settings, now: float) -> float:
    """Return the seconds that the clock has run; minus infinity for a job that waits for its slot."""
    return float("-inf") if progress.began is None else (now - progress.began) * settings.speed


def age_seconds(job: Job, settings: Settings, now: float) -> float:
    """Return the seconds since the job was submitted, at the speed of its clock; the timeout counts these."""
    return (now - job.submitted) * settings.speed


def has_timed_out(job: Job, settings: Settings, now: float) -> bool:
    """Return whether a job that waits for its slot has timed out."""
    return age_seconds(job, settings, now) >= job.timeout_hours * 3600


def timeout_seconds(job: Job, progress: Progress, settings: Settings) -> float:
    """Return the second of the clock at which the job times out."""
    # The timeout counts from the submission, the clock from the slot.
    began = job.submitted if progress.began is None else progress.began
    return job.timeout_hours * 3600 - age_seconds(job, settings, began)


def running_seconds(progress: Progress, settings: Settings) -> float:
    """Return how long InProgress lasts: the seconds of the preset, or more at few `records_per_second`."""
    of_records = progress.total / settings.records_per_second if settings.records_per_second else 0.0
    return max(settings.minimum_seconds("InProgress"), of_records)


def end_seconds(progress: Progress, settings: Settings) -> float:
    """Return the second of the clock before which the job cannot be Completed."""
    return start_seconds(settings)["InProgress"] + running_seconds(progress, settings)


def records_allowed(job: Job, progress: Progress, settings: Settings, now: float) -> int:
    """Return how many records may be processed by now: they are spread evenly over InProgress, up to the timeout."""
    begin, lasts = start_seconds(settings)["InProgress"], running_seconds(progress, settings)
    at = min(elapsed_seconds(progress, settings, now), timeout_seconds(job, progress, settings))
    if at < begin:
        return 0
    # Not by the fraction at the end, which would divide by zero where InProgress lasts no time.
    return progress.total if at - begin >= lasts else int(progress.total * (at - begin) / lasts)
