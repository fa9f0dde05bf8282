"""Events of jobs: one for each change of a status, as Bedrock puts them on EventBridge.

Source: Amazon Bedrock User Guide, "How EventBridge for Amazon Bedrock works".
"""

from __future__ import annotations

import threading
import time
import traceback
import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bedrock_local.batch import jobs
from bedrock_local.batch.jobs import Job, Progress, StateError
from bedrock_local.emulator import Emulator
from bedrock_local.protocol.job_status import UNFINISHED, JobStatus

DETAIL_TYPE = "Batch Inference Job State Change"
LOOK_SECONDS = 0.2
Event = dict[str, Any]


class JobEvents:
    """Finds the changes of status since it last looked, whichever process made them, and hands on an event of each.

    A status that came and went between two looks has its event too, in order.

    Parameters
    ----------
    emulator
        Its folder has the jobs; of all regions.
    put
        Called with each event.
    """

    def __init__(self, emulator: Emulator, put: Callable[[Event], None]) -> None:
        self._emulator, self._put = emulator, put
        self._lock, self._stopped = threading.Lock(), threading.Event()
        self._thread: threading.Thread | None = None
        self._known: set[str] = set()
        # Jobs by their ids, each with the status of its last event.
        self._unfinished: dict[str, tuple[Job, JobStatus | None]] = {}

    def start(self) -> None:
        """Look for changes from now on, in a thread; a second time does nothing."""
        with self._lock:
            if self._thread is None:
                self.begin()
                self._thread = threading.Thread(target=self._run, daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def begin(self) -> None:
        """Take the jobs as they are now: what has happened to them so far has no events."""
        folder = self._emulator.folder
        self._known = set(jobs.list_names(jobs.jobs_folder(folder)))
        for job in jobs.list_unfinished(folder):
            if not job.openai:
                self._unfinished[job.job_id] = job, list_statuses(folder, job)[-1]

    def look(self) -> None:
        """Hand on the events of all changes since the last look."""
        folder = self._emulator.folder
        # Not the markers of unfinished jobs: a job may begin and end between two looks.
        for job in jobs.find_jobs(folder, set(jobs.list_names(jobs.jobs_folder(folder))) - self._known):
            self._known.add(job.job_id)
            if not job.openai:
                self._unfinished[job.job_id] = job, None
        for job, last in list(self._unfinished.values()):
            # A job whose state cannot be read has no events, and keeps no other job from having them.
            with suppress(StateError):
                self._hand_on(job, last)

    def _hand_on(self, job: Job, last: JobStatus | None) -> None:
        statuses = list_statuses(self._emulator.folder, job)
        progress = jobs.read_progress(self._emulator.folder, job)
        # By the last one and not by their number: the clock of a job that is Stopping may reach further statuses.
        for status in statuses[statuses.index(last) + 1 :] if last else statuses:
            self._put(make_event(job, status, progress, self._emulator.now()))
        self._unfinished[job.job_id] = job, statuses[-1]
        if statuses[-1] not in UNFINISHED:
            del self._unfinished[job.job_id]

    def _run(self) -> None:
        while not self._stopped.wait(LOOK_SECONDS):
            try:
                self.look()
            except Exception:
                traceback.print_exc()
                time.sleep(1)


def list_statuses(folder: Path, job: Job) -> list[JobStatus]:
    """List the statuses that a job has had, in order."""
    # The stop first: a job that is stopped now may end before its progress is read, and never the other way round.
    is_stopped = jobs.stop_time(folder, job) is not None
    progress = jobs.read_progress(folder, job)
    reached = UNFINISHED[: UNFINISHED.index(progress.status) + 1]
    stopping: list[JobStatus] = ["Stopping"] if is_stopped or progress.end == "Stopped" else []
    return [*reached, *stopping, *([progress.end] if progress.end else [])]


def make_event(job: Job, status: JobStatus, progress: Progress, now: float) -> Event:
    """Make the event of a job that has come to a status, as targets of a rule get it; `time` in seconds since 1970."""
    account = job.arn.split(":")[4]
    message = progress.message if status == progress.end else None
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": DETAIL_TYPE,
        "source": "aws.bedrock",
        "account": account,
        "time": now,
        "region": job.region,
        "resources": [job.arn],
        "detail": {
            "version": "0.0",
            "accountId": account,
            "batchJobName": job.name,
            "batchJobArn": job.arn,
            "batchModelId": job.model_arn,
            "status": status,
            "failureMessage": message or "",
            "creationTime": write_moment(job.submitted),
        },
    }


def write_moment(seconds: float) -> str:
    """Write a moment as the sample event has it: `Aug 28, 2024, 10:47:53 PM`."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%b} {moment.day}, {moment.year}, {moment.hour % 12 or 12}:{moment:%M:%S %p}"
