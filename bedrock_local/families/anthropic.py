"""The body and answer format of Claude by InvokeModel: Anthropic Messages.

Source: Amazon Bedrock User Guide, "Request and Response" of the Anthropic Messages API. Images and documents are
accepted and ignored, and so are tools that are not forced: nothing is called, seen or cited.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Iterator
from itertools import chain
from typing import Any

from bedrock_local.families.claude_rules import find_claude_violations, reports_cache_tokens, shows_reasoning
from bedrock_local.families.error_wording import format_claude
from bedrock_local.families.family import Body, Chunk, Chunks, Family, digest
from bedrock_local.families.forced_tools import find_named, find_next, list_tools, read_input, take_call
from bedrock_local.families.limits import check_ceiling
from bedrock_local.families.messages import join_role, list_texts
from bedrock_local.families.reasoning import make_reasoning
from bedrock_local.families.schema import ANY, ANY_OBJECT, AnyOf, Array, Integer, Number, Object, OneOf, String
from bedrock_local.families.tool_results import find_unanswered_calls
from bedrock_local.inference import ForcedTool, Question, Reply, ReplyStream, split_text
from bedrock_local.models import Model
from bedrock_local.protocol.errors import ServiceError

STOPS = {"end": "end_turn", "length": "max_tokens", "stop_sequence": "stop_sequence", "filtered": "refusal"}
TEXT = Object({"text": String()}, required=("text",), additional=ANY)
BLOCK = OneOf(
    {
        "text": TEXT,
        **dict.fromkeys(("document", "image", "search_result", "tool_result", "tool_use"), ANY_OBJECT),
        **dict.fromkeys(("redacted_thinking", "thinking"), ANY_OBJECT),
    }
)
MESSAGE = Object(
    {"role": String(enum=("user", "assistant")), "content": AnyOf((String(), Array(BLOCK)))},
    required=("role", "content"),
)
THINKING = OneOf(
    {
        "enabled": Object({"budget_tokens": Integer(1024)}, required=("budget_tokens",), additional=ANY),
        "adaptive": Object({"display": String(enum=("summarized", "omitted"))}, nullable=True),
        "disabled": Object({}),
    }
)
FORMAT = OneOf({"json_schema": Object({"schema": ANY_OBJECT}, required=("schema",))})
EFFORT = String(enum=("low", "medium", "high", "xhigh", "max"))
SCHEMA = Object(
    {
        "anthropic_beta": Array(String()),
        # The SDK of Anthropic sends a day since October 2026; that of its own API, 2023-06-01, is refused.
        "anthropic_version": String(enum=("bedrock-2023-05-31",), pattern=r"202[4-9]-[0-9]{2}-[0-9]{2}"),
        "context_management": ANY_OBJECT,
        "max_tokens": Integer(1),
        "mcp_servers": Array(),
        "messages": Array(MESSAGE),
        "metadata": ANY_OBJECT,
        "output_config": Object({"effort": EFFORT, "format": FORMAT}, nullable=True),
        "stop_sequences": Array(String(), max_items=8191),
        "system": AnyOf((String(), Array(OneOf({"text": TEXT})))),
        "temperature": Number(0, 1),
        "thinking": THINKING,
        "tool_choice": ANY_OBJECT,
        "tools": Array(ANY_OBJECT),
        "top_k": Integer(0, 500),
        "top_p": Number(0, 1),
    },
    required=("anthropic_version", "max_tokens", "messages"),
    nullable=True,
)


def check_rules(model: Model, body: Body) -> None:
    """Refuse empty messages, and parameters that the model does not accept."""
    for reason in (*find_empty_messages(body["messages"]), *find_unanswered_calls(body["messages"])):
        raise ServiceError("ValidationException", reason)
    # The rules of thinking compare max_tokens, so it is checked before them.
    check_ceiling(model, body["max_tokens"])
    for reason in find_claude_violations(model, body, last_role=body["messages"][-1]["role"]):
        raise ServiceError("ValidationException", reason)


def find_empty_messages(messages: list[dict[str, Any]]) -> Iterator[str]:
    """Find empty messages and blocks; only the last message, a prefilled answer, may be empty."""
    if not messages:
        yield "messages: at least one message is required"
    for number, message in enumerate(messages):
        # Claude continues a last message of the assistant, so that one may be empty.
        is_last = number == len(messages) - 1 and message["role"] == "assistant"
        if "" in list_texts(message["content"]) and not is_last:
            yield "messages: text content blocks must be non-empty"
        if not message["content"] and not is_last:
            yield f"messages.{number}: {message['role']} messages must have non-empty content"


def read_question(model: Model, body: Body) -> Question:
    """Read the question out of a checked body."""
    tool = find_tool(body)
    return Question(
        model_id=model.base,
        system="\n\n".join(list_texts(body.get("system"))),
        text=join_role(body["messages"], "user"),
        max_tokens=body["max_tokens"],
        stop_sequences=tuple(body.get("stop_sequences") or ()),
        schema=tool.schema if tool else read_schema(body),
        tool=tool,
    )


def read_schema(body: Body) -> dict[str, Any] | None:
    """Read the JSON Schema of the answer."""
    schema: dict[str, Any] | None = ((body.get("output_config") or {}).get("format") or {}).get("schema")
    return schema


def find_tool(body: Body) -> ForcedTool | None:
    """Find the tool that the answer has to call."""
    choice, tools = body.get("tool_choice") or {}, list_tools(body.get("tools"), schema="input_schema")
    if choice.get("type") == "any":
        return find_next(tools, body["messages"])
    return find_named(tools, choice.get("name")) if choice.get("type") == "tool" else None


def write_answer(model: Model, body: Body, reply: Reply) -> dict[str, Any]:
    """Write the answer; its text follows the reasoning."""
    return {
        "id": f"msg_bdrk_{digest(body)[:24]}",
        "type": "message",
        "role": "assistant",
        "model": model.short_name,
        "content": write_blocks(model, body, reply),
        "stop_reason": STOPS[reply.stop] if read_input(find_tool(body), reply) is None else "tool_use",
        "stop_sequence": reply.stop_sequence,
        "usage": write_usage(model, reply),
    }


def write_blocks(model: Model, body: Body, reply: Reply) -> list[dict[str, Any]]:
    """Write the content: a block of reasoning and a block of text, each only if it is not empty."""
    blocks: list[dict[str, Any]] = [{"type": "text", "text": reply.text}] if reply.text else []
    tool = find_tool(body)
    if tool and (given := read_input(tool, reply)) is not None:
        blocks = [{"type": "tool_use", "id": f"toolu_bdrk_{digest(body)[:24]}", "name": tool.name, "input": given}]
    if reasoning := make_reasoning(model, body, body["max_tokens"]):
        shown = reasoning if shows_reasoning(model, body.get("thinking")) else ""
        # A real signature is opaque as well; clients only send it back.
        blocks.insert(0, {"type": "thinking", "thinking": shown, "signature": digest(body)})
    return blocks


def write_usage(model: Model, reply: Reply) -> dict[str, Any]:
    """Write the token counts, with cache counters of 0 where the model reports any."""
    counters: dict[str, Any] = {}
    if reports_cache_tokens(model):
        counters = {"cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
    # Claude 3.5 and 3.7 count cache tokens, but not by how long they are kept.
    if counters and "claude-3" not in model.base:
        counters["cache_creation"] = {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0}
    return {"input_tokens": reply.input_tokens, **counters, "output_tokens": reply.output_tokens}


def write_chunks(model: Model, body: Body, stream: ReplyStream) -> Chunks:
    """Write the chunks, which are the events of a stream of Anthropic Messages."""
    begun = write_answer(model, body, Reply("", "end", stream.input_tokens, 1))
    message = {**begun, "content": [], "stop_reason": None}
    yield {"type": "message_start", "message": message}
    index = 0
    if reasoning := make_reasoning(model, body, body["max_tokens"]):
        shown = reasoning if shows_reasoning(model, body.get("thinking")) else ""
        deltas = [{"type": "thinking_delta", "thinking": piece} for piece in split_text(shown)]
        signature = {"type": "signature_delta", "signature": digest(body)}
        yield from write_block(0, {"type": "thinking", "thinking": "", "signature": ""}, [*deltas, signature])
        index = 1
    tool = find_tool(body)
    is_called, pieces = take_call(tool, stream)
    if tool and is_called:
        block = {"type": "tool_use", "id": f"toolu_bdrk_{digest(body)[:24]}", "name": tool.name, "input": {}}
        yield from write_block(index, block, ({"type": "input_json_delta", "partial_json": piece} for piece in pieces))
    else:
        yield from write_text_block(index, iter(pieces))
    reply = stream.reply
    stop = {"stop_reason": "tool_use" if is_called else STOPS[reply.stop], "stop_sequence": reply.stop_sequence}
    yield {"type": "message_delta", "delta": stop, "usage": {"output_tokens": reply.output_tokens}}
    return {"type": "message_stop"}


def write_text_block(index: int, pieces: Iterator[str]) -> Generator[Chunk, None, None]:
    """Yield the events of a block of text; none where there is no text."""
    first = next(pieces, None)
    if first is not None:
        deltas = ({"type": "text_delta", "text": piece} for piece in chain([first], pieces))
        yield from write_block(index, {"type": "text", "text": ""}, deltas)


def write_block(index: int, start: dict[str, Any], deltas: Iterable[dict[str, Any]]) -> Generator[Chunk, None, None]:
    """Yield the events of one block of the content."""
    yield {"type": "content_block_start", "index": index, "content_block": start}
    for delta in deltas:
        yield {"type": "content_block_delta", "index": index, "delta": delta}
    yield {"type": "content_block_stop", "index": index}


ANTHROPIC = Family(
    "anthropic",
    re.compile(r"anthropic\."),
    SCHEMA,
    read_question,
    write_answer,
    write_chunks,
    check_rules=check_rules,
    format_error=format_claude,
)
