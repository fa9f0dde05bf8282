"""A JSON Schema as a skeleton of the answer: an example of the type of each value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

EXAMPLES = {"integer": 0, "number": 0, "boolean": True, "null": None}
MOST_DEPTH = 8


class Choice(tuple[Any, ...]):
    """The values of an enumeration, in a skeleton."""

    __slots__ = ()


def is_schema(value: Any) -> bool:
    """Return whether printed JSON is a JSON Schema of an object and not an example of one."""
    return isinstance(value, dict) and value.get("type") == "object" and isinstance(value.get("properties"), dict)


def make_skeleton(schema: Any, root: Mapping[str, Any], depth: int = 0) -> Any:
    """Make the skeleton of a value; an empty text where the schema leaves the type open."""
    schema = resolve(schema, root)
    if not isinstance(schema, dict) or depth > MOST_DEPTH:
        return ""
    for alternative in schema.get("anyOf", ()):
        if resolve(alternative, root) != {"type": "null"}:
            return make_skeleton(alternative, root, depth + 1)
    if values := schema.get("enum") or ([schema["const"]] if "const" in schema else []):
        return Choice(values)
    kinds = schema.get("type")
    kind = next((each for each in kinds if each != "null"), "null") if isinstance(kinds, list) else kinds
    if kind == "object":
        properties = schema.get("properties", {})
        return {name: make_skeleton(each, root, depth + 1) for name, each in properties.items()}
    if kind == "array":
        return [make_skeleton(schema.get("items"), root, depth + 1)]
    if kind in EXAMPLES:
        return EXAMPLES[kind]
    # A text that may be null says so, as a printed example does.
    may_be_null = isinstance(kinds, list) and "null" in kinds
    return f"{schema.get('description', '')}{' or null' if may_be_null else ''}"


def resolve(schema: Any, root: Mapping[str, Any]) -> Any:
    """Follow references to definitions of the same schema."""
    for _ in range(MOST_DEPTH):
        if not isinstance(schema, dict) or not isinstance(place := schema.get("$ref"), str):
            return schema
        schema = root
        for part in place.removeprefix("#").split("/")[1:]:
            schema = schema.get(part, {}) if isinstance(schema, dict) else {}
    return {}
