"""Amazon Nova by InvokeModel.

Source: Amazon Nova User Guide, "Complete request schema". Tools and images are taken, and nothing is called or seen.
"""

from __future__ import annotations

import re
from typing import Any

from bedrock_local.families.error_wording import check_fields, speak_schema
from bedrock_local.families.family import Body, Family
from bedrock_local.families.limits import check_ceiling
from bedrock_local.families.messages import check_conversation, join_role, texts_of
from bedrock_local.families.reasoning import find_thought
from bedrock_local.families.schema import ANYTHING, OBJECT, Fields, Items, Number, Text, Whole
from bedrock_local.inference import Question, Reply
from bedrock_local.models import Model

STOPS = {"end": "end_turn", "length": "max_tokens", "stop_sequence": "stop_sequence", "filtered": "content_filtered"}
BLOCKS = ("audio", "cachePoint", "document", "guardContent", "image", "toolResult", "toolUse", "video")
BLOCK = Fields({"text": Text(), "reasoningContent": OBJECT} | dict.fromkeys(BLOCKS, OBJECT))
REASONING = Fields(
    {"type": Text(choices=("enabled", "disabled")), "maxReasoningEffort": Text(choices=("low", "medium", "high"))},
    required=("type",),
)
FIELDS = Fields(
    {
        "schemaVersion": Text(choices=("messages-v1",)),
        "system": Items(Fields({"text": Text(), "cachePoint": ANYTHING})),
        "messages": Items(
            Fields(
                {"role": Text(choices=("user", "assistant")), "content": Items(BLOCK)}, required=("role", "content")
            ),
            least=1,
        ),
        "inferenceConfig": Fields(
            {
                "maxTokens": Whole(1),
                "max_new_tokens": Whole(1),
                "temperature": Number(0, 1),
                "topP": Number(0, 1),
                "topK": Whole(0, 128),
                "stopSequences": Items(Text()),
                "reasoningConfig": REASONING,
            }
        ),
        "reasoningConfig": REASONING,
        "toolConfig": OBJECT,
    },
    required=("messages",),
)
DEFAULT_MAX_TOKENS = 5_000


def check_body(model: Model, body: Body) -> None:
    """Refuse a body that the model would refuse."""
    check_fields(body, FIELDS, speak_schema)
    check_conversation(body["messages"])
    check_ceiling(model, read_question(model, body).max_tokens)


def read_question(model: Model, body: Body) -> Question:
    """Read the question out of a checked body."""
    wishes = body.get("inferenceConfig") or {}
    return Question(
        model_id=model.base,
        system="\n\n".join(texts_of(body.get("system"))),
        text=join_role(body["messages"], "user"),
        max_tokens=wishes.get("maxTokens") or wishes.get("max_new_tokens") or DEFAULT_MAX_TOKENS,
        stop_sequences=tuple(wishes.get("stopSequences") or ()),
    )


def write_answer(model: Model, body: Body, reply: Reply) -> dict[str, Any]:
    """Write the answer, after what the model thought."""
    content: list[dict[str, Any]] = [{"text": reply.text}]
    if thought := find_thought(model, body, read_question(model, body).max_tokens):
        content.insert(0, {"reasoningContent": {"reasoningText": {"text": thought}}})
    usage = {
        "inputTokens": reply.input_tokens,
        "outputTokens": reply.output_tokens,
        "totalTokens": reply.input_tokens + reply.output_tokens,
        "cacheReadInputTokenCount": 0,
        "cacheWriteInputTokenCount": 0,
    }
    message = {"content": content, "role": "assistant"}
    return {"output": {"message": message}, "stopReason": STOPS[reply.stop], "usage": usage}


NOVA = Family("nova", re.compile(r"amazon\.nova"), FIELDS, speak_schema, check_body, read_question, write_answer)
