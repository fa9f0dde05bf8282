"""AI21 Jamba: OpenAI's messages and choices, with a lower ceiling of `max_tokens`.

Source: Amazon Bedrock User Guide, "AI21 Labs Jamba models".
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
        "stop": list(prompt.stop_sequences),
    }
    return finish_body(fields, prompt)


JAMBA = Family(
    name="jamba",
    models=re.compile(r"ai21\.jamba"),
    write_request=write_request,
    request=ChatRequest,
    answer=ChatAnswer,
    stops=STOPS,
    limits=Limits(temperature=(0, 2)),
)
