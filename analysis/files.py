"""Files that appear whole: written under a temporary name, flushed to the disk, then renamed.

And what no file in UTF-8 can hold: lone surrogates, halves of a UTF-16 pair, which JSON can escape.
"""

from __future__ import annotations

import errno
import os
import platform
import re
import secrets
import shutil
import stat
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

from analysis.errors import AnalysisError, StorageError, describe_passed, show_name, show_path

ABANDONED_S = 3600  # without a change, after which an unfinished file is taken for one of a killed process
AGAIN = "then do the same again: what was written is used, and nothing is sent twice"
ROOM = f"free some space on that disk, {AGAIN}"
RIGHTS = f"give this user the right to read and write there, {AGAIN}"
LONGEST_PATH = 255  # characters of a path that is shown whole
FILE_CURES = {
    errno.ENOSPC: ROOM,
    errno.EDQUOT: ROOM,
    errno.EACCES: RIGHTS,
    errno.EPERM: RIGHTS,
    errno.EROFS: f"that disk can only be read: move the folder to another one, {AGAIN}",
    errno.ENAMETOOLONG: "use a shorter name, or a folder with a shorter path",
}
WRITER = re.compile(r"\.(?P<host>[0-9a-f]{8})-(?P<process>[0-9]+)-[0-9a-f]+\.part$")
READ_WRITE = 0o666  # what a file may have that is not a program
LOCK = "draft.lock"
LONE = re.compile("[\ud800-\udfff]")  # in Python a pair is one character, so what is found is alone
ESCAPED = re.compile(rb"\\u[dD][89a-fA-F]")
SURROGATE_CURE = "write U+FFFD (\\ufffd) in its place"
DRAFT = ".draft"  # what the names of unfinished folders end with


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
    make_folder(path.parent)
    unfinished = name_unfinished(path)
    try:
        yield unfinished
        share_like_folder(unfinished)
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
    """Make up a hidden name beside a file that no other process writes to; it tells which process writes."""
    return path.with_name(f".{path.name}.{name_host()}-{os.getpid()}-{secrets.token_hex(4)}.part")


def name_host() -> str:
    """Return a short name of this machine, for names of files."""
    return f"{zlib.crc32(platform.node().encode()):08x}"


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


def check_path(where: object) -> None:
    """Raise an error for what is neither a text nor a path."""
    if not isinstance(where, str | os.PathLike):
        cure = "pass a file or folder as text or Path, or an s3:// address"
        raise StorageError("path", f"{describe_passed(where)} is not a path", cure)


def make_private(folder: Path, above: Path) -> None:
    """Let the user alone use a folder and all below it and, where `above` lets its group write, the group as well."""
    mode = stat.S_IRWXU | group_bits(above)
    for path in [folder, *folder.rglob("*")]:
        path.chmod(mode if path.is_dir() else mode & READ_WRITE)


def group_bits(folder: Path) -> int:
    """Return what the group may do with a folder that a team shares; 0 for any other, such as `/tmp`."""
    mode = stat.S_IMODE(folder.stat().st_mode)
    return mode & stat.S_IRWXG if mode & stat.S_IWGRP and not mode & stat.S_IWOTH else 0


def share_like_folder(path: Path) -> None:
    """Let nobody use a new file or folder who may not use its folder, and let a team use it that shares its folder."""
    with suppress(OSError):  # a file system without permissions
        bits = stat.S_IRWXG if path.is_dir() else READ_WRITE & stat.S_IRWXG
        mode = stat.S_IMODE(path.stat().st_mode) & stat.S_IMODE(path.parent.stat().st_mode)
        path.chmod(mode | (group_bits(path.parent) & bits))


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, each with the permissions of the one above."""
    if not folder.exists():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        share_like_folder(folder)


def open_to_append(path: Path) -> BinaryIO:
    """Open a file to add to its end; one that is made now gets the permissions of its folder."""
    is_new = not path.exists()
    file = path.open("ab")
    if is_new:
        share_like_folder(path)
    return file


@contextmanager
def make_draft(folder: Path, prefix: str) -> Iterator[Path]:
    """Make a hidden folder in another one, and delete it and what is still in it at the end."""
    from filelock import FileLock

    # The system lets go of the lock when the process is killed, by which others see that nobody needs the draft.
    with TemporaryDirectory(prefix=f".{prefix}-", suffix=DRAFT, dir=folder) as draft, FileLock(Path(draft) / LOCK):
        yield Path(draft)


def sweep_drafts(folder: Path, prefix: str = "") -> None:
    """Delete the drafts in a folder whose process was killed; in a folder that is not ours, those with a prefix."""
    from filelock import FileLock, Timeout

    for draft in folder.glob(f".{prefix}*{DRAFT}"):
        # One without a lock may have been made a moment ago.
        if (draft / LOCK).exists() or is_abandoned(draft):
            with suppress(OSError, Timeout), FileLock(draft / LOCK, timeout=0):
                shutil.rmtree(draft)


def sweep_parts(folder: Path) -> None:
    """Delete the temporary files below a folder whose process has ended, or that nobody wrote to for an hour."""
    for path in folder.rglob(".*.part"):
        found = WRITER.search(path.name)
        is_over = found is not None and found["host"] == name_host() and not is_running(int(found["process"]))
        if is_over or is_abandoned(path):
            path.unlink(missing_ok=True)  # another process may sweep as well


def is_running(process: int) -> bool:
    """Return whether a process of this machine runs; True where that is not known."""
    if os.name != "posix":
        return True  # there os.kill would end it
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # another user's
    return True


def is_abandoned(path: Path) -> bool:
    """Return whether nobody has changed a file or folder for an hour."""
    with suppress(OSError):
        return path.stat().st_mtime < time.time() - ABANDONED_S
    return False


@contextmanager
def explain_file_errors() -> Iterator[None]:
    """Convert what a user's file system can refuse to a StorageError with a cure; also a decorator of functions.

    Raises
    ------
    StorageError
        The disk is full, or a file may not be read or written, or has a name that is too long.
    """
    try:
        yield
    except AnalysisError:
        raise
    except Exception as error:  # polars has classes of its own
        number = find_errno(error)
        if number not in FILE_CURES:
            raise
        where = getattr(error, "filename", None)
        raise StorageError(show_place(where), os.strerror(number).lower(), FILE_CURES[number]) from error


def show_place(where: object) -> str:
    """Format the file that an error is about; one whose name is too long would fill the screen."""
    if not where:
        return "a file of the run"
    return show_path(where) if len(str(where)) <= LONGEST_PATH else show_name(where)


def find_errno(error: Exception) -> int:
    """Return the number of an operating system's error, which polars and pyarrow write into the text; 0 for others."""
    number = error.errno if isinstance(error, OSError) else None
    found = re.search(r"os error (\d+)", str(error))
    return number or (int(found[1]) if found else 0)


def has_lone_surrogates(text: str) -> bool:
    """Return whether a text cannot be encoded as UTF-8."""
    return not text.isascii() and LONE.search(text) is not None


def replace_lone_surrogates(text: str) -> str:
    """Replace each lone surrogate by U+FFFD."""
    return LONE.sub("\ufffd", text)


def has_escaped_surrogates(json: bytes) -> bool:
    """Return whether JSON has an escaped surrogate, alone or as part of a pair."""
    return ESCAPED.search(json) is not None
