"""DeepSeek-R1: one text, written in the model's chat template; the answer begins with the model's thoughts.

Source: Amazon Bedrock User Guide, "DeepSeek models".
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from analysis.families.family import Count, Family, Limits, ParsedAnswer, Sampling, break_tokens, complete
from analysis.prompts import Prompt

STOPS = {"stop": "end", "length": "length", "content_filter": "filtered"}
# Its tokens have a full-width bar, U+FF5C, and a lower block, U+2581, in place of a space.
BAR = "\uff5c"
TOKENS = re.compile(rf"<{BAR}[^{BAR}<>\n]{{1,40}}{BAR}>")
BEGIN, USER, ASSISTANT = (f"<{BAR}{name}{BAR}>" for name in ("begin\u2581of\u2581sentence", "User", "Assistant"))
THOUGHTS_END = "</think>"


def write_request(prompt: Prompt, text: str) -> dict[str, Any]:
    """Write the body of one request, up to where the model begins to think; tokens within the texts are broken."""
    system, user = (break_tokens(TOKENS, words) for words in (prompt.system, text))
    fields = {
        "prompt": f"{BEGIN}{system}{USER}{user}{ASSISTANT}<think>\n",
        "max_tokens": prompt.max_tokens,
        "temperature": prompt.temperature,
        "top_p": prompt.top_p,
        "stop": list(prompt.stop_sequences),
    }
    return complete(fields, prompt)


class CompletionRequest(Struct):
    """The settings of a request."""

    max_tokens: Count | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: Count | None = None

    def has_signature(self) -> bool:
        """Tell nothing: other formats have all of its fields."""
        return False

    def sampling(self) -> Sampling:
        """Give the settings, which have the common names already."""
        return Sampling(self.max_tokens, self.temperature, self.top_p, self.top_k)


class CompletionChoice(Struct):
    """A text and its end, which OpenAI calls a finish reason; with a message it would be a choice of a chat."""

    text: str | None
    stop_reason: str | None = None
    finish_reason: str | None = None
    message: UnsetType = UNSET


class CompletionUsage(Struct):
    """Tokens, which R1 does not give."""

    prompt_tokens: Count | None = None
    completion_tokens: Count | None = None


class CompletionAnswer(Struct):
    """A text completion; the text in its choice sets it apart from the answers of other families."""

    choices: Annotated[list[CompletionChoice], Meta(min_length=1)]
    model: str | None = None
    usage: CompletionUsage | None = None

    def parse(self) -> ParsedAnswer:
        """Read the first choice, from where the thoughts end; without their end nothing tells them from the text."""
        choice, usage = self.choices[0], self.usage or CompletionUsage()
        text = choice.text and choice.text.rpartition(THOUGHTS_END)[2]
        stop_reason = choice.finish_reason if choice.stop_reason is None else choice.stop_reason
        return ParsedAnswer(self.model, text, stop_reason, usage.prompt_tokens, usage.completion_tokens)


DEEPSEEK_R1 = Family(
    name="deepseek_r1",
    models=re.compile(r"deepseek\.r1"),
    write_request=write_request,
    request=CompletionRequest,
    answer=CompletionAnswer,
    stops=STOPS,
    limits=Limits(stop_sequences=10, max_tokens=32_768),
)
