"""Streams of events, as a service of AWS sends them: framed, with checksums, errors among them.

Sources: Smithy, "Amazon Event Stream specification" (vnd.amazon.eventstream); the events and exceptions of an
operation in the service models of botocore; recordings of Bedrock for the order of headers and for the padding `p`.
"""

from __future__ import annotations

import json
import string
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Any, TypeVar

from bedrock_local.protocol.errors import ServiceError
from bedrock_local.protocol.shapes import operation_model

CONTENT_TYPE = "application/vnd.amazon.eventstream"
STRING = 7
PADDING = string.ascii_lowercase + string.ascii_uppercase + string.digits
# Events that a client gets before a stream is interrupted, unless it would be over by then.
EVENTS_BEFORE_FAULT = 3

Event = tuple[str, Mapping[str, Any]]
Item = TypeVar("Item")


class EventStreamBody:
    """The body of a response that is a stream of events; an error that its events raise is the last of them.

    Parameters
    ----------
    operation
        An operation of bedrock-runtime; its service model names the errors that may be in the stream.
    events
        Name and content of each.
    close
        Called when the client wants no more, or has all.
    """

    length = None

    def __init__(self, operation: str, events: Iterator[Event], close: Callable[[], object]) -> None:
        self._operation, self._events, self._close = operation, events, close

    def __iter__(self) -> Iterator[bytes]:
        try:
            for name, content in self._events:
                yield encode_event(name, pad(content))
        except ServiceError as error:
            yield encode_error(self._operation, error)
        finally:
            self.close()

    def interrupt(self, error: Exception) -> EventStreamBody:
        """Return a body that begins like this one and then raises an error; a ServiceError is sent as an event."""
        return EventStreamBody(self._operation, raise_after(self._events, error), self._close)

    def close(self) -> None:
        """Ask for no further events."""
        self._close()


def raise_after(events: Iterator[Item], error: Exception) -> Iterator[Item]:
    """Yield the first events, never the last of all, then raise an error."""
    for number, (event, _) in enumerate(pairwise(events)):
        if number == EVENTS_BEFORE_FAULT:
            break
        yield event
    raise error


def pad(content: Mapping[str, Any]) -> dict[str, Any]:
    """Add padding, whose length hides that of the text; readers have to ignore it."""
    length = zlib.crc32(json.dumps(content).encode()) % len(PADDING) + 1
    return {**content, "p": PADDING[:length]}


def encode_event(name: str, content: Mapping[str, Any]) -> bytes:
    """Encode an event."""
    headers = {":event-type": name, ":content-type": "application/json", ":message-type": "event"}
    return encode_message(headers, write_json(content))


def encode_error(operation: str, error: ServiceError) -> bytes:
    """Encode an error by the name that the operation has for it in a stream, else as one of the model."""
    name = error.code[0].lower() + error.code[1:]
    content: dict[str, Any] = {"message": error.message}
    if name not in list_exceptions(operation):
        name = "modelStreamErrorException"
        content |= {"originalStatusCode": error.status, "originalMessage": error.message}
    headers = {":message-type": "exception", ":exception-type": name, ":content-type": "application/json"}
    return encode_message(headers, write_json(content))


def list_exceptions(operation: str) -> list[str]:
    """List the errors that may be in the stream of an operation of bedrock-runtime."""
    shape: Any = operation_model("bedrock-runtime", operation).get_event_stream_output()
    return [name for name, member in shape.members.items() if member.metadata.get("exception")]


def write_json(content: Mapping[str, Any]) -> bytes:
    """Write the JSON of an event, compact and with its letters as they are, as Bedrock does."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def encode_message(headers: Mapping[str, str], payload: bytes) -> bytes:
    """Frame a message: its lengths with their CRC32, headers, payload, and the CRC32 of all that."""
    fields = b"".join(encode_header(name, value) for name, value in headers.items())
    lengths = struct.pack(">II", 16 + len(fields) + len(payload), len(fields))
    content = lengths + struct.pack(">I", zlib.crc32(lengths)) + fields + payload
    return content + struct.pack(">I", zlib.crc32(content))


def encode_header(name: str, value: str) -> bytes:
    """Encode a header, whose value is a text."""
    name_bytes, value_bytes = name.encode(), value.encode()
    return struct.pack(">B", len(name_bytes)) + name_bytes + struct.pack(">BH", STRING, len(value_bytes)) + value_bytes
