"""Messages with roles and texts, as several families have them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


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
