"""The body and answer format of Mistral Large (24.07) by InvokeModel, which takes messages.

Sources: Amazon Bedrock User Guide, "Mistral AI chat completion" and "Mistral AI Large (24.07)". The page shows no
`usage`, so an answer has no token counts.
"""

from __future__ import annotations

import re
from typing import Any

from bedrock_local.families.family import Body, Chunk, Chunks, Family
from bedrock_local.families.messages import join_role
from bedrock_local.families.schema import ANY, ANY_OBJECT, Array, Integer, Number, Object, String
from bedrock_local.inference import Question, Reply, ReplyStream
from bedrock_local.models import Model

STOPS = {"end": "stop", "length": "length", "stop_sequence": "stop", "filtered": "stop"}
MESSAGE = Object(
    {
        "role": String(enum=("system", "user", "assistant", "tool")),
        # Null, or missing, in a message with tool calls.
        "content": String(),
        "tool_calls": Array(ANY_OBJECT),
        "tool_call_id": String(),
        "name": String(),
    },
    required=("role",),
    nullable=True,
)
SCHEMA = Object(
    {
        "messages": Array(MESSAGE, min_items=1),
        "max_tokens": Integer(1),
        "temperature": Number(0, 1),
        "top_p": Number(0, 1),
        "tools": Array(ANY_OBJECT),
        "tool_choice": ANY,
    },
    required=("messages",),
)
DEFAULT_MAX_TOKENS = 8_192


def read_question(model: Model, body: Body) -> Question:
    """Read the question out of a checked body."""
    system, text = join_role(body["messages"], "system"), join_role(body["messages"], "user", "tool")
    return Question(model.base, system, text, body.get("max_tokens", DEFAULT_MAX_TOKENS))


def write_answer(model: Model, body: Body, reply: Reply) -> dict[str, Any]:  # noqa: ARG001
    """Write the answer; it has `stop_reason` where the OpenAI format has `finish_reason`."""
    message = {"role": "assistant", "content": reply.text, "tool_calls": None}
    return {"choices": [{"index": 0, "message": message, "stop_reason": STOPS[reply.stop]}]}


def write_chunks(model: Model, body: Body, stream: ReplyStream) -> Chunks:  # noqa: ARG001
    """Write the chunks, which have a `message` where the OpenAI format has a `delta`."""
    for piece in stream:
        yield write_chunk(piece, None)
    return write_chunk("", STOPS[stream.reply.stop])


def write_chunk(text: str, stop_reason: str | None) -> Chunk:
    """Write one chunk."""
    message = {"role": "assistant", "content": text, "tool_calls": None}
    return {"choices": [{"index": 0, "message": message, "stop_reason": stop_reason}]}


MISTRAL_CHAT = Family(
    "mistral-chat", re.compile(r"mistral\.mistral-large-2407"), SCHEMA, read_question, write_answer, write_chunks
)
