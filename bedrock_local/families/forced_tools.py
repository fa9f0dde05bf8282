"""The one tool that a request forces a model to call, and its call in place of a text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from bedrock_local.inference import Reply, ReplyStream


class ForcedTool(NamedTuple):
    """The name of a tool, and the JSON Schema of its input."""

    name: str
    schema: Mapping[str, Any]


def find_forced_tool(tools: Any, name: Any, *, of_tool: str = "", schema: str) -> ForcedTool | None:
    """Find the tool of a name in a list, whose members are checked here; it may stand in a member `of_tool`."""
    for tool in tools if isinstance(tools, list) else ():
        inside = (tool.get(of_tool) if of_tool else tool) if isinstance(tool, dict) else None
        if isinstance(inside, dict) and name is not None and inside.get("name") == name:
            return ForcedTool(str(name), find_object(inside, schema.split(".")))
    return None


def find_object(value: Any, path: Iterable[str]) -> dict[str, Any]:
    """Find the object at a path; an empty one where there is none."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def read_input(tool: ForcedTool | None, reply: Reply) -> dict[str, Any] | None:
    """Read a whole reply as the input of a tool; None where none is forced, or the reply is another text."""
    if tool is None or reply.stop != "end":
        return None
    try:
        value = json.loads(reply.text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def take_call(tool: ForcedTool | None, stream: ReplyStream) -> tuple[bool, Iterable[str]]:
    """Return whether a stream is the input of a tool, which only the whole of it says, and its pieces."""
    if tool is None:
        return False, stream
    pieces = list(stream)
    return read_input(tool, stream.reply) is not None, pieces
