"""Read bodies of requests from a connection, with a length or in chunks, and never whole in memory.

Source: RFC 9112, "Message body length" and "Chunked transfer coding"; RFC 9110, "Expect".
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping
from typing import Any

from bedrock_local.protocol.errors import ServiceError, incomplete_body

LINE_BYTES = 65_536
REST_BYTES = 65_536
MOST_TRAILERS = 100
# Of one chunk: as much as the largest body that a service takes, an object of S3.
MOST_CHUNK_BYTES = 5 * 1024**3
SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;.*)?\r?\n", re.DOTALL)


class RequestBody(io.RawIOBase):
    """The body of a request, as a stream.

    Where a client expects `100 Continue`, that is sent at the first read, so that a refused body is never sent.

    Attributes
    ----------
    is_over
        Whether all of it has been read, so that the next request may follow.
    """

    def __init__(self, connection: Any, size: int | None, ask: Callable[[], object] | None) -> None:
        super().__init__()
        self._connection, self._ask = connection, ask
        self._is_chunked, self._left, self._is_first = size is None, size or 0, True
        self.is_over, self._is_broken = size == 0, False

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer with the bytes that have arrived; return 0 at the end of the body."""
        # What follows the place where a body broke is of no chunk, and may never come.
        if self._is_broken:
            raise incomplete_body()
        try:
            return self._read_some(buffer)
        except TimeoutError:
            self._is_broken = True
            raise incomplete_body() from None
        except ServiceError:
            self._is_broken = True
            raise

    def _read_some(self, buffer: Any) -> int:
        if self._ask and not self.is_over:
            self._ask()
            self._ask = None
        if self._is_chunked and not self._left and not self.is_over:
            self._begin_chunk()
        if self.is_over:
            return 0
        count = int(self._connection.readinto1(memoryview(buffer)[: self._left]))
        if not count:
            raise incomplete_body()
        self._left -= count
        self.is_over = not self._is_chunked and not self._left
        return count

    def skip_rest(self) -> bool:
        """Read a rest that is short; return False when it is long, and the connection has to be closed."""
        read, rest = 0, bytearray(REST_BYTES)
        try:
            # While `_ask` is set, the client waits for 100 Continue and has sent nothing.
            while not (self.is_over or self._ask or read > REST_BYTES or self._left > REST_BYTES):
                read += self.readinto(rest)
        except (ServiceError, OSError):
            return False
        return self.is_over

    def _begin_chunk(self) -> None:
        """Read the line with the length of the next chunk; the last chunk is empty, and trailers follow it."""
        if not self._is_first and self._connection.readline(LINE_BYTES) not in (b"\r\n", b"\n"):
            raise incomplete_body()
        self._is_first = False
        found = SIZE.fullmatch(self._connection.readline(LINE_BYTES))
        size = int(found[1], 16) if found else -1
        if not 0 <= size <= MOST_CHUNK_BYTES:
            raise incomplete_body()
        self._left = size
        if not self._left:
            if all(self._connection.readline(LINE_BYTES).strip() for _ in range(MOST_TRAILERS)):
                raise incomplete_body()
            self.is_over = True


def open_body(headers: Mapping[str, str], connection: Any, ask: Callable[[], object]) -> RequestBody:
    """Return the body that the headers of a request announce."""
    encoding, length = headers.get("transfer-encoding", "").lower(), headers.get("content-length", "0")
    if encoding not in ("", "chunked") or not re.fullmatch("[0-9]{1,18}", length):
        reason = "A body needs a Content-Length, or Transfer-Encoding: chunked"
        raise ServiceError("ValidationException", reason)
    expects = headers.get("expect", "").lower() == "100-continue"
    return RequestBody(connection, None if encoding else int(length), ask if expects else None)


def buffered(body: RequestBody) -> io.BufferedReader:
    """Wrap a body so that each read returns all the bytes that it asks for, up to the end of the body."""
    return io.BufferedReader(body)
