"""The points at which a process may die, and forks that die at one of them."""

import json
import os
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass, field
from functools import partial
from io import StringIO
from pathlib import Path

import botocore.client

DIED = 9
REMOVALS = {"os.remove", "os.rmdir"}  # their paths are relative to an open folder where `shutil.rmtree` removes
WRITING = os.O_WRONLY | os.O_RDWR


@dataclass
class Points:
    """Counts the points at which a process may die, and dies at one of them.

    Attributes
    ----------
    die_at
        The number of the point, from 1; 0 for none.
    below
        The folder whose files count.
    seen
        What each point was.
    """

    die_at: int
    below: str
    seen: list[str] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def reach(self, what: str, damage: Callable[[], None] = lambda: None) -> None:
        """Count a point; if it is the one, do the damage that a death there does, and die."""
        with self.lock:  # of several threads the first one dies, and takes the others with it
            self.seen.append(what)
            if len(self.seen) == self.die_at:
                damage()
                os._exit(DIED)

    def watch(self, *, removals: bool = False) -> None:
        """Count both ends of the opening of a file to write and of a call of a service, each rename and each flush.

        Removals of files and folders count where they are what is tried.
        """
        flush, call = os.fsync, botocore.client.BaseClient._make_api_call

        def count_event(event, given):
            if event == "open" and isinstance(given[2], int) and given[2] & WRITING and self.is_below(given[0]):
                self.reach("open")
                self.reach("opened", partial(begin, given[0], given[2]))
            elif event == "os.rename" and self.is_below(given[1]):
                self.reach("rename")
            elif removals and event in REMOVALS:
                self.reach(event.removeprefix("os."))

        def count_flush(descriptor):
            if self.is_below(f"/proc/self/fd/{descriptor}"):
                self.reach("flush", partial(tear, descriptor))
            flush(descriptor)

        def count_call(client, operation, request):
            self.reach(f"before {operation}")
            answer = call(client, operation, request)
            self.reach(f"after {operation}")
            return answer

        os.fsync, botocore.client.BaseClient._make_api_call = count_flush, count_call
        sys.addaudithook(count_event)

    def is_below(self, path: object) -> bool:
        """Whether a path, or what an open file is, lies in the folder."""
        text = os.fsdecode(path) if isinstance(path, str | bytes | os.PathLike) else ""
        if text.startswith("/proc/self/fd/"):
            with suppress(OSError):
                text = str(Path(text).readlink())
        return text.startswith(self.below) and not text.endswith(".lock")


def begin(path: str | bytes | int, flags: int) -> None:
    """Leave a file as it is when it has been opened and nothing is written."""
    if flags & (os.O_CREAT | os.O_TRUNC):
        os.close(os.open(path, flags & ~os.O_EXCL, 0o600))


def tear(descriptor: int) -> None:
    """Cut a file that is being flushed, as a disk may that lost its power: its last line, or half of it."""
    with suppress(OSError):  # a folder
        size = os.fstat(descriptor).st_size
        name = str(Path(f"/proc/self/fd/{descriptor}").readlink())
        os.truncate(name, size - 7 if name.endswith((".jsonl", ".asked")) and size > 7 else size // 2)


def in_fork(work, *given):
    """Do work in a fork, and return what it returns; None where it died at its point."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        status = 1
        try:
            with os.fdopen(writing, "w") as pipe, redirect_stdout(StringIO()):
                pipe.write(json.dumps(work(*given)))
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        written = pipe.read()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code not in {0, DIED}:
        raise RuntimeError(f"{work.__name__}{given} failed")
    return json.loads(written) if code == 0 else None


def start(work, *given) -> int:
    """Start work in a fork, and return its process."""
    child = os.fork()
    if child == 0:
        try:
            with redirect_stdout(StringIO()):
                work(*given)
        finally:
            os._exit(0)
    return child
