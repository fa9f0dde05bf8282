"""Local copies of objects, and the notes on them by which a damaged one is found without reading the whole ones."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from analysis.files import replace_when_whole

NOTES = ".copies.json"
BLOCK_BYTES = 2**20
# The clock of a file system may move in steps as long as this: a file that was changed less than one step before it
# was noted can be changed once more and show the same time.
STEP_NS = 20_000_000


class Copy(msgspec.Struct, frozen=True, kw_only=True):
    """What a local copy was when it was last read and compared.

    Attributes
    ----------
    etag
        S3's identifier of the object.
    computed
        The ETag that the content has by S3's rule; where S3 gives another, as for an object under a KMS key, what was
        downloaded is known by this one.
    part_bytes
        The size of a part, by which `computed` was reckoned; None for an object in one piece.
    bytes, modified_ns, changed_ns, inode
        Of the file. No program sets `changed_ns`: it moves with each change of content, name or times (on Windows it is
        when the file was made, so only its size and time tell a change there).
    noted_ns
        When this was noted, in nanoseconds since 1970.
    """

    etag: str
    computed: str
    part_bytes: int | None
    bytes: int
    modified_ns: int
    changed_ns: int
    inode: int
    noted_ns: int

    def is_unchanged(self, stat: os.stat_result) -> bool:
        """Whether a file cannot have changed since it was noted."""
        noted = (self.bytes, self.modified_ns, self.changed_ns, self.inode)
        is_same = noted == (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)
        return is_same and self.changed_ns + STEP_NS < self.noted_ns


def note_copy(path: Path, etag: str, computed: str, part_bytes: int | None) -> Copy:
    """Describe a copy whose content has just been read."""
    stat = path.stat()
    return Copy(
        etag=etag,
        computed=computed,
        part_bytes=part_bytes,
        bytes=stat.st_size,
        modified_ns=stat.st_mtime_ns,
        changed_ns=stat.st_ctime_ns,
        inode=stat.st_ino,
        noted_ns=time.time_ns(),
    )


def read_copies(folder: Path) -> dict[str, Copy]:
    """Read the notes on the copies in a folder, by name; none where they are missing or damaged."""
    try:
        return msgspec.json.decode((folder / NOTES).read_bytes(), type=dict[str, Copy])
    except (OSError, msgspec.DecodeError, ValueError):
        return {}


def write_copies(folder: Path, copies: Mapping[str, Copy]) -> None:
    """Write the notes on the copies in a folder; where that cannot be done, the copies are read again next time."""
    with suppress(OSError), replace_when_whole(folder / NOTES, flush=False) as unfinished:
        unfinished.write_bytes(msgspec.json.encode(copies))


def compute_etag(path: Path, part_bytes: int | None = None) -> str:
    """Compute the ETag that S3 gives to an object with a file's content; see `Etag`."""
    etag = Etag(part_bytes)
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            etag.update(block)
    return etag.text


class Etag:
    """The ETag that S3 gives to an object, computed while its content comes.

    The MD5 of the content; of an object that was uploaded in parts the MD5 of their MD5s, and how many they are. Not
    that of an object under a KMS key or in a directory bucket. Source: Amazon S3 API Reference, "Object".
    """

    def __init__(self, part_bytes: int | None = None) -> None:
        self._part_bytes, self._parts = part_bytes, list[bytes]()
        self._part, self._left = make_md5(), part_bytes or 0

    def update(self, block: bytes) -> None:
        """Add the next bytes of the content."""
        if self._part_bytes is None:
            self._part.update(block)
            return
        view = memoryview(block)
        while view:
            if not self._left:
                self._parts.append(self._part.digest())
                self._part, self._left = make_md5(), self._part_bytes
            self._part.update(view[: self._left])
            taken = min(self._left, len(view))
            view, self._left = view[taken:], self._left - taken

    @property
    def text(self) -> str:
        """The ETag of what has come, without its quotes."""
        if self._part_bytes is None:
            return self._part.hexdigest()
        parts = [*self._parts, self._part.digest()]
        return f"{make_md5(b''.join(parts)).hexdigest()}-{len(parts)}"


def make_md5(content: bytes = b"") -> hashlib._Hash:
    """Start an MD5, which here tells damage and not forgery."""
    return hashlib.md5(content, usedforsecurity=False)
