"""Asking somebody who takes his time: in threads that go on between two questions about a job.

The answers stay in memory until somebody collects them, so that nobody waits longer than he wants to. A process that
dies loses those that were not collected; their records are asked again by the next.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, wait

from bedrock_local.batch.jobs import Place
from bedrock_local.batch.records import Outcome
from bedrock_local.inference import Responder
from bedrock_local.responders.concurrency import find_gate, identity_of
from bedrock_local.responders.process_state import PROCESS

Key = tuple[str, Place]


class Asker:
    """Asks one responder, as many questions at once as it takes.

    The threads are daemons, since an answer that takes minutes must not keep a process from its end, and each ends
    when nothing is left to ask.
    """

    def __init__(self, responder: Responder) -> None:
        # Held, so that no other responder gets its identity while this asker is found by it.
        self.responder, self.gate = responder, find_gate(responder)
        self._answers: dict[Key, Future[Outcome]] = {}
        self._calls: deque[tuple[Key, Future[Outcome], Callable[[], Outcome]]] = deque()
        self._threads, self._lock = 0, threading.Lock()

    def ask(self, key: Key, call: Callable[[], Outcome]) -> None:
        """Have a record answered as soon as a thread is free."""
        future = Future[Outcome]()
        with self._lock:
            self._answers[key] = future
            PROCESS.pools_with_answers.add(self)
            self._calls.append((key, future, call))
            if self._threads == self.gate.workers:
                return
            self._threads += 1
        threading.Thread(target=self._run, name="bedrock_local answer", daemon=True).start()

    def was_asked(self, key: Key) -> bool:
        """Tell whether a record is being answered, or its answer waits to be collected."""
        return key in self._answers

    def list_ready(self, job_id: str) -> list[Place]:
        """List the records of a job whose answers wait to be collected."""
        with self._lock:
            return [place for (job, place), future in self._answers.items() if job == job_id and future.done()]

    def collect(self, key: Key) -> Outcome:
        """Hand over an answer that is ready, once; an error that the answer raised is raised here."""
        return self._drop([key])[0].result()

    def list_out(self) -> list[Future[Outcome]]:
        """List the answers that are not ready."""
        with self._lock:
            return [future for future in self._answers.values() if not future.done()]

    def wait(self, keys: Iterable[Key], seconds: float) -> bool:
        """Wait until one of the answers is ready, or for so long; tell whether one is."""
        return bool(wait([self._answers[key] for key in keys], max(0.0, seconds), FIRST_COMPLETED).done)

    def withdraw(self, job_id: str) -> None:
        """Take back the questions about a job that nobody has begun to answer."""
        self._drop([key for key, future in list(self._answers.items()) if key[0] == job_id and future.cancel()])

    def forget(self, job_id: str) -> None:
        """Drop what nobody will collect."""
        self._drop([key for key in list(self._answers) if key[0] == job_id])

    def _drop(self, keys: Iterable[Key]) -> list[Future[Outcome]]:
        with self._lock:
            dropped = [self._answers.pop(key) for key in keys if key in self._answers]
            if not self._answers:
                PROCESS.pools_with_answers.discard(self)
            return dropped

    def _run(self) -> None:
        while item := self._next():
            future, call = item
            try:
                future.set_result(call())
            except BaseException as error:
                future.set_exception(error)

    def _next(self) -> tuple[Future[Outcome], Callable[[], Outcome]] | None:
        with self._lock:
            while self._calls:
                key, future, call = self._calls.popleft()
                if self._answers.get(key) is future and future.set_running_or_notify_cancel():
                    return future, call
            self._threads -= 1
            return None


def find_asker(responder: Responder) -> Asker:
    """Give the one asker that this process has for a responder."""
    with PROCESS.lock:
        asker: Asker = PROCESS.pools.setdefault(identity_of(responder), Asker(responder))
        return asker


def list_ready(job_id: str) -> list[tuple[Asker, Place]]:
    """List the records of a job whose answers wait to be collected, whoever was asked."""
    return [(asker, place) for asker in list(PROCESS.pools_with_answers) for place in asker.list_ready(job_id)]


def withdraw_job(job_id: str) -> None:
    """Take back the questions about a job that is to end: what has not begun need not be paid for."""
    for asker in list(PROCESS.pools_with_answers):
        asker.withdraw(job_id)


def wait_for_answer(seconds: float) -> bool:
    """Wait until one more answer to any job is ready, or for so long; False when no question is out."""
    out = [future for asker in list(PROCESS.pools_with_answers) for future in asker.list_out()]
    if out:
        wait(out, max(0.0, seconds), FIRST_COMPLETED)
    return bool(out)


def forget_job(job_id: str) -> None:
    """Drop the answers to a job that has ended."""
    for asker in list(PROCESS.pools_with_answers):
        asker.forget(job_id)
