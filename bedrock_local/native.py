"""Bodies in a model's own form, as InvokeModel takes them, by provider."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bedrock_local import messages
from bedrock_local.answers import Question, Reply
from bedrock_local.errors import ServiceError
from bedrock_local.models import Model


def read_question(model: Model, body: Mapping[str, Any]) -> Question:
    """Check a body by the rules of its family and read what it asks."""
    if model.provider != "anthropic":
        reason = f"The emulator does not read the native form of {model.base} yet; it takes Converse"
        raise ServiceError("ValidationException", reason)
    messages.check_body(model, body)
    return messages.read_question(model, body)


def write_answer(model: Model, body: Mapping[str, Any], reply: Reply) -> dict[str, Any]:
    """Write a reply as the family writes its answers."""
    return messages.write_answer(model, body, reply)
