"""A turn at a job: who holds its lock works on it, until a deadline."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from bedrock_local import clock, jobs
from bedrock_local.emulator import Emulator
from bedrock_local.jobs import Job, Progress
from bedrock_local.settings import Settings


@dataclass(frozen=True)
class Turn:
    """A job under its lock, and until when (by `time.monotonic`) to work on it.

    Attributes
    ----------
    patience
        Until when to wait for answers while nothing else is to be done: others may have work meanwhile.
    """

    emulator: Emulator
    settings: Settings
    job: Job
    progress: Progress
    deadline: float
    patience: float = 0.0

    @property
    def folder(self) -> Path:
        """The emulator's folder."""
        return self.emulator.folder

    @property
    def is_over(self) -> bool:
        """Whether the time is used up."""
        return time.monotonic() >= self.deadline

    @property
    def is_patient(self) -> bool:
        """Whether there is time to wait for answers."""
        return time.monotonic() < self.patience

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
