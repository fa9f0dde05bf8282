"""Amazon Titan Text by InvokeModel.

Source: Amazon Bedrock User Guide, "Amazon Titan Text models". Titan Embeddings are not answered.
"""

from __future__ import annotations

import re
from typing import Any

from bedrock_local.families.error_wording import check_fields, speak_schema
from bedrock_local.families.family import Body, Family
from bedrock_local.families.limits import check_ceiling
from bedrock_local.families.schema import Fields, Items, Number, Text, Whole
from bedrock_local.inference import Question, Reply
from bedrock_local.models import Model

# The page says FINISHED; FINISH is what the service answers.
STOPS = {"end": "FINISH", "length": "LENGTH", "stop_sequence": "STOP_CRITERIA_MET", "filtered": "CONTENT_FILTERED"}
FIELDS = Fields(
    {
        "inputText": Text(least=1),
        "textGenerationConfig": Fields(
            {
                "temperature": Number(0, 1),
                "topP": Number(above=0, most=1),
                "maxTokenCount": Whole(1),
                "stopSequences": Items(Text()),
            }
        ),
    },
    required=("inputText",),
)
DEFAULT_MAX_TOKENS = 512


def check_body(model: Model, body: Body) -> None:
    """Refuse a body that the model would refuse."""
    check_fields(body, FIELDS, speak_schema)
    check_ceiling(model, read_question(model, body).max_tokens)


def read_question(model: Model, body: Body) -> Question:
    """Read the question out of a checked body."""
    wishes = body.get("textGenerationConfig") or {}
    max_tokens = wishes.get("maxTokenCount", DEFAULT_MAX_TOKENS)
    return Question(model.base, "", body["inputText"], max_tokens, tuple(wishes.get("stopSequences") or ()))


def write_answer(model: Model, body: Body, reply: Reply) -> dict[str, Any]:  # noqa: ARG001
    """Write the answer."""
    result = {"tokenCount": reply.output_tokens, "outputText": reply.text, "completionReason": STOPS[reply.stop]}
    return {"inputTextTokenCount": reply.input_tokens, "results": [result]}


TITAN = Family(
    "titan", re.compile(r"amazon\.titan-text-[lep]"), FIELDS, speak_schema, check_body, read_question, write_answer
)
