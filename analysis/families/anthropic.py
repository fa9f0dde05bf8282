"""Anthropic Messages: Claude by InvokeModel.

Source: Amazon Bedrock User Guide, "Request and Response" of the Anthropic Claude Messages API.
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
    count_chars,
    finish_body,
    write_tool_call,
)  # fmt: skip
from analysis.prompts import Prompt

STOPS = {
    "end_turn": "end",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "stop_sequence": "stop_sequence",
    "tool_use": "tool",
    "refusal": "filtered",
}


def write_request(prompt: Prompt, text: str) -> dict[str, Any]:
    """Build the body of one request."""
    fields = {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": prompt.max_tokens,
        "system": prompt.system,
        "messages": [{"role": "user", "content": [{"type": "text", "text": text}]}],
        "temperature": prompt.temperature,
        "top_p": prompt.top_p,
        "top_k": prompt.top_k,
        "stop_sequences": list(prompt.stop_sequences),
    }
    return finish_body(fields, prompt)


class AnthropicRequest(Struct, gc=False):
    """The inference parameters of a request that an output line echoes."""

    anthropic_version: str | None = None
    max_tokens: Count | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: Count | None = None

    def has_own_field(self) -> bool:
        """Return whether the required `anthropic_version` is there; other formats have max_tokens too."""
        return self.anthropic_version is not None

    def sampling(self) -> Sampling:
        """Return the inference parameters, which have the common names already."""
        return Sampling(self.max_tokens, self.temperature, self.top_p, self.top_k)


TEXT_TYPES = ("text", None)


class AnthropicBlock(Struct, gc=False):
    """A content block: text, thinking or a tool call."""

    type: str | None = None
    text: str | None = None
    thinking: str | None = None
    name: str | None = None
    input: Any = None


class AnthropicUsage(Struct, gc=False):
    """Token counts; `input_tokens` does not include tokens that were read from or written to the cache."""

    input_tokens: Count | None = None
    output_tokens: Count | None = None
    cache_read_input_tokens: Count | None = None
    cache_creation_input_tokens: Count | None = None


NO_USAGE = AnthropicUsage()


class AnthropicAnswer(Struct, gc=False):
    """An answer; the required `content` distinguishes it from other families' answers."""

    content: list[AnthropicBlock] | None
    model: str | None = None
    stop_reason: str | None = None
    usage: AnthropicUsage | None = None

    def parse(self) -> ParsedAnswer:
        """Join the text blocks; tool calls stand apart, and thinking is counted."""
        usage = self.usage or NO_USAGE
        # No lists: nearly all answers have one text block, and this runs for each line of an output.
        text, others = None, 0
        for block in self.content or ():
            if block.text is not None and block.type in TEXT_TYPES:
                text = (text or "") + block.text
            elif block.type != "text":
                others += 1
        parsed = ParsedAnswer(
            self.model,
            text,
            self.stop_reason,
            usage.input_tokens,
            usage.output_tokens,
            usage.cache_read_input_tokens,
            usage.cache_creation_input_tokens,
        )
        if others:
            self.add_others(parsed)
        return parsed

    def add_others(self, parsed: ParsedAnswer) -> None:
        """Add tool calls, the characters of thinking, and the number of blocks that are neither, nor text."""
        blocks = self.content or []
        calls = [write_tool_call(block.name, block.input) for block in blocks if block.type == "tool_use"]
        thoughts = [block.thinking for block in blocks if block.type == "thinking"]
        texts = [block for block in blocks if block.type == "text" or (block.type is None and block.text is not None)]
        parsed.tool_calls = calls or None
        parsed.reasoning_chars = count_chars(thoughts)
        parsed.skipped_blocks = len(blocks) - len(texts) - len(calls) - len(thoughts)


ANTHROPIC = Family(
    name="anthropic",
    models=re.compile(r"anthropic\."),
    write_request=write_request,
    request=AnthropicRequest,
    answer=AnthropicAnswer,
    stops=STOPS,
    limits=Limits(top_k=(0, 500), stop_sequences=8191),
)
