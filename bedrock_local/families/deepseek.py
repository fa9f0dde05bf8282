"""DeepSeek-R1 by InvokeModel, which takes a prompt; DeepSeek-V3 takes OpenAI's form.

Source: Amazon Bedrock User Guide, "DeepSeek models". An answer does not say its tokens.
"""

from __future__ import annotations

import re
from typing import Any

from bedrock_local.families.error_wording import check_fields, speak_schema
from bedrock_local.families.family import Body, Family
from bedrock_local.families.limits import check_ceiling
from bedrock_local.families.prompt_templates import Template, read_prompt
from bedrock_local.families.reasoning import find_thought
from bedrock_local.families.schema import Fields, Items, Number, Text, Whole
from bedrock_local.inference import Question, Reply
from bedrock_local.models import Model

STOPS = {"end": "stop", "length": "length", "stop_sequence": "stop", "filtered": "stop"}
FIELDS = Fields(
    {
        "prompt": Text(least=1),
        "max_tokens": Whole(1),
        "stop": Items(Text(), most=10),
        "temperature": Number(0, 1),
        "top_p": Number(0, 1),
    },
    required=("prompt",),
)
# The tokens as the model has them, and as people type them.
TEMPLATE = Template(
    {
        f"<{bar}{role}{bar}>": role.lower()
        for bar in ("\N{FULLWIDTH VERTICAL LINE}", "|")
        for role in ("User", "Assistant")
    },
    first="system",
    others=re.compile(r"<[\uff5c|](?:begin|end)[_\u2581]of[_\u2581]sentence[\uff5c|]>|<think>\n?"),
)
DEFAULT_MAX_TOKENS = 8_192


def check_body(model: Model, body: Body) -> None:
    """Refuse a body that the model would refuse."""
    check_fields(body, FIELDS, speak_schema)
    check_ceiling(model, body.get("max_tokens", DEFAULT_MAX_TOKENS))


def read_question(model: Model, body: Body) -> Question:
    """Read the question out of a checked body."""
    system, text = read_prompt(body["prompt"], TEMPLATE)
    return Question(model.base, system, text, body.get("max_tokens", DEFAULT_MAX_TOKENS), tuple(body.get("stop", ())))


def write_answer(model: Model, body: Body, reply: Reply) -> dict[str, Any]:
    """Write the answer after the end of the thought, which the prompt has begun."""
    thought = find_thought(model, body, read_question(model, body).max_tokens)
    end = "\n</think>\n\n" if reply.text else ""
    return {"choices": [{"text": f"{thought}{end}{reply.text}", "stop_reason": STOPS[reply.stop]}]}


DEEPSEEK = Family(
    "deepseek", re.compile(r"deepseek\.r1"), FIELDS, speak_schema, check_body, read_question, write_answer
)
