"""What a family declares: how its request is written, and how its request and its answer are read."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple, Protocol

import msgspec

from analysis.prompts import Prompt

# Polars keeps these numbers in 64 bits; a count below 0 or above that is no count.
Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class Settings(NamedTuple):
    """What a request asked for; missing where it does not say."""

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None


class Reading(NamedTuple):
    """What an answer says; missing where it does not say."""

    model: str | None = None
    text: str | None = None
    stop_reason: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None


class Request(Protocol):
    """A request as it comes back in an output line: the settings are typed, all else is skipped."""

    def is_claimed(self) -> bool:
        """Tell whether the request has a field that only this family's requests have."""

    def settings(self) -> Settings:
        """Give the settings in the common names."""


class Answer(Protocol):
    """An answer as the model gives it; one field without default sets it apart from the other families."""

    def reading(self) -> Reading:
        """Give the text, the stop reason and the tokens in the common names."""


@dataclass(frozen=True)
class Family:
    """The models that share a request and an answer format.

    Attributes
    ----------
    name
        Stands in the column `family`.
    models
        Base model ids whose InvokeModel format this is.
    write_request
        The model input for a prompt and the user's text; what the prompt does not set is not sent.
    request, answer
        Structs that read what comes back.
    stops
        The family's stop reasons, in lower case, in common words.
    """

    name: str
    models: re.Pattern[str]
    write_request: Callable[[Prompt, str], dict[str, Any]]
    request: type[Request]
    answer: type[Answer]
    stops: Mapping[str, str]

    def find_stop(self, stop_reason: str | None) -> str | None:
        """Put a stop reason in common words; one that nobody documented is `other`, none stays missing."""
        return None if stop_reason is None else self.stops.get(stop_reason.lower(), "other")


def drop_unset(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what is missing or empty; 0 is neither."""
    return {name: value for name, value in fields.items() if value not in (None, "", (), [], {})}


def join_texts(texts: list[str]) -> str | None:
    """Join the text blocks of an answer; without any the text is missing."""
    return "".join(texts) if texts else None
