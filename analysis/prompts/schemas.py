"""JSON Schemas of prompts: read one from a file, and check that answers can be read into columns by it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from analysis.errors import PromptError

CURE = "write one of an object: {type: object, properties: {reason: {type: string}}, required: [reason]}"


def read_schema(file: Path, text: str) -> dict[str, Any]:
    """Decode the text of a file of JSON Schema."""
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError) as error:
        raise PromptError(file, f"is no JSON Schema ({error})", CURE) from error


def check_schema(name: str, schema: Mapping[str, Any]) -> None:
    """Raise a PromptError for a schema that is none, that loads another one, or that is not of an object with keys."""
    try:
        make_validator(schema)
    except ValueError as error:  # the base of the library's own
        reason = str(error).partition("\n")[0]
        raise PromptError(name, f"schema is no JSON Schema ({reason})", CURE) from error
    properties = schema.get("properties")
    if schema.get("type") != "object" or not isinstance(properties, Mapping) or not properties:
        raise PromptError(name, "schema is not of an object that has properties", CURE)


def make_validator(schema: Mapping[str, Any]) -> Any:
    """Compile a schema; its messages have `value` in place of what was found, and nothing is loaded."""
    import jsonschema_rs

    return jsonschema_rs.validator_for(dict(schema), mask="value", retriever=refuse_other)


def refuse_other(uri: str) -> Any:
    """Refuse a schema that another one refers to by its address."""
    raise ValueError(f"{uri} is another schema: write its definitions into this one")
