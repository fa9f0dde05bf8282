"""The body and answer format of DeepSeek-R1 by InvokeModel, which takes a prompt (DeepSeek-V3: see `openai`).

Source: Amazon Bedrock User Guide, "DeepSeek models". An answer has no token counts.
"""

from __future__ import annotations

import re
from typing import Any

from bedrock_local.families.family import Body, Chunk, Chunks, Family
from bedrock_local.families.prompt_templates import Template, read_prompt
from bedrock_local.families.reasoning import make_reasoning
from bedrock_local.families.schema import Array, Integer, Number, Object, String
from bedrock_local.inference import Question, Reply, ReplyStream, split_text
from bedrock_local.models import Model

STOPS = {"end": "stop", "length": "length", "stop_sequence": "stop", "filtered": "stop"}
SCHEMA = Object(
    {
        "prompt": String(min_length=1),
        "max_tokens": Integer(1),
        "stop": Array(String(), max_items=10),
        "temperature": Number(0, 1),
        "top_p": Number(0, 1),
    },
    required=("prompt",),
)
# Each token as the model defines it, and as people type it.
TEMPLATE = Template(
    {
        f"<{bar}{role}{bar}>": role.lower()
        for bar in ("\N{FULLWIDTH VERTICAL LINE}", "|")
        for role in ("User", "Assistant")
    },
    first_role="system",
    other_tokens=re.compile(r"<[\uff5c|](?:begin|end)[_\u2581]of[_\u2581]sentence[\uff5c|]>|<think>\n?"),
)
DEFAULT_MAX_TOKENS = 8_192


def read_question(model: Model, body: Body) -> Question:
    """Read the question out of a checked body."""
    system, text = read_prompt(body["prompt"], TEMPLATE)
    return Question(model.base, system, text, body.get("max_tokens", DEFAULT_MAX_TOKENS), tuple(body.get("stop", ())))


def write_answer(model: Model, body: Body, reply: Reply) -> dict[str, Any]:
    """Write the answer; its text is the rest of the reasoning, which the prompt has begun, then the answer."""
    reasoning = make_reasoning(model, body, read_question(model, body).max_tokens)
    end = "\n</think>\n\n" if reply.text else ""
    return {"choices": [{"text": f"{reasoning}{end}{reply.text}", "stop_reason": STOPS[reply.stop]}]}


def write_chunks(model: Model, body: Body, stream: ReplyStream) -> Chunks:
    """Write the chunks; the reasoning comes before the answer, in the text."""
    for piece in split_text(make_reasoning(model, body, read_question(model, body).max_tokens)):
        yield write_chunk(piece, None)
    end = "\n</think>\n\n"
    for piece in stream:
        yield write_chunk(end + piece, None)
        end = ""
    return write_chunk("", STOPS[stream.reply.stop])


def write_chunk(text: str, stop_reason: str | None) -> Chunk:
    """Write one chunk."""
    return {"choices": [{"text": text, "stop_reason": stop_reason}]}


DEEPSEEK = Family("deepseek", re.compile(r"deepseek\.r1"), SCHEMA, read_question, write_answer, write_chunks)
