"""The lease of a job: one process at a time asks its questions, as each takes time or costs money.

The job's progress has the holder and the moment of the last renewal; a lock beside it shows whether the holder lives.
"""

from __future__ import annotations

import time

from filelock import FileLock, Timeout

from bedrock_local.batch.jobs import job_folder
from bedrock_local.batch.time_slice import TimeSlice
from bedrock_local.responders.process_state import PROCESS

# After so long without a renewal another process asks the questions again, although the holder may still live.
LEASE_SECONDS = 10.0


def is_leased_elsewhere(time_slice: TimeSlice) -> bool:
    """Return whether another process has the lease, lives, and has renewed it in time."""
    holder, age = time_slice.progress.lease_holder, time.time() - time_slice.progress.lease_renewed
    # A clock that was set back makes the age negative: then the lease counts as expired, or it could last for ever.
    return holder not in ("", PROCESS.process_id) and 0 <= age < LEASE_SECONDS and not acquire_lock(time_slice)


def renew_lease(time_slice: TimeSlice, questions: int) -> bool:
    """Acquire or renew the lease while questions are out, else release it; return whether the progress has changed."""
    progress, now = time_slice.progress, time.time()
    if not questions:
        release_lock(time_slice)
        was_holder = progress.lease_holder == PROCESS.process_id
        progress.lease_holder = ""
        return was_holder
    acquire_lock(time_slice)
    # A quarter of the term leaves time for a slow step, and spares most steps a write of the progress.
    if progress.lease_holder == PROCESS.process_id and 0 <= now - progress.lease_renewed < LEASE_SECONDS / 4:
        return False
    progress.lease_holder, progress.lease_renewed = PROCESS.process_id, now
    return True


def acquire_lock(time_slice: TimeSlice) -> bool:
    """Acquire the lock of the lease without waiting; return whether this process has it."""
    path = lock_path(time_slice)
    if path in PROCESS.leases:
        return True
    lock = FileLock(path, thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    PROCESS.leases[path] = lock
    return True


def release_lock(time_slice: TimeSlice) -> None:
    """Release the lock of the lease, if this process has it."""
    if lock := PROCESS.leases.pop(lock_path(time_slice), None):
        lock.release()


def lock_path(time_slice: TimeSlice) -> str:
    """Return the path of the lease's lock."""
    return str(job_folder(time_slice.folder, time_slice.job) / "asking.lock")
