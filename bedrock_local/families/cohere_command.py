"""The body and answer format of Cohere Command and Command Light by InvokeModel.

Source: Amazon Bedrock User Guide, "Cohere Command models", in an older version. An answer has no token counts.
"""

from __future__ import annotations

import re
from typing import Any

from bedrock_local.families.family import Body, Chunks, Family, make_uuid
from bedrock_local.families.schema import ANY_OBJECT, Array, Boolean, Integer, Number, Object, String
from bedrock_local.inference import Question, Reply, ReplyStream
from bedrock_local.models import Model

STOPS = {"end": "COMPLETE", "length": "MAX_TOKENS", "stop_sequence": "COMPLETE", "filtered": "ERROR_TOXIC"}
SCHEMA = Object(
    {
        "prompt": String(min_length=1),
        "max_tokens": Integer(1),
        "temperature": Number(0, 5),
        "p": Number(0, 1),
        "k": Integer(0, 500),
        "stop_sequences": Array(String()),
        "return_likelihoods": String(enum=("GENERATION", "ALL", "NONE")),
        "num_generations": Integer(1, 1),
        "stream": Boolean(only=False),
        "logit_bias": ANY_OBJECT,
        "truncate": String(enum=("NONE", "START", "END")),
    },
    required=("prompt",),
)
# Documented; a summary that is requested without max_tokens is cut short.
DEFAULT_MAX_TOKENS = 20


def read_question(model: Model, body: Body) -> Question:
    """Read the question out of a checked body."""
    stops = tuple(body.get("stop_sequences", ()))
    return Question(model.base, "", body["prompt"], body.get("max_tokens", DEFAULT_MAX_TOKENS), stops)


def write_answer(model: Model, body: Body, reply: Reply) -> dict[str, Any]:  # noqa: ARG001
    """Write the answer; it repeats the prompt."""
    generation = {"id": make_uuid(body, 1), "text": reply.text, "finish_reason": STOPS[reply.stop]}
    return {"id": make_uuid(body), "generations": [generation], "prompt": body["prompt"]}


def write_chunks(model: Model, body: Body, stream: ReplyStream) -> Chunks:  # noqa: ARG001
    """Write the chunks."""
    for piece in stream:
        yield {"text": piece, "is_finished": False}
    return {"text": "", "is_finished": True, "finish_reason": STOPS[stream.reply.stop]}


COHERE_COMMAND = Family(
    "cohere-command", re.compile(r"cohere\.command-(light-)?text"), SCHEMA, read_question, write_answer, write_chunks
)
