"""The body and answer format of AI21 Jamba by InvokeModel.

Source: Amazon Bedrock User Guide, "AI21 Labs Jamba models".
"""

from __future__ import annotations

import re
from typing import Any

from bedrock_local.families.chat_chunks import write_chat_chunks, write_chunk
from bedrock_local.families.family import Body, Chunks, Family, digest
from bedrock_local.families.messages import join_role
from bedrock_local.families.schema import ANY_OBJECT, AnyOf, Array, Integer, Number, Object, String
from bedrock_local.inference import Question, Reply, ReplyStream
from bedrock_local.models import Model

STOPS = {"end": "stop", "length": "length", "stop_sequence": "stop", "filtered": "content_filter"}
MESSAGE = Object(
    {"role": String(enum=("system", "user", "assistant", "tool")), "content": String()}, required=("role", "content")
)
SCHEMA = Object(
    {
        "messages": Array(MESSAGE, min_items=1),
        # The page has 0 as the minimum.
        "max_tokens": Integer(0),
        "temperature": Number(0, 2),
        "top_p": Number(0, 1),
        "stop": AnyOf((String(), Array(String()))),
        "n": Integer(1, 16),
        "frequency_penalty": Number(),
        "presence_penalty": Number(),
        "response_format": ANY_OBJECT,
    },
    required=("messages",),
)
DEFAULT_MAX_TOKENS = 4_096


def read_question(model: Model, body: Body) -> Question:
    """Read the question out of a checked body."""
    stop = body.get("stop", ())
    return Question(
        model_id=model.base,
        system=join_role(body["messages"], "system"),
        text=join_role(body["messages"], "user", "tool"),
        max_tokens=body.get("max_tokens", DEFAULT_MAX_TOKENS),
        stop_sequences=(stop,) if isinstance(stop, str) else tuple(stop),
    )


def write_answer(model: Model, body: Body, reply: Reply) -> dict[str, Any]:  # noqa: ARG001
    """Write the answer `n` times; its tokens are counted once."""
    message = {"role": "assistant", "content": reply.text}
    stop = STOPS[reply.stop]
    return {
        "id": f"chatcmpl-{digest(body)[:24]}",
        "choices": [{"index": place, "message": message, "finish_reason": stop} for place in range(body.get("n", 1))],
        "usage": write_usage(reply),
    }


def write_chunks(model: Model, body: Body, stream: ReplyStream) -> Chunks:  # noqa: ARG001
    """Write the chunks; each of `n` choices gets the same pieces, and the last chunk counts the tokens."""
    head = {"id": f"chatcmpl-{digest(body)[:24]}"}
    count = body.get("n", 1)
    yield from write_chat_chunks(head, stream, choices=count)
    reply = stream.reply
    return {**write_chunk(head, {}, finish_reason=STOPS[reply.stop], choices=count), "usage": write_usage(reply)}


def write_usage(reply: Reply) -> dict[str, int]:
    """Write the token counts."""
    return {
        "prompt_tokens": reply.input_tokens,
        "completion_tokens": reply.output_tokens,
        "total_tokens": reply.input_tokens + reply.output_tokens,
    }


JAMBA = Family("jamba", re.compile(r"ai21\.jamba"), SCHEMA, read_question, write_answer, write_chunks)
