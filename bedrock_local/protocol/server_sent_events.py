"""Streams of server-sent events, in which the APIs of Anthropic and OpenAI stream.

Source: HTML Living Standard, "Server-sent events".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from bedrock_local.protocol.errors import ServiceError
from bedrock_local.protocol.event_stream import raise_after, write_json

CONTENT_TYPE = "text/event-stream; charset=utf-8"


class ServerSentBody:
    """The body of a response that is a stream of server-sent events; an error that these raise is the last of them.

    Parameters
    ----------
    events
        Each as bytes.
    write_error
        Returns the event of an error.
    close
        Called when the client wants no more, or has all.
    """

    length = None

    def __init__(
        self, events: Iterator[bytes], write_error: Callable[[ServiceError], bytes], close: Callable[[], object]
    ) -> None:
        self._events, self._write_error, self._close = events, write_error, close

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._events
        except ServiceError as error:
            yield self._write_error(error)
        finally:
            self.close()

    def interrupt(self, error: Exception) -> ServerSentBody:
        """Return a body that begins like this one and then raises an error; a ServiceError is sent as an event."""
        return ServerSentBody(raise_after(self._events, error), self._write_error, self._close)

    def close(self) -> None:
        """Ask for no further events."""
        self._close()


def encode_server_sent(content: Mapping[str, Any], name: str = "") -> bytes:
    """Encode an event, whose JSON has no line ends; without a name it is a `message`."""
    return (f"event: {name}\n".encode() if name else b"") + b"data: " + write_json(content) + b"\n\n"
