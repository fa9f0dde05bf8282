"""The quota of jobs that a model has under way in a region: each takes a slot, and further ones queue for it.

Source: "Amazon Bedrock endpoints and quotas", "Sum of in-progress and submitted batch inference jobs using a base
model". Whether jobs beyond it are refused or wait is not documented; a setting chooses.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from filelock import FileLock

from bedrock_local.batch.clock import has_timed_out
from bedrock_local.batch.jobs import Job, Queue, find_jobs, is_stop_requested, list_queue, marker_path
from bedrock_local.files import make_folders
from bedrock_local.settings import Settings

QUOTA = "Sum of in-progress and submitted batch inference jobs using a base model"


def lock_slots(folder: Path) -> FileLock:
    """Return the lock under which jobs are created and get their slots."""
    path = folder / "state" / "locks" / "create-job.lock"
    make_folders(path.parent)
    return FileLock(path)


def list_peers(folder: Path, queue: Queue, model: str, region: str) -> list[Job]:
    """List the jobs of a model in a region that have a slot, or that wait for one, oldest first."""
    found = find_jobs(folder, list_queue(folder, queue))
    return [job for job in found if (job.model, job.region) == (model, region)]


def list_due(folder: Path, settings: Settings, now: float) -> list[Job]:
    """List the jobs that there may be something to do for, oldest first.

    These are the jobs with a slot, as many of the queued ones as there are slots, and those that end without one.
    """
    # Queued ones first, or a job that gets its slot between the two reads would be in neither list.
    queued, running = find_jobs(folder, list_queue(folder, "queued")), find_jobs(folder, list_queue(folder, "running"))
    taken, due = Counter((job.model, job.region) for job in running), {job.job_id: job for job in running}
    for job in queued:
        # A job that got its slot between the two reads is counted once.
        taken[job.model, job.region] += job.job_id not in due
        is_next = taken[job.model, job.region] <= settings.quota("max_unfinished_jobs")
        if is_next or has_timed_out(job, settings, now) or is_stop_requested(folder, job):
            due[job.job_id] = job
    return sorted(due.values(), key=lambda job: job.position)


def is_full(folder: Path, settings: Settings, model: str, region: str) -> bool:
    """Return whether a new job of a model would be beyond the quota."""
    taken = len(list_peers(folder, "running", model, region)) + len(list_peers(folder, "queued", model, region))
    return taken >= settings.quota("max_unfinished_jobs")


def take_slot(folder: Path, settings: Settings, job: Job) -> bool:
    """Move a queued job to a slot if one is free for it; return whether it has one."""
    with lock_slots(folder):
        queued = list_peers(folder, "queued", job.model, job.region)
        if job not in queued:
            # A process moved the marker and died before it saved the progress.
            return True
        free = settings.quota("max_unfinished_jobs") - len(list_peers(folder, "running", job.model, job.region))
        if queued.index(job) >= free:
            return False
        marker = marker_path(folder, "running", job)
        make_folders(marker.parent)
        marker_path(folder, "queued", job).replace(marker)
        return True
