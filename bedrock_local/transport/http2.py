"""HTTP/2 without TLS: many requests at once over a connection that begins with it, as the SDK for JavaScript does.

The library h2 implements the protocol: frames, compressed headers, states and windows. This module adds the threads
and their limits.

Source: RFC 9113.
"""

from __future__ import annotations

import io
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, Event, RequestReceived, StreamEnded, StreamReset
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes

from bedrock_local.protocol.errors import incomplete_body
from bedrock_local.protocol.messages import BytesBody, Response
from bedrock_local.transport.deadlines import BODY_BYTES_PER_SECOND, Patience
from bedrock_local.transport.http_request import read_headers, response_headers

Respond = Callable[[str, str, dict[str, str], Any], Response]

HEAD_BYTES, FRAME_BYTES = 9, 16_384  # of a frame: its head, and the most that may follow
GOAWAY = 7
WINDOW_BYTES = 1_000_000  # of the bodies of a connection that have arrived and are not read yet
STALL_SECONDS = 600.0  # without a byte of a request, or without room for one of a response


class Stream(io.RawIOBase):
    """The body of one request, as a stream of the bytes that have arrived."""

    def __init__(self, number: int, connection: Connection, patience: Patience) -> None:
        super().__init__()
        self.number, self._connection, self.patience = number, connection, patience
        self.waiting, self.is_whole, self.is_reset, self.is_answered = bytearray(), False, False, False

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer with the bytes that have arrived; return 0 at the end of the body."""
        content = self._connection.take_body(self, len(buffer))
        buffer[: len(content)] = content
        return len(content)


class Connection:
    """One connection: the thread that calls `serve` reads frames, and each request is answered in its own thread.

    Parameters
    ----------
    client
        The socket; its timeout is how long the connection may be idle.
    respond
        Answers a request, by its method, target, headers and body.
    threads
        Counts the threads that all connections of a server may have; a request beyond them is refused in a way that
        clients take for "try again".
    body_seconds
        As in `Settings`.
    """

    def __init__(
        self, client: socket.socket, respond: Respond, threads: threading.Semaphore, *, body_seconds: float
    ) -> None:
        self._client, self._respond, self._threads, self._body_seconds = client, respond, threads, body_seconds
        self._h2 = H2Connection(H2Configuration(client_side=False))
        self._streams: dict[int, Stream] = {}
        self._changed, self._is_over = threading.Condition(), False
        self._idle_seconds, self._busy_at = client.gettimeout() or STALL_SECONDS, time.monotonic()

    def serve(self, preface: bytes, begun: bytes) -> None:
        """Answer until the client hangs up, violates the protocol or is idle; then wait for the requests under way."""
        try:
            with self._changed:
                self._h2.initiate_connection()
                # Uploads would be slow with the default window of 65,535 bytes.
                self._h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: WINDOW_BYTES})
                self._h2.increment_flow_control_window(WINDOW_BYTES)
                self._h2.receive_data(preface)
                self._flush()
            for frame in self._read_frames(begun):
                self._take_frame(frame)
        finally:
            self._end()

    def find_wait(self) -> float | None:
        """Return since when there has been no request, on the clock `time.monotonic`; None while there is one.

        Requests whose bodies come too slowly, and are all that there is, do not count.
        """
        waits = [stream.patience.find_wait() for stream in list(self._streams.values())]
        since = [wait for wait in waits if wait is not None]
        if len(since) < len(waits):
            return None
        return max(since, default=self._busy_at)

    def take_body(self, stream: Stream, size: int) -> bytes:
        """Wait for bytes of a body and return them, `size` at most; empty at its end."""
        with self._changed:
            stream.patience.begin()
            try:
                self._wait(stream, lambda: stream.waiting or stream.is_whole, stream.patience.left)
            except OSError:
                raise incomplete_body() from None
            finally:
                stream.patience.spend(min(size, len(stream.waiting)))
            # Copied, so that the buffer can shrink.
            content = bytes(stream.waiting[:size])
            del stream.waiting[:size]
            self._make_room(stream.number, len(content))
            return content

    def _read_frames(self, begun: bytes) -> Iterator[bytes]:
        """Yield whole frames; of one that is too large only the head, which the library refuses."""
        received = bytearray(begun)
        while not self._is_over:
            size = HEAD_BYTES + int.from_bytes(received[:3])
            size = HEAD_BYTES if size > HEAD_BYTES + FRAME_BYTES else size
            if len(received) >= size:
                frame = bytes(received[:size])
                del received[:size]
                yield frame
            elif content := self._receive():
                received += content
            else:
                return

    def _receive(self) -> bytes:
        """Read from the socket; return nothing when the client has hung up, or had no request for too long.

        Bytes alone do not count: a client that sends parts of a head would hold its connection for ever.
        """
        while True:
            left = self._idle_seconds - (time.monotonic() - self._busy_at)
            if not self._streams and left <= 0:
                return b""
            self._client.settimeout(self._idle_seconds if self._streams else left)
            try:
                return self._client.recv(65_536)
            except TimeoutError:
                continue
            finally:
                self._client.settimeout(self._idle_seconds)

    def _take_frame(self, frame: bytes) -> None:
        # A client that sends GOAWAY still waits for its open streams, which the library would forget.
        if frame[3] == GOAWAY:
            return
        with self._changed:
            try:
                events = self._h2.receive_data(frame)
            except ProtocolError:
                events, self._is_over = [], True  # the library has queued the reason for the client
            for event in events:
                self._take_event(event)
            self._flush()
            self._changed.notify_all()

    def _take_event(self, event: Event) -> None:
        stream = self._streams.get(getattr(event, "stream_id", 0))
        if isinstance(event, RequestReceived):
            fields = [(name.decode("latin-1"), text.decode("latin-1")) for name, text in event.headers]
            self._begin_stream(event.stream_id, read_headers(fields))
        elif isinstance(event, DataReceived):
            # A body that nothing reads is accepted and dropped: some clients miss the response when it is cut off.
            kept = event.data if stream else b""
            if stream:
                stream.waiting += kept
            self._make_room(event.stream_id, event.flow_controlled_length - len(kept))
        elif stream:
            stream.is_whole |= isinstance(event, StreamEnded)
            stream.is_reset |= isinstance(event, StreamReset)

    def _begin_stream(self, number: int, headers: dict[str, str]) -> None:
        if not self._threads.acquire(blocking=False):
            self._h2.reset_stream(number, ErrorCodes.REFUSED_STREAM)
            return
        stream = Stream(number, self, Patience(self._body_seconds, BODY_BYTES_PER_SECOND))
        threading.Thread(target=self._answer, args=(stream, headers), daemon=True).start()
        self._streams[number] = stream

    def _answer(self, stream: Stream, headers: dict[str, str]) -> None:
        """Answer a request; the client may hang up meanwhile."""
        method, target = headers.pop(":method"), headers.pop(":path", "/")
        headers["host"] = headers.pop(":authority", headers.get("host", ""))
        try:
            with suppress(ConnectionError, TimeoutError):
                response = self._respond(method, target, headers, io.BufferedReader(stream))
                self._send(stream, response, is_head=method == "HEAD")
        finally:
            self._threads.release()
            self._end_stream(stream)

    def _send(self, stream: Stream, response: Response, *, is_head: bool) -> None:
        """Send a response; a body that ends before its length leaves the stream open, to be reset."""
        fields = [(":status", str(response.status)), *response_headers(response).items()]
        with closing(BytesBody() if is_head else response.body) as body:
            left = body.length
            with self._changed:
                self._wait(stream, lambda: True)
                self._h2.send_headers(stream.number, [encode_field(*field) for field in fields], end_stream=left == 0)
                self._flush()
            for chunk in body if left != 0 else ():
                left = None if left is None else left - len(chunk)
                self._send_chunk(stream, chunk, is_last=left == 0)
            if left is None:
                self._send_end(stream)
            stream.is_answered = not left

    def _send_chunk(self, stream: Stream, chunk: bytes, *, is_last: bool) -> None:
        """Send a chunk of a response, as fast as the flow control of the client allows."""
        at = 0
        while at < len(chunk):
            with self._changed:
                self._wait(stream, lambda: self._find_room(stream) > 0)
                part = chunk[at : at + self._find_room(stream)]
                at += len(part)
                self._h2.send_data(stream.number, part, end_stream=is_last and at == len(chunk))
                self._flush()

    def _send_end(self, stream: Stream) -> None:
        """End a response whose length was not known."""
        with self._changed:
            self._wait(stream, lambda: True)
            self._h2.end_stream(stream.number)
            self._flush()

    def _find_room(self, stream: Stream) -> int:
        return min(self._h2.local_flow_control_window(stream.number), self._h2.max_outbound_frame_size)

    def _wait(self, stream: Stream, is_met: Callable[[], Any], seconds: float = STALL_SECONDS) -> None:
        """Wait for a condition; raise when the client has gone, or after some seconds."""
        seconds = min(seconds, STALL_SECONDS)
        is_late = not self._changed.wait_for(lambda: self._is_over or stream.is_reset or is_met(), seconds)
        if is_late or self._is_over or stream.is_reset:
            raise ConnectionError

    def _make_room(self, number: int, count: int) -> None:
        """Allow the client to send `count` bytes more."""
        if count and not self._is_over:
            self._h2.acknowledge_received_data(count, number)
            self._flush()

    def _flush(self) -> None:
        """Send the bytes that the library has queued."""
        if content := self._h2.data_to_send():
            try:
                self._client.sendall(content)
            except OSError:
                self._is_over = True
                self._changed.notify_all()
                raise

    def _end_stream(self, stream: Stream) -> None:
        """Remove a request, and reset its stream when its response is not complete."""
        with self._changed, suppress(OSError):
            self._busy_at = time.monotonic()
            del self._streams[stream.number]
            self._changed.notify_all()
            if not (self._is_over or stream.is_reset or stream.is_answered):
                self._h2.reset_stream(stream.number, ErrorCodes.INTERNAL_ERROR)
                self._flush()
            # Bytes that were not read still count against the window of the whole connection.
            self._make_room(stream.number, len(stream.waiting))

    def _end(self) -> None:
        """Close the connection, by GOAWAY where the client is still there, and wait for the threads."""
        with self._changed:
            if not self._is_over:
                self._is_over = True
                with suppress(OSError):
                    self._h2.close_connection()
                    self._flush()
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._streams)


def encode_field(name: str, text: str) -> tuple[bytes, bytes]:
    """Encode a header."""
    return name.lower().encode("latin-1", "replace"), text.encode("latin-1", "replace")
