"""A responder answers as many questions at once as it says, whether batch jobs or requests on demand ask them."""

from __future__ import annotations

import inspect
import threading
from collections import deque
from types import TracebackType

from bedrock_local.inference import Responder
from bedrock_local.responders.process_state import PROCESS, Identity


class FairSemaphore:
    """A semaphore that lets threads in by the order in which they came, so no batch in threads starves a request.

    With `threading.Semaphore` a newcomer may be let in before threads that wait.
    """

    def __init__(self, responder: Responder) -> None:
        # A reference, or another responder could get the id by which this semaphore is found.
        self.responder = responder
        self.workers = self._free = max(1, int(getattr(responder, "workers", 1)))
        self._queue, self._lock = deque[threading.Event](), threading.Lock()

    def __enter__(self) -> None:
        with self._lock:
            if self._free:
                self._free -= 1
                return
            self._queue.append(admitted := threading.Event())
        try:
            admitted.wait()
        except BaseException:
            self._give_up(admitted)
            raise

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        with self._lock:
            if self._queue:
                # The permit goes to the first in the queue and is never free, or a newcomer could take it.
                self._queue.popleft().set()
            else:
                self._free += 1

    def _give_up(self, admitted: threading.Event) -> None:
        """Leave the queue after an interrupt, or pass on a permit that came at the same moment."""
        with self._lock:
            is_waiting = admitted in self._queue
            if is_waiting:
                self._queue.remove(admitted)
        if not is_waiting:
            self.__exit__()


def find_semaphore(responder: Responder) -> FairSemaphore:
    """Return the one semaphore that this process has for a responder."""
    with PROCESS.lock:
        semaphore: FairSemaphore = PROCESS.semaphores.setdefault(identity_of(responder), FairSemaphore(responder))
        return semaphore


def identity_of(responder: Responder) -> Identity:
    """Return a key of a responder, the same each time also for a bound method, which is a new object each time."""
    if inspect.ismethod(responder):
        return id(responder.__self__), responder.__func__
    return id(responder), None
