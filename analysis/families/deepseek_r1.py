"""DeepSeek-R1: one text in the model's chat template; the answer begins with the model's reasoning.

Source: Amazon Bedrock User Guide, "DeepSeek models".
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from analysis.families.family import (
    Count,
    Family,
    Limits,
    ParsedAnswer,
    Sampling,
    break_tokens,
    finish_body,
    note_further,
)  # fmt: skip
from analysis.prompts import Prompt

STOPS = {"stop": "end", "length": "length", "content_filter": "filtered"}
# Its tokens have a full-width bar, U+FF5C, and a lower block, U+2581, in place of a space.
BAR = "\uff5c"
TOKENS = re.compile(rf"<{BAR}[^{BAR}<>\n]{{1,40}}{BAR}>")
BEGIN, USER, ASSISTANT = (f"<{BAR}{name}{BAR}>" for name in ("begin\u2581of\u2581sentence", "User", "Assistant"))


def write_request(prompt: Prompt, text: str) -> dict[str, Any]:
    """Build the body of one request, up to the tag that opens the reasoning; tokens in the texts are broken."""
    system, user = (break_tokens(TOKENS, words) for words in (prompt.system, text))
    fields = {
        "prompt": f"{BEGIN}{system}{USER}{user}{ASSISTANT}<think>\n",
        "max_tokens": prompt.max_tokens,
        "temperature": prompt.temperature,
        "top_p": prompt.top_p,
        "stop": list(prompt.stop_sequences),
    }
    return finish_body(fields, prompt)


class CompletionRequest(Struct):
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


class CompletionChoice(Struct):
    """A text and why it ended, under either of two names; with `message` it would be a choice of a chat instead."""

    text: str | None
    stop_reason: str | None = None
    finish_reason: str | None = None
    message: UnsetType = UNSET


class CompletionUsage(Struct):
    """Token counts, which R1 does not have."""

    prompt_tokens: Count | None = None
    completion_tokens: Count | None = None


class CompletionAnswer(Struct):
    """An answer; the `text` in its choice distinguishes it from other families' answers."""

    choices: Annotated[list[CompletionChoice], Meta(min_length=1)]
    model: str | None = None
    usage: CompletionUsage | None = None

    def parse(self) -> ParsedAnswer:
        """Read the first choice; its text begins within the reasoning, which the request opened."""
        choice, usage = self.choices[0], self.usage or CompletionUsage()
        stop_reason = choice.finish_reason if choice.stop_reason is None else choice.stop_reason
        return ParsedAnswer(
            self.model,
            choice.text,
            stop_reason,
            usage.prompt_tokens,
            usage.completion_tokens,
            note=note_further(self.choices),
        )


DEEPSEEK_R1 = Family(
    name="deepseek_r1",
    models=re.compile(r"deepseek\.r1"),
    write_request=write_request,
    request=CompletionRequest,
    answer=CompletionAnswer,
    stops=STOPS,
    limits=Limits(stop_sequences=10),
)
