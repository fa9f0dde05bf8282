"""The body and answer format of the first Mistral models by InvokeModel, which take a prompt.

Source: Amazon Bedrock User Guide, "Mistral AI text completion". An answer has no token counts.
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
        "max_tokens": Integer(1),
        "stop": Array(String(), max_items=10),
        "temperature": Number(0, 1),
        "top_p": Number(0, 1),
        "top_k": Integer(1, 200),
    },
    required=("prompt",),
)
TEMPLATE = Template(
    # <<SYS>> is a token of Llama 2 that many prompts for Mistral have too.
    {"[INST]": "user", "[/INST]": "assistant", "<<SYS>>": "system", "<</SYS>>": "user"},
    first_role="user",
    other_tokens=re.compile(r"</?s>"),
)
DEFAULT_MAX_TOKENS = 512


def read_question(model: Model, body: Body) -> Question:
    """Read the question out of a checked body."""
    system, text = read_prompt(body["prompt"], TEMPLATE)
    return Question(model.base, system, text, body.get("max_tokens", DEFAULT_MAX_TOKENS), tuple(body.get("stop", ())))


def write_answer(model: Model, body: Body, reply: Reply) -> dict[str, Any]:  # noqa: ARG001
    """Write the answer."""
    return {"outputs": [{"text": reply.text, "stop_reason": STOPS[reply.stop]}]}


def write_chunks(model: Model, body: Body, stream: ReplyStream) -> Chunks:  # noqa: ARG001
    """Write the chunks."""
    for piece in stream:
        yield {"outputs": [{"text": piece, "stop_reason": None}]}
    return {"outputs": [{"text": "", "stop_reason": STOPS[stream.reply.stop]}]}


MISTRAL_PROMPT = Family(
    "mistral-prompt",
    re.compile(r"mistral\.(mistral-7b|mixtral|mistral-(small|large)-2402)"),
    SCHEMA,
    read_question,
    write_answer,
    write_chunks,
)
