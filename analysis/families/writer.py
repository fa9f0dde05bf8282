"""Writer Palmyra X4 and X5: OpenAI's format with other limits; batch jobs do not accept these models.

Source: Amazon Bedrock User Guide, "Writer Palmyra X4" and "Writer Palmyra X5". `max_tokens` is 16 where a request does
not set it; a prompt always does.
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


WRITER = Family(
    name="writer",
    models=re.compile(r"writer\.palmyra-x"),
    write_request=write_request,
    request=ChatRequest,
    answer=ChatAnswer,
    stops=STOPS,
    limits=Limits(temperature=(0, 2), stop_sequences=4),
)
