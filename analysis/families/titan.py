"""Amazon Titan Text.

Source: Amazon Bedrock User Guide, "Amazon Titan Text models". The page documents FINISHED; the service sends FINISH.
"""

from __future__ import annotations

import re
from typing import Any

from msgspec import Struct

from analysis.families.family import (
    Count,
    Family,
    ParsedAnswer,
    Sampling,
    drop_unset,
    finish_body,
    join_system_and_user,
    note_further,
)  # fmt: skip
from analysis.prompts import Prompt

STOPS = {
    "finish": "end",
    "finished": "end",
    "length": "length",
    "stop_criteria_met": "stop_sequence",
    "content_filtered": "filtered",
}


def write_request(prompt: Prompt, text: str) -> dict[str, Any]:
    """Build the body of one request; the format has no system text, so it goes in front."""
    generation = {
        "maxTokenCount": prompt.max_tokens,
        "temperature": prompt.temperature,
        "topP": prompt.top_p,
        "stopSequences": list(prompt.stop_sequences),
    }
    fields = {"inputText": join_system_and_user(prompt, text), "textGenerationConfig": drop_unset(generation)}
    return finish_body(fields, prompt)


class TitanGenerationConfig(Struct, rename={"max_tokens": "maxTokenCount", "top_p": "topP"}):
    """The inference parameters of an echoed request."""

    max_tokens: Count | None = None
    temperature: float | None = None
    top_p: float | None = None


class TitanRequest(Struct, rename={"generation": "textGenerationConfig"}):
    """A request that an output line echoes."""

    generation: TitanGenerationConfig | None = None

    def has_own_field(self) -> bool:
        """Return whether `textGenerationConfig` is there, which only Titan has."""
        return self.generation is not None

    def sampling(self) -> Sampling:
        """Return the inference parameters in the common names."""
        generation = self.generation or TitanGenerationConfig()
        return Sampling(generation.max_tokens, generation.temperature, generation.top_p)


class TitanResult(Struct, rename="camel"):
    """The text of an answer, its token count and why it ended."""

    token_count: Count | None = None
    output_text: str | None = None
    completion_reason: str | None = None


class TitanAnswer(Struct, rename="camel"):
    """An answer; the required `results` distinguishes it from other families' answers."""

    results: list[TitanResult] | None
    input_text_token_count: Count | None = None

    def parse(self) -> ParsedAnswer:
        """Read the only result."""
        result = self.results[0] if self.results else TitanResult()
        return ParsedAnswer(
            text=result.output_text,
            stop_reason=result.completion_reason,
            input_tokens=self.input_text_token_count,
            output_tokens=result.token_count,
            note=note_further(self.results, "result"),
        )


TITAN = Family(
    name="titan",
    models=re.compile(r"amazon\.titan-t(ext|g1)"),
    write_request=write_request,
    request=TitanRequest,
    answer=TitanAnswer,
    stops=STOPS,
)
