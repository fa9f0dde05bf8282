"""What every part of the emulator works on: a folder, a region, a clock and somebody who answers."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bedrock_local.answers import Answerer, Question, Reply, extract
from bedrock_local.errors import ServiceError
from bedrock_local.settings import Settings, read_settings, write_settings

ACCOUNT = "123456789012"


@dataclass(frozen=True)
class Emulator:
    """One account in one region, in a folder.

    Attributes
    ----------
    folder
        Holds `settings.json`, the buckets in `s3`, and `state`.
    answer
        Makes the reply to a question; the one that the folder's settings name when missing.
    now
        Seconds since 1970.
    """

    folder: Path
    region: str = "us-east-1"
    answer: Answerer | None = None
    now: Callable[[], float] = time.time

    @property
    def settings(self) -> Settings:
        """The settings as they are in the folder now."""
        return read_settings(self.folder)

    def ask(self, question: Question) -> Reply:
        """Have a question answered; an answerer that fails is a model that fails."""
        try:
            return (self.answer or extract)(question)
        except ServiceError:
            raise
        except Exception as error:
            reason = f"The answerer failed: {type(error).__name__}: {error}"
            raise ServiceError("ModelErrorException", reason) from error

    def arn(self, resource: str) -> str:
        """Name a resource of this account."""
        return f"arn:aws:bedrock:{self.region}:{ACCOUNT}:{resource}"


def make_folder(folder: Path, settings: Settings | None = None) -> Path:
    """Make the folder, for its owner only, unless it is there; given settings replace the folder's."""
    folder = folder.expanduser().absolute()
    # `parents` would make the last folder alone with this mode, so what lies in it has the mode too.
    for path in (folder, folder / "s3", folder / "state"):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if settings is not None or not (folder / "settings.json").exists():
        write_settings(folder, settings or Settings())
    return folder
