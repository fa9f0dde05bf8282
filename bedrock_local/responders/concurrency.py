"""Gates: a responder is asked as many questions at once as it takes, whoever asks, in batch and on demand."""

from __future__ import annotations

import inspect
import threading
from collections import deque
from types import TracebackType

from bedrock_local.inference import Responder
from bedrock_local.responders.process_state import PROCESS, Identity


class Gate:
    """Lets so many in at once, in the order in which they come: a batch in threads leaves no request outside."""

    def __init__(self, responder: Responder) -> None:
        # Held, so that no other responder gets its identity while this gate is found by it.
        self.responder = responder
        self.workers = self._free = max(1, int(getattr(responder, "workers", 1)))
        self._queue, self._lock = deque[threading.Event](), threading.Lock()

    def __enter__(self) -> None:
        with self._lock:
            if self._free:
                self._free -= 1
                return
            self._queue.append(turn := threading.Event())
        try:
            turn.wait()
        except BaseException:
            self._give_up(turn)
            raise

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        with self._lock:
            if self._queue:
                self._queue.popleft().set()
            else:
                self._free += 1

    def _give_up(self, turn: threading.Event) -> None:
        """Leave the queue, or hand on a turn that has just come."""
        with self._lock:
            is_waiting = turn in self._queue
            if is_waiting:
                self._queue.remove(turn)
        if not is_waiting:
            self.__exit__()


def find_gate(responder: Responder) -> Gate:
    """Give the one gate that this process has for a responder."""
    with PROCESS.lock:
        gate: Gate = PROCESS.semaphores.setdefault(identity_of(responder), Gate(responder))
        return gate


def identity_of(responder: Responder) -> Identity:
    """Tell a responder from others: a method is another object each time, though of the same."""
    if inspect.ismethod(responder):
        return id(responder.__self__), responder.__func__
    return id(responder), None
