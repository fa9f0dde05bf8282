"""Amazon Nova by InvokeModel: answers are those of Converse, requests nearly so.

Source: Amazon Nova User Guide, "Complete request schema".
"""

from __future__ import annotations

import re
from typing import Any

from analysis.families.converse import STOPS, ConverseAnswer, ConverseRequest, is_converse
from analysis.families.family import Family, Limits, drop_unset, finish_body
from analysis.prompts import Prompt


def write_request(prompt: Prompt, text: str) -> dict[str, Any]:
    """Build the body of one request; `schemaVersion` distinguishes it from one of Converse."""
    inference = {
        "maxTokens": prompt.max_tokens,
        "temperature": prompt.temperature,
        "topP": prompt.top_p,
        "topK": prompt.top_k,
        "stopSequences": list(prompt.stop_sequences),
    }
    fields = {
        "schemaVersion": "messages-v1",
        "system": [{"text": prompt.system}] if prompt.system else [],
        "messages": [{"role": "user", "content": [{"text": text}]}],
        "inferenceConfig": drop_unset(inference),
    }
    return finish_body(fields, prompt)


def is_nova(echo: ConverseRequest | None) -> bool:
    """Return whether a request is Nova's and not Converse's."""
    return not is_converse(echo)


NOVA = Family(
    name="nova",
    # Nova models for embeddings, images, video and speech have formats of their own.
    models=re.compile(r"amazon\.nova-(?!.*(?:embed|canvas|reel|sonic))"),
    write_request=write_request,
    request=ConverseRequest,
    answer=ConverseAnswer,
    stops=STOPS,
    limits=Limits(top_k=(0, 128)),
    matches_request=is_nova,
)
