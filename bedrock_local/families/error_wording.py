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

from bedrock_local.families.schema import Kind, Misfit, Path
from bedrock_local.protocol.errors import ServiceError

Voice = Callable[[Iterable[Misfit]], str]
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
    misfits = kind.find_misfits(body)
    first = next(misfits, None)
    if first is not None:
        raise ServiceError("ValidationException", voice(islice(chain([first], misfits), SHOWN)))


def speak_schema(misfits: Iterable[Misfit]) -> str:
    """Say all misfits, as Bedrock's check against a model's JSON schema does."""
    said = "".join(f"{'/'.join(('#', *map(str, misfit.path)))}: {word_schema(misfit)}" for misfit in misfits)
    return f"Malformed input request: {said}, please reformat your input and try again."


def word_schema(misfit: Misfit) -> str:
    """Word one misfit for the schema check."""
    want, got = write(misfit.want), write(misfit.got)
    if misfit.rule == "type":
        want = " or ".join(SCHEMA_NAMES[name] for name in misfit.want)
        got = SCHEMA_FOUND.get(type(misfit.got), "Null")
    return SCHEMA_RULES[misfit.rule].format(want=want, got=got)


def speak_claude(misfits: Iterable[Misfit]) -> str:
    """Say the first misfit, as Claude's own check does."""
    misfit = next(iter(misfits))
    path = (*misfit.path, misfit.want) if misfit.rule in ("missing", "extra") else misfit.path
    return f"{'.'.join(map(str, path))}: {word_claude(misfit)}"


def word_claude(misfit: Misfit) -> str:
    """Word one misfit for Claude; a number with two ends is told both."""
    rule, want = str(misfit.rule), write(misfit.want)
    most = getattr(misfit.kind, "most", None)
    if rule in ("least", "most") and most is not None:
        rule, want = "range", f"{write(getattr(misfit.kind, 'least', None) or 0)}..{write(most)}"
    elif rule == "type":
        want = " or ".join({"object": "dictionary"}.get(name, name) for name in misfit.want)
    elif rule in ("choice", "tag"):
        *others, last = (f"'{choice}'" for choice in misfit.want)
        want = f"{', '.join(others)}{' or ' if others else ''}{last}"
    return CLAUDE_RULES[rule].format(want=want, got=write(misfit.got))


def speak_openai(misfits: Iterable[Misfit]) -> str:
    """Say the first misfit, as the models that take OpenAI's form do."""
    misfit = next(iter(misfits))
    where = f"{join_path(misfit.path)}: " if misfit.path else ""
    return f"Failed to deserialize the JSON body into the target type: {where}{word_openai(misfit)}"


def word_openai(misfit: Misfit) -> str:
    """Word one misfit for the OpenAI form."""
    want, got = write(misfit.want), write(misfit.got)
    if misfit.rule == "type":
        want = " or ".join({"list": "sequence", "object": "map"}.get(name, name) for name in misfit.want)
        got = OPENAI_FOUND.get(type(misfit.got), "null")
    elif misfit.rule in ("choice", "tag", "extra"):
        got = str(misfit.want) if misfit.rule == "extra" else got
        names = getattr(misfit.kind, "known", ()) if misfit.rule == "extra" else misfit.want
        want = ", ".join(f"`{name}`" for name in names)
    return OPENAI_RULES[misfit.rule].format(want=want, got=got)


def join_path(path: Path) -> str:
    """Write a path as serde does: `messages[1].content`."""
    joined = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return joined.removeprefix(".")


def write(value: Any) -> str:
    """Write a short number without an exponent, 0.00001 and not 1e-05; anything else as it is."""
    if type(value) is float and abs(value) < 1e15:
        return f"{value:.10f}".rstrip("0").rstrip(".")
    return str(value)
