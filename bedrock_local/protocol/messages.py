"""Requests in, responses out: what both doors hand to the core, and what it hands back."""

from __future__ import annotations

import io
import os
import socket
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import parse_qsl, urlsplit

from urllib3.exceptions import IncompleteRead, ProtocolError

CHUNK_BYTES = 1 << 20
BODILESS = (204, 304)


@dataclass(frozen=True)
class Request:
    """One request of an AWS client.

    Attributes
    ----------
    service
        `bedrock`, `bedrock-runtime` or `s3`.
    path
        As sent, still percent-encoded.
    query
        Decoded; a name without a value has an empty one.
    headers
        Names in lower case.
    body
        Read once, from its beginning.
    """

    service: str
    method: str
    host: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: BinaryIO


@dataclass(frozen=True)
class Response:
    """What goes back: the body is bytes, or a stream that reads from disk."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | FileSlice = b""


def read_request(service: str, method: str, url: str, headers: Mapping[str, Any], body: Any) -> Request:
    """Put a prepared request of an HTTP client into the form that the core takes."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    named = {
        name.lower(): value.decode("latin-1") if isinstance(value, bytes) else value for name, value in headers.items()
    }
    return Request(service, method, parts.netloc, parts.path or "/", query, named, make_readable(body))


def full_headers(response: Response) -> dict[str, str]:
    """Give the headers of a response with what every response has: an id, and the length of its body."""
    length = {}
    if isinstance(response.body, bytes) and response.status not in BODILESS:
        length["content-length"] = str(len(response.body))
    request_id = str(uuid.uuid4())
    return {"x-amzn-requestid": request_id, "x-amz-request-id": request_id, **length, **response.headers}


def make_readable(body: Any) -> BinaryIO:
    """Make something to read of a body in any form that clients give it."""
    if isinstance(body, str):
        body = body.encode()
    return io.BytesIO(body or b"") if not hasattr(body, "read") else body


def read_all(body: BinaryIO, limit: int) -> bytes | None:
    """Read a small body whole; None when it is larger than `limit` bytes."""
    content = body.read(limit + 1)
    return None if len(content) > limit else content


def chunks(body: BinaryIO) -> Iterator[bytes]:
    """Read a body of any size piece by piece."""
    while chunk := body.read(CHUNK_BYTES):
        yield chunk


class FileSlice(io.RawIOBase):
    """Bytes `start` to `stop` of a file, read as they are asked for.

    The file is closed at the end of the slice, as a connection goes back to its pool: most readers never close.
    """

    def __init__(self, path: Path, start: int, stop: int) -> None:
        super().__init__()
        self._start = self._at = self._stop = self._missing = 0
        self._descriptor = -1
        self._descriptor = os.open(path, os.O_RDONLY)
        self.stat = os.fstat(self._descriptor)
        self.narrow(start, stop)

    def break_off(self) -> FileSlice:
        """Give the first half only, then raise what urllib3 raises when a server closes the connection too early."""
        self._missing = (self._stop - self._at + 1) // 2
        self._stop -= self._missing
        return self

    def narrow(self, start: int, stop: int) -> FileSlice:
        """Read these bytes instead."""
        self._start, self._at, self._stop, self._missing = start, start, stop, 0
        os.lseek(self._descriptor, start, os.SEEK_SET)
        return self

    def readable(self) -> bool:
        """Say that this can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer as far as the slice goes."""
        content = self._take(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def read(self, size: int | None = -1) -> bytes:
        """Read so many bytes, or all that are left."""
        if size is not None and size >= 0:
            return self._take(size)
        return b"".join(iter(lambda: self._take(CHUNK_BYTES), b""))

    def stream(self, amount: int = CHUNK_BYTES, **_: Any) -> Iterator[bytes]:
        """Yield what is left; the name and form that botocore knows from urllib3."""
        while chunk := self.read(amount):
            yield chunk

    def send_to(self, connection: socket.socket) -> int:
        """Send what is left to a socket, from disk without a way through this process where the system can.

        Gives how many bytes went out, which are fewer than promised when the file has been cut in the meantime.
        """
        with self:
            if self._at == self._stop:
                return 0
            with open(self._descriptor, "rb", buffering=0, closefd=False) as file:
                return connection.sendfile(file, self._at, self._stop - self._at)

    def close(self) -> None:
        """Close the file, once."""
        self._release()
        super().close()

    def _take(self, size: int) -> bytes:
        if size and self._missing and self._at >= self._stop:
            self._release()
            raise ProtocolError("Connection broken", IncompleteRead(self._at - self._start, self._missing))
        if self._descriptor < 0:
            return b""
        content = os.read(self._descriptor, min(size, self._stop - self._at))
        self._at += len(content)
        if size and (self._at >= self._stop or not content):
            self._release()
        return content

    def _release(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class BytesBody(io.BytesIO):
    """Bytes of a small answer, in the form that botocore reads."""

    def stream(self, amount: int = CHUNK_BYTES, **_: Any) -> Iterator[bytes]:
        """Yield what is left."""
        while chunk := self.read(amount):
            yield chunk
