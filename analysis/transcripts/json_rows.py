"""Read rows from JSON: one object in each line, or a list of objects."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import chain
from pathlib import PurePosixPath
from typing import Any

import msgspec
import polars as pl

from analysis.errors import CallsError
from analysis.files import SURROGATE_CURE, has_escaped_surrogates
from analysis.transcripts.naming import find_usual_columns
from analysis.transcripts.sources import ColumnNames, Source, read_text, read_text_bytes

MOST_DEPTH = 32  # of a value of JSON lines; what builds a column of it takes time by the third power of its depth
SHALLOW = 6  # levels that nearly all values have
NESTED = (dict, list)
Scalar = None | bool | int | float | str
TOO_DEEP = (f"a field is nested more than {MOST_DEPTH} deep", "leave the field out, or write it as text")
FIRST_ROWS = 20  # by which a table is recognized
LOOKED_AT = 1000  # bytes for the first one that is not blank
MOST_COLUMNS = 5000  # of JSON lines, where each line may bring names of its own


def read_rows(source: Source, _: ColumnNames) -> pl.DataFrame:
    """Read one file of JSON lines, or of a list of objects; a field that an object does not have is missing there."""
    return frame_rows(source.label, decode_rows(source.label, read_text_bytes(source)))


def decode_rows(label: str, content: bytes) -> list[dict[str, Any]]:
    """Decode JSON lines, or a list of objects."""
    is_list = content[:LOOKED_AT].lstrip()[:1] == b"["
    return read_list(label, content) if is_list else list(read_lines(label, content))


def read_json_table(source: Source, columns: ColumnNames) -> pl.DataFrame:
    """Read one JSON file that is a table; the id of a call is the file's name where it is alone and has none."""
    rows = find_rows(read_text(source), columns)
    if rows is None:
        raise CallsError(source.label, "not a table of calls, as other files are", "read it separately")
    if is_deep(value for row in rows for value in row.values()):
        raise CallsError(source.label, *TOO_DEEP)
    table = frame_rows(source.label, rows)
    if len(rows) == 1 and "call_id" not in find_usual_columns(table.schema, columns):
        table = table.with_columns(pl.lit(PurePosixPath(source.name).name.split(".")[0]).alias(columns.call_id))
    return table


def find_rows(text: str, columns: ColumnNames) -> list[dict[str, Any]] | None:
    """Return the objects of a list, of a list in an object, of lines, or the one that is the file; None for others."""
    try:
        value = msgspec.json.decode(text, type=dict[str, Any] | list[dict[str, Any]])
    except (msgspec.DecodeError, RecursionError):
        return find_lines(text)
    if isinstance(value, list):
        return value
    lists = [each for each in value.values() if isinstance(each, list) and each and isinstance(each[0], dict)]
    is_around = len(lists) == 1 and "call_id" in find_fields(lists[0], columns) - find_fields([value], columns)
    return lists[0] if is_around else [value]


def find_lines(text: str) -> list[dict[str, Any]] | None:
    """Return the objects of JSON lines; None where these are not such."""
    try:
        return list(read_lines("", text.encode()))
    except CallsError:
        return None


def is_table(rows: list[dict[str, Any]], columns: ColumnNames) -> bool:
    """Return whether objects are calls or turns of a table, by the names of their fields."""
    found = find_fields(rows, columns)
    return bool(found & {"transcript", "text"}) and ("call_id" in found or len(rows) == 1)


def find_fields(rows: list[dict[str, Any]], columns: ColumnNames) -> set[str]:
    """Return which of our columns the first objects have."""
    first = [row for row in rows[:FIRST_ROWS] if isinstance(row, dict)]
    if is_deep(value for row in first for value in row.values()):
        return set()
    return set(find_usual_columns(frame_rows("", first).schema, columns))


def frame_rows(label: str, rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Build a frame with a column for each field that any object has."""
    names = dict.fromkeys(name for row in rows for name in row)
    if len(names) > MOST_COLUMNS:
        reason = f"has {len(names):,} different fields, of which each would be a column"
        raise CallsError(label, reason, "put fields that are named by their content into one list")
    fields = {name: unify_kinds([row.get(name) for row in rows]) for name in names}
    try:
        return pl.DataFrame(fields, strict=False)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, TypeError, ValueError, OverflowError) as error:
        # Without the cause, which quotes values.
        reason = f"the lines do not fit one table ({type(error).__name__})"
        raise CallsError(label, reason, "give each field values of one kind") from None


def read_list(label: str, content: bytes) -> list[dict[str, Any]]:
    """Decode a list of objects."""
    try:
        rows = msgspec.json.decode(content, type=list[dict[str, Any]])
    except msgspec.DecodeError as error:
        raise CallsError(label, *explain_line(content, error)) from error
    except RecursionError:
        raise CallsError(label, *TOO_DEEP) from None
    if is_deep(value for row in rows for value in row.values()):
        raise CallsError(label, *TOO_DEEP)
    return rows


def read_lines(label: str, content: bytes) -> Iterator[dict[str, Any]]:
    """Yield the object of every line that is not blank."""
    for number, line in enumerate(content.split(b"\n"), start=1):
        try:
            if line.strip():
                yield read_line(line)
        except msgspec.DecodeError as error:
            raise CallsError(f"{label}, line {number}", *explain_line(line, error)) from error
        except RecursionError:
            raise CallsError(f"{label}, line {number}", *TOO_DEEP) from None


def read_line(line: bytes) -> dict[str, Any]:
    """Decode the object of a line; raise a RecursionError for one that is nested too deeply.

    A type of few levels finds without any further look that a line is not deep: nearly every line.
    """
    try:
        return make_shallow_decoder().decode(line)
    except msgspec.ValidationError:
        row: dict[str, Any] = msgspec.json.decode(line, type=dict[str, Any])
        if is_deep(row.values()):
            raise RecursionError from None
        return row


@cache
def make_shallow_decoder() -> msgspec.json.Decoder[dict[str, Any]]:
    """Make a decoder for objects of few levels; its type doubles with each level."""
    values: Any = Scalar
    for _ in range(SHALLOW):
        values = Scalar | list[values] | dict[str, values]
    return msgspec.json.Decoder(dict[str, values])


def explain_line(line: bytes, error: msgspec.DecodeError) -> tuple[str, str]:
    """Return why a line cannot be read, and what to do about it."""
    if has_escaped_surrogates(line) and is_json(line):
        return "half of a surrogate pair (\\ud800 to \\udfff): not a character", SURROGATE_CURE
    return f"not a JSON object ({error})", "write one object in each line"


def is_json(line: bytes) -> bool:
    """Return whether the line is an object for Python's parser, which accepts half of a surrogate pair."""
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def unify_kinds(values: list[Any]) -> list[Any]:
    """Convert values of several types, such as 7 and "007", to text, so that none is lost."""
    kinds = {float if kind is int else kind for kind in map(type, values)} - {type(None)}
    if len(kinds) <= 1:
        return values
    return [value if value is None or isinstance(value, str) else json.dumps(value) for value in values]


def is_deep(values: Iterable[Any]) -> bool:
    """Return whether a value is nested deeper than a column can be; all values are looked at level by level."""
    level = list(values)
    for _ in range(MOST_DEPTH):
        objects = [value.values() if isinstance(value, dict) else value for value in level if type(value) in NESTED]
        level = list(chain.from_iterable(objects))
        if not level:
            return False
    return any(type(value) in NESTED for value in level)
