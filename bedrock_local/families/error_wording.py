"""The error message of a refused body, in the wording of Bedrock's own check, of Claude, or of the OpenAI format.

Sources: refusals in public issues. Schema: lobehub/lobehub#5203, crmne/ruby_llm#586, langgenius/dify#3326,
x3n0cr4735/celi#91. Claude: maximhq/bifrost#4516, danny-avila/LibreChat#8346. OpenAI: langchain-ai/
langchain-aws#664. Rules that no issue shows are worded by the validators that these texts come from: everit's JSON
schema, pydantic, serde.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain, islice
from typing import Any

from bedrock_local.families.schema import Path, Schema, Violation
from bedrock_local.protocol.errors import ServiceError

ErrorFormatter = Callable[[Iterable[Violation]], str]
# A body of a megabyte may break a rule in each of its items.
MAX_SHOWN = 10
# What the checks call a type: by its JSON name where it is expected, by its Python type where it was found.
SCHEMA_TYPES = {
    "boolean": "Boolean", "number": "Number", "integer": "Integer", "string": "String", "list": "JSONArray",
    "object": "JSONObject",
}  # fmt: skip
SCHEMA_FOUND = {
    bool: "Boolean",
    int: "Integer",
    float: "Double",
    str: "String",
    list: "JSONArray",
    dict: "JSONObject",
}
OPENAI_FOUND = {
    bool: "boolean",
    int: "integer",
    float: "floating point",
    list: "sequence",
    dict: "map",
    str: "string",
}
OPENAI_RULES = {
    "minimum": "invalid value: {found}, expected at least {expected}",
    "exclusive_minimum": "invalid value: {found}, expected more than {expected}",
    "maximum": "invalid value: {found}, expected at most {expected}",
    "min_length": "invalid length {found}, expected at least {expected}",
    "min_items": "invalid length {found}, expected at least {expected}",
    "max_items": "invalid length {found}, expected at most {expected}",
    "required": "missing field `{expected}`",
    "type": "invalid type: {found}, expected a {expected}",
    "enum": "unknown variant `{found}`, expected one of {expected}",
    "tag": "unknown variant `{found}`, expected one of {expected}",
    "additional": "unknown variant `{found}`, expected one of {expected}",
}
SCHEMA_RULES = {
    "required": "required key [{expected}] not found",
    "additional": "extraneous key [{expected}] is not permitted",
    "type": "expected type: {expected}, found: {found}",
    "minimum": "{found} is not greater or equal to {expected}",
    "exclusive_minimum": "{found} is not greater than {expected}",
    "maximum": "{found} is not less or equal to {expected}",
    "min_length": "expected minLength: {expected}, actual: {found}",
    "min_items": "expected minimum item count: {expected}, found: {found}",
    "max_items": "expected maximum item count: {expected}, found: {found}",
    "enum": "{found} is not a valid enum value",
    "tag": "{found} is not a valid enum value",
}
CLAUDE_RULES = {
    "required": "Field required",
    "additional": "Extra inputs are not permitted",
    "type": "Input should be a valid {expected}",
    "minimum": "Input should be greater than or equal to {expected}",
    "range": "range: {expected}",
    "min_length": "String should have at least {expected} characters",
    "min_items": "List should have at least {expected} items after validation, not {found}",
    "max_items": "List should have at most {expected} items after validation, not {found}",
    "enum": "Input should be {expected}",
    "tag": "Input tag '{found}' found using 'type' does not match any of the expected tags: {expected}",
}


def check_schema(body: Any, schema: Schema, format_error: ErrorFormatter) -> None:
    """Refuse a body that breaks its schema, with the message that a formatter makes of the first violations."""
    # A generator: nothing is checked beyond the last violation that is shown.
    violations = schema.find_violations(body)
    first = next(violations, None)
    if first is not None:
        raise ServiceError("ValidationException", format_error(islice(chain([first], violations), MAX_SHOWN)))


def format_schema(violations: Iterable[Violation]) -> str:
    """Format all violations as Bedrock's check against a model's JSON schema does."""
    texts = [f"{'/'.join(('#', *map(str, each.path)))}: {format_schema_rule(each)}" for each in violations]
    return f"Malformed input request: {''.join(texts)}, please reformat your input and try again."


def format_schema_rule(violation: Violation) -> str:
    """Format one violation for the schema check."""
    expected, found = format_value(violation.expected), format_value(violation.found)
    if violation.rule == "type":
        expected = " or ".join(SCHEMA_TYPES[name] for name in violation.expected)
        found = SCHEMA_FOUND.get(type(violation.found), "Null")
    return SCHEMA_RULES[violation.rule].format(expected=expected, found=found)


def format_claude(violations: Iterable[Violation]) -> str:
    """Format the first violation as Claude's own check does."""
    violation = next(iter(violations))
    is_field = violation.rule in ("required", "additional")
    path = (*violation.path, violation.expected) if is_field else violation.path
    return f"{'.'.join(map(str, path))}: {format_claude_rule(violation)}"


def format_claude_rule(violation: Violation) -> str:
    """Format one violation for Claude; a number that has a maximum is answered with its whole range."""
    rule, expected = str(violation.rule), format_value(violation.expected)
    maximum = getattr(violation.schema, "maximum", None)
    if rule in ("minimum", "maximum") and maximum is not None:
        minimum = getattr(violation.schema, "minimum", None) or 0
        rule, expected = "range", f"{format_value(minimum)}..{format_value(maximum)}"
    elif rule == "type":
        expected = " or ".join({"object": "dictionary"}.get(name, name) for name in violation.expected)
    elif rule in ("enum", "tag"):
        *others, last = (f"'{choice}'" for choice in violation.expected)
        expected = f"{', '.join(others)}{' or ' if others else ''}{last}"
    return CLAUDE_RULES[rule].format(expected=expected, found=format_value(violation.found))


def format_openai(violations: Iterable[Violation]) -> str:
    """Format the first violation as the models that take the OpenAI format do."""
    violation = next(iter(violations))
    where = f"{join_path(violation.path)}: " if violation.path else ""
    return f"Failed to deserialize the JSON body into the target type: {where}{format_openai_rule(violation)}"


def format_openai_rule(violation: Violation) -> str:
    """Format one violation for the OpenAI format."""
    expected, found = format_value(violation.expected), format_value(violation.found)
    if violation.rule == "type":
        expected = " or ".join({"list": "sequence", "object": "map"}.get(name, name) for name in violation.expected)
        found = OPENAI_FOUND.get(type(violation.found), "null")
    elif violation.rule == "additional":
        # langchain-aws#664: an unknown field is called a variant, and the known ones are listed.
        found, expected = violation.expected, join_names(getattr(violation.schema, "properties", ()))
    elif violation.rule in ("enum", "tag"):
        expected = join_names(violation.expected)
    return OPENAI_RULES[violation.rule].format(expected=expected, found=found)


def join_names(names: Iterable[str]) -> str:
    """Join names as serde does: `low`, `medium`, each in backticks."""
    return ", ".join(f"`{name}`" for name in names)


def join_path(path: Path) -> str:
    """Join a path as serde does: `messages[1].content`."""
    joined = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return joined.removeprefix(".")


def format_value(value: Any) -> str:
    """Format a short number without an exponent, 0.00001 and not 1e-05; anything else with `str`."""
    if type(value) is float and abs(value) < 1e15:
        return f"{value:.10f}".rstrip("0").rstrip(".")
    return str(value)
