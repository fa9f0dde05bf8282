"""Anthropic Messages: Claude by InvokeModel.

Source: Amazon Bedrock User Guide, "Request and Response" of the Anthropic Messages API. Tools, images and documents
are taken, and nothing is called, seen or cited.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from bedrock_local.families.claude_rules import counts_cache, find_claude_violations, shows_thought
from bedrock_local.families.error_wording import check_fields, speak_claude
from bedrock_local.families.family import Body, Family, digest
from bedrock_local.families.limits import check_ceiling
from bedrock_local.families.messages import join_role, texts_of
from bedrock_local.families.reasoning import find_thought
from bedrock_local.families.schema import (
    ANYTHING,
    OBJECT,
    Either,
    Fields,
    Items,
    Number,
    Tagged,
    Text,
    Whole,
)
from bedrock_local.inference import Question, Reply
from bedrock_local.models import Model
from bedrock_local.protocol.errors import ServiceError

STOPS = {"end": "end_turn", "length": "max_tokens", "stop_sequence": "stop_sequence", "filtered": "refusal"}
TEXT = Fields({"text": Text()}, required=("text",), more=ANYTHING)
BLOCK = Tagged(
    {
        "text": TEXT,
        **dict.fromkeys(("document", "image", "search_result", "tool_result", "tool_use"), OBJECT),
        **dict.fromkeys(("redacted_thinking", "thinking"), OBJECT),
    }
)
MESSAGE = Fields(
    {"role": Text(choices=("user", "assistant")), "content": Either((Text(), Items(BLOCK)))},
    required=("role", "content"),
)
THINKING = Tagged(
    {
        "enabled": Fields({"budget_tokens": Whole(1024)}, required=("budget_tokens",), more=ANYTHING),
        "adaptive": Fields({"display": Text(choices=("summarized", "omitted"))}, takes_null=True),
        "disabled": Fields({}),
    }
)
FORMAT = Tagged({"json_schema": Fields({"schema": OBJECT}, required=("schema",))})
EFFORT = Text(choices=("low", "medium", "high", "xhigh", "max"))
FIELDS = Fields(
    {
        "anthropic_beta": Items(Text()),
        "anthropic_version": Text(choices=("bedrock-2023-05-31",)),
        "context_management": OBJECT,
        "max_tokens": Whole(1),
        "mcp_servers": Items(),
        "messages": Items(MESSAGE),
        "metadata": OBJECT,
        "output_config": Fields({"effort": EFFORT, "format": FORMAT}, takes_null=True),
        "stop_sequences": Items(Text(), most=8191),
        "system": Either((Text(), Items(Tagged({"text": TEXT})))),
        "temperature": Number(0, 1),
        "thinking": THINKING,
        "tool_choice": OBJECT,
        "tools": Items(OBJECT),
        "top_k": Whole(0, 500),
        "top_p": Number(0, 1),
    },
    required=("anthropic_version", "max_tokens", "messages"),
    takes_null=True,
)


def check_body(model: Model, body: Body) -> None:
    """Refuse a body that the model would refuse."""
    check_fields(body, FIELDS, speak_claude)
    for reason in find_block_violations(body["messages"]):
        raise ServiceError("ValidationException", reason)
    check_ceiling(model, body["max_tokens"])
    for reason in find_claude_violations(model, body, last_role=body["messages"][-1]["role"]):
        raise ServiceError("ValidationException", reason)


def find_block_violations(messages: list[dict[str, Any]]) -> Iterator[str]:
    """Name what is wrong with messages of the right form; the last one may be an empty beginning of the answer."""
    if not messages:
        yield "messages: at least one message is required"
    for number, message in enumerate(messages):
        is_last = number == len(messages) - 1 and message["role"] == "assistant"
        if "" in texts_of(message["content"]) and not is_last:
            yield "messages: text content blocks must be non-empty"
        if not message["content"] and not is_last:
            yield f"messages.{number}: {message['role']} messages must have non-empty content"


def read_question(model: Model, body: Body) -> Question:
    """Read the question out of a checked body."""
    return Question(
        model_id=model.base,
        system="\n\n".join(texts_of(body.get("system"))),
        text=join_role(body["messages"], "user"),
        max_tokens=body["max_tokens"],
        stop_sequences=tuple(body.get("stop_sequences") or ()),
    )


def write_answer(model: Model, body: Body, reply: Reply) -> dict[str, Any]:
    """Write the answer, after what the model thought."""
    return {
        "id": f"msg_bdrk_{digest(body)[:24]}",
        "type": "message",
        "role": "assistant",
        "model": model.short_name,
        "content": write_blocks(model, body, reply),
        "stop_reason": STOPS[reply.stop],
        "stop_sequence": reply.stop_sequence,
        "usage": write_usage(model, reply),
    }


def write_blocks(model: Model, body: Body, reply: Reply) -> list[dict[str, Any]]:
    """Write a block for the thought, if there is one, and one for the text, if there is one."""
    blocks = [{"type": "text", "text": reply.text}] if reply.text else []
    if thought := find_thought(model, body, body["max_tokens"]):
        shown = thought if shows_thought(model, body.get("thinking")) else ""
        blocks.insert(0, {"type": "thinking", "thinking": shown, "signature": digest(body)})
    return blocks


def write_usage(model: Model, reply: Reply) -> dict[str, Any]:
    """Write the tokens; models from before caching have no counters of it, and nothing is ever cached."""
    counters: dict[str, Any] = {}
    if counts_cache(model):
        counters = {"cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
    if counters and "claude-3" not in model.base:
        counters["cache_creation"] = {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0}
    return {"input_tokens": reply.input_tokens, **counters, "output_tokens": reply.output_tokens}


ANTHROPIC = Family(
    "anthropic", re.compile(r"anthropic\."), FIELDS, speak_claude, check_body, read_question, write_answer
)
