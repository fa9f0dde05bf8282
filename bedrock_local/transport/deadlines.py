"""Deadlines: a reader of a connection that gives up at a moment, however many bytes have come by then."""

from __future__ import annotations

import io
import socket
import time
from typing import Any


class DeadlineReader(io.RawIOBase):
    """The bytes that arrive on a connection; without a deadline each read waits as long as the socket's timeout."""

    def __init__(self, connection: socket.socket) -> None:
        super().__init__()
        self._connection = connection
        self._deadline: float | None = None

    def limit(self, seconds: float | None) -> None:
        """Set the deadline so many seconds from now, or none."""
        self._deadline = None if seconds is None else time.monotonic() + seconds

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer with the bytes that have arrived; return 0 when the client has hung up.

        Raises
        ------
        TimeoutError
            The deadline has passed, or nothing has come for as long as the socket waits.
        """
        if self._deadline is None:
            return self._connection.recv_into(buffer)
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the head of the request is not whole")
        usual = self._connection.gettimeout()
        self._connection.settimeout(left if usual is None else min(left, usual))
        try:
            return self._connection.recv_into(buffer)
        finally:
            self._connection.settimeout(usual)
