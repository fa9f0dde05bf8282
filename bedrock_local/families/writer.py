"""The body and answer format of Writer Palmyra X4 and X5 by InvokeModel: close to OpenAI's, with its own fields.

Source: Amazon Bedrock User Guide, "Writer Palmyra X4" and "Writer Palmyra X5". No page or issue shows
how a body is refused; the wording is that of most models.
"""

from __future__ import annotations

import re
from typing import Any

from bedrock_local.families.chat_chunks import write_chat_chunks, write_chunk
from bedrock_local.families.family import Body, Chunks, Family, digest, make_time
from bedrock_local.families.messages import join_role
from bedrock_local.families.schema import ANY, ANY_OBJECT, AnyOf, Array, Integer, Number, Object, String
from bedrock_local.inference import Question, Reply, ReplyStream
from bedrock_local.models import Model

STOPS = {"end": "stop", "length": "length", "stop_sequence": "stop", "filtered": "content_filter"}
PART = Object({"type": String(), "text": String()}, required=("type",), additional=ANY)
MESSAGE = Object(
    {
        "role": String(enum=("system", "user", "assistant", "tool")),
        # The page also shows a single part, without a list and without a type.
        "content": AnyOf((String(), Object({"text": String()}, required=("text",), additional=ANY), Array(PART))),
    },
    required=("role", "content"),
    additional=ANY,
)
SCHEMA = Object(
    {
        "messages": Array(MESSAGE, min_items=1),
        "max_tokens": Integer(1),
        "min_tokens": Integer(0),
        "temperature": Number(0, 2),
        "top_p": Number(exclusive_minimum=0, maximum=1),
        "stop": Array(String(), max_items=4),
        "seed": Integer(),
        **dict.fromkeys(("frequency_penalty", "presence_penalty"), Number(-2, 2)),
        "tools": Array(ANY_OBJECT),
        "tool_choice": ANY,
        "response_format": ANY_OBJECT,
    },
    required=("messages",),
)
DEFAULT_MAX_TOKENS = 16


def read_question(model: Model, body: Body) -> Question:
    """Read the question out of a checked body."""
    return Question(
        model_id=model.base,
        system=join_role(body["messages"], "system"),
        text=join_role(body["messages"], "user", "tool"),
        max_tokens=body.get("max_tokens", DEFAULT_MAX_TOKENS),
        stop_sequences=tuple(body.get("stop", ())),
    )


def write_answer(model: Model, body: Body, reply: Reply) -> dict[str, Any]:
    """Write the answer with the nulls that the page shows."""
    message: dict[str, Any] = {"role": "assistant", "reasoning_content": None, "content": reply.text, "tool_calls": []}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": STOPS[reply.stop], "stop_reason": None}
    return {
        "id": f"chatcmpl-{digest(body)[:32]}",
        "object": "chat.completion",
        "created": make_time(body),
        "model": model.base,
        "choices": [choice],
        "usage": write_usage(reply),
        "prompt_logprobs": None,
    }


def write_chunks(model: Model, body: Body, stream: ReplyStream) -> Chunks:
    """Write the chunks; the last counts the tokens."""
    head = {
        "id": f"chatcmpl-{digest(body)[:32]}",
        "object": "chat.completion.chunk",
        "created": make_time(body),
        "model": model.base,
    }
    yield from write_chat_chunks(head, stream)
    reply = stream.reply
    return {**write_chunk(head, {}, finish_reason=STOPS[reply.stop]), "usage": write_usage(reply)}


def write_usage(reply: Reply) -> dict[str, Any]:
    """Write the token counts."""
    return {
        "prompt_tokens": reply.input_tokens,
        "total_tokens": reply.input_tokens + reply.output_tokens,
        "completion_tokens": reply.output_tokens,
        "prompt_tokens_details": None,
    }


WRITER = Family("writer", re.compile(r"writer\.palmyra-x"), SCHEMA, read_question, write_answer, write_chunks)
