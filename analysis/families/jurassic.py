"""AI21 Jurassic-2, which is no longer offered: only read. Answers have no tokens of their own.

Source: Amazon Bedrock User Guide, "AI21 Labs Jurassic-2 models", and a recorded answer.
"""

from __future__ import annotations

import re

from msgspec import Struct

from analysis.families.family import Count, Family, ParsedAnswer, Sampling, only_read

STOPS = {"endoftext": "end", "length": "length", "stop": "stop_sequence"}


class JurassicRequest(Struct, rename="camel"):
    """The settings of a request."""

    max_tokens: Count | None = None
    temperature: float | None = None
    top_p: float | None = None

    def has_signature(self) -> bool:
        """Tell whether it has the field that only this format has at its top."""
        return self.max_tokens is not None

    def sampling(self) -> Sampling:
        """Give the settings in the common names."""
        return Sampling(self.max_tokens, self.temperature, self.top_p)


class JurassicText(Struct):
    """The text of a completion."""

    text: str | None = None


class JurassicFinish(Struct):
    """The end of a completion."""

    reason: str | None = None


class JurassicCompletion(Struct, rename="camel"):
    """A text and its end."""

    data: JurassicText | None = None
    finish_reason: JurassicFinish | None = None


class JurassicAnswer(Struct):
    """An answer; its completions set it apart from the answers of other families."""

    completions: list[JurassicCompletion] | None

    def parse(self) -> ParsedAnswer:
        """Read the first completion; there is one unless more are asked for."""
        completion = self.completions[0] if self.completions else JurassicCompletion()
        text, finish = completion.data or JurassicText(), completion.finish_reason or JurassicFinish()
        return ParsedAnswer(text=text.text, stop_reason=finish.reason)


JURASSIC = Family(
    name="jurassic",
    models=re.compile(r"ai21\.j2"),
    write_request=only_read,
    request=JurassicRequest,
    answer=JurassicAnswer,
    stops=STOPS,
)
