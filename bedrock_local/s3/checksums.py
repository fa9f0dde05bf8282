"""Write bodies of requests to disk: decode aws-chunked, count, and check length and checksums.

Sources: Amazon S3 API Reference, "Signature calculations: transferring payload in multiple chunks" and
"Checking object integrity".
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from queue import Queue
from typing import Any, BinaryIO, Protocol, Self

from bedrock_local.protocol.errors import ServiceError, incomplete_body
from bedrock_local.protocol.messages import CHUNK_BYTES, Request, chunks

HASHED = {"sha1": hashlib.sha1, "sha256": hashlib.sha256, "sha512": hashlib.sha512}
MOST_BYTES = 5 << 30  # "Uploading objects": of one request; larger objects come in parts
MOST_WAITING = 8  # pieces that have arrived and are not hashed yet
LENGTH = re.compile("[0-9]{1,18}")
HEX = re.compile(rb"[0-9A-Fa-f]{1,16}")
KNOWN = ("crc32", "crc32c", "crc64nvme", "sha1", "sha256", "sha512", "md5", "xxhash64", "xxhash3", "xxhash128")


class Digest(Protocol):
    """The methods of hashlib's objects that are used here; `Crc` has them too."""

    def update(self, content: bytes, /) -> None:
        """Add some bytes."""

    def digest(self) -> bytes:
        """Return the digest of all bytes so far."""


class Crc:
    """A cyclic redundancy check as a digest."""

    def __init__(self, add: Callable[[bytes, int], int], size: int) -> None:
        self._add, self._size, self._value = add, size, 0

    def update(self, content: bytes, /) -> None:
        """Add some bytes."""
        self._value = self._add(content, self._value)

    def digest(self) -> bytes:
        """Return the value as bytes, most significant first."""
        return self._value.to_bytes(self._size, "big")


@dataclass(frozen=True)
class Received:
    """A body that has been written to a temporary file."""

    path: Path
    size: int
    modified_ns: int
    md5: bytes
    checksums: Mapping[str, str]

    @property
    def etag(self) -> str:
        """The MD5 in hexadecimal, which is the ETag of an object that was uploaded in one piece."""
        return self.md5.hex()


def receive(request: Request, path: Path) -> Received:
    """Write the body of a request to a new file, and check its length and checksums."""
    trailers: dict[str, str] = {}
    # Refused by its header, before a byte is read.
    check_length(announced_length(request.headers) or 0)
    pieces = plain_chunks(request.body, trailers) if is_wrapped(request) else chunks(request.body)
    algorithms = {name for name in KNOWN if f"x-amz-checksum-{name}" in request.headers}
    algorithms |= {name.removeprefix("x-amz-checksum-") for name in request.headers.get("x-amz-trailer", "").split(",")}
    received = write_chunks(bounded(pieces), path, algorithms)
    promised = dict(request.headers) | trailers
    check_size(received, promised)
    return check_sums(received, promised, algorithms)


def write_chunks(pieces: Iterator[bytes], path: Path, algorithms: set[str]) -> Received:
    """Write pieces to a new file, and compute its MD5 and the other digests on the way."""
    md5 = hashlib.md5(usedforsecurity=False)
    digests = {name: digest for name in algorithms if (digest := make_digest(name))}
    with path.open("wb") as target, Hashing([md5, *digests.values()]) as hashing:
        for piece in pieces:
            hashing.add(piece)
            target.write(piece)
        target.flush()
        stat = os.fstat(target.fileno())
    sums = {name: base64.b64encode(digest.digest()).decode() for name, digest in digests.items()}
    return Received(path, stat.st_size, stat.st_mtime_ns, md5.digest(), sums)


class Hashing:
    """Add pieces to digests: from the second piece on in a thread for each, while further ones arrive and are written.

    A piece may be added only when the block has ended.
    """

    def __init__(self, digests: list[Digest]) -> None:
        self._digests, self._is_first = digests, True
        self._queues: list[Queue[bytes]] = []
        self._threads: list[threading.Thread] = []

    def add(self, piece: bytes) -> None:
        """Add a piece to all digests."""
        if self._is_first:
            self._is_first = False
            for digest in self._digests:
                digest.update(piece)
            return
        if not self._threads:
            self._start()
        for queue in self._queues:
            queue.put(piece)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for queue in self._queues:
            queue.put(b"")  # no piece is empty
        for thread in self._threads:
            thread.join()

    def _start(self) -> None:
        self._queues = [Queue(MOST_WAITING) for _ in self._digests]
        for digest, queue in zip(self._digests, self._queues, strict=True):
            self._threads.append(threading.Thread(target=add_all, args=(digest, queue), daemon=True))
            self._threads[-1].start()


def add_all(digest: Digest, queue: Queue[bytes]) -> None:
    """Add the pieces of a queue to a digest, up to the empty one at its end."""
    for piece in iter(queue.get, b""):
        digest.update(piece)


def make_digest(algorithm: str) -> Digest | None:
    """Return a new digest of an algorithm; None for one of which no fast implementation is installed."""
    if algorithm in HASHED:
        return HASHED[algorithm]()
    if algorithm == "crc32":
        return Crc(zlib.crc32, 4)
    try:
        from awscrt import checksums  # of `boto3[crt]`, which is not there everywhere
    except ImportError:
        return None
    size = {"crc32c": 4, "crc64nvme": 8}.get(algorithm)
    return Crc(getattr(checksums, algorithm), size) if size and hasattr(checksums, algorithm) else None


def is_wrapped(request: Request) -> bool:
    """Return whether a body is encoded as aws-chunked."""
    return request.headers.get("x-amz-content-sha256", "").startswith("STREAMING-")


def plain_chunks(body: BinaryIO, trailers: dict[str, str]) -> Iterator[bytes]:
    """Decode an aws-chunked body; the headers that follow it are added to `trailers`."""
    lines = Lines(body)
    while size := lines.read_size():
        yield from lines.read_bytes(size)
        lines.read_line()
    while line := lines.read_line():
        name, _, value = line.decode("latin-1").partition(":")
        trailers[name.strip().lower()] = value.strip()


class Lines:
    """Read lines and counted bytes from a stream that has no `readline`."""

    def __init__(self, body: Any) -> None:
        self._chunks = chunks(body)
        self._rest = b""

    def read_line(self) -> bytes:
        """Read up to the next CR LF, and return the line without it; empty at the end."""
        while b"\r\n" not in self._rest and (chunk := next(self._chunks, b"")):
            self._rest += chunk
            if len(self._rest) > 2 * CHUNK_BYTES:
                raise incomplete_body()
        line, _, self._rest = self._rest.partition(b"\r\n")
        return line

    def read_size(self) -> int:
        """Read the line with the size of the next chunk."""
        text = self.read_line().partition(b";")[0]
        if not HEX.fullmatch(text):
            raise incomplete_body()
        return int(text, 16)

    def read_bytes(self, size: int) -> Iterator[bytes]:
        """Yield the next `size` bytes, in pieces."""
        while size:
            if not self._rest and not (chunk := next(self._chunks, b"")):
                raise incomplete_body()
            self._rest = self._rest or chunk
            piece, self._rest = self._rest[:size], self._rest[size:]
            size -= len(piece)
            yield piece


def check_size(received: Received, promised: Mapping[str, str]) -> None:
    """Check that as many bytes arrived as the headers announced."""
    if announced_length(promised) not in (None, received.size):
        reason = "You did not provide the number of bytes specified by the Content-Length HTTP header"
        raise ServiceError("IncompleteBody", reason)


def announced_length(headers: Mapping[str, str]) -> int | None:
    """Return the length that headers announce, of the decoded body; None when they announce none."""
    text = headers.get("x-amz-decoded-content-length", headers.get("content-length", ""))
    return int(text) if LENGTH.fullmatch(text) else None


def bounded(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield pieces up to the size that a request may have; raise at the first byte beyond it."""
    size = 0
    for piece in pieces:
        size += len(piece)
        check_length(size)
        yield piece


def check_length(size: int) -> None:
    """Refuse a body that is larger than a request may have."""
    if size > MOST_BYTES:
        reason = "Your proposed upload exceeds the maximum allowed size"
        raise ServiceError("EntityTooLarge", reason, ProposedSize=str(size), MaxSizeAllowed=str(MOST_BYTES))


def check_sums(received: Received, promised: Mapping[str, str], algorithms: set[str]) -> Received:
    """Compare the digests with those that were sent; those that cannot be computed here are stored as sent."""
    if promised.get("content-md5", "") not in ("", base64.b64encode(received.md5).decode()):
        raise ServiceError("BadDigest", "The Content-MD5 you specified did not match what we received.")
    sums = {}
    for name in sorted(algorithms & set(KNOWN)):
        sent = promised.get(f"x-amz-checksum-{name}")
        sums[name] = received.checksums.get(name, sent or "")
        if sent not in (None, sums[name]):
            raise ServiceError("BadDigest", f"The {name.upper()} you specified did not match the calculated checksum.")
    sums = {name: value for name, value in sums.items() if value}
    return Received(received.path, received.size, received.modified_ns, received.md5, sums)
