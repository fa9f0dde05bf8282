"""Files that are there whole or not at all, and locks between processes."""

from __future__ import annotations

import os
import secrets
import shutil
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
    """Write to a temporary name beside the file, then rename."""
    make_folders(path.parent)
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


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
