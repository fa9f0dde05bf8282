"""Answers in JSON: the first object of a text, whether its schema accepts it, and its values as typed columns."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
import narwhals as nw
import polars as pl
from narwhals.typing import IntoDataFrameT

from analysis.columns import as_pandas, read_columns
from analysis.errors import ColumnError, PromptError, escape_controls
from analysis.files import replace_lone_surrogates
from analysis.metrics.texts import read_text, rename_clashes
from analysis.prompts import Prompt
from analysis.prompts.schemas import check_schema, make_validator

ERROR = "json_error"
# A model may write a sentence with a brace before its object; each trial reads the text to its end.
MOST_TRIALS = 10
MOST_SCHEMAS = 64  # compiled ones that are kept
DTYPES = {"string": pl.String(), "integer": pl.Int64(), "number": pl.Float64(), "boolean": pl.Boolean()}
MOST_DEPTH = 16  # of types in types; what is deeper is JSON text
# What explains why there is no valid JSON.
STOPS = {"length": "cut off by max_tokens", "filtered": "refused or filtered", "tool": "ended by a call of a tool"}
INDEX = re.compile(r"\[[0-9]+\]")
# Names that the reader reads, or that say what a row is.
RESERVED = ("call_id", "variant", "sample", "text", "tool_calls", "stop", "error_kind", "error_message", ERROR)


class Checker(NamedTuple):
    """A compiled schema, and the names of all properties in it: other names are text of the model."""

    validator: Any
    names: frozenset[str]


class InvalidAnswerError(ValueError):
    """What is wrong with an answer, and where in it."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(f"{place}: {reason}" if place else reason)
        self.place, self.reason = place, reason


class NoJsonError(InvalidAnswerError):
    """A text has no JSON object; the place is a line and column of it."""


def read_json_answers(answers: IntoDataFrameT, schema: Mapping[str, Any] | Prompt) -> IntoDataFrameT:
    """Read the JSON of answers into one column for each property of their schema.

    The input of a tool that the answer calls is taken, else the first JSON object of its text, so that fences and
    sentences around it do not count. It is validated.

    Parameters
    ----------
    answers
        One row per answer, from `load_answers`; `text` is read, and `tool_calls` and `stop` where they are there.
    schema
        A JSON Schema of an object with properties, or a prompt that has one.

    Returns
    -------
    frame
        The rows of `answers` in their order, then a column for each property, and `json_error`. A column of the call
        with such a name is called `<name>_call`.

        Text, whole numbers, numbers and truth values are columns of these types, also where null is allowed; a list of
        these is a list, an object with properties a struct. What the schema leaves open, such as a union of types, is
        JSON text.

        Values are missing where there is no answer, where the answer has no such key or null, and where the answer is
        not valid. `json_error` says what is wrong and where (`follow_up: value is not of type "string"`); it quotes no
        value, and is missing for a valid answer and where there is none.

    Raises
    ------
    ColumnError
        `answers` has no `text`, was read before, or the schema has a property with the name of a column that is read.
    PromptError
        The schema is none, or is not of an object with properties; or the prompt has no schema.
    """
    if isinstance(schema, Prompt):
        schema = find_schema(schema)
    check_schema("read_json_answers", schema)
    frame = read_columns(answers, ["text"], of="answers")
    dtypes = {name: find_dtype(each, schema) for name, each in schema["properties"].items()}
    check_names(frame.columns, dtypes)
    frame = rename_clashes(frame, [*dtypes, ERROR])
    texts = list_bodies(frame)
    stops = read_text(frame["stop"]).to_list() if "stop" in frame.columns else [None] * len(texts)
    checker = make_checker(schema)
    read = [read_answer(text, stop, checker) for text, stop in zip(texts, stops, strict=True)]
    columns = [
        pl.Series(name, [fit(values.get(name), dtype) for values, _ in read], dtype) for name, dtype in dtypes.items()
    ]
    return append(frame, pl.DataFrame([*columns, pl.Series(ERROR, [error for _, error in read], pl.String)]))


def list_bodies(frame: nw.DataFrame[Any]) -> list[str | None]:
    """List what may hold the JSON of each answer: the input of the first tool that it calls, else its text."""
    texts = read_text(frame["text"]).to_list()
    if "tool_calls" not in frame.columns:
        return texts
    return [find_input(calls) or text for calls, text in zip(frame["tool_calls"].to_list(), texts, strict=True)]


def find_input(calls: Any) -> str | None:
    """Return the input of the first call; None where no tool is called, which pandas may have as NaN."""
    is_missing = calls is None or isinstance(calls, float) or len(calls) == 0
    return None if is_missing else calls[0]["input"]


def find_schema(prompt: Prompt) -> Mapping[str, Any]:
    """Return the schema of a prompt."""
    if prompt.schema is None:
        raise PromptError(prompt.name, "its header has no schema", "pass a JSON Schema, or add one to the header")
    return prompt.schema


def check_names(columns: Sequence[str], properties: Mapping[str, Any]) -> None:
    """Raise a ColumnError for a frame that was read before, or a property that would hide a column that is read."""
    if ERROR in columns:
        raise ColumnError("answers", f"has {ERROR} already", "read the JSON of what load_answers(run) returns")
    if clashes := [name for name in properties if name in RESERVED]:
        reason = f"the schema has the property {clashes[0]!r}, which is a column of answers"
        raise ColumnError("answers", reason, "rename the property in the schema")


def read_answer(text: str | None, stop: str | None, checker: Checker) -> tuple[dict[str, Any], str | None]:
    """Return the values of an answer and None, or no values and what is wrong; neither without an answer."""
    if text is None:
        return {}, None
    try:
        return parse_valid(text, checker), None
    except InvalidAnswerError as error:
        return {}, f"{STOPS[stop]}: {error}" if stop in STOPS else str(error)


def describe_invalid(text: str, schema: Mapping[str, Any]) -> str:
    """Describe in which way a text holds no object that a schema accepts; empty where it does.

    Texts that are wrong in one way have one description, so no place in a text or list is in it.
    """
    try:
        parse_valid(text, compile_schema(msgspec.json.encode(schema)))
    except NoJsonError:
        return "no valid JSON object"
    except InvalidAnswerError as error:
        return str(InvalidAnswerError(INDEX.sub("[]", error.place), error.reason))
    return ""


def parse_valid(text: str, checker: Checker) -> dict[str, Any]:
    """Parse the first object of a text, and validate it."""
    value = parse_object(text)
    try:
        error = next(iter(checker.validator.iter_errors(value)), None)
        large = next(find_large(value, ()), None)
    except (RecursionError, ValueError) as deep:
        raise InvalidAnswerError("", "values are nested too deep") from deep
    if error is not None:
        raise InvalidAnswerError(describe_place(error.instance_path, checker.names), describe_error(error))
    if large is not None:
        raise InvalidAnswerError(describe_place(large, checker.names), "value is a number of more than 64 bits")
    return value


@lru_cache(maxsize=MOST_SCHEMAS)
def compile_schema(encoded: bytes) -> Checker:
    """Compile a schema once for all answers."""
    return make_checker(msgspec.json.decode(encoded))


def make_checker(schema: Mapping[str, Any]) -> Checker:
    """Compile a schema, and list the names of its properties."""
    return Checker(make_validator(schema), frozenset(list_names(schema)))


def list_names(schema: Any) -> Iterator[str]:
    """List the names of all properties in a schema."""
    if isinstance(schema, Mapping):
        properties = schema.get("properties")
        yield from properties if isinstance(properties, Mapping) else ()
    inside = schema.values() if isinstance(schema, Mapping) else schema if isinstance(schema, list) else ()
    for each in inside:
        yield from list_names(each)


def parse_object(text: str) -> dict[str, Any]:
    """Parse the first JSON object of a text."""
    decoder = json.JSONDecoder(parse_constant=refuse_constant)
    start, wrong = text.find("{"), NoJsonError("", "no JSON object")
    for _ in range(MOST_TRIALS):
        if start < 0:
            break
        try:
            value: dict[str, Any] = decoder.raw_decode(text, start)[0]
        except json.JSONDecodeError as error:
            wrong = NoJsonError(f"line {error.lineno}, column {error.colno}", f"no valid JSON ({error.msg})")
        except (RecursionError, ValueError):  # a number of thousands of digits is a ValueError
            wrong = NoJsonError("", "no valid JSON (too deep, NaN, Infinity, or a number with thousands of digits)")
        else:
            return value
        start = text.find("{", start + 1)
    raise wrong


def refuse_constant(name: str) -> Any:
    """Refuse what only Python takes for JSON."""
    raise ValueError(name)


def describe_place(path: Iterable[str | int], names: frozenset[str]) -> str:
    """Describe a place in an object, such as `turns[0].speaker`; a key that the schema does not name is `*`."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{part if part in names else '*'}" for part in path]
    return escape_controls("".join(parts).removeprefix("."))


def describe_error(error: Any) -> str:
    """Describe what is wrong at a place; keys that the schema does not name are the model's text and not quoted."""
    if type(error.kind).__name__ in {"AdditionalProperties", "UnevaluatedProperties"}:
        return f"{len(error.kind.unexpected)} keys that the schema does not have"
    return str(error.message)


def find_large(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    """Yield the places of numbers that no column can hold."""
    if (isinstance(value, int) and not -(2**63) <= value < 2**63) or value in (math.inf, -math.inf):
        yield path
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, each in inside:
        yield from find_large(each, (*path, name))


def find_dtype(schema: Any, root: Mapping[str, Any], depth: int = 0) -> Any:
    """Find the dtype of the values that a schema accepts; String, for JSON text, where it leaves the type open."""
    kinds = dict(list_kinds(schema, root))
    if kinds.keys() == {"integer", "number"}:
        return pl.Float64()
    if depth > MOST_DEPTH or len(kinds) != 1:
        return pl.String()
    ((kind, own),) = kinds.items()
    if kind == "array" and isinstance(own.get("items"), Mapping):
        return pl.List(find_dtype(own["items"], root, depth + 1))
    if kind == "object" and own.get("properties"):
        return pl.Struct({name: find_dtype(each, root, depth + 1) for name, each in own["properties"].items()})
    return DTYPES.get(kind, pl.String())


def list_kinds(schema: Any, root: Mapping[str, Any], depth: int = 0) -> list[tuple[str, Mapping[str, Any]]]:
    """List the types but null that a schema names, each with the schema that describes it."""
    schema = resolve(schema, root)
    if not isinstance(schema, Mapping) or depth > MOST_DEPTH:
        return []
    if isinstance(alternatives := schema.get("anyOf") or schema.get("oneOf"), list):
        return [kind for each in alternatives for kind in list_kinds(each, root, depth + 1)]
    named = schema.get("type")
    kinds = [named] if isinstance(named, str) else named or list_types(schema)
    return [(kind, schema) for kind in kinds if kind != "null"]


def list_types(schema: Mapping[str, Any]) -> list[str]:
    """List the types of the values that an enumeration allows."""
    values = schema.get("enum") or ([schema["const"]] if "const" in schema else [])
    names = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}
    return list(dict.fromkeys(names.get(type(value), "object") for value in values))


def resolve(schema: Any, root: Mapping[str, Any]) -> Any:
    """Follow a reference to a definition of the same schema, such as `#/$defs/turn`; one that ends nowhere is open."""
    for _ in range(MOST_TRIALS):
        if not isinstance(schema, Mapping) or not isinstance(place := schema.get("$ref"), str):
            return schema
        schema = root
        for part in place.removeprefix("#").split("/")[1:]:
            schema = schema.get(part.replace("~1", "/").replace("~0", "~"), {}) if isinstance(schema, Mapping) else {}
    return {}


def fit(value: Any, dtype: Any) -> Any:
    """Fit a valid value to its dtype: 5.0 is a whole number of JSON, and what the schema leaves open is JSON text."""
    if value is None:
        return None
    if isinstance(dtype, pl.List):
        return [fit(each, dtype.inner) for each in value]
    if isinstance(dtype, pl.Struct):
        return {field.name: fit(value.get(field.name), field.dtype) for field in dtype.fields}
    if dtype == pl.String:
        return replace_lone_surrogates(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
    return int(value) if dtype == pl.Int64 else float(value) if dtype == pl.Float64 else value


def append(frame: nw.DataFrame[IntoDataFrameT], columns: pl.DataFrame) -> IntoDataFrameT:
    """Append columns to the rows that they were read from, on a new index."""
    if not frame.implementation.is_pandas():
        return frame.with_columns(
            *(nw.from_native(each, series_only=True) for each in columns.iter_columns())
        ).to_native()
    added = nw.from_native(as_pandas(columns), eager_only=True)
    appended: IntoDataFrameT = nw.concat([nw.maybe_reset_index(frame), added], how="horizontal").to_native()
    return appended
