"""Ids of answers: digests of the question, so that they do not change from run to run."""

from __future__ import annotations

import hashlib
import uuid
from typing import Any

import msgspec

# The day on which the answers of models that date them begin: 2026-09-21.
DAY = 1_790_000_000


def digest(body: Any) -> str:
    """Give 64 hexadecimal digits that stand for a body."""
    return hashlib.sha256(msgspec.json.encode(body)).hexdigest()


def make_uuid(body: Any, part: int = 0) -> str:
    """Make a UUID that stands for a body, or for a part of its answer."""
    return str(uuid.UUID(hashlib.sha256(f"{digest(body)} {part}".encode()).hexdigest()[:32]))


def make_time(body: Any) -> int:
    """Make a moment within a day, in seconds since 1970, that stands for a body."""
    return DAY + int(digest(body)[:8], 16) % 86_400
