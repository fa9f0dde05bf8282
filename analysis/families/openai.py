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
from analysis.families.family import (
    Count,
    Family,
    Limits,
    ParsedAnswer,
    Sampling,
    ToolCall,
    count_chars,
    finish_body,
    join_texts,
    note_further,
    write_tool_call,
)  # fmt: skip
from analysis.prompts import Prompt

STOPS = {
    "stop": "end",
    "length": "length",
    "model_length": "length",
    "tool_calls": "tool",
    "function_call": "tool",
    "content_filter": "filtered",
}


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


class ChatPart(Struct):
    """A part of a message, as Magistral writes them: a text, or thinking."""

    type: str | None = None
    text: str | None = None
    thinking: Any = None


class ChatFunction(Struct):
    """The name of a function, and its arguments, which the model writes as JSON text."""

    name: str | None = None
    arguments: Any = None


class ChatToolCall(Struct):
    """A call of a tool, which is a function."""

    function: ChatFunction | None = None


class ChatMessage(Struct):
    """The message of an answer; servers have two names for reasoning that stands apart."""

    content: str | list[ChatPart] | None = None
    reasoning_content: Any = None
    reasoning: Any = None
    tool_calls: list[ChatToolCall] | None = None
    function_call: ChatFunction | None = None

    def read_text(self) -> str | None:
        """Return the text, without parts that are none."""
        if not isinstance(self.content, list):
            return self.content
        return join_texts([part.text for part in self.content if part.text is not None])

    def list_tool_calls(self) -> list[ToolCall] | None:
        """List the tools that are called, the single function of the older form among them."""
        functions = [call.function or ChatFunction() for call in self.tool_calls or ()]
        functions += [self.function_call] if self.function_call else []
        return [write_tool_call(function.name, function.arguments) for function in functions] or None

    def count_reasoning(self) -> int:
        """Count the characters of reasoning that is not part of the text."""
        parts = self.content if isinstance(self.content, list) else ()
        apart = self.reasoning if self.reasoning_content is None else self.reasoning_content
        return count_chars(apart) + sum(count_chars(part.thinking) for part in parts)

    def count_skipped(self) -> int:
        """Count the parts that are neither text nor thinking."""
        parts = self.content if isinstance(self.content, list) else ()
        return sum(part.text is None and part.thinking is None for part in parts)


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
        return ParsedAnswer(
            self.model,
            message.read_text(),
            stop_reason,
            usage.prompt_tokens,
            usage.completion_tokens,
            tool_calls=message.list_tool_calls(),
            skipped_blocks=message.count_skipped(),
            reasoning_chars=message.count_reasoning(),
            note=note_further(self.choices),
        )


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
