"""The tool that a request forces a model to call, and its call in place of a text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from bedrock_local.inference import ForcedTool, Reply, ReplyStream


def list_tools(tools: Any, *, of_tool: str = "", schema: str) -> list[ForcedTool]:
    """List the tools of a request, whose members are checked here; each may stand in a member `of_tool`."""
    inside = [find_object(tool, (of_tool,) if of_tool else ()) for tool in (tools if isinstance(tools, list) else ())]
    return [
        ForcedTool(str(tool["name"]), find_object(tool, schema.split(".")), find_text(tool, "description"))
        for tool in inside
        if "name" in tool
    ]


def find_named(tools: list[ForcedTool], name: Any) -> ForcedTool | None:
    """Find the tool of a name."""
    return next((tool for tool in tools if tool.name == name), None)


def find_next(tools: list[ForcedTool], messages: Any) -> ForcedTool | None:
    """Find the first tool that a conversation has not called, or the last: so an agent that has to call one ends."""
    called = {name for message in (messages if isinstance(messages, list) else ()) for name in list_calls(message)}
    return next((tool for tool in tools if tool.name not in called), tools[-1] if tools else None)


def list_calls(message: Any) -> Iterator[Any]:
    """Yield the names of the tools that a message calls, in any of the families' formats."""
    calls = find_list(message, "tool_calls")
    yield from (find_object(call, ("function",)).get("name") for call in calls)
    for block in find_list(message, "content"):
        yield find_object(block, ("toolUse",)).get("name")
        if find_object(block, ()).get("type") == "tool_use":
            yield block["name"]


def find_list(value: Any, name: str) -> list[Any]:
    """Find the list in a member of an object; an empty one where there is none."""
    inside = value.get(name) if isinstance(value, dict) else None
    return inside if isinstance(inside, list) else []


def find_converse_tool(body: Mapping[str, Any]) -> ForcedTool | None:
    """Find the tool that a request has to call, in the form of Converse, which Nova's own format has too."""
    config = find_object(body, ("toolConfig",))
    tools = list_tools(config.get("tools"), of_tool="toolSpec", schema="inputSchema.json")
    choice = find_object(config, ("toolChoice",))
    if choice.get("any") is not None:
        return find_next(tools, body["messages"])
    return find_named(tools, find_object(choice, ("tool",)).get("name"))


def find_text(value: Mapping[str, Any], name: str) -> str:
    """Find the text in a member of an object; an empty one where there is none."""
    text = value.get(name)
    return text if isinstance(text, str) else ""


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
