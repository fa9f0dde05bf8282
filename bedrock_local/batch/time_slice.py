"""The time that one process works on one job: under the job's lock, until a deadline."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bedrock_local.batch import clock, jobs
from bedrock_local.batch.jobs import Job, Progress
from bedrock_local.emulator import Emulator
from bedrock_local.settings import Settings

Wait = Literal["long", "briefly"]


@dataclass(frozen=True)
class TimeSlice:
    """A job whose lock this thread holds, and the deadline, by `time.monotonic`.

    Attributes
    ----------
    waits
        How long to wait for answers of a slow responder: `long`, up to the deadline; or `briefly`, as long as one
        answer follows another, since other jobs are to have their time slices too.
    """

    emulator: Emulator
    settings: Settings
    job: Job
    progress: Progress
    deadline: float
    waits: Wait = "briefly"

    @property
    def folder(self) -> Path:
        """The emulator's folder."""
        return self.emulator.folder

    @property
    def is_over(self) -> bool:
        """Whether the deadline has passed."""
        return time.monotonic() >= self.deadline

    def save(self) -> None:
        """Write the progress to the job's folder."""
        self.progress.changed = self.emulator.now()
        jobs.save_progress(self.folder, self.job, self.progress)

    def update_status(self) -> None:
        """Move the status as far as clock and work allow, and save it if it has changed."""
        status = clock.find_status(self.progress, self.settings, self.emulator.now())
        if status != self.progress.status:
            self.progress.status = status
            self.save()
