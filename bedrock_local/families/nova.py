"""The body and answer format of Amazon Nova by InvokeModel.

Source: Amazon Nova User Guide, "Complete request schema". Images are accepted and ignored, and so are tools
that are not forced.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from typing import Any

from bedrock_local.families.content_events import ContentEvent, write_content_events
from bedrock_local.families.family import Body, Chunk, Chunks, Family, digest
from bedrock_local.families.forced_tools import find_converse_tool, read_input
from bedrock_local.families.messages import check_conversation, join_role, list_texts
from bedrock_local.families.reasoning import make_reasoning
from bedrock_local.families.schema import ANY, ANY_OBJECT, Array, Integer, Number, Object, String
from bedrock_local.inference import Question, Reply, ReplyStream
from bedrock_local.models import Model

STOPS = {"end": "end_turn", "length": "max_tokens", "stop_sequence": "stop_sequence", "filtered": "content_filtered"}
BLOCKS = ("audio", "cachePoint", "document", "guardContent", "image", "toolResult", "toolUse", "video")
BLOCK = Object({"text": String(), "reasoningContent": ANY_OBJECT} | dict.fromkeys(BLOCKS, ANY_OBJECT))
REASONING = Object(
    {"type": String(enum=("enabled", "disabled")), "maxReasoningEffort": String(enum=("low", "medium", "high"))},
    required=("type",),
)
SCHEMA = Object(
    {
        "schemaVersion": String(enum=("messages-v1",)),
        "system": Array(Object({"text": String(), "cachePoint": ANY})),
        "messages": Array(
            Object({"role": String(enum=("user", "assistant")), "content": Array(BLOCK)}, required=("role", "content")),
            min_items=1,
        ),
        "inferenceConfig": Object(
            {
                "maxTokens": Integer(1),
                # The names in older examples of the guide, which a batch job of January 2025 took with these values.
                "max_new_tokens": Integer(1),
                "top_p": Number(0, 1),
                "top_k": Integer(0),
                "temperature": Number(0, 1),
                "topP": Number(0, 1),
                "topK": Integer(0, 128),
                "stopSequences": Array(String()),
                "reasoningConfig": REASONING,
            }
        ),
        "reasoningConfig": REASONING,
        "toolConfig": ANY_OBJECT,
    },
    required=("messages",),
)
DEFAULT_MAX_TOKENS = 5_000


def check_rules(model: Model, body: Body) -> None:  # noqa: ARG001
    """Refuse messages that break the rules of a conversation."""
    check_conversation(body["messages"])


def read_question(model: Model, body: Body) -> Question:
    """Read the question out of a checked body."""
    config = body.get("inferenceConfig") or {}
    tool = find_converse_tool(body)
    return Question(
        model_id=model.base,
        system="\n\n".join(list_texts(body.get("system"))),
        text=join_role(body["messages"], "user"),
        max_tokens=config.get("maxTokens") or config.get("max_new_tokens") or DEFAULT_MAX_TOKENS,
        stop_sequences=tuple(config.get("stopSequences") or ()),
        schema=tool.schema if tool else None,
        tool=tool,
    )


def write_answer(model: Model, body: Body, reply: Reply) -> dict[str, Any]:
    """Write the answer; its text follows the reasoning."""
    content: list[dict[str, Any]] = [{"text": reply.text}]
    tool, stop_reason = find_converse_tool(body), STOPS[reply.stop]
    if tool and (given := read_input(tool, reply)) is not None:
        content = [{"toolUse": {"name": tool.name, "toolUseId": digest(body)[:24], "input": given}}]
        stop_reason = "tool_use"
    if reasoning := make_reasoning(model, body, read_question(model, body).max_tokens):
        content.insert(0, {"reasoningContent": {"reasoningText": {"text": reasoning}}})
    message = {"content": content, "role": "assistant"}
    return {"output": {"message": message}, "stopReason": stop_reason, "usage": write_usage(reply)}


def write_chunks(model: Model, body: Body, stream: ReplyStream) -> Chunks:
    """Write the chunks, each an event of Converse under its name."""
    yield {"messageStart": {"role": "assistant"}}
    events = write_content_events(
        stream,
        reasoning=make_reasoning(model, body, read_question(model, body).max_tokens),
        signature="",
        tool=find_converse_tool(body),
        tool_use_id=digest(body)[:24],
    )
    is_called = yield from name_chunks(events)
    yield {"messageStop": {"stopReason": "tool_use" if is_called else STOPS[stream.reply.stop]}}
    return {"metadata": {"usage": write_usage(stream.reply), "metrics": {}, "trace": {}}}


def name_chunks(events: Generator[ContentEvent, None, bool]) -> Generator[Chunk, None, bool]:
    """Yield events as chunks, and return what their generator returns."""
    while True:
        try:
            name, event = next(events)
        except StopIteration as end:
            return bool(end.value)
        yield {name: event}


def write_usage(reply: Reply) -> dict[str, int]:
    """Write the token counts; nothing is cached."""
    return {
        "inputTokens": reply.input_tokens,
        "outputTokens": reply.output_tokens,
        "totalTokens": reply.input_tokens + reply.output_tokens,
        "cacheReadInputTokenCount": 0,
        "cacheWriteInputTokenCount": 0,
    }


NOVA = Family(
    "nova", re.compile(r"amazon\.nova"), SCHEMA, read_question, write_answer, write_chunks, check_rules=check_rules
)
