"""Requests and responses as dispatch takes and returns them, whichever transport they come and go by."""

from __future__ import annotations

import io
import os
import socket
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Protocol, Self
from urllib.parse import parse_qsl, urlsplit

CHUNK_BYTES = 1 << 20
SENDFILE_BYTES = 1 << 16  # from here on, sending a file without reading it costs less than reading it
BODILESS = (204, 304)


@dataclass(frozen=True)
class Request:
    """One request of an AWS client.

    Attributes
    ----------
    service
        `bedrock`, `bedrock-runtime`, `s3` or `sts`.
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


class ResponseBody(Protocol):
    """The body of a response: an iterable of bytes, read once.

    Attributes
    ----------
    length
        Bytes in all; None when nobody knows before the last of them.
    """

    @property
    def length(self) -> int | None:
        """Return the number of bytes in all, or None."""

    def __iter__(self) -> Iterator[bytes]: ...

    def close(self) -> None:
        """Release what the body reads from; a second time does nothing."""


@dataclass(frozen=True)
class BytesBody:
    """A body that is in memory."""

    content: bytes = b""

    @property
    def length(self) -> int:
        """Return the number of bytes."""
        return len(self.content)

    def __iter__(self) -> Iterator[bytes]:
        yield self.content

    def close(self) -> None:
        """Do nothing: memory needs no release."""


class FileSlice:
    """Bytes `start` to `stop` of a file, read as they are asked for.

    The file is closed with the last chunk, as a connection goes back to its pool: most readers never close.
    """

    def __init__(self, path: str | Path, start: int, stop: int) -> None:
        # For __del__, when the file cannot be opened.
        self._descriptor = -1
        self._descriptor = os.open(path, os.O_RDONLY)
        self.stat = os.fstat(self._descriptor)
        self.narrow(start, stop)

    def narrow(self, start: int, stop: int) -> FileSlice:
        """Change the slice to these bytes, before anything is read."""
        self._start, self._stop = start, stop
        return self

    @property
    def length(self) -> int:
        """Return the bytes of the slice; the file may end before them when it has been cut in the meantime."""
        return self._stop - self._start

    def __iter__(self) -> Iterator[bytes]:
        left = self.length
        with self:
            os.lseek(self._descriptor, self._start, os.SEEK_SET)
            while left and (content := os.read(self._descriptor, min(CHUNK_BYTES, left))):
                left -= len(content)
                # A reader that counts has all it wants with the last chunk, and never comes back to the generator.
                if not left:
                    self.close()
                yield content

    def send_to(self, connection: socket.socket) -> int:
        """Send the slice to a socket, from disk without a way through this process where the system can.

        Return how many bytes were sent, which are fewer than `length` when the file has been cut in the meantime.
        """
        with self:
            if not self.length:
                return 0
            with open(self._descriptor, "rb", buffering=0, closefd=False) as file:
                return connection.sendfile(file, self._start, self.length)

    def close(self) -> None:
        """Close the file, once."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()


class TruncatedBody:
    """The first half of a body that still announces the whole length, as of a connection that breaks."""

    def __init__(self, body: ResponseBody) -> None:
        self._body, self.length = body, body.length

    def __iter__(self) -> Iterator[bytes]:
        left = (self.length or 0) // 2
        for chunk in self._body:
            yield chunk[:left]
            left -= len(chunk[:left])
            if not left:
                break
        self.close()

    def close(self) -> None:
        """Close the body that is cut short."""
        self._body.close()


@dataclass(frozen=True)
class Response:
    """What goes back to a client."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: ResponseBody = BytesBody()


def read_request(service: str, method: str, url: str, headers: Mapping[str, Any], body: Any) -> Request:
    """Convert a prepared request of an HTTP client to a Request."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    named = {
        name.lower(): value.decode("latin-1") if isinstance(value, bytes) else value for name, value in headers.items()
    }
    return Request(service, method, parts.netloc, parts.path or "/", query, named, make_readable(body))


def full_headers(response: Response) -> dict[str, str]:
    """Return the response's headers plus a request id and, where it is known, the length of the body."""
    length = {}
    if response.body.length is not None and response.status not in BODILESS:
        length["content-length"] = str(response.body.length)
    # Bedrock and S3 have different names for the id; clients accept both.
    request_id = str(uuid.uuid4())
    return {"x-amzn-requestid": request_id, "x-amz-request-id": request_id, **length, **response.headers}


def make_readable(body: Any) -> BinaryIO:
    """Convert a body in any form that clients pass (bytes, str, None, a file) to something that can be read."""
    if isinstance(body, str):
        body = body.encode()
    return io.BytesIO(body or b"") if not hasattr(body, "read") else body


def read_all(body: BinaryIO, limit: int) -> bytes | None:
    """Read a small body whole; None when it is larger than `limit` bytes."""
    # One byte more, to see whether there are more.
    content = body.read(limit + 1)
    return None if len(content) > limit else content


def chunks(body: BinaryIO) -> Iterator[bytes]:
    """Yield a body of any size in chunks."""
    while chunk := body.read(CHUNK_BYTES):
        yield chunk
