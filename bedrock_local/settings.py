"""The settings of an emulator folder: its clock and its quotas, in a file that a person can edit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from bedrock_local.files import write_file

# Seconds that a status lasts at least. `realistic` adds up to the 8 minutes of a small job that
# "Monitor batch inference jobs" users report: about 5 in the queue, then a few of work.
PRESETS: dict[str, dict[str, float]] = {
    "instant": {"Submitted": 0.05, "Validating": 0.05, "Scheduled": 0.05, "InProgress": 0.0, "Stopping": 0.05},
    "realistic": {"Submitted": 60, "Validating": 60, "Scheduled": 180, "InProgress": 180, "Stopping": 30},
}

Waiting = Literal["Submitted", "Validating", "Scheduled", "InProgress", "Stopping"]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the emulator behaves in one folder.

    Attributes
    ----------
    clock
        Preset of the least time that each status lasts.
    seconds
        Seconds by status, in place of the preset's.
    factor
        How many times faster than the wall clock a job's time runs; timeouts run with it.
    work_seconds
        How long whoever asks for a job works on it.
    min_records, max_file_records, max_job_records, max_file_bytes, max_job_bytes
        Quotas of a job, "Amazon Bedrock endpoints and quotas" of 2026.
    """

    clock: Literal["instant", "realistic"] = "instant"
    seconds: dict[Waiting, Annotated[float, msgspec.Meta(ge=0)]] = {}
    factor: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    work_seconds: Annotated[float, msgspec.Meta(ge=0)] = 0.2
    min_records: int = 100
    max_file_records: int = 100_000
    max_job_records: int = 100_000
    max_file_bytes: int = 1_000_000_000
    max_job_bytes: int = 5_000_000_000

    def lasts(self, status: Waiting) -> float:
        """Seconds of the job's clock that a status lasts at least."""
        return self.seconds.get(status, PRESETS[self.clock][status])


def read_settings(folder: Path) -> Settings:
    """Read the settings of a folder; what the file does not name has its default."""
    path = folder / "settings.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=Settings)
    except FileNotFoundError:
        return Settings()
    except msgspec.DecodeError as error:
        raise ValueError(f"{path}: {error}; correct it, or delete the file for the defaults") from error


def write_settings(folder: Path, settings: Settings) -> None:
    """Write the settings of a folder for every process that uses it."""
    write_file(folder / "settings.json", msgspec.json.format(msgspec.json.encode(settings)) + b"\n")
