"""Questions to a model and its replies, in no format of a family, and how their tokens are counted."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from bedrock_local.protocol.surrogates import count_bytes, encode_text

BYTES_PER_TOKEN = 4
# A piece of a text in a stream: white space and some letters, about as much as a token.
PIECE = re.compile(r"\s*\S{1,12}|\s+")

# Why a reply ends: it is complete, or at `max_tokens`, at a stop sequence, or refused by a content filter.
Stop = Literal["end", "length", "stop_sequence", "filtered"]


class ForcedTool(NamedTuple):
    """A tool that a request forces the model to call: its name, the JSON Schema of its input, and what it is for."""

    name: str
    schema: Mapping[str, Any]
    description: str = ""


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
    tool
        The tool whose input the reply shall be, if any; `schema` is that of its input.
    """

    model_id: str
    system: str
    text: str
    max_tokens: int
    stop_sequences: tuple[str, ...] = ()
    temperature: float | None = None
    top_p: float | None = None
    schema: Mapping[str, Any] | None = None
    tool: ForcedTool | None = None


@dataclass(frozen=True)
class Reply:
    """The answer of a model, and why it ended; `stop_sequence` is the one that it ended at, if any."""

    text: str
    stop: Stop
    input_tokens: int
    output_tokens: int
    stop_sequence: str | None = None


# Answers in place of a model; the attributes `workers` and `is_quick` say how it may be called. With an attribute
# `stream`, a function from a question to `Pieces`, its replies reach the clients of streams piece by piece.
Responder = Callable[[Question], Reply]
# Yields the pieces of a text as they come, and returns the whole reply.
Pieces = Generator[str, None, Reply]


class ReplyStream:
    """A reply as it comes: iterate over the pieces of its text, once, and then read `reply`.

    Attributes
    ----------
    input_tokens
        Those of the reply; counted by the emulator where the responder says them at the end only.
    spent_tokens
        Output tokens that the text does not have, to be added to those of the reply.
    reply
        The whole; it is there once all pieces have been taken.
    """

    reply: Reply

    def __init__(self, pieces: Pieces, input_tokens: int) -> None:
        self._pieces, self.input_tokens, self.spent_tokens = pieces, input_tokens, 0

    def __iter__(self) -> Iterator[str]:
        while True:
            try:
                piece = next(self._pieces)
            except StopIteration as end:
                reply: Reply = end.value
                self.reply = replace(reply, output_tokens=reply.output_tokens + self.spent_tokens)
                return
            # A chunk without text would be the first of an empty block.
            if piece:
                yield piece

    def close(self) -> None:
        """Ask for no further pieces."""
        self._pieces.close()


# Answers a question by a stream.
Streamer = Callable[[Question], ReplyStream]


def stream_reply(reply: Reply) -> ReplyStream:
    """Return a reply that is there already as a stream."""

    def yield_pieces() -> Pieces:
        yield from split_text(reply.text)
        return reply

    return ReplyStream(yield_pieces(), reply.input_tokens)


def split_text(text: str) -> list[str]:
    """Split a text into the pieces of a stream, which joined are the text."""
    return PIECE.findall(text)


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
