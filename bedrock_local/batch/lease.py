"""Which process asks the questions about a job, where each takes its time or costs money: one at a time.

The job's progress says who, and when that was true; a lock beside it tells whether that process still lives.
"""

from __future__ import annotations

import os
import secrets
import time

from filelock import FileLock, Timeout

from bedrock_local.batch.jobs import job_folder
from bedrock_local.batch.time_slice import Turn

# So long a process may leave a job alone whose questions it has asked, before another one asks them again.
LEASE_SECONDS = 10.0

_me = secrets.token_hex(8)
_held: dict[str, FileLock] = {}


def is_asked_elsewhere(turn: Turn) -> bool:
    """Tell whether a process has questions about the job out that lives, and was at it a moment ago."""
    asker, age = turn.progress.asker, time.time() - turn.progress.asked
    return asker not in ("", _me) and 0 <= age < LEASE_SECONDS and not take_lock(turn)


def say_who_asks(turn: Turn, questions: int) -> bool:
    """Keep others from asking as long as questions are out; tell whether the progress has changed."""
    progress, now = turn.progress, time.time()
    if not questions:
        drop_lock(turn)
        was_mine, progress.asker = progress.asker == _me, ""
        return was_mine
    take_lock(turn)
    if progress.asker == _me and 0 <= now - progress.asked < LEASE_SECONDS / 4:
        return False
    progress.asker, progress.asked = _me, now
    return True


def take_lock(turn: Turn) -> bool:
    """Take the lock that a process holds whose questions about the job are out, unless another one has it."""
    path = lock_path(turn)
    if path in _held:
        return True
    lock = FileLock(path, thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    _held[path] = lock
    return True


def drop_lock(turn: Turn) -> None:
    """Let go of the lock, if this process has it."""
    if lock := _held.pop(lock_path(turn), None):
        lock.release()


def lock_path(turn: Turn) -> str:
    """Give the file of the lock."""
    return str(job_folder(turn.folder, turn.job) / "asking.lock")


def begin_anew() -> None:
    """Be another process than the parent of one that is forked."""
    global _me
    _me = secrets.token_hex(8)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=begin_anew)
