"""The body and answer format of Amazon Titan Text by InvokeModel.

Source: Amazon Bedrock User Guide, "Amazon Titan Text models". Titan Embeddings are not supported.
"""

from __future__ import annotations

import re
from typing import Any

from bedrock_local.families.family import Body, Family
from bedrock_local.families.schema import Array, Integer, Number, Object, String
from bedrock_local.inference import Question, Reply
from bedrock_local.models import Model

# The page says FINISHED; the service answers FINISH.
STOPS = {"end": "FINISH", "length": "LENGTH", "stop_sequence": "STOP_CRITERIA_MET", "filtered": "CONTENT_FILTERED"}
SCHEMA = Object(
    {
        "inputText": String(min_length=1),
        "textGenerationConfig": Object(
            {
                "temperature": Number(0, 1),
                "topP": Number(exclusive_minimum=0, maximum=1),
                "maxTokenCount": Integer(1),
                "stopSequences": Array(String()),
            }
        ),
    },
    required=("inputText",),
)
DEFAULT_MAX_TOKENS = 512


def read_question(model: Model, body: Body) -> Question:
    """Read the question out of a checked body."""
    config = body.get("textGenerationConfig") or {}
    max_tokens = config.get("maxTokenCount", DEFAULT_MAX_TOKENS)
    return Question(model.base, "", body["inputText"], max_tokens, tuple(config.get("stopSequences") or ()))


def write_answer(model: Model, body: Body, reply: Reply) -> dict[str, Any]:  # noqa: ARG001
    """Write the answer."""
    result = {"tokenCount": reply.output_tokens, "outputText": reply.text, "completionReason": STOPS[reply.stop]}
    return {"inputTextTokenCount": reply.input_tokens, "results": [result]}


TITAN = Family("titan", re.compile(r"amazon\.titan-text-[lep]"), SCHEMA, read_question, write_answer)
