"""What the threads of one process share, in one object: a child that is forked gets an empty one of its own."""

from __future__ import annotations

import os
import secrets
import threading
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakValueDictionary

from filelock import FileLock

# Tells a responder from others, see `concurrency.identity_of`.
Identity = tuple[int, object]


@dataclass
class ProcessState:
    """State of this process; what the processes of a folder share stands in the folder.

    Attributes
    ----------
    process_id
        Random, since the system reuses the numbers of processes that have ended.
    lock
        Held while a semaphore, pool or endpoint is looked up or made; reentrant, as a new pool looks up its semaphore.
    semaphores
        A `FairSemaphore` for each responder; it lives as long as a thread is inside or waits.
    pools
        An `InferencePool` for each responder; it lives as long as a time slice, a thread or the next field has it.
    pools_with_answers
        Those of the pools that have answers which are not collected yet.
    leases
        The locks that this process holds on jobs whose questions it has asked, by their path.
    endpoints
        An `Endpoint` for each URL, model and number of workers, with its connections.
    reported
        Messages that were printed, and are not to be printed again.
    settings
        The settings of each `settings.json`, after what tells this state of the file from others.
    """

    process_id: str = field(default_factory=lambda: secrets.token_hex(8))
    lock: threading.RLock = field(default_factory=threading.RLock)
    semaphores: WeakValueDictionary[Identity, Any] = field(default_factory=WeakValueDictionary)
    pools: WeakValueDictionary[Identity, Any] = field(default_factory=WeakValueDictionary)
    pools_with_answers: set[Any] = field(default_factory=set)
    leases: dict[str, FileLock] = field(default_factory=dict)
    endpoints: dict[tuple[str, str, int], Any] = field(default_factory=dict)
    reported: set[str] = field(default_factory=set)
    settings: dict[str, tuple[tuple[int, ...], Any]] = field(default_factory=dict)


PROCESS = ProcessState()


def reset_after_fork() -> None:
    """Empty the state in a child: threads and what they hold, connections and locks stay with the parent."""
    # In place, as other modules have imported the object; a lock of the parent may be held for ever in the child.
    vars(PROCESS).update(vars(ProcessState()))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=reset_after_fork)
