"""Threads that ask a slow responder, and keep running between two requests about a job.

Answers stay in memory until they are collected, so a request returns in time although an answer is still out. A process
that dies loses what was not collected; the next process asks for these records again.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, wait

from bedrock_local.batch.jobs import RecordRef
from bedrock_local.batch.records import Outcome
from bedrock_local.inference import Responder
from bedrock_local.responders.concurrency import find_semaphore, identity_of
from bedrock_local.responders.process_state import PROCESS

Key = tuple[str, RecordRef]


class InferencePool:
    """A thread pool for one responder, with as many threads as the responder takes questions at once.

    The threads are daemons, since an answer that takes minutes must not keep a process from ending (those of
    `ThreadPoolExecutor` do), and each ends when no question is left.
    """

    def __init__(self, responder: Responder) -> None:
        # A reference, or another responder could get the id by which this pool is found.
        self.responder, self.semaphore = responder, find_semaphore(responder)
        self._answers: dict[Key, Future[Outcome]] = {}
        self._calls: deque[tuple[Key, Future[Outcome], Callable[[], Outcome]]] = deque()
        self._threads, self._lock = 0, threading.Lock()

    def submit(self, key: Key, call: Callable[[], Outcome]) -> None:
        """Queue the call that answers a record, and start a thread unless all of them run."""
        future = Future[Outcome]()
        with self._lock:
            self._answers[key] = future
            PROCESS.pools_with_answers.add(self)
            self._calls.append((key, future, call))
            if self._threads == self.semaphore.workers:
                return
            self._threads += 1
        threading.Thread(target=self._run, name="bedrock_local answer", daemon=True).start()

    def has(self, key: Key) -> bool:
        """Return whether a record was submitted and its answer is not collected yet."""
        return key in self._answers

    def list_ready(self, job_id: str) -> list[RecordRef]:
        """List the records of a job whose answers wait to be collected."""
        with self._lock:
            return [ref for (job, ref), future in self._answers.items() if job == job_id and future.done()]

    def collect(self, key: Key) -> Outcome:
        """Return an answer that is ready and forget it; an error that the call raised is raised here."""
        return self._drop([key])[0].result()

    def list_pending(self) -> list[Future[Outcome]]:
        """List the answers that are not ready."""
        with self._lock:
            return [future for future in self._answers.values() if not future.done()]

    def wait(self, keys: Iterable[Key], seconds: float) -> bool:
        """Wait until one of the answers is ready, at most so many seconds; return whether one is."""
        return bool(wait([self._answers[key] for key in keys], max(0.0, seconds), FIRST_COMPLETED).done)

    def cancel(self, job_id: str) -> None:
        """Drop the questions of a job that no thread has begun to ask."""
        self._drop([key for key, future in list(self._answers.items()) if key[0] == job_id and future.cancel()])

    def drop(self, job_id: str) -> None:
        """Drop all answers of a job, also those to come."""
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
                # A call stays in the queue when its answer is dropped, and the same key may have been submitted again.
                if self._answers.get(key) is future and future.set_running_or_notify_cancel():
                    return future, call
            self._threads -= 1
            return None


def find_pool(responder: Responder) -> InferencePool:
    """Return the one pool that this process has for a responder."""
    with PROCESS.lock:
        pool: InferencePool = PROCESS.pools.setdefault(identity_of(responder), InferencePool(responder))
        return pool


def list_ready(job_id: str) -> list[tuple[InferencePool, RecordRef]]:
    """List the records of a job whose answers wait to be collected, in the pools of all responders."""
    return [(pool, ref) for pool in list(PROCESS.pools_with_answers) for ref in pool.list_ready(job_id)]


def cancel_job(job_id: str) -> None:
    """Drop the questions of a job that is to end, as far as they are not begun: those need not be paid for."""
    for pool in list(PROCESS.pools_with_answers):
        pool.cancel(job_id)


def wait_for_answer(seconds: float) -> bool:
    """Wait until one more answer of any job is ready, at most so many seconds; return False when none is pending."""
    pending = [future for pool in list(PROCESS.pools_with_answers) for future in pool.list_pending()]
    if pending:
        wait(pending, max(0.0, seconds), FIRST_COMPLETED)
    return bool(pending)


def drop_answers(job_id: str) -> None:
    """Drop the answers of a job that has ended."""
    for pool in list(PROCESS.pools_with_answers):
        pool.drop(job_id)
