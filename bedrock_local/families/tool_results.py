"""The results of tools in a conversation: what they say to the model, and which of them are missing.

Sources of the texts: langgenius/dify#16421 (no toolConfig), agno-agi/agno#6698 and camel-ai/camel#3954 (Converse),
anthropics/claude-code#15205 (Anthropic Messages).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

NO_CONFIG = "The toolConfig field must be defined when using toolUse and toolResult content blocks."


def list_results(content: Any) -> list[str]:
    """List the texts of the results of tools in a content, in the form of Converse and Nova or in that of Claude."""
    blocks = [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []
    results = [block.get("toolResult") for block in blocks]
    results += [block for block in blocks if block.get("type") == "tool_result"]
    return [text for result in results if isinstance(result, dict) for text in read_result(result.get("content"))]


def read_result(content: Any) -> Iterator[str]:
    """Yield the texts of one result, which nobody has checked; its JSON is a text too."""
    if isinstance(content, str):
        yield content
    for part in content if isinstance(content, list) else ():
        if isinstance(part, dict) and isinstance(part.get("text"), str):
            yield part["text"]
        elif isinstance(part, dict) and "json" in part:
            yield json.dumps(part["json"])


def find_converse_violations(messages: Sequence[Any], tool_config: Any) -> Iterator[str]:
    """Find what is wrong with the calls and results of tools in a checked conversation of Converse."""
    blocks = [block for message in messages for block in message["content"]]
    if not tool_config and any(block.get("toolUse") or block.get("toolResult") for block in blocks):
        yield NO_CONFIG
    for number, (message, after) in enumerate(pairwise(messages), 1):
        called = [block["toolUse"]["toolUseId"] for block in message["content"] if block.get("toolUse")]
        given = {block["toolResult"]["toolUseId"] for block in after["content"] if block.get("toolResult")}
        if missing := [each for each in called if each not in given]:
            yield f"Expected toolResult blocks at messages.{number}.content for the following Ids: {', '.join(missing)}"


def find_unanswered_calls(messages: Sequence[Any]) -> Iterator[str]:
    """Find calls of tools without results in a conversation of Anthropic Messages, whose blocks nobody has checked."""
    for number, (message, after) in enumerate(pairwise(messages)):
        called = list_ids(message["content"], "tool_use", "id")
        given = list_ids(after["content"], "tool_result", "tool_use_id")
        if missing := [each for each in called if each not in given]:
            found = f"`tool_use` ids were found without `tool_result` blocks immediately after: {', '.join(missing)}."
            rule = "Each `tool_use` block must have a corresponding `tool_result` block in the next message."
            yield f"messages.{number}: {found} {rule}"


def list_ids(content: Any, kind: str, name: str) -> list[str]:
    """List the ids in the blocks of a kind."""
    blocks = content if isinstance(content, list) else []
    return [str(block.get(name)) for block in blocks if isinstance(block, dict) and block.get("type") == kind]
