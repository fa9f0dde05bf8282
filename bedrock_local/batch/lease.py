"""Which process asks the questions about a job, where each takes its time or costs money: one at a time.

The job's progress says who, and when that was true; a lock beside it tells whether that process still lives.
"""

from __future__ import annotations

import time

from filelock import FileLock, Timeout

from bedrock_local.batch.jobs import job_folder
from bedrock_local.batch.time_slice import Turn
from bedrock_local.responders.process_state import PROCESS

# So long a process may leave a job alone whose questions it has asked, before another one asks them again.
LEASE_SECONDS = 10.0


def is_asked_elsewhere(turn: Turn) -> bool:
    """Tell whether a process has questions about the job out that lives, and was at it a moment ago."""
    asker, age = turn.progress.asker, time.time() - turn.progress.asked
    return asker not in ("", PROCESS.process_id) and 0 <= age < LEASE_SECONDS and not take_lock(turn)


def say_who_asks(turn: Turn, questions: int) -> bool:
    """Keep others from asking as long as questions are out; tell whether the progress has changed."""
    progress, now = turn.progress, time.time()
    if not questions:
        drop_lock(turn)
        was_mine, progress.asker = progress.asker == PROCESS.process_id, ""
        return was_mine
    take_lock(turn)
    if progress.asker == PROCESS.process_id and 0 <= now - progress.asked < LEASE_SECONDS / 4:
        return False
    progress.asker, progress.asked = PROCESS.process_id, now
    return True


def take_lock(turn: Turn) -> bool:
    """Take the lock that a process holds whose questions about the job are out, unless another one has it."""
    path = lock_path(turn)
    if path in PROCESS.leases:
        return True
    lock = FileLock(path, thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    PROCESS.leases[path] = lock
    return True


def drop_lock(turn: Turn) -> None:
    """Let go of the lock, if this process has it."""
    if lock := PROCESS.leases.pop(lock_path(turn), None):
        lock.release()


def lock_path(turn: Turn) -> str:
    """Give the file of the lock."""
    return str(job_folder(turn.folder, turn.job) / "asking.lock")
