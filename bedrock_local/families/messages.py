"""Messages with roles and texts, which several families share, and the rules of a conversation of Converse and Nova.

Sources of the texts: langchain-ai/langchain-aws#130, pydantic/pydantic-ai#6255 (tried live in July 2026, where Claude
and Qwen accepted a conversation that the assistant begins).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

from bedrock_local.families.tool_results import list_results
from bedrock_local.protocol.errors import ServiceError

ANY_FIRST_ROLE = ("anthropic.", "qwen.")
# A recorded request to Titan has two messages of the user in a row.
ANY_ROLE_ORDER = ("amazon.titan",)


def list_texts(content: Any) -> list[str]:
    """List the texts of a content, which is a text, a block, or a list of blocks; blocks without text are skipped."""
    if isinstance(content, str):
        return [content]
    # Writer accepts a single block in place of a list.
    blocks = [content] if isinstance(content, dict) else content if isinstance(content, list) else []
    return [block["text"] for block in blocks if isinstance(block.get("text"), str)]


def join_role(messages: Iterable[Any], *roles: str) -> str:
    """Join the texts of all messages with these roles, and the results of tools in them."""
    contents = (message.get("content") for message in messages if message["role"] in roles)
    return "\n\n".join(text for content in contents for text in (*list_texts(content), *list_results(content)))


def check_conversation(messages: Sequence[Any], base: str = "") -> None:
    """Refuse messages that match the schema but break the rules of a conversation."""
    for reason in find_message_violations(messages, base):
        raise ServiceError("ValidationException", reason)


def find_message_violations(messages: Sequence[Any], base: str) -> Iterator[str]:
    """Find what is wrong with the order of the messages and with their content."""
    if not messages:
        yield "The conversation must have at least one message."
    roles = [message["role"] for message in messages]
    if roles[:1] == ["assistant"] and not base.startswith(ANY_FIRST_ROLE):
        cure = "Try again with a conversation that starts with a user message."
        yield f"A conversation must start with a user message. {cure}"
    if any(role == after for role, after in pairwise(roles)) and not base.startswith(ANY_ROLE_ORDER):
        cure = "Make sure the conversation alternates between user and assistant roles and try again."
        yield f"A conversation must alternate between user and assistant roles. {cure}"
    for number, message in enumerate(messages):
        yield from find_empty_content(message["content"], f"messages.{number}")


def find_empty_content(content: Sequence[Any], where: str) -> Iterator[str]:
    """Find content without blocks, and texts that are blank."""
    if not content:
        cure = "Add a ContentBlock object to the content field and try again."
        yield f"The content field in the Message object at {where} is empty. {cure}"
    for place, block in enumerate(content):
        if isinstance(block.get("text"), str) and not block["text"].strip():
            cure = "Add text to the text field, and try again."
            yield f"The text field in the ContentBlock object at {where}.content.{place} is blank. {cure}"
