"""Questions to a model and its replies, in no format of a family, and how their tokens are counted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from bedrock_local.protocol.surrogates import count_bytes, encode_text

BYTES_PER_TOKEN = 4

# Why a reply ends: it is complete, or at `max_tokens`, at a stop sequence, or refused by a content filter.
Stop = Literal["end", "length", "stop_sequence", "filtered"]


@dataclass(frozen=True)
class Question:
    """What a request asks of a model, without the format of its family.

    Attributes
    ----------
    system
        The system text; may be empty.
    text
        The user's text, which contains the transcript.
    max_tokens
        The maximum number of tokens of the reply.
    stop_sequences
        Texts at which the reply ends; empty ones are ignored.
    temperature, top_p
        As in the request; `extract` ignores them.
    schema
        The JSON Schema that the request has for the reply, if any.
    """

    model_id: str
    system: str
    text: str
    max_tokens: int
    stop_sequences: tuple[str, ...] = ()
    temperature: float | None = None
    top_p: float | None = None
    schema: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Reply:
    """The answer of a model, and why it ended; `stop_sequence` is the one that it ended at, if any."""

    text: str
    stop: Stop
    input_tokens: int
    output_tokens: int
    stop_sequence: str | None = None


# Answers in place of a model; the attributes `workers` and `is_quick` say how it may be called.
Responder = Callable[[Question], Reply]


def make_reply(question: Question, text: str) -> Reply:
    """Make a reply of a text: cut it at the question's limits, and count the tokens of both.

    A stop sequence counts only if it ends within `max_tokens`: a model would not have got any further.
    """
    input_tokens = count_tokens(question.system) + count_tokens(question.text)
    kept = cut_tokens(text, question.max_tokens)
    if found := find_stop_sequence(question, kept):
        end, stop = found
        return Reply(kept[:end], "stop_sequence", input_tokens, count_tokens(kept[:end]), stop)
    return Reply(kept, "end" if kept == text else "length", input_tokens, count_tokens(kept))


def find_stop_sequence(question: Question, text: str) -> tuple[int, str] | None:
    """Find the first stop sequence in a text, with its position."""
    return min([(text.find(stop), stop) for stop in question.stop_sequences if stop and stop in text], default=None)


def count_tokens(text: str) -> int:
    """Count one token for every four bytes of UTF-8, rounded up.

    So a token is four letters of English or two of Arabic or Cyrillic, and two characters of Chinese are more than one:
    close to what models count, and the same for input and output.
    """
    return -(-count_bytes(text) // BYTES_PER_TOKEN)


def cut_tokens(text: str, tokens: int) -> str:
    """Cut a text after a number of tokens, without a part of a character at the end."""
    if count_tokens(text) <= tokens:
        return text
    return encode_text(text)[: tokens * BYTES_PER_TOKEN].decode("utf-8", "ignore")
