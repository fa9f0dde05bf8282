"""Files that are there whole or not at all, and locks between processes."""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec


def make_folders(path: Path) -> list[Path]:
    """Make a folder and those above it, however deep (`mkdir` calls itself for each); return those that are new."""
    missing = []
    while not path.is_dir():
        missing.append(path)
        path = path.parent
    for folder in reversed(missing):
        folder.mkdir(exist_ok=True)
    return missing


@contextmanager
def temporary_path(folder: Path) -> Iterator[Path]:
    """Yield a new name in a folder for a file that is renamed when it is whole; what is still there is deleted."""
    path = folder / f".{secrets.token_hex(8)}.tmp"
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def write_file(path: Path, content: bytes, *, flush: bool = True) -> None:
    """Write a file for its owner only, whole or not at all: under a temporary name, then rename.

    Without `flush` that holds for a process that dies, but not for a power loss, after which the file may be empty.
    """
    new_folders = make_folders(path.parent)
    with temporary_path(path.parent) as temporary:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            if flush:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    if flush:
        for folder in (path.parent, *(each.parent for each in new_folders)):
            flush_folder(folder)


def flush_folder(folder: Path) -> None:
    """Write the names in a folder to disk; where a system cannot, they come there by themselves a little later."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def close_path(path: Path) -> None:
    """Take the rights of others on a file or folder away; its owner can, and nobody else has to."""
    if path.stat().st_mode & 0o077:
        with suppress(PermissionError):
            path.chmod(path.stat().st_mode & 0o700)


def drop_old(paths: Iterable[Path], age_s: float) -> None:
    """Delete files that nothing has been done to for so long: a process that was killed left them."""
    for path in paths:
        # The moment of the last change would be that of the file to which a temporary name was given as a second one.
        with suppress(OSError):  # another process was first, or it is somebody else's
            if time.time() - path.stat().st_ctime > age_s:
                path.unlink()


def write_json(path: Path, value: Any, *, flush: bool = True) -> None:
    """Write a struct or a dictionary as JSON, as `write_file` does."""
    write_file(path, msgspec.json.encode(value), flush=flush)


def link_file(source: Path, target: Path) -> None:
    """Give a file a second name, so that its content stays when the first is replaced."""
    make_folders(target.parent)
    with temporary_path(target.parent) as temporary:
        link_or_copy(source, temporary)
        temporary.replace(target)


def link_or_copy(source: Path, target: Path) -> None:
    """Give a file a second name that does not exist, or copy it where the file system has no second names."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
