"""Messages with roles and texts, as several families have them, and how a conversation of Converse or Nova must go.

Sources of the texts: langchain-ai/langchain-aws#130, pydantic/pydantic-ai#6255 (tried live in July 2026, where Claude
and Qwen took a conversation that the assistant begins).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

from bedrock_local.protocol.errors import ServiceError

BEGUN_BY_ANYONE = ("anthropic.", "qwen.")
# Titan was recorded to take two messages of the user in a row.
IN_ANY_ORDER = ("amazon.titan",)


def texts_of(content: Any) -> list[str]:
    """Give the texts of a content, which is a text, a block, or a list of blocks; other blocks have none."""
    if isinstance(content, str):
        return [content]
    blocks = [content] if isinstance(content, dict) else content if isinstance(content, list) else []
    return [block["text"] for block in blocks if isinstance(block.get("text"), str)]


def join_role(messages: Iterable[Any], *roles: str) -> str:
    """Join all that these roles say."""
    said = (text for message in messages if message["role"] in roles for text in texts_of(message.get("content")))
    return "\n\n".join(said)


def check_conversation(messages: Sequence[Any], base: str = "") -> None:
    """Refuse messages, of the right form, that make no conversation with a model."""
    for reason in find_message_violations(messages, base):
        raise ServiceError("ValidationException", reason)


def find_message_violations(messages: Sequence[Any], base: str) -> Iterator[str]:
    """Name what is wrong with the order of the messages and with their content."""
    if not messages:
        yield "The conversation must have at least one message."
    roles = [message["role"] for message in messages]
    if roles[:1] == ["assistant"] and not base.startswith(BEGUN_BY_ANYONE):
        cure = "Try again with a conversation that starts with a user message."
        yield f"A conversation must start with a user message. {cure}"
    if any(role == after for role, after in pairwise(roles)) and not base.startswith(IN_ANY_ORDER):
        cure = "Make sure the conversation alternates between user and assistant roles and try again."
        yield f"A conversation must alternate between user and assistant roles. {cure}"
    for number, message in enumerate(messages):
        yield from find_content_violations(message["content"], f"messages.{number}")


def find_content_violations(content: Sequence[Any], where: str) -> Iterator[str]:
    """Name content that says nothing."""
    if not content:
        cure = "Add a ContentBlock object to the content field and try again."
        yield f"The content field in the Message object at {where} is empty. {cure}"
    for place, block in enumerate(content):
        if isinstance(block.get("text"), str) and not block["text"].strip():
            cure = "Add text to the text field, and try again."
            yield f"The text field in the ContentBlock object at {where}.content.{place} is blank. {cure}"
