"""Cohere Command and Command Light by InvokeModel.

Source: Amazon Bedrock User Guide, "Cohere Command models", in an older text. An answer does not say its tokens.
"""

from __future__ import annotations

import re
from typing import Any

from bedrock_local.families.error_wording import check_fields, speak_schema
from bedrock_local.families.family import Body, Family, make_uuid
from bedrock_local.families.limits import check_ceiling
from bedrock_local.families.schema import OBJECT, Fields, Flag, Items, Number, Text, Whole
from bedrock_local.inference import Question, Reply
from bedrock_local.models import Model

STOPS = {"end": "COMPLETE", "length": "MAX_TOKENS", "stop_sequence": "COMPLETE", "filtered": "ERROR_TOXIC"}
FIELDS = Fields(
    {
        "prompt": Text(least=1),
        "max_tokens": Whole(1),
        "temperature": Number(0, 5),
        "p": Number(0, 1),
        "k": Whole(0, 500),
        "stop_sequences": Items(Text()),
        "return_likelihoods": Text(choices=("GENERATION", "ALL", "NONE")),
        "num_generations": Whole(1, 1),
        "stream": Flag(only=False),
        "logit_bias": OBJECT,
        "truncate": Text(choices=("NONE", "START", "END")),
    },
    required=("prompt",),
)
# By the page; a summary without max_tokens is a short one.
DEFAULT_MAX_TOKENS = 20


def check_body(model: Model, body: Body) -> None:
    """Refuse a body that the model would refuse."""
    check_fields(body, FIELDS, speak_schema)
    check_ceiling(model, body.get("max_tokens", DEFAULT_MAX_TOKENS))


def read_question(model: Model, body: Body) -> Question:
    """Read the question out of a checked body."""
    stops = tuple(body.get("stop_sequences", ()))
    return Question(model.base, "", body["prompt"], body.get("max_tokens", DEFAULT_MAX_TOKENS), stops)


def write_answer(model: Model, body: Body, reply: Reply) -> dict[str, Any]:  # noqa: ARG001
    """Write the answer, with the prompt that it answers."""
    generation = {"id": make_uuid(body, 1), "text": reply.text, "finish_reason": STOPS[reply.stop]}
    return {"id": make_uuid(body), "generations": [generation], "prompt": body["prompt"]}


COHERE_COMMAND = Family(
    "cohere-command",
    re.compile(r"cohere\.command-(light-)?text"),
    FIELDS,
    speak_schema,
    check_body,
    read_question,
    write_answer,
)
