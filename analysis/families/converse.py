"""Converse: one format for all models that take it.

Source: Amazon Bedrock API Reference, "Converse". In the output of a batch job every member of a union is there, the
ones that are not set as null, and the cache counters come under two names.
"""

from __future__ import annotations

import re
from typing import Any

from msgspec import Struct

from analysis.families.family import Count, Family, Reading, Settings, drop_unset, join_texts
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


def write_request(prompt: Prompt, text: str) -> dict[str, Any]:
    """Write the body of one request, without the model id, which the job has."""
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
        "additionalModelRequestFields": drop_unset({"top_k": prompt.top_k}) | prompt.additional_fields,
    }
    return drop_unset(fields)


class InferenceConfig(Struct, rename="camel"):
    """The settings that Converse has names for, and `topK`, which only Nova takes here."""

    max_tokens: Count | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: Count | None = None


class AdditionalFields(Struct, rename={"inference_config": "inferenceConfig"}):
    """The settings that Converse leaves to the model."""

    top_k: Count | None = None
    inference_config: InferenceConfig | None = None


class ConverseRequest(Struct, rename="camel"):
    """The settings of a request."""

    inference_config: InferenceConfig | None = None
    additional_model_request_fields: AdditionalFields | None = None

    def is_claimed(self) -> bool:
        """Tell whether it has one of the fields that only Converse has."""
        return self.inference_config is not None or self.additional_model_request_fields is not None

    def settings(self) -> Settings:
        """Give the settings in the common names."""
        config = self.inference_config or InferenceConfig()
        return Settings(config.max_tokens, config.temperature, config.top_p, self.find_top_k())

    def find_top_k(self) -> int | None:
        """Take top_k from where the model wants it: its own fields, there again in Nova's config, or the config."""
        fields = self.additional_model_request_fields or AdditionalFields()
        places = (fields, fields.inference_config, self.inference_config)
        return next((place.top_k for place in places if place and place.top_k is not None), None)


class Text(Struct):
    """A text that an answer cites from a document."""

    text: str | None = None


class Citations(Struct):
    """Cited text; it is part of the sentence in which it stands."""

    content: list[Text] | None = None


class Block(Struct, rename="camel"):
    """A block of an answer; reasoning and tool calls are left aside."""

    text: str | None = None
    citations_content: Citations | None = None

    def texts(self) -> list[str]:
        """Give the block's text, or the texts that it cites."""
        cited = (self.citations_content and self.citations_content.content) or []
        return [text for text in (self.text, *(part.text for part in cited)) if text is not None]


class Message(Struct):
    """The message of an answer."""

    content: list[Block] | None = None


class Output(Struct):
    """The wrapper around the message."""

    message: Message | None = None


class Usage(Struct, rename="camel"):
    """Tokens; the cache counters have two names for one number."""

    input_tokens: Count | None = None
    output_tokens: Count | None = None
    cache_read_input_tokens: Count | None = None
    cache_read_input_token_count: Count | None = None
    cache_write_input_tokens: Count | None = None
    cache_write_input_token_count: Count | None = None


class ConverseAnswer(Struct, rename="camel"):
    """A response; its output sets it apart from the answers of other families."""

    output: Output | None
    stop_reason: str | None = None
    usage: Usage | None = None

    def reading(self) -> Reading:
        """Join the text blocks; the response does not name the model."""
        usage = self.usage or Usage()
        blocks = (self.output and self.output.message and self.output.message.content) or []
        return Reading(
            None,
            join_texts([text for block in blocks for text in block.texts()]),
            self.stop_reason,
            usage.input_tokens,
            usage.output_tokens,
            take_first(usage.cache_read_input_tokens, usage.cache_read_input_token_count),
            take_first(usage.cache_write_input_tokens, usage.cache_write_input_token_count),
        )


def take_first(count: int | None, alias: int | None) -> int | None:
    """Take a counter from either of its names; adding them would count twice."""
    return alias if count is None else count


# This pattern matches nothing: Converse is no model's InvokeModel format.
CONVERSE = Family("converse", re.compile(r"(?!)"), write_request, ConverseRequest, ConverseAnswer, STOPS)
