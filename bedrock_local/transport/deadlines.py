"""Deadlines: how long a client may be waited for in all, however many bytes have come by then."""

from __future__ import annotations

import io
import math
import socket
import time
from typing import Any

# What a body has to bring for each second that it is waited for beyond `body_seconds`. No client that sends at all is
# as slow as that.
BODY_BYTES_PER_SECOND = 1_000
SLOW_SECONDS = 5.0  # behind that rate: then a body has to leave where others wait for its place


class Patience:
    """How long a client may still be waited for; only waiting counts, not what a busy machine does between two reads.

    Parameters
    ----------
    seconds
        In all.
    bytes_per_second
        Each byte that comes adds its part of a second, so that a large body has the time that it takes.
    """

    def __init__(self, seconds: float, bytes_per_second: float = math.inf) -> None:
        self.left = seconds
        self._rate = bytes_per_second
        self._begun: float | None = None
        self._delay = 0.0

    def begin(self) -> None:
        """Note that the client is waited for from now on."""
        self._begun = time.monotonic()

    def spend(self, count: int = 0) -> None:
        """Take off the time since `begin`, and add what the bytes that came are worth."""
        waited, self._begun = time.monotonic() - (self._begun or time.monotonic()), None
        self.left += count / self._rate - waited
        # Not below 0: who was fast for a while, and then sends drop by drop, is slow.
        self._delay = max(0.0, self._delay + waited - count / self._rate)

    def find_wait(self) -> float | None:
        """Return since when the client has been slow, on the clock `time.monotonic`; None unless it is waited for now.

        A client that keeps to the rate is not slow, nor is one that fell behind by less than SLOW_SECONDS.
        """
        begun, delay = self._begun, self._delay
        if begun is None or time.monotonic() - begun + delay < SLOW_SECONDS:
            return None
        return begun - delay


class DeadlineReader(io.RawIOBase):
    """The bytes that arrive on a connection; without a deadline each read waits as long as the socket's timeout."""

    def __init__(self, connection: socket.socket) -> None:
        super().__init__()
        self._connection = connection
        self._patience: Patience | None = None

    def limit(self, patience: Patience | None) -> None:
        """Set how long the client is waited for from now on; None for as long as it likes."""
        self._patience = patience

    def find_wait(self) -> float | None:
        """Return since when the client has been too slow; None where it is not, or is not waited for."""
        patience = self._patience
        return None if patience is None else patience.find_wait()

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer with the bytes that have arrived; return 0 when the client has hung up.

        Raises
        ------
        TimeoutError
            The time is over and no byte is there, or nothing has come for as long as the socket waits.
        """
        if self._patience is None:
            return self._connection.recv_into(buffer)
        usual, count = self._connection.gettimeout(), 0
        self._patience.begin()
        # 0 does not wait: what has arrived meanwhile is read, however late it is.
        left = max(0.0, self._patience.left)
        self._connection.settimeout(left if usual is None else min(left, usual))
        try:
            count = self._connection.recv_into(buffer)
        except BlockingIOError:
            raise TimeoutError("the client sends too slowly") from None
        finally:
            self._connection.settimeout(usual)
            self._patience.spend(count)
        return count
