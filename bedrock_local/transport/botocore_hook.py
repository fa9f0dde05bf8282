"""The transport inside the process: botocore passes its requests to the emulator instead of the network."""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import botocore.session
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import BotoCoreError
from urllib3.exceptions import IncompleteRead, ProtocolError

from bedrock_local.dispatch import handle
from bedrock_local.emulator import Emulator, make_folder
from bedrock_local.inference import Responder
from bedrock_local.protocol.messages import CHUNK_BYTES, ResponseBody, full_headers, read_request
from bedrock_local.protocol.routing import OPERATIONS
from bedrock_local.protocol.shapes import shared_loader
from bedrock_local.settings import Settings

# A user's own AWS configuration must not apply: nothing is looked up, and nothing is sent elsewhere.
ISOLATED = {
    "config_file": os.devnull,
    "credentials_file": os.devnull,
    "defaults_mode": "legacy",
    "ignore_configured_endpoint_urls": True,
}


class NoSuchServiceError(BotoCoreError):
    """A client was made for a service that the emulator does not have."""

    fmt = f"the emulator has {', '.join(OPERATIONS)}, but no {{service}}"


def open_session(
    folder: str | Path,
    *,
    region_name: str = "us-east-1",
    settings: Settings | None = None,
    responder: Responder | None = None,
    now: Callable[[], float] = time.time,
) -> boto3.Session:
    """Open a boto3 session whose clients talk to the emulator in a folder, and to nothing else.

    Parameters
    ----------
    folder
        Created when it does not exist. Every process that opens it sees the same buckets and jobs.
    region_name
        Region of the clients and of the ARNs.
    settings
        Replace the folder's; by default they are those of its `settings.json`.
    responder
        Function that answers the records and requests that this process works on; by default the settings choose.
    now
        The clock, in seconds since 1970.
    """
    emulator = Emulator(make_folder(Path(folder), settings), region_name, responder, now)
    # Without a variable for the profile, AWS_PROFILE is not read.
    core = botocore.session.Session(session_vars={"profile": (None, None, None, None)})
    for name, value in ISOLATED.items():
        core.set_config_variable(name, value)
    core.register_component("data_loader", shared_loader())
    session = boto3.Session("emulator", "emulator", region_name=region_name, botocore_session=core)
    answer_sending: Callable[..., Any] = partial(answer_request, emulator=emulator)
    session.events.register("before-send", answer_sending)
    return session


def answer_request(request: AWSPreparedRequest, event_name: str, *, emulator: Emulator, **_: Any) -> AWSResponse:
    """Answer a prepared request of a client; botocore sends nothing when a handler returns a response."""
    service = event_name.split(".")[1]
    if service not in OPERATIONS:
        raise NoSuchServiceError(service=service)
    sent = dict(request.headers.items())
    response = handle(read_request(service, request.method, request.url, sent, request.body), emulator)
    headers: Any = full_headers(response)  # any mapping will do: botocore copies it
    return AWSResponse(request.url, response.status, headers, RawBody(response.body))


class RawBody(io.RawIOBase):
    """The body of a response as botocore reads it from urllib3: by `read`, `readinto` or `stream`.

    A body that ends before its length raises what urllib3 raises when a server closes the connection too early.
    """

    def __init__(self, body: ResponseBody) -> None:
        super().__init__()
        self._body, self._chunks, self._chunk = body, iter(body), memoryview(b"")
        self._received = 0

    def readable(self) -> bool:
        """Return True: this can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer; return the number of bytes, which is 0 at the end."""
        content = self.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def read(self, size: int | None = -1) -> bytes:
        """Read `size` bytes, or all that are left."""
        is_all = size is None or size < 0
        left, pieces = sys.maxsize if is_all else size or 0, list[memoryview]()
        while left and (self._chunk or self._take_chunk()):
            piece, self._chunk = self._chunk[:left], self._chunk[left:]
            left -= len(piece)
            pieces.append(piece)
        # What came before the end of a body that is too short is returned first; the next read is the error.
        if left and (is_all or not pieces):
            self._check_length()
        return b"".join(pieces)

    def stream(self, amount: int = CHUNK_BYTES, **_: Any) -> Iterator[bytes]:
        """Yield what is left; name and parameters are those of urllib3."""
        while self._chunk or self._take_chunk():
            # A chunk as it comes: a stream of events would wait for `amount` bytes, which is all of it.
            yield self.read(min(amount, len(self._chunk)))
        self._check_length()

    def close(self) -> None:
        """Close the body too."""
        self._body.close()
        super().close()

    def _take_chunk(self) -> bool:
        """Take the next chunk of the body that is not empty; return False at the end."""
        try:
            chunk = b"" if self.closed else next(filter(None, self._chunks), b"")
        except ConnectionError as error:
            raise ProtocolError("Connection broken", error) from error
        self._chunk, self._received = memoryview(chunk), self._received + len(chunk)
        return bool(chunk)

    def _check_length(self) -> None:
        missing = 0 if self.closed or self._body.length is None else self._body.length - self._received
        if missing:
            raise ProtocolError("Connection broken", IncompleteRead(self._received, missing))
