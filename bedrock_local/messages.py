"""Anthropic Messages: what a body may hold, what it asks, and how the answer looks.

Source: Amazon Bedrock User Guide, "Request and Response" of the Anthropic Messages API.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from bedrock_local.answers import Question, Reply
from bedrock_local.errors import ServiceError
from bedrock_local.models import Model
from bedrock_local.sampling import check_ceiling, check_sampling

FIELDS = {
    "anthropic_beta", "anthropic_version", "context_management", "max_tokens", "mcp_servers", "messages", "metadata",
    "output_config", "stop_sequences", "system", "temperature", "thinking", "tool_choice", "tools", "top_k", "top_p",
}  # fmt: skip
STOPS = {"end": "end_turn", "length": "max_tokens", "stop_sequence": "stop_sequence", "filtered": "refusal"}


def check_body(model: Model, body: Mapping[str, Any]) -> None:
    """Refuse a body that the model would refuse."""
    for reason in find_faults(body):
        raise ServiceError("ValidationException", reason)
    check_ceiling(model, body["max_tokens"])
    check_sampling(model, {name: body.get(name) for name in ("temperature", "top_p", "top_k")})


def read_question(model: Model, body: Mapping[str, Any]) -> Question:
    """Read the question out of a checked body."""
    texts = [part for message in body["messages"] if message["role"] == "user" for part in texts_of(message["content"])]
    return Question(
        model_id=model.base,
        system="\n\n".join(texts_of(body.get("system") or "")),
        text="\n\n".join(texts),
        max_tokens=body["max_tokens"],
        stop_sequences=tuple(body.get("stop_sequences") or ()),
    )


def write_answer(model: Model, body: Mapping[str, Any], reply: Reply) -> dict[str, Any]:
    """Write the answer; its id is a digest of the question, so that it does not change from run to run."""
    digest = hashlib.sha256(msgspec.json.encode(body)).hexdigest()
    return {
        "id": f"msg_bdrk_{digest[:24]}",
        "type": "message",
        "role": "assistant",
        "model": model.short_name,
        "content": [{"type": "text", "text": reply.text}] if reply.text else [],
        "stop_reason": STOPS[reply.stop],
        "stop_sequence": reply.stop_sequence,
        "usage": {
            "input_tokens": reply.input_tokens,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": reply.output_tokens,
        },
    }


def texts_of(content: str | list[dict[str, Any]]) -> list[str]:
    """Give the texts of a content, which is a text or a list of blocks."""
    return [content] if isinstance(content, str) else [part["text"] for part in content if part.get("type") == "text"]


def find_faults(body: Mapping[str, Any]) -> Iterator[str]:
    """Name what is wrong, in the order in which the model's own checks come."""
    for name in ("anthropic_version", "max_tokens", "messages"):
        if name not in body:
            yield f"{name}: Field required"
    for name in body:
        if name not in FIELDS:
            yield f"{name}: Extra inputs are not permitted"
    if body["anthropic_version"] != "bedrock-2023-05-31":
        yield "anthropic_version: Input should be 'bedrock-2023-05-31'"
    yield from find_number_faults(body)
    yield from find_message_faults(body)
    if not is_content(body.get("system") or ""):
        yield "system: Input should be a valid string or list of text blocks"
    stops = body.get("stop_sequences") or []
    if not isinstance(stops, list) or not all(isinstance(stop, str) for stop in stops):
        yield "stop_sequences: Input should be a valid list of strings"


def find_number_faults(body: Mapping[str, Any]) -> Iterator[str]:
    """Name numbers that are none, or out of their range."""
    if type(body["max_tokens"]) is not int:
        yield "max_tokens: Input should be a valid integer"
    if body["max_tokens"] < 1:
        yield "max_tokens: Input should be greater than or equal to 1"
    for name, most in (("temperature", 1), ("top_p", 1), ("top_k", 500)):
        value = body.get(name)
        if value is not None and type(value) not in ((int,) if name == "top_k" else (int, float)):
            yield f"{name}: Input should be a valid {'integer' if name == 'top_k' else 'number'}"
        if value is not None and not 0 <= value <= most:
            yield f"{name}: range: 0..{most}"


def find_message_faults(body: Mapping[str, Any]) -> Iterator[str]:
    """Name what is wrong with the messages."""
    messages = body["messages"]
    if not isinstance(messages, list):
        yield "messages: Input should be a valid list"
    if not messages:
        yield "messages: at least one message is required"
    for number, message in enumerate(messages):
        if not isinstance(message, dict):
            yield f"messages.{number}: Input should be a valid dictionary"
        if message.get("role") not in ("user", "assistant"):
            yield f"messages.{number}.role: Input should be 'user' or 'assistant'"
        if "content" not in message:
            yield f"messages.{number}.content: Field required"
        if not is_content(message["content"]):
            yield f"messages.{number}.content: Input should be a valid string or list of content blocks"
        if message["role"] == "user" and not all(texts_of(message["content"]) or [""]) and has_no_other(message):
            yield "messages: text content blocks must be non-empty"


def is_content(content: Any) -> bool:
    """Tell whether this is text, or blocks of which the text ones have a text."""
    if isinstance(content, str):
        return True
    return isinstance(content, list) and all(
        isinstance(part, dict) and (part.get("type") != "text" or isinstance(part.get("text"), str)) for part in content
    )


def has_no_other(message: Mapping[str, Any]) -> bool:
    """Tell whether a message holds text alone."""
    content = message["content"]
    return isinstance(content, str) or all(part.get("type") == "text" for part in content)
