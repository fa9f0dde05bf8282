"""Anthropic text completions, which Claude 2 took beside messages: only read. Answers have no tokens.

Source: Amazon Bedrock User Guide, "Anthropic Claude Text Completions API".
"""

from __future__ import annotations

import re

from msgspec import Struct

from analysis.families.family import Count, Family, ParsedAnswer, Sampling, only_read

# The answer ends at "\n\nHuman:", which is a stop sequence too.
STOPS = {"stop_sequence": "stop_sequence", "max_tokens": "length"}


class TextRequest(Struct):
    """The settings of a request."""

    max_tokens_to_sample: Count | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: Count | None = None

    def has_signature(self) -> bool:
        """Tell whether it has the field that only this format has."""
        return self.max_tokens_to_sample is not None

    def sampling(self) -> Sampling:
        """Give the settings in the common names."""
        return Sampling(self.max_tokens_to_sample, self.temperature, self.top_p, self.top_k)


class TextAnswer(Struct):
    """An answer; its completion sets it apart from the answers of other families."""

    completion: str | None
    model: str | None = None
    stop_reason: str | None = None

    def parse(self) -> ParsedAnswer:
        """Give what is there."""
        return ParsedAnswer(self.model, self.completion, self.stop_reason)


ANTHROPIC_TEXT = Family(
    name="anthropic_text",
    models=re.compile(r"anthropic\.claude-(v2|instant)"),
    write_request=only_read,
    request=TextRequest,
    answer=TextAnswer,
    stops=STOPS,
)
