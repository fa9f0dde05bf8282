"""The chunks of a stream in the form of OpenAI's chat completions, which Jamba and Writer Palmyra have too.

Source: OpenAI API Reference, "The chat completion chunk object"; that Bedrock puts its metrics on the last chunk and
sends no `[DONE]` is from recordings.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from typing import Any

from bedrock_local.families.family import Chunk
from bedrock_local.inference import ForcedTool


def write_chat_chunks(
    head: Mapping[str, Any], texts: Iterable[str], *, choices: int = 1
) -> Generator[Chunk, None, None]:
    """Yield the chunk that says who speaks, and one for each piece of text; each choice gets the same."""
    yield write_chunk(head, {"role": "assistant", "content": ""}, choices=choices)
    for text in texts:
        yield write_chunk(head, {"content": text}, choices=choices)


def write_call_chunks(
    head: Mapping[str, Any], tool: ForcedTool, call_id: str, pieces: Iterable[str]
) -> Generator[Chunk, None, None]:
    """Yield the chunk that names the tool, and one for each piece of its input."""
    call = {"index": 0, "id": call_id, "type": "function", "function": {"name": tool.name, "arguments": ""}}
    yield write_chunk(head, {"role": "assistant", "content": None, "tool_calls": [call]})
    for piece in pieces:
        yield write_chunk(head, {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})


def write_chunk(
    head: Mapping[str, Any], delta: Mapping[str, Any], *, finish_reason: str | None = None, choices: int = 1
) -> Chunk:
    """Write one chunk."""
    each = [{"index": place, "delta": dict(delta), "finish_reason": finish_reason} for place in range(choices)]
    return {**head, "choices": each}
