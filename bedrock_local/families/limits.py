"""The limits of a model: output tokens, and tokens of a prompt.

The messages were seen from the service (2024 to 2026): aws-samples/bedrock-access-gateway#41 and boto/botocore#3707;
the one about the context window only from Claude.
"""

from __future__ import annotations

from bedrock_local.inference import Question, count_tokens
from bedrock_local.models import Model
from bedrock_local.protocol.errors import ServiceError


def check_ceiling(model: Model, max_tokens: int) -> None:
    """Refuse a `max_tokens` above the model's limit."""
    ceiling = model.max_output_tokens
    if ceiling is not None and max_tokens > ceiling:
        reason = f"The maximum tokens you requested exceeds the model limit of {ceiling}."
        cure = f"Try again with a maximum tokens value that is lower than {ceiling}."
        raise ServiceError("ValidationException", f"{reason} {cure}")


def check_window(question: Question, window: int | None) -> int:
    """Count the tokens of a prompt, and refuse one that is longer than the context window."""
    # The emulator has no tokenizer of any model, so a prompt close to the limit may pass here and not there.
    tokens = count_tokens(question.system) + count_tokens(question.text)
    if window is not None and tokens > window:
        raise ServiceError("ValidationException", f"prompt is too long: {tokens} tokens > {window} maximum")
    return tokens
