"""What a family declares: its models, the schema of a body, and how a question is read and an answer written."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Callable, Generator, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any

import msgspec

from bedrock_local.families.error_wording import ErrorFormatter, format_schema
from bedrock_local.families.schema import Object
from bedrock_local.inference import Question, Reply, ReplyStream
from bedrock_local.models import Model

Body = Mapping[str, Any]
Chunk = dict[str, Any]
# Yields the chunks of a stream but the last, and returns that one, to which the metrics are added.
Chunks = Generator[Chunk, None, Chunk]

# 2026-09-21T14:13:20Z; `created` of an answer lies in the 24 hours from then on.
FIRST_CREATED_S = 1_790_000_000


@dataclass(frozen=True)
class Family:
    """The models that share a request and an answer format.

    Attributes
    ----------
    name
        Key of the tests' tables of families. `analysis` has names of its own: `mistral` for `mistral-prompt`, for one.
    models
        Pattern of the base ids of its models.
    schema
        Schema of a body; Converse accepts its properties as additional fields of a model.
    read_question
        Reads the question from a checked body.
    write_answer
        Writes a reply in the model's own format.
    write_chunks
        Writes the chunks of a stream in the model's own format.
    check_rules
        Raises a ServiceError for a body that matches the schema, and that the model refuses all the same.
    format_error
        Formats the error message for a body that breaks the schema.
    """

    name: str
    models: re.Pattern[str]
    schema: Object
    read_question: Callable[[Model, Body], Question]
    write_answer: Callable[[Model, Body, Reply], dict[str, Any]]
    write_chunks: Callable[[Model, Body, ReplyStream], Chunks]
    _: KW_ONLY
    check_rules: Callable[[Model, Body], None] = lambda _model, _body: None
    format_error: ErrorFormatter = format_schema


def digest(body: Any) -> str:
    """Return the SHA-256 of a body in 64 hexadecimal digits: the same body always gets the same ids."""
    return hashlib.sha256(msgspec.json.encode(body)).hexdigest()


def make_uuid(body: Any, part: int = 0) -> str:
    """Make a UUID from a body; `part` makes a different one for each part of an answer."""
    return str(uuid.UUID(hashlib.sha256(f"{digest(body)} {part}".encode()).hexdigest()[:32]))


def make_time(body: Any) -> int:
    """Make a time from a body, in seconds since 1970."""
    return FIRST_CREATED_S + int(digest(body)[:8], 16) % 86_400
