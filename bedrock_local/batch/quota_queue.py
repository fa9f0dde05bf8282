"""Slots: how many jobs of a model may be under way in a region at once, and who is next.

Source: "Amazon Bedrock endpoints and quotas", "Sum of in-progress and submitted batch inference jobs using a base
model". Whether jobs beyond it are refused or wait is not stated; a setting chooses.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from filelock import FileLock

from bedrock_local.batch.clock import is_too_old
from bedrock_local.batch.jobs import Job, Queue, find_jobs, is_stopped, list_queue, mark_path
from bedrock_local.files import make_folders
from bedrock_local.settings import Settings

QUOTA = "Sum of in-progress and submitted batch inference jobs using a base model"


def lock_slots(folder: Path) -> FileLock:
    """Give the lock under which jobs are created and get their slots."""
    path = folder / "state" / "locks" / "create-job.lock"
    make_folders(path.parent)
    return FileLock(path)


def list_peers(folder: Path, queue: Queue, model: str, region: str) -> list[Job]:
    """List the jobs of a model in a region that have a slot, or that wait for one, oldest first."""
    found = find_jobs(folder, list_queue(folder, queue))
    return [job for job in found if (job.model, job.region) == (model, region)]


def list_due(folder: Path, settings: Settings, now: float) -> list[Job]:
    """List the jobs that there may be something to do for, oldest first.

    Those are the ones that have a slot, as many of the others as there are slots for, and those that end without one.
    """
    # In this order, or a job that gets its slot in between would be in neither list.
    queued, running = find_jobs(folder, list_queue(folder, "queued")), find_jobs(folder, list_queue(folder, "running"))
    places, due = Counter((job.model, job.region) for job in running), {job.job_id: job for job in running}
    for job in queued:
        places[job.model, job.region] += job.job_id not in due
        is_next = places[job.model, job.region] <= settings.quota("max_unfinished_jobs")
        if is_next or is_too_old(job, settings, now) or is_stopped(folder, job):
            due[job.job_id] = job
    return sorted(due.values(), key=lambda job: job.position)


def is_full(folder: Path, settings: Settings, model: str, region: str) -> bool:
    """Tell whether a new job of a model would be beyond the quota."""
    taken = len(list_peers(folder, "running", model, region)) + len(list_peers(folder, "queued", model, region))
    return taken >= settings.quota("max_unfinished_jobs")


def take_slot(folder: Path, settings: Settings, job: Job) -> bool:
    """Give a job that waits its slot when it is its turn; tell whether it has one."""
    with lock_slots(folder):
        queued = list_peers(folder, "queued", job.model, job.region)
        if job not in queued:
            # A process that died moved the mark, and could not say so any more.
            return True
        free = settings.quota("max_unfinished_jobs") - len(list_peers(folder, "running", job.model, job.region))
        if queued.index(job) >= free:
            return False
        mark = mark_path(folder, "running", job)
        make_folders(mark.parent)
        mark_path(folder, "queued", job).replace(mark)
        return True
