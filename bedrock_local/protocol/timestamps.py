"""Times as the services write them."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import formatdate
from functools import lru_cache


def iso_time(seconds: float) -> str:
    """Format seconds since 1970 as ISO 8601 with milliseconds."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def http_time(seconds: float) -> str:
    """Format seconds since 1970 as HTTP headers do, in whole seconds."""
    return format_second(int(seconds))


@lru_cache(maxsize=100)
def format_second(seconds: int) -> str:
    """Format whole seconds since 1970 as HTTP headers do; every response has the present one."""
    return formatdate(seconds, usegmt=True)


def read_time(text: str) -> float:
    """Parse ISO 8601 to seconds since 1970; a time without a zone is UTC."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
