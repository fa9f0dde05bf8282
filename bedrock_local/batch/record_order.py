"""In which order records are answered: shuffled within a window that slides over the input.

The order depends on the input alone, so the same job always has the same. Its width is after a real output, whose
500 lines began with records 266, 144, 402, 127 and 371 (reward_hacking/bedrock_batch.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from bedrock_local.batch.input_validation import InvalidInputError, read_lines
from bedrock_local.batch.jobs import Job, Place, Progress, input_path

WINDOW_RECORDS = 512
FEW_RECORDS = WINDOW_RECORDS // 2


def take_place(folder: Path, job: Job, progress: Progress, *, taken: int) -> Place:
    """Take the next record out of those that wait, after so many others; read ahead when few wait."""
    waiting = progress.waiting
    if len(waiting) < FEW_RECORDS:
        waiting += islice(read_places(folder, job, progress), WINDOW_RECORDS - len(waiting))
    if not waiting:
        raise InvalidInputError(f"The input files have fewer records than the {progress.total} that were validated")
    return waiting.pop(choose_slot(progress, taken=taken, among=len(waiting)))


def read_places(folder: Path, job: Job, progress: Progress) -> Iterator[Place]:
    """Go through the records that are not read yet, and keep in the progress where the next line is."""
    while progress.file < len(progress.files):
        with input_path(folder, job, progress.file).open("rb") as lines:
            lines.seek(progress.offset)
            for line in read_lines(lines):
                place = Place(progress.file, progress.offset, progress.line + 1)
                progress.offset, progress.line = progress.offset + len(line), progress.line + 1
                if line.strip():
                    yield place
        progress.file, progress.offset, progress.line = progress.file + 1, 0, 0


def choose_slot(progress: Progress, *, taken: int, among: int) -> int:
    """Choose which of the records that wait is the next, when so many were taken before."""
    first = progress.files[0]
    content = f"{first.name} {first.size} {len(progress.files)} {taken}"
    return int.from_bytes(hashlib.blake2b(content.encode(), digest_size=8).digest(), "big") % among


def read_line(folder: Path, job: Job, place: Place) -> bytes:
    """Read the line of a record."""
    with input_path(folder, job, place.file).open("rb") as lines:
        lines.seek(place.offset)
        return next(read_lines(lines), b"")
