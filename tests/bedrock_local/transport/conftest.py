"""A body whose length nobody knows before its end, as event streams have it."""

from __future__ import annotations

import threading

import pytest

from bedrock_local import dispatch
from bedrock_local.protocol.messages import Response


class Pieces:
    """Chunks, one of which is empty, of no length that is known before."""

    length = None

    def __init__(self):
        self.is_closed = threading.Event()

    def __iter__(self):
        yield from (b"one, ", b"", b"two, ", b"three")

    def close(self):
        self.is_closed.set()


@pytest.fixture
def pieces(monkeypatch):
    """The body of GetBucketVersioning, `one, two, three`."""
    body = Pieces()
    monkeypatch.setitem(dispatch.HANDLERS, "GetBucketVersioning", lambda *_: Response(200, {}, body))
    return body
