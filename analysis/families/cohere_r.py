"""Cohere Command R and R+: a message, and the system text as `preamble`.

Source: Amazon Bedrock User Guide, "Cohere Command R and Command R+ models", which documents token counts for
streams only.
"""

from __future__ import annotations

import re
from typing import Any

from msgspec import Struct

from analysis.families.cohere import STOPS, CohereRequest, write_sampling
from analysis.families.family import Count, Family, Limits, ParsedAnswer, finish_body, write_tool_call
from analysis.prompts import Prompt


def write_request(prompt: Prompt, text: str) -> dict[str, Any]:
    """Build the body of one request."""
    return finish_body({"message": text, "preamble": prompt.system, **write_sampling(prompt)}, prompt)


class CohereRRequest(CohereRequest):
    """The inference parameters of a request that an output line echoes."""

    message: str | None = None

    def has_own_field(self) -> bool:
        """Return whether the required `message` is there, which no other format has."""
        return self.message is not None


class CohereRToolCall(Struct):
    """A call of a tool."""

    name: str | None = None
    parameters: Any = None


class BilledUnits(Struct):
    """Token counts."""

    input_tokens: Count | None = None
    output_tokens: Count | None = None


class CohereRMeta(Struct):
    """The object that contains the token counts."""

    billed_units: BilledUnits | None = None


class CohereRAnswer(Struct):
    """An answer; `text` and `finish_reason` at the top level distinguish it from other families' answers."""

    text: str | None
    finish_reason: str | None
    meta: CohereRMeta | None = None
    tool_calls: list[CohereRToolCall] | None = None

    def parse(self) -> ParsedAnswer:
        """Return text, finish reason and billed tokens; the answer does not name the model."""
        billed = (self.meta and self.meta.billed_units) or BilledUnits()
        calls = [write_tool_call(call.name, call.parameters) for call in self.tool_calls or ()]
        return ParsedAnswer(
            None,
            self.text,
            self.finish_reason,
            billed.input_tokens,
            billed.output_tokens,
            tool_calls=calls or None,
        )


COHERE_R = Family(
    name="cohere_r",
    models=re.compile(r"cohere\.command-r"),
    write_request=write_request,
    request=CohereRRequest,
    answer=CohereRAnswer,
    stops=STOPS,
    limits=Limits(top_p=(0.01, 0.99), top_k=(0, 500)),
)
