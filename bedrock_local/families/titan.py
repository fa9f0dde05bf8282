"""The body and answer format of Amazon Titan Text by InvokeModel.

Source: Amazon Bedrock User Guide, "Amazon Titan Text models".
"""

from __future__ import annotations

import re
from typing import Any

from bedrock_local.families.family import Body, Chunk, Chunks, Family
from bedrock_local.families.schema import Array, Integer, Number, Object, String
from bedrock_local.inference import Question, Reply, ReplyStream
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


def write_chunks(model: Model, body: Body, stream: ReplyStream) -> Chunks:  # noqa: ARG001
    """Write the chunks; the counts of tokens are on the last."""
    for piece in stream:
        yield write_chunk(piece)
    reply = stream.reply
    return write_chunk("", reply.output_tokens, STOPS[reply.stop], reply.input_tokens)


def write_chunk(
    text: str, output_tokens: int | None = None, reason: str | None = None, input_tokens: int | None = None
) -> Chunk:
    """Write one chunk."""
    return {
        "outputText": text,
        "index": 0,
        "totalOutputTextTokenCount": output_tokens,
        "completionReason": reason,
        "inputTextTokenCount": input_tokens,
    }


TITAN = Family("titan", re.compile(r"amazon\.titan-text-[lep]"), SCHEMA, read_question, write_answer, write_chunks)
