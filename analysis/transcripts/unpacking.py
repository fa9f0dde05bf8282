"""Unpack compressed files of calls, with one limit for all: a few bytes can stand for more than a memory holds."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from analysis.errors import CallsError

MOST_BYTES = 2 * 2**30  # of all compressed files of one reading, unpacked
MOST_TIMES = (
    100  # the bytes of a file; text and JSON shrink to a tenth or thirtieth, what is made to harm to a thousandth
)
FREE_BYTES = 64 * 2**20  # of a file, whatever its own size: as much as this harms nobody
SLICE_BYTES = 2**20  # that are unpacked at a time
GZIP = 31  # zlib's word for a window of 32 KiB in the format of gzip
YOURSELF = "unpack it yourself if you trust it: what is not compressed has no limit"


@dataclass
class Unpacking:
    """What the compressed files of one reading have unpacked to so far."""

    unpacked: int = 0

    def open(self, label: str, packed: int) -> PackedFile:
        """Begin to count the bytes of one file, which has so many bytes as it is."""
        return PackedFile(self, label, packed)


@dataclass
class PackedFile:
    """What one compressed file has unpacked to so far."""

    reading: Unpacking
    label: str
    packed: int
    unpacked: int = 0

    def add(self, size: int) -> None:
        """Count bytes that were unpacked, or raise a CallsError where they are too many."""
        self.unpacked += size
        self.reading.unpacked += size
        self.check()

    def check(self, more: int = 0) -> None:
        """Raise a CallsError if more bytes would be too many."""
        check_ratio(self.label, self.packed, self.unpacked + more)
        if self.reading.unpacked + more > MOST_BYTES:
            reason = f"more than {MOST_BYTES:,} bytes are unpacked with this file"
            raise CallsError(self.label, reason, f"read fewer at a time, or {YOURSELF}")


def check_ratio(label: str, packed: int, unpacked: int, *, cure: str = YOURSELF) -> None:
    """Raise a CallsError for a file that stands for very many times its own bytes."""
    if unpacked > max(FREE_BYTES, MOST_TIMES * packed):
        reason = f"unpacks to more than {MOST_TIMES} times its {packed:,} bytes, which text does not"
        raise CallsError(label, reason, cure)


def gunzip(content: bytes, into: PackedFile) -> bytes:
    """Unpack the members of a gzip file, a slice at a time.

    Raises
    ------
    CallsError
        It unpacks to more than the limit.
    EOFError, zlib.error
        It is not whole, or no gzip file.
    """
    pieces: list[bytes] = []
    rest = memoryview(content)
    while rest:
        rest = unpack_member(rest, into, pieces)
        # Zeros may follow, to fill a block of tape.
        rest = memoryview(bytes(rest).lstrip(b"\0")) if rest and not rest[0] else rest
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def unpack_member(packed: memoryview, into: PackedFile, pieces: list[bytes]) -> memoryview:
    """Append what a member of a gzip file unpacks to, and return what follows it."""
    unpacker = zlib.decompressobj(GZIP)
    start = 0
    while not unpacker.eof:
        given = packed[start : start + SLICE_BYTES]
        if not given:
            raise EOFError("the file ends within what is compressed")
        start += len(given)
        tail: bytes | memoryview = given
        while tail and not unpacker.eof:
            piece = unpacker.decompress(tail, FREE_BYTES)
            into.add(len(piece))
            pieces.append(piece)
            tail = unpacker.unconsumed_tail
    return packed[start - len(unpacker.unused_data) :]
