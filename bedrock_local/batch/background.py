"""Work on jobs without a request: all unfinished jobs in turn, in a thread or until none is left."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bedrock_local.batch import jobs, quota_queue
from bedrock_local.batch.inference_pool import wait_for_answer
from bedrock_local.batch.jobs import Job
from bedrock_local.batch.lifecycle import try_advance
from bedrock_local.emulator import Emulator
from bedrock_local.protocol.errors import SettingsError
from bedrock_local.settings import report_once

SLICE_SECONDS = 0.2
SHORTEST_PAUSE, LONGEST_PAUSE = 0.05, 1.0  # seconds


def run_round(emulator: Emulator) -> bool:
    """Advance each job that has a slot, or is next for one; return False when all of them wait.

    Answers are waited for when nothing else is left to do, so that a slow model delays no job that needs no answer.
    An error of one job does not stop the others: it is raised once nothing is left to do.
    """
    is_busy, failures = False, list[Exception]()
    for job in quota_queue.list_due(emulator.folder, emulator.settings, emulator.now()):
        try:
            is_busy |= try_advance(job, emulator, time.monotonic() + SLICE_SECONDS)
        except Exception as error:
            failures.append(error)
    is_busy = is_busy or wait_for_answer(SLICE_SECONDS)
    if failures and not is_busy:
        raise failures[0]
    return is_busy


@contextmanager
def run_in_background(emulator: Emulator) -> Iterator[Callable[[], None]]:
    """Work in a thread until the block ends; yields a function that wakes the thread when there is new work."""
    woken, stopped = threading.Event(), threading.Event()
    thread = threading.Thread(target=run_until_stopped, args=(emulator, woken, stopped), daemon=True)
    thread.start()
    try:
        yield woken.set
    finally:
        stopped.set()
        woken.set()
        # The thread may be waiting for a slow model; what it has not written, another process will write.
        thread.join(LONGEST_PAUSE)


def run_until_stopped(emulator: Emulator, woken: threading.Event, stopped: threading.Event) -> None:
    """Run rounds until stopped, with a pause that doubles while no job advances."""
    pause, printed = SHORTEST_PAUSE, ""
    while not stopped.is_set():
        try:
            is_busy = run_round(emulator)
        except Exception as error:
            # A person has to correct settings or files that cannot be read: print that once, not in every round.
            if isinstance(error, SettingsError):
                report_once(error)
            elif str(error) != printed:
                printed = str(error)
                traceback.print_exc()
            is_busy, pause = False, LONGEST_PAUSE
        if is_busy or woken.wait(pause):
            woken.clear()
            pause = SHORTEST_PAUSE
        else:
            pause = min(LONGEST_PAUSE, 2 * pause)


def run_until_done(
    emulator: Emulator, report: Callable[[list[Job]], None], *, sleep: Callable[[float], None] = time.sleep
) -> list[Job]:
    """Work until every job has ended, and report now and then which have not; return the jobs of the beginning."""
    next_report = 0.0
    found = unfinished = jobs.list_unfinished(emulator.folder)
    while unfinished:
        # Not after each round, as describing a thousand jobs takes longer than a round.
        if time.monotonic() >= next_report:
            report(unfinished)
            next_report = time.monotonic() + SLICE_SECONDS
        if not run_round(emulator):
            sleep(SHORTEST_PAUSE)
        unfinished = jobs.list_unfinished(emulator.folder)
    return found
