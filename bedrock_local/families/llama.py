"""The body and answer format of Meta Llama by InvokeModel.

Source: Amazon Bedrock User Guide, "Meta Llama models". There are no fields for a system text and stop
sequences.
"""

from __future__ import annotations

import re
from typing import Any

from bedrock_local.families.family import Body, Chunks, Family
from bedrock_local.families.prompt_templates import Template, read_prompt
from bedrock_local.families.schema import Array, Integer, Number, Object, String
from bedrock_local.inference import Question, Reply, ReplyStream
from bedrock_local.models import Model

STOPS = {"end": "stop", "length": "length", "stop_sequence": "stop", "filtered": "stop"}
SCHEMA = Object(
    {
        "prompt": String(min_length=1),
        "temperature": Number(0, 1),
        "top_p": Number(0, 1),
        "max_gen_len": Integer(1),
        "images": Array(String()),
    },
    required=("prompt",),
)
# Headers of Llama 3 and of Llama 4.
HEADERS = (("start_header_id", "end_header_id"), ("header_start", "header_end"))
ROLES = ("system", "user", "assistant", "ipython")
TEMPLATE = Template(
    {f"<|{start}|>{role}<|{end}|>": role for start, end in HEADERS for role in ROLES},
    first_role="user",
    other_tokens=re.compile(r"<\|(?:begin_of_text|eot_id|eot|eom_id|end_of_text|image)\|>"),
)
DEFAULT_MAX_TOKENS = 512


def read_question(model: Model, body: Body) -> Question:
    """Read the question out of a checked body."""
    system, text = read_prompt(body["prompt"], TEMPLATE)
    return Question(model.base, system, text, body.get("max_gen_len", DEFAULT_MAX_TOKENS))


def write_answer(model: Model, body: Body, reply: Reply) -> dict[str, Any]:  # noqa: ARG001
    """Write the answer."""
    return {
        "generation": reply.text,
        "prompt_token_count": reply.input_tokens,
        "generation_token_count": reply.output_tokens,
        "stop_reason": STOPS[reply.stop],
    }


def write_chunks(model: Model, body: Body, stream: ReplyStream) -> Chunks:  # noqa: ARG001
    """Write the chunks; only the first counts the prompt."""
    count: dict[str, int | None] = {"prompt_token_count": stream.input_tokens}
    for tokens, piece in enumerate(stream, 1):
        yield {"generation": piece, **count, "generation_token_count": tokens, "stop_reason": None}
        count = {"prompt_token_count": None}
    reply = stream.reply
    return {
        "generation": "",
        **count,
        "generation_token_count": reply.output_tokens,
        "stop_reason": STOPS[reply.stop],
    }


LLAMA = Family("llama", re.compile(r"meta\.llama"), SCHEMA, read_question, write_answer, write_chunks)
