"""What a family declares: which models it is of, what a body may hold, what it asks, and how the answer looks."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from bedrock_local.families.error_wording import Voice
from bedrock_local.families.schema import Fields
from bedrock_local.inference import Question, Reply
from bedrock_local.models import Model

Body = Mapping[str, Any]

# The day on which the answers of models that date them begin: 2026-09-21.
DAY = 1_790_000_000


@dataclass(frozen=True)
class Family:
    """The models that share a request and an answer format.

    Attributes
    ----------
    name
        Of the family, as the documentation calls the format.
    models
        Base ids of its models.
    fields
        The table of its body; Converse takes these fields as a model's additional ones.
    voice
        How a body is refused.
    check_body
        Raises a ServiceError for a body that the model would refuse.
    read_question
        Reads what a checked body asks.
    write_answer
        Writes a reply as the model writes its answers.
    """

    name: str
    models: re.Pattern[str]
    fields: Fields
    voice: Voice
    check_body: Callable[[Model, Body], None]
    read_question: Callable[[Model, Body], Question]
    write_answer: Callable[[Model, Body, Reply], dict[str, Any]]


def digest(body: Any) -> str:
    """Give 64 hexadecimal digits that stand for a body."""
    return hashlib.sha256(msgspec.json.encode(body)).hexdigest()


def make_uuid(body: Any, part: int = 0) -> str:
    """Make a UUID that stands for a body, or for a part of its answer."""
    return str(uuid.UUID(hashlib.sha256(f"{digest(body)} {part}".encode()).hexdigest()[:32]))


def make_time(body: Any) -> int:
    """Make a moment within a day, in seconds since 1970, that stands for a body."""
    return DAY + int(digest(body)[:8], 16) % 86_400
