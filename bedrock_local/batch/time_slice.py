"""A turn at a job: who holds its lock works on it, until a deadline."""

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
class Turn:
    """A job under its lock, and until when (by `time.monotonic`) to work on it.

    Attributes
    ----------
    waits
        For answers: `long`, up to the deadline; or `briefly`, as long as one comes after the other, since other jobs
        have their turns too.
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
        """Whether the time is used up."""
        return time.monotonic() >= self.deadline

    def save(self) -> None:
        """Keep how far the work has come."""
        self.progress.changed = self.emulator.now()
        jobs.save_progress(self.folder, self.job, self.progress)

    def advance(self) -> None:
        """Let the status be as far as clock and work allow."""
        status = clock.find_status(self.progress, self.settings, self.emulator.now())
        if status != self.progress.status:
            self.progress.status = status
            self.save()
