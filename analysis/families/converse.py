"""Converse: one format for all models that support it.

Source: Amazon Bedrock API Reference, "Converse". A batch job writes every member of a union, the ones that are
not set as null, and each cache counter under two names.
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
    add_fields,
    count_chars,
    drop_unset,
    join_texts,
    write_tool_call,
)  # fmt: skip
from analysis.prompts import Prompt

STOPS = {
    "end_turn": "end",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "stop_sequence": "stop_sequence",
    "tool_use": "tool",
    "guardrail_intervened": "filtered",
    "content_filtered": "filtered",
}


# Members of the request that `additional_fields` may set; all other fields of it are the model's own.
MEMBERS = ("guardrailConfig", "outputConfig")


def write_request(prompt: Prompt, text: str) -> dict[str, Any]:
    """Build the body of one request, without the model id, which belongs to the job."""
    own = {name: value for name, value in prompt.additional_fields.items() if name not in MEMBERS}
    inference = {
        "maxTokens": prompt.max_tokens,
        "temperature": prompt.temperature,
        "topP": prompt.top_p,
        "stopSequences": list(prompt.stop_sequences),
    }
    fields = {
        "system": [{"text": prompt.system}] if prompt.system else [],
        "messages": [{"role": "user", "content": [{"text": text}]}],
        "inferenceConfig": drop_unset(inference),
        "additionalModelRequestFields": add_fields(write_top_k(prompt), own),
        **{name: prompt.additional_fields[name] for name in MEMBERS if name in prompt.additional_fields},
    }
    return drop_unset(fields)


def write_top_k(prompt: Prompt) -> dict[str, Any]:
    """Build the model's own field for top_k, which Converse has no name for."""
    base = find_model(prompt.model_id).base
    fields = drop_unset({"k" if base.startswith("cohere.") else "top_k": prompt.top_k})
    if fields and base.startswith("amazon.nova"):
        return {"inferenceConfig": {"topK": prompt.top_k}}
    return fields


class InferenceConfig(Struct, gc=False, rename={"max_tokens": "maxTokens", "top_p": "topP", "top_k": "topK"}):
    """The inference parameters that Converse has names for, and those that only Nova accepts here."""

    max_tokens: Count | None = None
    max_new_tokens: Count | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: Count | None = None


NO_CONFIG = InferenceConfig()


class AdditionalFields(Struct, gc=False, rename={"inference_config": "inferenceConfig"}):
    """The inference parameters that Converse hands to the model unread."""

    top_k: Count | None = None
    k: Count | None = None
    inference_config: InferenceConfig | None = None


class ConverseRequest(Struct, gc=False, rename="camel"):
    """The inference parameters of an echoed request, of Converse or of Nova."""

    inference_config: InferenceConfig | None = None
    additional_model_request_fields: AdditionalFields | None = None
    schema_version: str | None = None

    def has_own_field(self) -> bool:
        """Return whether one of the fields is there that only Converse and Nova have."""
        places = (self.inference_config, self.additional_model_request_fields, self.schema_version)
        return any(place is not None for place in places)

    def is_nova(self) -> bool:
        """Return whether a field is there that Nova accepts and Converse does not."""
        config = self.inference_config
        return self.schema_version is not None or (
            config is not None and (config.top_k is not None or config.max_new_tokens is not None)
        )

    def sampling(self) -> Sampling:
        """Return the inference parameters in the common names."""
        config = self.inference_config or NO_CONFIG
        max_tokens = read_either(config.max_tokens, config.max_new_tokens)
        return Sampling(max_tokens, config.temperature, config.top_p, self.find_top_k(config))

    def find_top_k(self, config: InferenceConfig) -> int | None:
        """Return top_k from where the model expects it: its own fields, Nova's config among these, or the config."""
        fields = self.additional_model_request_fields
        if fields is None:
            return config.top_k
        of_nova = fields.inference_config or NO_CONFIG
        return read_either(read_either(fields.top_k, fields.k), read_either(of_nova.top_k, config.top_k))


class CitedText(Struct, gc=False):
    """A passage of a document that an answer cites."""

    text: str | None = None


class Citations(Struct, gc=False):
    """Cited passages, which are part of the answer's sentence."""

    content: list[CitedText] | None = None


class ReasoningContent(Struct, gc=False, rename="camel"):
    """Reasoning: a text, or bytes that the service keeps to itself."""

    reasoning_text: Any = None

    def is_readable(self) -> bool:
        """Return whether the reasoning is a text."""
        return self.reasoning_text is not None


class ToolUse(Struct, gc=False):
    """A call of a tool."""

    name: str | None = None
    input: Any = None


class ConverseBlock(Struct, gc=False, rename="camel"):
    """A content block: a union, of which one member is set."""

    text: str | None = None
    citations_content: Citations | None = None
    reasoning_content: ReasoningContent | None = None
    tool_use: ToolUse | None = None

    def is_text(self) -> bool:
        """Return whether the block is a text, or a text with citations."""
        return self.text is not None or self.citations_content is not None

    def list_texts(self) -> list[str]:
        """List the block's text and the texts that it cites."""
        if self.citations_content is None:
            return [] if self.text is None else [self.text]
        texts = (self.text, *(part.text for part in self.citations_content.content or ()))
        return [text for text in texts if text is not None]


class ConverseMessage(Struct, gc=False):
    """The message of an answer."""

    content: list[ConverseBlock] | None = None


class ConverseOutput(Struct, gc=False):
    """The object that contains the message."""

    message: ConverseMessage | None = None


class ConverseUsage(Struct, gc=False, rename="camel"):
    """Token counts; each cache counter has two names for one number."""

    input_tokens: Count | None = None
    output_tokens: Count | None = None
    cache_read_input_tokens: Count | None = None
    cache_read_input_token_count: Count | None = None
    cache_write_input_tokens: Count | None = None
    cache_write_input_token_count: Count | None = None


NO_USAGE = ConverseUsage()


class ConverseAnswer(Struct, gc=False, rename="camel"):
    """An answer; the required `output` distinguishes it from other families' answers."""

    output: ConverseOutput | None
    stop_reason: str | None = None
    usage: ConverseUsage | None = None

    def parse(self) -> ParsedAnswer:
        """Join the text blocks; tool calls stand apart, and reasoning is counted; no model is named."""
        usage = self.usage or NO_USAGE
        blocks = (self.output and self.output.message and self.output.message.content) or []
        parsed = ParsedAnswer(
            None,
            join_texts([text for block in blocks for text in block.list_texts()]),
            self.stop_reason,
            usage.input_tokens,
            usage.output_tokens,
            read_either(usage.cache_read_input_tokens, usage.cache_read_input_token_count),
            read_either(usage.cache_write_input_tokens, usage.cache_write_input_token_count),
        )
        if len(blocks) != 1 or not blocks[0].is_text():
            add_others(parsed, [block for block in blocks if not block.is_text()])
        return parsed


def add_others(parsed: ParsedAnswer, blocks: list[ConverseBlock]) -> None:
    """Add tool calls, the characters of reasoning, and the number of blocks that are neither, nor text."""
    calls = [write_tool_call(block.tool_use.name, block.tool_use.input) for block in blocks if block.tool_use]
    thoughts = [block.reasoning_content for block in blocks if block.reasoning_content]
    readable = [thought.reasoning_text for thought in thoughts if thought.is_readable()]
    parsed.tool_calls = calls or None
    parsed.reasoning_chars = count_chars(readable)
    parsed.skipped_blocks = len(blocks) - len(calls) - len(readable)


def read_either(count: int | None, alias: int | None) -> int | None:
    """Return the number under whichever of two names has it; adding them would count it twice."""
    return alias if count is None else count


def is_converse(echo: ConverseRequest | None) -> bool:
    """Return whether a request is Converse's and not Nova's; one that could be either counts as Converse's."""
    return echo is None or not echo.is_nova()


CONVERSE = Family(
    name="converse",
    models=re.compile(r"(?!)"),  # matches nothing: no model has it as its InvokeModel format
    write_request=write_request,
    request=ConverseRequest,
    answer=ConverseAnswer,
    stops=STOPS,
    limits=Limits(stop_sequences=2500),
    matches_request=is_converse,
)
