"""Files that appear whole: written under a temporary name, flushed to the disk, then renamed."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def replace_when_whole(path: Path, *, flush: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside `path`, and rename what was written there once the block ends without an error.

    Parameters
    ----------
    path
        The file to be made or replaced; its folder is made where it is missing.
    flush
        Whether file and folder are flushed to the disk, so that a computer that loses its power keeps the old file or
        the new one. Without it the name may be there before the content: enough for what can be made again.

    Raises
    ------
    OSError
        The file cannot be written; nothing is left under the temporary name.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = name_unfinished(path)
    try:
        yield unfinished
        if flush:
            flush_path(unfinished)
        unfinished.replace(path)
        if flush:
            flush_path(path.parent)
    except BaseException:
        with suppress(OSError):
            unfinished.unlink()
        raise


def name_unfinished(path: Path) -> Path:
    """Make up a hidden name beside a file that no other process writes to."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")


def flush_path(path: Path) -> None:
    """Flush a file, or the names in a folder, to the disk."""
    with suppress(PermissionError):  # Windows opens no folder
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def flush_folder(folder: Path) -> None:
    """Flush a folder and all files below it to the disk."""
    for path in [*folder.rglob("*"), folder]:
        flush_path(path)
