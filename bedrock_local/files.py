"""Files that are written whole or not at all, and private to their owner."""

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

READ_BYTES = 1 << 16


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
    # In the same folder: a rename is atomic only within one file system.
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
    """Flush the names in a folder to disk; some systems cannot, and do so by themselves a little later."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def restrict_to_owner(path: Path) -> None:
    """Remove the permissions of group and others; where somebody else owns the path, leave it as it is."""
    if path.stat().st_mode & 0o077:
        with suppress(PermissionError):
            path.chmod(path.stat().st_mode & 0o700)


def delete_old(paths: Iterable[Path], age_s: float) -> None:
    """Delete files that have not changed for so many seconds: a process that was killed left them."""
    for path in paths:
        # Not mtime: a temporary name may be a second link to an older file, and has that file's mtime.
        with suppress(OSError):  # another process was first, or it belongs to another user
            if time.time() - path.stat().st_ctime > age_s:
                path.unlink()


def read_file(path: str | Path) -> bytes:
    """Read a small file with as few calls of the system as there can be; threads wait for each other at every one."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        content = os.read(descriptor, READ_BYTES)
        pieces = [content]
        # A read that is not full was the last one.
        while len(content) == READ_BYTES:
            content = os.read(descriptor, READ_BYTES)
            pieces.append(content)
        return b"".join(pieces)
    finally:
        os.close(descriptor)


def write_json(path: Path, value: Any, *, flush: bool = True) -> None:
    """Write a struct or a dictionary as JSON, as `write_file` does."""
    write_file(path, msgspec.json.encode(value), flush=flush)


def link_file(source: Path, target: Path) -> None:
    """Give a file a second name, so that its content stays when the first is replaced."""
    make_folders(target.parent)
    with temporary_path(target.parent) as temporary:
        # Where the target is a link to the source already, rename does nothing, and the context deletes the other link.
        link_or_copy(source, temporary)
        temporary.replace(target)


def link_or_copy(source: Path, target: Path) -> None:
    """Give a file a second name that does not exist, or copy it where the file system has no second names."""
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError:
        shutil.copy2(source, target)
