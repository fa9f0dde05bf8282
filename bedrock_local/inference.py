"""What a model is asked and what it answers, whatever the format, and how their tokens are counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from bedrock_local.protocol.surrogates import count_bytes, encode_text

BYTES_PER_TOKEN = 4

# How a reply ends: by itself, at `max_tokens`, at a stop sequence, or refused by a content filter.
Stop = Literal["end", "length", "stop_sequence", "filtered"]


@dataclass(frozen=True)
class Question:
    """What a request asks of a model, whatever its format.

    Attributes
    ----------
    system
        The system text; may be empty.
    text
        The user's text, with the transcript somewhere in it.
    max_tokens
        The most tokens the reply may have.
    stop_sequences
        Texts at which the reply ends; empty ones are passed over.
    temperature, top_p
        As the request has them; a stand-in has no use for them.
    """

    model_id: str
    system: str
    text: str
    max_tokens: int
    stop_sequences: tuple[str, ...] = ()
    temperature: float | None = None
    top_p: float | None = None


@dataclass(frozen=True)
class Reply:
    """What came back, and how it ended; `stop_sequence` is the one that ended it, if one did."""

    text: str
    stop: Stop
    input_tokens: int
    output_tokens: int
    stop_sequence: str | None = None


Responder = Callable[[Question], Reply]


def end_reply(question: Question, text: str) -> Reply:
    """End a text where the question's limits end it, and count the tokens of both.

    A stop sequence counts only where it is whole within `max_tokens`, as with a model that never got that far.
    """
    input_tokens = count_tokens(question.system) + count_tokens(question.text)
    kept = cut_tokens(text, question.max_tokens)
    if found := find_stop(question, kept):
        place, stop = found
        return Reply(kept[:place], "stop_sequence", input_tokens, count_tokens(kept[:place]), stop)
    return Reply(kept, "end" if kept == text else "length", input_tokens, count_tokens(kept))


def find_stop(question: Question, text: str) -> tuple[int, str] | None:
    """Find the first stop sequence in a text."""
    return min([(text.find(stop), stop) for stop in question.stop_sequences if stop and stop in text], default=None)


def count_tokens(text: str) -> int:
    """Count one token for every four bytes of UTF-8, the last one begun counted whole.

    So four letters of English, two of Arabic or Cyrillic, and more than one token for two of Chinese: near what
    models count, and the same for what goes in and what comes out.
    """
    return -(-count_bytes(text) // BYTES_PER_TOKEN)


def cut_tokens(text: str, tokens: int) -> str:
    """Keep the first tokens of a text, and no part of a character."""
    if count_tokens(text) <= tokens:
        return text
    return encode_text(text)[: tokens * BYTES_PER_TOKEN].decode("utf-8", "ignore")
