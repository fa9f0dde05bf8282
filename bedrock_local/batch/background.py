"""Work that nobody has to ask for: all unfinished jobs in turn, until told to stop or until there is none."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bedrock_local.batch import jobs, quota_queue
from bedrock_local.batch.inference_pool import wait_for_answer
from bedrock_local.batch.jobs import Job
from bedrock_local.batch.lifecycle import work_alone
from bedrock_local.emulator import Emulator
from bedrock_local.protocol.errors import SettingsError
from bedrock_local.settings import report_once

TURN_SECONDS = 0.2
SHORTEST_PAUSE, LONGEST_PAUSE = 0.05, 1.0  # seconds


class Rounds:
    """Rounds of work over a folder's jobs; those that have ended, and those whose slot is far, are not looked at."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator

    def unfinished(self) -> list[Job]:
        """List the jobs that have not ended, oldest first."""
        return jobs.list_unfinished(self._emulator.folder)

    def work(self) -> bool:
        """Give each job a turn; False when all of them wait, for their clocks or for other processes.

        Answers are waited for when nothing else is left to do, so that a slow model holds up no job that needs none.
        What a job raises holds up no other: it is raised once nothing is left to do.
        """
        emulator, is_busy, failures = self._emulator, False, list[Exception]()
        for job in quota_queue.list_due(emulator.folder, emulator.settings, emulator.now()):
            try:
                is_busy |= work_alone(job, emulator, time.monotonic() + TURN_SECONDS)
            except Exception as error:
                failures.append(error)
        is_busy = is_busy or wait_for_answer(TURN_SECONDS)
        if failures and not is_busy:
            raise failures[0]
        return is_busy


@contextmanager
def work_in_background(emulator: Emulator) -> Iterator[Callable[[], None]]:
    """Work in a thread until the block ends; what is given wakes it, when there is something new."""
    woken, stopped = threading.Event(), threading.Event()
    thread = threading.Thread(target=work_until, args=(emulator, woken, stopped), daemon=True)
    thread.start()
    try:
        yield woken.set
    finally:
        stopped.set()
        woken.set()
        # It may be waiting for a slow model; what it has not written, another process will.
        thread.join(LONGEST_PAUSE)


def work_until(emulator: Emulator, woken: threading.Event, stopped: threading.Event) -> None:
    """Work in rounds, with longer and longer pauses while nothing moves."""
    rounds, pause, said = Rounds(emulator), SHORTEST_PAUSE, ""
    while not stopped.is_set():
        try:
            is_busy = rounds.work()
        except Exception as error:
            # Settings or files that cannot be read are for a person to mend, who is told once.
            if isinstance(error, SettingsError):
                report_once(error)
            elif said != (said := str(error)):
                traceback.print_exc()
            is_busy, pause = False, LONGEST_PAUSE
        if is_busy or woken.wait(pause):
            woken.clear()
            pause = SHORTEST_PAUSE
        else:
            pause = min(LONGEST_PAUSE, 2 * pause)


def work_off(
    emulator: Emulator, say: Callable[[list[Job]], None], *, sleep: Callable[[float], None] = time.sleep
) -> list[Job]:
    """Work until every job has ended, and tell now and then which have not; gives those that there were."""
    rounds, next_word = Rounds(emulator), 0.0
    found = unfinished = rounds.unfinished()
    while unfinished:
        # To say how a thousand jobs stand takes longer than a round may.
        if time.monotonic() >= next_word:
            say(unfinished)
            next_word = time.monotonic() + TURN_SECONDS
        if not rounds.work():
            sleep(SHORTEST_PAUSE)
        unfinished = rounds.unfinished()
    return found
