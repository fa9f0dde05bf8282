"""How a refused body is told so: in the words of Bedrock's own check, of Claude, or of the OpenAI form.

Sources: refusals in public issues. Schema: lobehub/lobehub#5203, crmne/ruby_llm#586, langgenius/dify#3326,
x3n0cr4735/celi#91. Claude: maximhq/bifrost#4516, danny-avila/LibreChat#8346. OpenAI: langchain-ai/
langchain-aws#664. Rules that no issue shows are worded as the checkers do from which these texts come: everit's JSON
schema, pydantic, serde.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain, islice
from typing import Any

from bedrock_local.families.schema import Kind, Path, Violation
from bedrock_local.protocol.errors import ServiceError

Voice = Callable[[Iterable[Violation]], str]
SHOWN = 10
SCHEMA_NAMES = {
    "boolean": "Boolean", "number": "Number", "integer": "Integer", "string": "String", "list": "JSONArray",
    "object": "JSONObject",
}  # fmt: skip
SCHEMA_FOUND = {bool: "Boolean", int: "Integer", float: "Double", str: "String", list: "JSONArray", dict: "JSONObject"}
OPENAI_FOUND = {bool: "boolean", int: "integer", float: "floating point", list: "sequence", dict: "map", str: "string"}
OPENAI_RULES = {
    "least": "invalid value: {got}, expected at least {want}",
    "above": "invalid value: {got}, expected more than {want}",
    "most": "invalid value: {got}, expected at most {want}",
    "short": "invalid length {got}, expected at least {want}",
    "few": "invalid length {got}, expected at least {want}",
    "many": "invalid length {got}, expected at most {want}",
    "missing": "missing field `{want}`",
    "type": "invalid type: {got}, expected a {want}",
    "choice": "unknown variant `{got}`, expected one of {want}",
    "tag": "unknown variant `{got}`, expected one of {want}",
    "extra": "unknown variant `{got}`, expected one of {want}",
}
SCHEMA_RULES = {
    "missing": "required key [{want}] not found",
    "extra": "extraneous key [{want}] is not permitted",
    "type": "expected type: {want}, found: {got}",
    "least": "{got} is not greater or equal to {want}",
    "above": "{got} is not greater than {want}",
    "most": "{got} is not less or equal to {want}",
    "short": "expected minLength: {want}, actual: {got}",
    "few": "expected minimum item count: {want}, found: {got}",
    "many": "expected maximum item count: {want}, found: {got}",
    "choice": "{got} is not a valid enum value",
    "tag": "{got} is not a valid enum value",
}
CLAUDE_RULES = {
    "missing": "Field required",
    "extra": "Extra inputs are not permitted",
    "type": "Input should be a valid {want}",
    "least": "Input should be greater than or equal to {want}",
    "range": "range: {want}",
    "short": "String should have at least {want} characters",
    "few": "List should have at least {want} items after validation, not {got}",
    "many": "List should have at most {want} items after validation, not {got}",
    "choice": "Input should be {want}",
    "tag": "Input tag '{got}' found using 'type' does not match any of the expected tags: {want}",
}


def check_fields(body: Any, kind: Kind, voice: Voice) -> None:
    """Refuse a body that its table does not allow, in the words of a voice."""
    violations = kind.find_violations(body)
    first = next(violations, None)
    if first is not None:
        raise ServiceError("ValidationException", voice(islice(chain([first], violations), SHOWN)))


def speak_schema(violations: Iterable[Violation]) -> str:
    """Say all violations, as Bedrock's check against a model's JSON schema does."""
    said = "".join(f"{'/'.join(('#', *map(str, each.path)))}: {word_schema(each)}" for each in violations)
    return f"Malformed input request: {said}, please reformat your input and try again."


def word_schema(violation: Violation) -> str:
    """Word one violation for the schema check."""
    want, got = write(violation.want), write(violation.got)
    if violation.rule == "type":
        want = " or ".join(SCHEMA_NAMES[name] for name in violation.want)
        got = SCHEMA_FOUND.get(type(violation.got), "Null")
    return SCHEMA_RULES[violation.rule].format(want=want, got=got)


def speak_claude(violations: Iterable[Violation]) -> str:
    """Say the first violation, as Claude's own check does."""
    violation = next(iter(violations))
    path = (*violation.path, violation.want) if violation.rule in ("missing", "extra") else violation.path
    return f"{'.'.join(map(str, path))}: {word_claude(violation)}"


def word_claude(violation: Violation) -> str:
    """Word one violation for Claude; a number with two ends is told both."""
    rule, want = str(violation.rule), write(violation.want)
    most = getattr(violation.kind, "most", None)
    if rule in ("least", "most") and most is not None:
        rule, want = "range", f"{write(getattr(violation.kind, 'least', None) or 0)}..{write(most)}"
    elif rule == "type":
        want = " or ".join({"object": "dictionary"}.get(name, name) for name in violation.want)
    elif rule in ("choice", "tag"):
        *others, last = (f"'{choice}'" for choice in violation.want)
        want = f"{', '.join(others)}{' or ' if others else ''}{last}"
    return CLAUDE_RULES[rule].format(want=want, got=write(violation.got))


def speak_openai(violations: Iterable[Violation]) -> str:
    """Say the first violation, as the models that take OpenAI's form do."""
    violation = next(iter(violations))
    where = f"{join_path(violation.path)}: " if violation.path else ""
    return f"Failed to deserialize the JSON body into the target type: {where}{word_openai(violation)}"


def word_openai(violation: Violation) -> str:
    """Word one violation for the OpenAI form."""
    want, got = write(violation.want), write(violation.got)
    if violation.rule == "type":
        want = " or ".join({"list": "sequence", "object": "map"}.get(name, name) for name in violation.want)
        got = OPENAI_FOUND.get(type(violation.got), "null")
    elif violation.rule in ("choice", "tag", "extra"):
        got = str(violation.want) if violation.rule == "extra" else got
        names = getattr(violation.kind, "known", ()) if violation.rule == "extra" else violation.want
        want = ", ".join(f"`{name}`" for name in names)
    return OPENAI_RULES[violation.rule].format(want=want, got=got)


def join_path(path: Path) -> str:
    """Write a path as serde does: `messages[1].content`."""
    joined = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return joined.removeprefix(".")


def write(value: Any) -> str:
    """Write a short number without an exponent, 0.00001 and not 1e-05; anything else as it is."""
    if type(value) is float and abs(value) < 1e15:
        return f"{value:.10f}".rstrip("0").rstrip(".")
    return str(value)
