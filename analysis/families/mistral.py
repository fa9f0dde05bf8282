"""Mistral's older format, one text: Mistral 7B, Mixtral, Small (24.02). Answers have no token counts.

Source: Amazon Bedrock User Guide, "Mistral AI text completion".
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
    break_tokens,
    finish_body,
    join_system_and_user,
    note_further,
)  # fmt: skip
from analysis.prompts import Prompt

STOPS = {"stop": "end", "length": "length", "model_length": "length", "tool_calls": "tool"}
# The first models tokenize [INST] as ordinary text: broken, it is not their mark, but a model may still follow it.
TOKENS = re.compile(r"</?s>|\[/?[A-Z][A-Z_]+\]|<</?SYS>>")


def write_request(prompt: Prompt, text: str) -> dict[str, Any]:
    """Build the body of one request, with the texts between [INST] and [/INST]."""
    fields = {
        "prompt": f"<s>[INST] {break_tokens(TOKENS, join_system_and_user(prompt, text))} [/INST]",
        "max_tokens": prompt.max_tokens,
        "temperature": prompt.temperature,
        "top_p": prompt.top_p,
        "top_k": prompt.top_k,
        "stop": list(prompt.stop_sequences),
    }
    return finish_body(fields, prompt)


class MistralRequest(Struct):
    """The inference parameters of a request that an output line echoes."""

    max_tokens: Count | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: Count | None = None

    def has_own_field(self) -> bool:
        """Return False: other formats have all of these fields too."""
        return False

    def sampling(self) -> Sampling:
        """Return the inference parameters, which have the common names already."""
        return Sampling(self.max_tokens, self.temperature, self.top_p, self.top_k)


class MistralOutput(Struct):
    """The text of an answer and why it ended."""

    text: str | None = None
    stop_reason: str | None = None


class MistralAnswer(Struct):
    """An answer; the required `outputs` distinguishes it from other families' answers."""

    outputs: list[MistralOutput] | None

    def parse(self) -> ParsedAnswer:
        """Read the only output, which has no token counts."""
        output = self.outputs[0] if self.outputs else MistralOutput()
        return ParsedAnswer(text=output.text, stop_reason=output.stop_reason, note=note_further(self.outputs, "output"))


MISTRAL = Family(
    name="mistral",
    models=re.compile(r"mistral\.(mistral-7b|mixtral|mistral-small-240)"),
    write_request=write_request,
    request=MistralRequest,
    answer=MistralAnswer,
    stops=STOPS,
    limits=Limits(top_k=(1, 200), stop_sequences=10),
)
