"""The order in which records are answered: shuffled within a window that slides over the input.

The order depends on the input alone, so equal jobs have equal orders. The width of the window follows a real output,
whose 500 lines began with records 266, 144, 402, 127 and 371 (reward_hacking/bedrock_batch.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from bedrock_local.batch.input_validation import InvalidInputError, read_lines
from bedrock_local.batch.jobs import Job, Progress, RecordRef, input_path

WINDOW_RECORDS = 512
# Reading ahead opens the file, so the window is refilled when it is half empty, not after each record.
REFILL_BELOW = WINDOW_RECORDS // 2


def next_record(folder: Path, job: Job, progress: Progress, *, taken: int) -> RecordRef:
    """Remove the next of the waiting records, number `taken` from 0, and return it; read ahead when few wait."""
    waiting = progress.waiting
    if len(waiting) < REFILL_BELOW:
        waiting += islice(read_refs(folder, job, progress), WINDOW_RECORDS - len(waiting))
    if not waiting:
        raise InvalidInputError(f"The input files have fewer records than the {progress.total} that were validated")
    return waiting.pop(choose_index(progress, taken=taken, among=len(waiting)))


def read_refs(folder: Path, job: Job, progress: Progress) -> Iterator[RecordRef]:
    """Yield the records that are not read yet, and move the progress to the next line with each."""
    while progress.file < len(progress.files):
        with input_path(folder, job, progress.file).open("rb") as lines:
            lines.seek(progress.offset)
            for line in read_lines(lines):
                ref = RecordRef(progress.file, progress.offset, progress.line + 1)
                progress.offset, progress.line = progress.offset + len(line), progress.line + 1
                if line.strip():
                    yield ref
        progress.file, progress.offset, progress.line = progress.file + 1, 0, 0


def choose_index(progress: Progress, *, taken: int, among: int) -> int:
    """Return which of the waiting records is the next, when so many were taken before."""
    # A digest and not `random`: another process, which knows only the progress, has to go on with the same order.
    first = progress.files[0]
    content = f"{first.name} {first.size} {len(progress.files)} {taken}"
    return int.from_bytes(hashlib.blake2b(content.encode(), digest_size=8).digest(), "big") % among


def read_line(folder: Path, job: Job, ref: RecordRef) -> bytes:
    """Read the line of a record."""
    with input_path(folder, job, ref.file).open("rb") as lines:
        lines.seek(ref.offset)
        return next(read_lines(lines), b"")
