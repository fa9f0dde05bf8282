"""The events of a message in a stream of Converse, which Nova's own format has too.

Sources: the service model of bedrock-runtime; recordings of streams, where a text has no contentBlockStart.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from bedrock_local.families.forced_tools import take_call
from bedrock_local.inference import ForcedTool, ReplyStream, split_text

ContentEvent = tuple[str, dict[str, Any]]


def write_content_events(
    stream: ReplyStream, *, reasoning: str, signature: str, tool: ForcedTool | None, tool_use_id: str
) -> Generator[ContentEvent, None, bool]:
    """Yield the events of the content: reasoning, then a text or the call of a tool; return whether one is called."""
    index = 0
    if reasoning or signature:
        yield from write_reasoning(reasoning, signature)
        index = 1
    is_called, pieces = take_call(tool, stream)
    if tool and is_called:
        start = {"toolUse": {"toolUseId": tool_use_id, "name": tool.name}}
        yield "contentBlockStart", {"contentBlockIndex": index, "start": start}
    is_begun = is_called
    for piece in pieces:
        is_begun = True
        delta = {"toolUse": {"input": piece}} if is_called else {"text": piece}
        yield "contentBlockDelta", {"contentBlockIndex": index, "delta": delta}
    if is_begun:
        yield "contentBlockStop", {"contentBlockIndex": index}
    return is_called


def write_reasoning(reasoning: str, signature: str) -> Generator[ContentEvent, None, None]:
    """Yield the events of a block of reasoning; a model that does not show it sends the signature alone."""
    deltas = [{"text": piece} for piece in split_text(reasoning)]
    for delta in [*deltas, *([{"signature": signature}] if signature else [])]:
        yield "contentBlockDelta", {"contentBlockIndex": 0, "delta": {"reasoningContent": delta}}
    yield "contentBlockStop", {"contentBlockIndex": 0}
