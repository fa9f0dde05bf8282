"""What a family declares: how its request is written, and how its request and its answer are read."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, NamedTuple, Protocol

import msgspec
from msgspec import Meta, Struct

from analysis.errors import ModelError
from analysis.families.reasoning import REASONING_TAGS, split_reasoning
from analysis.prompts import Prompt

# Polars holds token counts in signed 64 bits; a number outside that range is an error of the service.
Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]


# gc=False: a large job makes millions of these, and without cycles the garbage collector need not follow them.
class Sampling(Struct, gc=False):
    """The inference parameters of a request in the common names; None where the request does not set them."""

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None


class ToolCall(Struct, gc=False):
    """A call of a tool that the model asks for: the tool's name, and its input as JSON text."""

    name: str | None
    input: str | None


class Vectors(Struct, gc=False):
    """The embeddings of an answer: how many, how many numbers the first has, and the types that all are given in."""

    count: int
    length: int | None
    type: str


class ParsedAnswer(Struct, gc=False):
    """The content of an answer in the common names; None where the answer does not have it.

    `skipped_blocks` counts the content blocks that are in no other field, `reasoning_chars` the characters of
    reasoning, and `note` says what else of the answer was left out.
    """

    model: str | None = None
    text: str | None = None
    stop_reason: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    tool_calls: list[ToolCall] | None = None
    skipped_blocks: int | None = 0
    reasoning_chars: int | None = 0
    note: str | None = None
    vectors: Vectors | None = None


class Limits(NamedTuple):
    """The smallest and largest value of each inference parameter that a family accepts.

    `temperature`, `top_p` and `top_k` are None where the format has no such parameter; prompts that set it are refused.
    `stop_sequences` is the number of them that a request may have: 0 where the format has none, None where no limit is
    documented. The most tokens of an answer are a fact of the model, in `facts/models.csv` and `facts/generations.csv`.
    """

    temperature: tuple[float, float] | None = (0, 1)
    top_p: tuple[float, float] | None = (0, 1)
    top_k: tuple[int, int] | None = None
    stop_sequences: int | None = None


class Request(Protocol):
    """A request that an output line echoes: only the inference parameters are decoded."""

    def has_own_field(self) -> bool:
        """Return whether the request has a field that only this family's requests have."""

    def sampling(self) -> Sampling:
        """Return the inference parameters in the common names."""


class Answer(Protocol):
    """An answer as the model sends it; its fields without a default distinguish it from other families' answers."""

    def parse(self) -> ParsedAnswer:
        """Return the text, the stop reason and the token counts in the common names."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """The models that share a request and an answer format.

    Attributes
    ----------
    name
        The value of the column `family`, and the name of the family's module.
    models
        Matches the base model ids whose InvokeModel format this is.
    write_request
        Builds the model input from a prompt and the user's text, without what the prompt does not set.
        `only_read` for a format that is read but no longer written.
    request, answer
        Structs that decode the two halves of an output line. Families whose answers have one shape share both.
    stops
        Maps the family's stop reasons, in lower case, to the common words.
    limits
        The values that its requests may have.
    matches_request
        Returns whether a line is this family's, judged by its request, where the answers of another family have the
        same shape. Where it is None the model id decides.
    inferred
        Matches models whose format is assumed from similar models and not confirmed, so a batch job may refuse it.
    """

    name: str
    models: re.Pattern[str]
    write_request: Callable[[Prompt, str], dict[str, Any]]
    request: type[Request]
    answer: type[Answer]
    stops: Mapping[str, str]
    limits: Limits = field(default_factory=Limits)
    matches_request: Callable[[Any], bool] | None = None
    inferred: re.Pattern[str] | None = None

    def read_answer(self, reply: bytes) -> ParsedAnswer:
        """Read one answer; msgspec.DecodeError where it has another form."""
        return set_reasoning_apart(msgspec.json.decode(reply, type=self.answer).parse())

    def find_stop(self, stop_reason: str | None) -> str | None:
        """Return a stop reason in common words: `other` for one that is not documented, None for None."""
        if stop_reason is None:
            return None
        # Nearly all stop reasons are in lower case already, so the first look-up finds them without a copy.
        return self.stops.get(stop_reason) or self.stops.get(stop_reason.lower(), "other")


def only_read(prompt: Prompt, text: str) -> dict[str, Any]:  # noqa: ARG001
    """Raise ModelError: requests of this format are read here and not written."""
    raise ModelError(prompt.model_id, "requests in its own format cannot be written", "set invocation_type to Converse")


def finish_body(fields: Mapping[str, Any], prompt: Prompt) -> dict[str, Any]:
    """Finish a body: drop the fields that are not set and merge in the prompt's `additional_fields`."""
    return add_fields(drop_unset(fields), prompt.additional_fields)


def add_fields(body: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """Merge fields into a copy of a body, object by object; the new value replaces one that is there."""
    added = {
        name: add_fields(body[name], value) if isinstance(value, dict) and isinstance(body.get(name), dict) else value
        for name, value in fields.items()
    }
    return {**body, **added}


def drop_unset(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Drop the fields that are None or empty; 0 stays."""
    return {name: value for name, value in fields.items() if value not in (None, "", (), [], {})}


def join_texts(texts: list[str]) -> str | None:
    """Join the text blocks of an answer; None when there are none."""
    if len(texts) == 1:
        return texts[0]
    return "".join(texts) if texts else None


def set_reasoning_apart(parsed: ParsedAnswer, tags: tuple[str, ...] = REASONING_TAGS) -> ParsedAnswer:
    """Take the reasoning between some tags out of the text of an answer, and count its characters."""
    if parsed.text and "<" in parsed.text:
        parsed.text, chars = split_reasoning(parsed.text, tags)
        parsed.reasoning_chars = (parsed.reasoning_chars or 0) + chars
    return parsed


def write_tool_call(name: str | None, arguments: Any) -> ToolCall:
    """Return a tool call whose input is JSON text; a model that writes it as text keeps its own spelling."""
    is_text = arguments is None or isinstance(arguments, str)
    return ToolCall(name, arguments if is_text else json.dumps(arguments, ensure_ascii=False, separators=(",", ":")))


def count_chars(reasoning: Any) -> int:
    """Count the characters of reasoning: a text, or a list of parts that hold one."""
    if isinstance(reasoning, str):
        return len(reasoning)
    if isinstance(reasoning, list):
        return sum(map(count_chars, reasoning))
    if isinstance(reasoning, dict):
        return count_chars(reasoning.get("text")) + count_chars(reasoning.get("thinking"))
    return 0


def note_further(choices: Sequence[Any] | None, name: str = "choice") -> str | None:
    """Say how many choices follow the first, which is the one that is read; None where there are no more."""
    further = len(choices) - 1 if choices else 0
    return f"{further} further {name}{'s' if further > 1 else ''} left out" if further > 0 else None


def join_system_and_user(prompt: Prompt, text: str) -> str:
    """Join the system text and the user's text of a request, for formats that have one text only."""
    return f"{prompt.system}\n\n{text}" if prompt.system else text


def break_tokens(tokens: re.Pattern[str], text: str) -> str:
    """Insert a space after the first character of each template token in a text, which makes it ordinary text.

    A tokenizer matches a token by its exact letters, so a transcript can no longer end the user's part with one.
    """
    return tokens.sub(lambda token: f"{token[0][0]} {token[0][1:]}", text)
