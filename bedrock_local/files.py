"""Files that are there whole or not at all, and locks between processes."""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec


def make_folders(path: Path) -> None:
    """Make a folder and those above it, however deep: `mkdir` goes down by calling itself."""
    missing = []
    while not path.is_dir():
        missing.append(path)
        path = path.parent
    for folder in reversed(missing):
        folder.mkdir(exist_ok=True)


def write_file(path: Path, content: bytes) -> None:
    """Write to a temporary name beside the file, for its owner only, then rename."""
    make_folders(path.parent)
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


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


def write_json(path: Path, value: Any) -> None:
    """Write a struct or a dictionary as JSON, whole or not at all."""
    write_file(path, msgspec.json.encode(value))


def link_file(source: Path, target: Path) -> None:
    """Give a file a second name, so that its content stays when the first is replaced."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        # Some file systems have no second names.
        shutil.copy2(source, target)
