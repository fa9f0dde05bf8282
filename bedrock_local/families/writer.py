"""Writer Palmyra X4 and X5 by InvokeModel: OpenAI's form, with fields and limits of its own.

Source: Amazon Bedrock User Guide, "Writer Palmyra X4" and "Writer Palmyra X5". How a body is refused no page or issue
shows; it is told as most models are.
"""

from __future__ import annotations

import re
from typing import Any

from bedrock_local.families.error_wording import check_fields, speak_schema
from bedrock_local.families.family import Body, Family, digest, make_time
from bedrock_local.families.limits import check_ceiling
from bedrock_local.families.messages import join_role
from bedrock_local.families.schema import ANYTHING, OBJECT, Either, Fields, Items, Number, Text, Whole
from bedrock_local.inference import Question, Reply
from bedrock_local.models import Model

STOPS = {"end": "stop", "length": "length", "stop_sequence": "stop", "filtered": "content_filter"}
PART = Fields({"type": Text(), "text": Text()}, required=("type",), more=ANYTHING)
MESSAGE = Fields(
    {
        "role": Text(choices=("system", "user", "assistant", "tool")),
        # The page shows one part in no list and without a type.
        "content": Either((Text(), Fields({"text": Text()}, required=("text",), more=ANYTHING), Items(PART))),
    },
    required=("role", "content"),
    more=ANYTHING,
)
FIELDS = Fields(
    {
        "messages": Items(MESSAGE, least=1),
        "max_tokens": Whole(1),
        "min_tokens": Whole(0),
        "temperature": Number(0, 2),
        "top_p": Number(above=0, most=1),
        "stop": Items(Text(), most=4),
        "seed": Whole(),
        **dict.fromkeys(("frequency_penalty", "presence_penalty"), Number(-2, 2)),
        "tools": Items(OBJECT),
        "tool_choice": ANYTHING,
        "response_format": OBJECT,
    },
    required=("messages",),
)
DEFAULT_MAX_TOKENS = 16


def check_body(model: Model, body: Body) -> None:
    """Refuse a body that the model would refuse."""
    check_fields(body, FIELDS, speak_schema)
    check_ceiling(model, body.get("max_tokens", DEFAULT_MAX_TOKENS))


def read_question(model: Model, body: Body) -> Question:
    """Read the question out of a checked body."""
    return Question(
        model_id=model.base,
        system=join_role(body["messages"], "system"),
        text=join_role(body["messages"], "user"),
        max_tokens=body.get("max_tokens", DEFAULT_MAX_TOKENS),
        stop_sequences=tuple(body.get("stop", ())),
    )


def write_answer(model: Model, body: Body, reply: Reply) -> dict[str, Any]:
    """Write the answer, with the nulls that the page shows."""
    message: dict[str, Any] = {"role": "assistant", "reasoning_content": None, "content": reply.text, "tool_calls": []}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": STOPS[reply.stop], "stop_reason": None}
    return {
        "id": f"chatcmpl-{digest(body)[:32]}",
        "object": "chat.completion",
        "created": make_time(body),
        "model": model.base,
        "choices": [choice],
        "usage": {
            "prompt_tokens": reply.input_tokens,
            "total_tokens": reply.input_tokens + reply.output_tokens,
            "completion_tokens": reply.output_tokens,
            "prompt_tokens_details": None,
        },
        "prompt_logprobs": None,
    }


WRITER = Family(
    "writer", re.compile(r"writer\.palmyra-x"), FIELDS, speak_schema, check_body, read_question, write_answer
)
