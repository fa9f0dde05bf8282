"""Mistral Large (24.02, 24.07) and Pixtral: messages, with `stop_reason` in place of `finish_reason`.

Source: Amazon Bedrock User Guide, "Mistral AI chat completion" and "Mistral AI Large (24.07)"; neither has stop
sequences, and whether answers have a `usage` is not documented.
"""

from __future__ import annotations

import re
from typing import Any

from analysis.families.family import Family, Limits, finish_body
from analysis.families.openai import STOPS, ChatAnswer, ChatRequest, write_messages
from analysis.prompts import Prompt


def write_request(prompt: Prompt, text: str) -> dict[str, Any]:
    """Build the body of one request."""
    fields = {
        "messages": write_messages(prompt, text),
        "max_tokens": prompt.max_tokens,
        "temperature": prompt.temperature,
        "top_p": prompt.top_p,
    }
    return finish_body(fields, prompt)


MISTRAL_CHAT = Family(
    name="mistral_chat",
    models=re.compile(r"mistral\.(mistral-large-240|pixtral-)"),
    write_request=write_request,
    request=ChatRequest,
    answer=ChatAnswer,
    stops=STOPS,
    limits=Limits(stop_sequences=0),
)
