"""The transport over HTTP: one server on 127.0.0.1 for all services and clients in any language.

Sources: RFC 9110 and 9112; `http2.py` has the connections that begin with HTTP/2.
"""

from __future__ import annotations

import io
import selectors
import socket
import socketserver
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from bedrock_local.batch.background import run_in_background
from bedrock_local.emulator import Emulator, make_folder
from bedrock_local.inference import Responder
from bedrock_local.protocol.errors import ServiceError, SettingsError, json_error
from bedrock_local.protocol.messages import SENDFILE_BYTES, FileSlice, Response, ResponseBody
from bedrock_local.settings import Settings
from bedrock_local.transport.deadlines import BODY_BYTES_PER_SECOND, DeadlineReader, Patience
from bedrock_local.transport.http_body import LINE_BYTES, buffered, open_body
from bedrock_local.transport.http_head import Head, HeadError, read_head
from bedrock_local.transport.http_request import OtherServices, answer_request, response_headers

ADDRESS = "127.0.0.1"
# How HTTP/2 begins where the client knows that the server speaks it: RFC 9113, "HTTP/2 Connection Preface".
PREFACE = (b"PRI * HTTP/2.0\r\n", b"\r\nSM\r\n\r\n")
DRAIN_SECONDS = 2.0
IDLE_SECONDS = 60.0  # without a request
STALL_SECONDS = 600.0  # in the middle of a request or a response, without a byte of it
MOST_CONNECTIONS = 500  # each has a thread; for further ones those end that have no request
ROOM_SECONDS = 0.2
# Threads that answer requests of HTTP/2, of all connections together. Further requests get REFUSED_STREAM: try again.
MOST_THREADS = 500


@contextmanager
def serve(
    folder: str | Path,
    *,
    port: int = 0,
    settings: Settings | None = None,
    responder: Responder | None = None,
    now: Callable[[], float] = time.time,
) -> Iterator[Server]:
    """Serve the emulator in a folder on 127.0.0.1, and work on its jobs, until the block ends.

    Parameters
    ----------
    folder
        Created when it does not exist. Every process that opens it sees the same buckets and jobs.
    port
        0 for any that is free; the server's `url` has it.
    settings
        Replace the folder's; by default they are those of its `settings.json`.
    responder
        Function that answers the records and requests that this process works on; by default the settings choose.
    now
        The clock, in seconds since 1970.

    Raises
    ------
    OSError
        The port is in use.
    """
    emulator = Emulator(make_folder(Path(folder), settings), responder=responder, now=now)
    with Server(emulator, port) as server, run_in_background(emulator) as server.wake, server.running():
        yield server


class Server(socketserver.ThreadingTCPServer):
    """A server on 127.0.0.1, with a thread for each connection.

    Attributes
    ----------
    emulator
        The emulator that is served; its region applies to requests that are not signed for one.
    wake
        Function to call when there may be work on jobs.
    answer_others
        Function for requests to services that the emulator does not have; these are refused when missing.
    """

    allow_reuse_address = True
    # A model that answers slowly must not keep the process from ending.
    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, emulator: Emulator, port: int) -> None:
        self.emulator = emulator
        self.wake: Callable[[], None] = lambda: None
        self.answer_others: OtherServices | None = None
        # Each with the function that says since when its client has been waited for; None while it has a request.
        self._connections: dict[Any, Callable[[], float | None]] = {}
        self._changed, self._is_stopping = threading.Condition(), False
        self.http2_threads = threading.Semaphore(MOST_THREADS)
        super().__init__((ADDRESS, port), Handler)
        self.port = int(self.server_address[1])

    @property
    def settings(self) -> Settings:
        """The settings of the folder; the defaults where these cannot be read."""
        try:
            return self.emulator.settings
        except SettingsError:
            return Settings()

    @property
    def url(self) -> str:
        """The endpoint for clients."""
        return f"http://{ADDRESS}:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which AWS clients in any language find this server."""
        keys = {"AWS_ACCESS_KEY_ID": "emulator", "AWS_SECRET_ACCESS_KEY": "emulator"}
        region = dict.fromkeys(["AWS_DEFAULT_REGION", "AWS_REGION"], self.emulator.region)
        return {"AWS_ENDPOINT_URL": self.url, **keys, **region}

    @contextmanager
    def running(self) -> Iterator[None]:
        """Accept connections in a thread until the block ends, then close all of them."""
        thread = threading.Thread(target=self._accept_connections, daemon=True)
        thread.start()
        try:
            yield
        finally:
            with self._changed:
                self._is_stopping = True
                self._changed.notify_all()
            # Wakes the thread, which would wait for the next client.
            socket.create_connection((ADDRESS, self.port)).close()
            thread.join()
            self._end_connections()

    def _accept_connections(self) -> None:
        with selectors.DefaultSelector() as clients:
            clients.register(self.socket, selectors.EVENT_READ)
            while not self._is_stopping:
                clients.select()
                self._make_room()
                self.handle_request()

    def _make_room(self) -> None:
        """Wait until there is room for a client; one that has no request, or sends its body too slowly, has to leave.

        So clients that send byte by byte, however many, keep nobody out.
        """
        with self._changed:
            while not self._is_stopping and len(self._connections) >= MOST_CONNECTIONS:
                self._end_longest_wait()
                # Where all have a request, the next look is at those that have been answered by then.
                self._changed.wait(ROOM_SECONDS)

    def _end_longest_wait(self) -> None:
        """End the connection whose client has been waited for the longest, if there is one."""
        waits = [(since, connection) for connection, find in self._connections.items() if (since := find()) is not None]
        if waits:
            _, connection = min(waits, key=lambda wait: wait[0])
            self._connections[connection] = lambda: None
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def watch(self, connection: Any, find_wait: Callable[[], float | None]) -> None:
        """Ask a connection from now on since when its client has been waited for."""
        with self._changed:
            self._connections[connection] = find_wait

    def get_request(self) -> tuple[Any, Any]:
        """Accept a connection; where the process has no file descriptor left, wait a moment before the next attempt."""
        try:
            return super().get_request()
        except OSError:
            time.sleep(0.1)
            raise

    def _end_connections(self) -> None:
        """Shut down all connections, and wait for their threads up to DRAIN_SECONDS, not for a slow model."""
        with self._changed:
            for connection in self._connections:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            self._changed.wait_for(lambda: not self._connections, DRAIN_SECONDS)

    def respond(self, method: str, target: str, headers: dict[str, str], body: Any) -> Response:
        """Answer a request, and wake the work on jobs after a POST."""
        others = self.answer_others
        response = answer_request(self.emulator, method, target, headers, body, answer_others=others)
        if method == "POST":
            self.wake()
        return response

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start the thread of a connection."""
        with self._changed:
            # Before the thread starts, or a short connection would be removed before it is added.
            accepted = time.monotonic()
            self._connections[request] = lambda: accepted
        super().process_request(request, client_address)

    def close_request(self, request: Any) -> None:
        """Close a connection."""
        super().close_request(request)
        with self._changed:
            self._connections.pop(request, None)
            self._changed.notify_all()

    def handle_error(self, *_: Any) -> None:
        """Print the traceback, unless a client has merely hung up."""
        if not isinstance(sys.exception(), ConnectionError):
            traceback.print_exc()


class Handler(BaseHTTPRequestHandler):
    """One connection: reads requests, passes them on, writes the responses."""

    protocol_version = default_request_version = "HTTP/1.1"
    # Head and body may be two packets, of which Nagle's algorithm would delay the second.
    disable_nagle_algorithm = True
    # Errors about requests that are not HTTP are plain text.
    error_message_format, error_content_type = "%(message)s\n", "text/plain"
    server_version, sys_version = "bedrock_local", ""
    timeout = IDLE_SECONDS
    raw_requestline: bytes
    settings: Settings
    head: Head
    rfile: io.BufferedReader
    server: Server

    def setup(self) -> None:
        """Read through a reader that has a deadline, and say for how long there has been no request."""
        super().setup()
        self.waiting_since: float | None = time.monotonic()
        self.rfile.close()
        self.reader = DeadlineReader(self.connection)
        self.server.watch(self.request, self.find_wait)
        self.rfile = io.BufferedReader(self.reader)

    def find_wait(self) -> float | None:
        """Return since when there has been no request, or one whose body comes too slowly; None while there is one."""
        return self.reader.find_wait() if self.waiting_since is None else self.waiting_since

    def handle_one_request(self) -> None:
        """Read a request and answer it, whatever its method: the inherited method knows only those with a `do_`."""
        try:
            self.waiting_since = time.monotonic()
            self.reader.limit(None)
            self.rfile.peek(1)  # waits for the first byte, as long as a connection may be idle
            # Not only per read: a client that sends a byte now and then would hold its connection for ever.
            self.settings = self.server.settings
            self.reader.limit(Patience(self.settings.head_seconds))
            self.raw_requestline = self.rfile.readline(LINE_BYTES + 1)
            if len(self.raw_requestline) > LINE_BYTES:
                self.refuse(HTTPStatus.REQUEST_URI_TOO_LONG)
            elif not self.raw_requestline:
                self.close_connection = True
            elif self.parse_request():
                self.waiting_since = None
                self.answer()
        except TimeoutError:
            self.close_connection = True

    def parse_request(self) -> bool:
        """Read the head of a request; a connection that begins with HTTP/2 is served as such up to its end."""
        if self.raw_requestline != PREFACE[0] or self.rfile.read(len(PREFACE[1])) != PREFACE[1]:
            return self.take_head()
        # Imported here because few clients begin with HTTP/2.
        from bedrock_local.transport.http2 import Connection

        self.close_connection = True
        self.reader.limit(None)
        seconds = self.settings.body_seconds
        connection = Connection(self.connection, self.server.respond, self.server.http2_threads, body_seconds=seconds)
        self.server.watch(self.request, connection.find_wait)
        connection.serve(b"".join(PREFACE), self.rfile.read1())
        return False

    def take_head(self) -> bool:
        """Read the head of a request of HTTP/1.1; return False where there is none."""
        try:
            self.head = read_head(self.raw_requestline, self.rfile)
        except HeadError as error:
            self.refuse(error.status, error.reason)
            return False
        self.command, self.close_connection = self.head.method, self.head.is_last
        return True

    def refuse(self, status: HTTPStatus, reason: str | None = None) -> None:
        """Send the error for what is not HTTP, and close the connection."""
        self.requestline = self.request_version = self.command = ""
        self.close_connection = True
        self.send_error(status, reason)

    def answer(self) -> None:
        """Answer one request; close the connection when its body or its response is incomplete."""
        self.reader.limit(Patience(self.settings.body_seconds, BODY_BYTES_PER_SECOND))
        self.connection.settimeout(STALL_SECONDS)
        headers = self.head.headers
        try:
            body = open_body(headers, self.rfile, self.send_continue)
        except ServiceError as error:
            self.close_connection = True
            self.write_response(json_error(error))
            return
        response = self.server.respond(self.head.method, self.head.target, headers, buffered(body))
        # An unread rest of the body would be parsed as the next request.
        is_over = body.skip_rest()
        self.close_connection |= not is_over
        self.write_response(response)
        if not is_over:
            self.drain()
        self.connection.settimeout(self.timeout)

    def send_continue(self) -> None:
        """Ask the client for the body."""
        self.connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")

    def write_response(self, response: Response) -> None:
        """Send a response; close the connection when its body ends before its length."""
        headers = response_headers(response)
        if response.body.length is None:
            headers["transfer-encoding"] = "chunked"
        if self.close_connection:
            headers["connection"] = "close"
        lines = [f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        head = "\r\n".join([*lines, "\r\n"]).encode("latin-1", "replace")
        with closing(response.body) as body:
            if self.command == "HEAD":
                self.connection.sendall(head)
            else:
                sent = send_body(self.connection, head, body)
                self.close_connection |= body.length not in (None, sent)

    def drain(self) -> None:
        """Read what the client still sends: a reset connection would lose it the response."""
        self.waiting_since = time.monotonic()
        # A client that has hung up already has no connection to shut down.
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(DRAIN_SECONDS)
            deadline = time.monotonic() + IDLE_SECONDS
            while time.monotonic() < deadline and self.connection.recv(1 << 20):
                pass

    def log_message(self, *_: object) -> None:
        """Log no requests."""


def send_body(connection: socket.socket, head: bytes, body: ResponseBody) -> int:
    """Send head and body, a large file straight from disk; return how many bytes of the body were sent."""
    if isinstance(body, FileSlice) and body.length >= SENDFILE_BYTES:
        connection.sendall(head)
        return body.send_to(connection)
    sent, is_chunked = 0, body.length is None
    for chunk in body:
        # An empty chunk would be the end of the body.
        framed = b"%x\r\n%b\r\n" % (len(chunk), chunk) if is_chunked and chunk else chunk
        # Head and first chunk go out in one packet.
        connection.sendall(head + framed)
        head, sent = b"", sent + len(chunk)
    if end := head + (b"0\r\n\r\n" if is_chunked else b""):
        connection.sendall(end)
    return sent
