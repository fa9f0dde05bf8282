"""OpenAI chat completions: gpt-oss, and the open-weight models that accept the same body.

Sources: Amazon Bedrock User Guide, "OpenAI models"; LiteLLM documentation of October 2026 for Qwen and DeepSeek in
batch jobs. For the others the body is the same by AWS's convention, which nothing confirms for their batch jobs:
Converse is the safe choice.
"""

from __future__ import annotations

import re
from typing import Any

from msgspec import Struct

from analysis.facts.models import find_model
from analysis.families.family import Count, Family, Limits, ParsedAnswer, Sampling, finish_body
from analysis.prompts import Prompt

STOPS = {
    "stop": "end",
    "length": "length",
    "model_length": "length",
    "tool_calls": "tool",
    "function_call": "tool",
    "content_filter": "filtered",
}
REASONING, REASONING_END = "<reasoning>", "</reasoning>"


def write_request(prompt: Prompt, text: str) -> dict[str, Any]:
    """Build the body of one request, without the model, which belongs to the job."""
    is_openai = find_model(prompt.model_id).provider == "openai"
    fields = {
        "messages": write_messages(prompt, text),
        "max_completion_tokens" if is_openai else "max_tokens": prompt.max_tokens,
        "temperature": prompt.temperature,
        "top_p": prompt.top_p,
        "stop": list(prompt.stop_sequences),
    }
    return finish_body(fields, prompt)


def write_messages(prompt: Prompt, text: str) -> list[dict[str, str]]:
    """Build the messages of the system text and the user's text."""
    system = [{"role": "system", "content": prompt.system}] if prompt.system else []
    return [*system, {"role": "user", "content": text}]


class ChatRequest(Struct):
    """The inference parameters of a request that an output line echoes."""

    max_tokens: Count | None = None
    max_completion_tokens: Count | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: Count | None = None

    def has_own_field(self) -> bool:
        """Return whether `max_completion_tokens` is there, which only OpenAI has; others have max_tokens too."""
        return self.max_completion_tokens is not None

    def sampling(self) -> Sampling:
        """Return the inference parameters in the common names."""
        new, old = self.max_completion_tokens, self.max_tokens
        return Sampling(old if new is None else new, self.temperature, self.top_p, self.top_k)


class ChatMessage(Struct):
    """The message of an answer."""

    content: str | None = None

    def read_text(self) -> str | None:
        """Return the text after the reasoning; None when the answer was cut off within the reasoning."""
        if self.content is None or not self.content.startswith(REASONING):
            return self.content
        _, end, text = self.content.partition(REASONING_END)
        return text if end else None


class ChatChoice(Struct):
    """A choice; Mistral calls its `finish_reason` `stop_reason`."""

    message: ChatMessage | None
    finish_reason: str | None = None
    stop_reason: str | None = None


class ChatUsage(Struct):
    """Token counts."""

    prompt_tokens: Count | None = None
    completion_tokens: Count | None = None


class ChatAnswer(Struct):
    """An answer; the `message` in its choice distinguishes it from other families' answers."""

    choices: list[ChatChoice] | None
    model: str | None = None
    usage: ChatUsage | None = None

    def parse(self) -> ParsedAnswer:
        """Read the first choice; a batch record gets one."""
        choice = self.choices[0] if self.choices else ChatChoice(None)
        message, usage = choice.message or ChatMessage(), self.usage or ChatUsage()
        stop_reason = choice.finish_reason if choice.stop_reason is None else choice.stop_reason
        return ParsedAnswer(self.model, message.read_text(), stop_reason, usage.prompt_tokens, usage.completion_tokens)


# Gemma, the newer Mistrals, MiniMax, Kimi, Nemotron and GLM.
INFERRED = (
    r"google\.gemma|mistral\.(ministral|magistral|mistral-large-3|devstral|voxtral)|"
    r"minimax\.|moonshot(ai)?\.|nvidia\.|zai\."
)

OPENAI = Family(
    name="openai",
    models=re.compile(rf"openai\.|qwen\.|deepseek\.(?!r1)|{INFERRED}"),
    write_request=write_request,
    request=ChatRequest,
    answer=ChatAnswer,
    stops=STOPS,
    limits=Limits(temperature=(0, 2)),
    inferred=re.compile(INFERRED),
)
