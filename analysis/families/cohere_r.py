"""Cohere Command R and R+: a message, with the system text as its preamble.

Source: Amazon Bedrock User Guide, "Cohere Command R and Command R+ models"; its token counts are documented for
streams only.
"""

from __future__ import annotations

import re
from typing import Any

from msgspec import Struct

from analysis.families.cohere import STOPS, CohereRequest, write_settings
from analysis.families.family import Count, Family, Limits, ParsedAnswer, complete
from analysis.prompts import Prompt


def write_request(prompt: Prompt, text: str) -> dict[str, Any]:
    """Write the body of one request."""
    return complete({"message": text, "preamble": prompt.system, **write_settings(prompt)}, prompt)


class CohereRRequest(CohereRequest):
    """The settings of a request."""

    message: str | None = None

    def has_signature(self) -> bool:
        """Tell whether it has the message, which is required and which no other format has."""
        return self.message is not None


class BilledUnits(Struct):
    """Tokens."""

    input_tokens: Count | None = None
    output_tokens: Count | None = None


class CohereRMeta(Struct):
    """The wrapper around the tokens."""

    billed_units: BilledUnits | None = None


class CohereRAnswer(Struct):
    """An answer; text and finish reason side by side set it apart from the answers of other families."""

    text: str | None
    finish_reason: str | None
    meta: CohereRMeta | None = None

    def parse(self) -> ParsedAnswer:
        """Give what is there; the answer does not name the model."""
        billed = (self.meta and self.meta.billed_units) or BilledUnits()
        return ParsedAnswer(None, self.text, self.finish_reason, billed.input_tokens, billed.output_tokens)


COHERE_R = Family(
    name="cohere_r",
    models=re.compile(r"cohere\.command-r"),
    write_request=write_request,
    request=CohereRRequest,
    answer=CohereRAnswer,
    stops=STOPS,
    limits=Limits(top_p=(0.01, 0.99), top_k=(0, 500)),
)
