"""Cohere Command and Command Light: one text. Answers have no token counts.

Source: Amazon Bedrock User Guide, "Cohere Command models", in its older text.
"""

from __future__ import annotations

import re
from typing import Any

from msgspec import Struct

from analysis.families.family import (
    Count,
    Family,
    Limits,
    ParsedAnswer,
    Sampling,
    finish_body,
    join_system_and_user,
    note_further,
)  # fmt: skip
from analysis.prompts import Prompt

# STOP_SEQUENCE is not in the documentation; recorded answers have it.
STOPS = {
    "complete": "end",
    "max_tokens": "length",
    "error_limit": "length",
    "stop_sequence": "stop_sequence",
    "error_toxic": "filtered",
}


def write_request(prompt: Prompt, text: str) -> dict[str, Any]:
    """Build the body of one request; the format has no system text, so it goes in front."""
    return finish_body({"prompt": join_system_and_user(prompt, text), **write_sampling(prompt)}, prompt)


def write_sampling(prompt: Prompt) -> dict[str, Any]:
    """Build the inference parameters, which Command R names in the same way."""
    return {
        "max_tokens": prompt.max_tokens,
        "temperature": prompt.temperature,
        "p": prompt.top_p,
        "k": prompt.top_k,
        "stop_sequences": list(prompt.stop_sequences),
    }


class CohereRequest(Struct):
    """The inference parameters of a request that an output line echoes."""

    max_tokens: Count | None = None
    temperature: float | None = None
    p: float | None = None
    k: Count | None = None

    def has_own_field(self) -> bool:
        """Return whether `p` or `k` is there, names that only Cohere uses."""
        return self.p is not None or self.k is not None

    def sampling(self) -> Sampling:
        """Return the inference parameters in the common names."""
        return Sampling(self.max_tokens, self.temperature, self.p, self.k)


class CohereGeneration(Struct):
    """A generated text and why it ended."""

    text: str | None = None
    finish_reason: str | None = None


class CohereAnswer(Struct):
    """An answer; the required `generations` distinguishes it from other families' answers."""

    generations: list[CohereGeneration] | None

    def parse(self) -> ParsedAnswer:
        """Read the first generation; there is one unless more are asked for."""
        generation = self.generations[0] if self.generations else CohereGeneration()
        return ParsedAnswer(
            text=generation.text,
            stop_reason=generation.finish_reason,
            note=note_further(self.generations, "generation"),
        )


COHERE = Family(
    name="cohere",
    models=re.compile(r"cohere\.command-(text|light)"),
    write_request=write_request,
    request=CohereRequest,
    answer=CohereAnswer,
    stops=STOPS,
    limits=Limits(temperature=(0, 5), top_k=(0, 500)),
)
