"""What a family declares: how its request is written, and how its request and its answer are read."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, NamedTuple, Protocol

from msgspec import Meta, Struct

from analysis.errors import ModelError
from analysis.prompts import Prompt

# Polars keeps these numbers in 64 bits; a count below 0 or above that is no count.
Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class Sampling(Struct, gc=False):
    """What a request asked for; missing where it does not say."""

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None


class ParsedAnswer(Struct, gc=False):
    """What an answer says; missing where it does not say."""

    model: str | None = None
    text: str | None = None
    stop_reason: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None


class Limits(NamedTuple):
    """What a family's requests may ask for: least and most of a setting.

    `top_k` is None where the family has no such setting; `stop_sequences` is how many there may be, 0 where it has
    none, None where nobody says; `max_tokens` is the family's own ceiling, for models whose own is not known.
    """

    temperature: tuple[float, float] = (0, 1)
    top_p: tuple[float, float] = (0, 1)
    top_k: tuple[int, int] | None = None
    stop_sequences: int | None = None
    max_tokens: int | None = None


class Request(Protocol):
    """A request as it comes back in an output line: the settings are typed, all else is skipped."""

    def has_signature(self) -> bool:
        """Tell whether the request has a field that only this family's requests have."""

    def sampling(self) -> Sampling:
        """Give the settings in the common names."""


class Answer(Protocol):
    """An answer as the model gives it; fields without default set it apart from the other families."""

    def parse(self) -> ParsedAnswer:
        """Give the text, the stop reason and the tokens in the common names."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """The models that share a request and an answer format.

    Attributes
    ----------
    name
        Stands in the column `family`; the file has the same.
    models
        Base model ids whose InvokeModel format this is.
    write_request
        The model input for a prompt and the user's text; what the prompt does not set is not sent.
        `only_read` where nobody should write any more.
    request, answer
        Structs that read what comes back. Families whose answers have one shape share both.
    stops
        The family's stop reasons, in lower case, in common words.
    limits
        What its requests may ask for.
    matches_request
        Tells by the request whether a line is this family's, where another's answers have the same shape; without it
        the model tells.
    inferred
        Models whose format nobody has confirmed, so that a batch job may find out that it is another.
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

    def find_stop(self, stop_reason: str | None) -> str | None:
        """Put a stop reason in common words; one that nobody documented is `other`, none stays missing."""
        if stop_reason is None:
            return None
        return self.stops.get(stop_reason) or self.stops.get(stop_reason.lower(), "other")


def only_read(prompt: Prompt, text: str) -> dict[str, Any]:  # noqa: ARG001
    """Refuse to write a format that is only read."""
    raise ModelError(prompt.model_id, "its own format is read here, not written", "set invocation_type to Converse")


def complete(fields: Mapping[str, Any], prompt: Prompt) -> dict[str, Any]:
    """Leave out what is missing, and add the prompt's own fields; those of an object join the fields it has."""
    return add_fields(drop_unset(fields), prompt.additional_fields)


def add_fields(body: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """Add fields to a body, object by object; a field that is there gets the new value."""
    added = {
        name: add_fields(body[name], value) if isinstance(value, dict) and isinstance(body.get(name), dict) else value
        for name, value in fields.items()
    }
    return {**body, **added}


def drop_unset(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what is missing or empty; 0 is neither."""
    return {name: value for name, value in fields.items() if value not in (None, "", (), [], {})}


def join_texts(texts: list[str]) -> str | None:
    """Join the text blocks of an answer; without any the text is missing."""
    if len(texts) == 1:
        return texts[0]
    return "".join(texts) if texts else None


def join_parts(prompt: Prompt, text: str) -> str:
    """Put the system text before the user's, for formats that have one text only."""
    return f"{prompt.system}\n\n{text}" if prompt.system else text


def break_tokens(tokens: re.Pattern[str], text: str) -> str:
    """Put a space after the first character of each template token in a text, so that it is none any more.

    The model's tokenizer knows a token by its exact letters, so a transcript cannot end the user's part with one.
    """
    return tokens.sub(lambda token: f"{token[0][0]} {token[0][1:]}", text)
