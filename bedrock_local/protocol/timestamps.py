"""Moments as the services write them."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import formatdate


def iso_time(seconds: float) -> str:
    """Write a moment as ISO 8601 with milliseconds."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def http_time(seconds: float) -> str:
    """Write a moment as HTTP headers do, in whole seconds."""
    return formatdate(int(seconds), usegmt=True)


def read_time(text: str) -> float:
    """Read ISO 8601; a moment that names no zone is UTC."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
