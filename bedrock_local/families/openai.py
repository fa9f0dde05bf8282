"""The format of OpenAI's chat completions by InvokeModel: gpt-oss, and open-weight models that take the same body.

Sources: Amazon Bedrock User Guide, "OpenAI models"; langchain-ai/langchain-aws#664, where a refusal lists the fields.
That Gemma, Ministral, MiniMax, Kimi, Nemotron and GLM take this format is inferred, not confirmed.
"""

from __future__ import annotations

import re
from itertools import chain
from typing import Any

from bedrock_local.families.chat_chunks import write_call_chunks, write_chat_chunks, write_chunk
from bedrock_local.families.error_wording import format_openai
from bedrock_local.families.family import Body, Chunks, Family, digest, make_time
from bedrock_local.families.forced_tools import (
    find_named,
    find_next,
    find_object,
    list_tools,
    read_input,
    take_call,
)
from bedrock_local.families.messages import join_role
from bedrock_local.families.reasoning import make_reasoning
from bedrock_local.families.schema import ANY, ANY_OBJECT, AnyOf, Array, Boolean, Integer, Number, Object, OneOf, String
from bedrock_local.inference import ForcedTool, Question, Reply, ReplyStream, split_text
from bedrock_local.models import Model, find_model
from bedrock_local.protocol.errors import ServiceError

STOPS = {"end": "stop", "length": "length", "stop_sequence": "stop", "filtered": "content_filter"}
PART = Object({"type": String(), "text": String()}, required=("type",), additional=ANY)
MESSAGE = Object(
    {
        "role": String(enum=("developer", "system", "user", "assistant", "tool", "function")),
        "content": AnyOf((String(), Array(PART))),
    },
    required=("role",),
    additional=ANY,
    nullable=True,
)
SCHEMA = Object(
    {
        **dict.fromkeys(("audio", "function_call", "logit_bias", "metadata", "prediction", "stream_options"), ANY),
        **dict.fromkeys(("text", "tool_choice", "web_search_options", "modalities", "functions", "tools"), ANY),
        **dict.fromkeys(("prompt_cache_key", "safety_identifier", "service_tier", "user", "verbosity"), String()),
        **dict.fromkeys(("logprobs", "parallel_tool_calls", "store"), Boolean()),
        **dict.fromkeys(("frequency_penalty", "presence_penalty"), Number(-2, 2)),
        "max_completion_tokens": Integer(1),
        "max_tokens": Integer(1),
        "messages": Array(MESSAGE, min_items=1),
        "model": String(),
        "n": Integer(1, 1),
        "reasoning_effort": String(enum=("low", "medium", "high")),
        "response_format": OneOf(
            {
                "json_object": Object({}),
                "json_schema": Object({"json_schema": ANY_OBJECT}, required=("json_schema",)),
                "text": Object({}),
            }
        ),
        "seed": Integer(),
        "stop": AnyOf((String(), Array(String()))),
        "stream": Boolean(only=False),
        "temperature": Number(0, 2),
        "top_logprobs": Integer(0, 20),
        "top_p": Number(0, 1),
    },
    required=("messages",),
    nullable=True,
)
DEFAULT_MAX_TOKENS = 4_096


def check_rules(model: Model, body: Body) -> None:
    """Refuse messages without content, and a body for another model."""
    for number, message in enumerate(body["messages"]):
        if message.get("content") is None and message["role"] != "assistant":
            reason = f"Failed to deserialize the JSON body into the target type: messages[{number}]: missing field"
            raise ServiceError("ValidationException", f"{reason} `content`")
    if body.get("model") is not None and find_model(body["model"]) != model:
        # "OpenAI models": the field is left out, or has the requested model. The wording is the emulator's own.
        reason = f"The model {body['model']} in the body is not the requested one"
        raise ServiceError("ValidationException", reason)


def read_question(model: Model, body: Body) -> Question:
    """Read the question out of a checked body."""
    stop = body.get("stop") or ()
    tool = find_tool(body)
    return Question(
        model_id=model.base,
        system=join_role(body["messages"], "developer", "system"),
        text=join_role(body["messages"], "user", "tool"),
        max_tokens=body.get("max_completion_tokens")
        or body.get("max_tokens")
        or model.max_output_tokens
        or DEFAULT_MAX_TOKENS,
        stop_sequences=(stop,) if isinstance(stop, str) else tuple(stop),
        schema=tool.schema if tool else read_schema(body),
        tool=tool,
    )


def read_schema(body: Body) -> dict[str, Any] | None:
    """Read the JSON Schema of the answer."""
    schema: dict[str, Any] | None = ((body.get("response_format") or {}).get("json_schema") or {}).get("schema")
    return schema


def find_tool(body: Body) -> ForcedTool | None:
    """Find the function that the answer has to call."""
    tools = list_tools(body.get("tools"), of_tool="function", schema="parameters")
    if body.get("tool_choice") == "required":
        return find_next(tools, body["messages"])
    return find_named(tools, find_object(body, ("tool_choice", "function")).get("name"))


def write_answer(model: Model, body: Body, reply: Reply) -> dict[str, Any]:
    """Write the answer; the reasoning is a tagged part of its text."""
    reasoning = make_reasoning(model, body, read_question(model, body).max_tokens)
    content = f"<reasoning>{reasoning}</reasoning>{reply.text}" if reasoning else reply.text
    message: dict[str, Any] = {"content": content, "refusal": None, "role": "assistant"}
    tool, finish_reason = find_tool(body), STOPS[reply.stop]
    if tool and read_input(tool, reply) is not None:
        function = {"name": tool.name, "arguments": reply.text}
        call = {"id": f"call_{digest(body)[:24]}", "type": "function", "function": function}
        message, finish_reason = message | {"content": None, "tool_calls": [call]}, "tool_calls"
    return {
        "choices": [{"finish_reason": finish_reason, "index": 0, "message": message}],
        "created": make_time(body),
        "id": f"chatcmpl-{digest(body)[:24]}",
        "model": model.base,
        "object": "chat.completion",
        "usage": write_usage(reply),
    }


def write_chunks(model: Model, body: Body, stream: ReplyStream) -> Chunks:
    """Write the chunks; the reasoning is a tagged part of the text, and the last chunk counts the tokens."""
    head = {
        "id": f"chatcmpl-{digest(body)[:24]}",
        "object": "chat.completion.chunk",
        "created": make_time(body),
        "model": model.base,
    }
    tool = find_tool(body)
    is_called, pieces = take_call(tool, stream)
    if tool and is_called:
        yield from write_call_chunks(head, tool, f"call_{digest(body)[:24]}", pieces)
    else:
        reasoning = make_reasoning(model, body, read_question(model, body).max_tokens)
        thought = split_text(f"<reasoning>{reasoning}</reasoning>") if reasoning else []
        yield from write_chat_chunks(head, chain(thought, pieces))
    reply = stream.reply
    finish_reason = "tool_calls" if is_called else STOPS[reply.stop]
    return {**write_chunk(head, {}, finish_reason=finish_reason), "usage": write_usage(reply)}


def write_usage(reply: Reply) -> dict[str, int]:
    """Write the token counts."""
    return {
        "completion_tokens": reply.output_tokens,
        "prompt_tokens": reply.input_tokens,
        "total_tokens": reply.input_tokens + reply.output_tokens,
    }


OPENAI = Family(
    "openai",
    re.compile(
        r"openai\.gpt-oss|qwen\.|deepseek\.v3|google\.gemma|minimax\.|moonshot(ai)?\.|nvidia\.|zai\."
        r"|mistral\.(ministral|magistral|voxtral|devstral|mistral-large-3)"
    ),
    SCHEMA,
    read_question,
    write_answer,
    write_chunks,
    check_rules=check_rules,
    format_error=format_openai,
)
