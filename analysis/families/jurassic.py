"""AI21 Jurassic-2, which is no longer offered: only read. Answers have no token counts.

Source: Amazon Bedrock User Guide, "AI21 Labs Jurassic-2 models", and a recorded answer.
"""

from __future__ import annotations

import re

from msgspec import Struct

from analysis.families.family import Count, Family, ParsedAnswer, Sampling, note_further, only_read

STOPS = {"endoftext": "end", "length": "length", "stop": "stop_sequence"}


class JurassicRequest(Struct, rename="camel"):
    """The inference parameters of a request that an output line echoes."""

    max_tokens: Count | None = None
    temperature: float | None = None
    top_p: float | None = None

    def has_own_field(self) -> bool:
        """Return whether `maxTokens` is there, which only this format has at the top level."""
        return self.max_tokens is not None

    def sampling(self) -> Sampling:
        """Return the inference parameters in the common names."""
        return Sampling(self.max_tokens, self.temperature, self.top_p)


class JurassicText(Struct):
    """The text of a completion."""

    text: str | None = None


class JurassicFinish(Struct):
    """Why a completion ended."""

    reason: str | None = None


class JurassicCompletion(Struct, rename="camel"):
    """A generated text and why it ended."""

    data: JurassicText | None = None
    finish_reason: JurassicFinish | None = None


class JurassicAnswer(Struct):
    """An answer; the required `completions` distinguishes it from other families' answers."""

    completions: list[JurassicCompletion] | None

    def parse(self) -> ParsedAnswer:
        """Read the first completion; there is one unless more are asked for."""
        completion = self.completions[0] if self.completions else JurassicCompletion()
        text, finish = completion.data or JurassicText(), completion.finish_reason or JurassicFinish()
        return ParsedAnswer(
            text=text.text, stop_reason=finish.reason, note=note_further(self.completions, "completion")
        )


JURASSIC = Family(
    name="jurassic",
    models=re.compile(r"ai21\.j2"),
    write_request=only_read,
    request=JurassicRequest,
    answer=JurassicAnswer,
    stops=STOPS,
)
