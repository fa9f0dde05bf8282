"""Anthropic text completions, an older format of Claude 2 that is only read here. Answers have no token counts.

Source: Amazon Bedrock User Guide, "Anthropic Claude Text Completions API".
"""

from __future__ import annotations

import re

from msgspec import Struct

from analysis.families.family import Count, Family, ParsedAnswer, Sampling, only_read

# A complete answer ends before "\n\nHuman:", which Bedrock reports as a stop sequence too.
STOPS = {"stop_sequence": "stop_sequence", "max_tokens": "length"}


class TextRequest(Struct):
    """The inference parameters of a request that an output line echoes."""

    max_tokens_to_sample: Count | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: Count | None = None

    def has_own_field(self) -> bool:
        """Return whether `max_tokens_to_sample` is there, which only this format has."""
        return self.max_tokens_to_sample is not None

    def sampling(self) -> Sampling:
        """Return the inference parameters in the common names."""
        return Sampling(self.max_tokens_to_sample, self.temperature, self.top_p, self.top_k)


class TextAnswer(Struct):
    """An answer; the required `completion` distinguishes it from other families' answers."""

    completion: str | None
    model: str | None = None
    stop_reason: str | None = None

    def parse(self) -> ParsedAnswer:
        """Return the completion and its stop reason; this format has no token counts."""
        return ParsedAnswer(self.model, self.completion, self.stop_reason)


ANTHROPIC_TEXT = Family(
    name="anthropic_text",
    models=re.compile(r"anthropic\.claude-(v2|instant)"),
    write_request=only_read,
    request=TextRequest,
    answer=TextAnswer,
    stops=STOPS,
)
