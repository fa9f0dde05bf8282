"""Calls in JSON files, as services write them, and in subtitles; the fields of a file tell which service wrote it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from io import BytesIO
from typing import Any, NamedTuple, NoReturn

import msgspec
import polars as pl
from msgspec import Raw

from analysis.errors import CallsError, show_path
from analysis.files import SURROGATE_CURE, has_escaped_surrogates
from analysis.transcripts import data_automation, subtitles
from analysis.transcripts.calls import Call, Document, frame_calls
from analysis.transcripts.formats import DECODE_ERRORS, EVENT, FORMATS, READABLE
from analysis.transcripts.json_rows import find_rows, frame_rows, is_table, read_json_table, read_rows
from analysis.transcripts.listing import describe_passed
from analysis.transcripts.naming import find_usual_columns, list_given
from analysis.transcripts.segments import join_segments
from analysis.transcripts.sources import (
    ColumnNames,
    Source,
    find_kind_of_file,
    read_text,
    read_text_bytes,
    show_first,
)
from analysis.transcripts.tables import read_tables, rename_columns

ENDING = r"(?i)[.](?:(?:json|jsonl|ndjson|vtt|srt)(?:[.]gz)?|txt)(:[0-9]+)?$"  # with the line, where it is one
FIRST_LINE, WORDS = re.compile(rb"[^\n]*\S[^\n]*"), re.compile(rb"\S")


class Text(NamedTuple):
    """The text of one document: a file, or a line of one."""

    label: str
    name: str
    text: str


def read_documents(sources: list[Source], columns: ColumnNames) -> pl.DataFrame:
    """Read JSON files as one row per call: documents of services, one at a time, or else tables."""
    sources, first = hold_first(sources)
    if is_document(first, columns):
        return parse_documents(sources)
    if (rows := find_rows(read_text(sources[0]), columns)) and is_table(rows, columns):
        return read_tables(read_json_table, sources, columns)
    return parse_documents(sources)


def read_lines(sources: list[Source], columns: ColumnNames) -> pl.DataFrame:
    """Read JSON lines as one row per call: each line is a document of a service, or else a row of a table."""
    sources, first = hold_first(sources)
    if not is_document(first, columns):
        return read_tables(read_rows, sources, columns)
    if told := describe_choice(first, columns):
        print(f"{show_path(sources[0].label)}: {told}")
    return parse_documents(sources)


def describe_choice(text: str, columns: ColumnNames) -> str:
    """Describe how lines are read that are documents and could be rows of a table; empty for others.

    Of a document the fields that its service does not write are lost, and somebody may have added some.
    """
    row = next(iter(find_rows(text, columns) or []), {})
    known = find_format(text)
    if not known or not has_row(row, columns):
        return ""
    found = find_usual_columns(frame_rows("", [row]).schema, columns)
    if not {"call_id", "transcript"} <= set(found):
        return ""
    names = ", ".join(f"{word}={found[word]!r}" for word in ("call_id", "transcript"))
    return f"lines are read as documents of {known[0]}; to keep their other fields, read a table by {names}"


def hold_first(sources: list[Source]) -> tuple[list[Source], str]:
    """Read the first document of the first file that is not blank; what was read of files is kept for later."""
    held: list[Source] = []
    for number, source in enumerate(sources, start=1):
        content = read_text_bytes(source)
        held.append(replace(source, read_member=partial(bytes, content)))
        for document in divide_lines(source, content):
            if document.text.strip():
                return held + sources[number:], document.text
    return held, ""


def divide_lines(source: Source, content: bytes) -> Iterator[Text]:
    """Yield the documents of a file: its lines where the first one is an object and not all that the file has."""
    first = FIRST_LINE.search(content)
    is_alone = first is None or not WORDS.search(content, first.end())
    if first is None or is_alone or not is_object(first[0]):
        # As of tables: an empty file of lines has no rows.
        if first or find_kind_of_file(source.name) != "JSONL":
            yield Text(source.label, source.name, content.decode())
        return
    for number, line in enumerate(BytesIO(content), start=1):
        if line.strip():
            yield Text(f"{source.label}, line {number}", f"{source.name}:{number}", line.decode())


def is_object(line: bytes) -> bool:
    """Return whether a line is a JSON object."""
    try:
        msgspec.json.decode(line, type=dict[str, Raw])
    except DECODE_ERRORS:
        return False
    return True


def is_document(text: str, columns: ColumnNames) -> bool:
    """Return whether a text is of a service, and not a row of a table that has some of its names.

    Where the caller has named a column that it has, it is a row.
    """
    text = read_first(text)
    known = find_format(text)
    if known is None:
        return False
    row: dict[str, Any] = msgspec.json.decode(text)
    if any(vars(columns)[word] in row for word in list_given(columns)):
        return False
    try:
        calls = decode_calls(text, known[1])
        return any(turn.text.strip() for call in calls for turn in call.turns) or not has_row(row, columns)
    except CallsError:
        return True
    except DECODE_ERRORS:
        return not has_row(row, columns)


def has_row(row: dict[str, Any], columns: ColumnNames) -> bool:
    """Return whether an object has words as a row of a table."""
    try:
        table = frame_rows("", [row])
        if "call_id" not in find_usual_columns(table.schema, columns):
            table = table.with_columns(pl.lit("x").alias(columns.call_id))
        named = rename_columns("", table, columns)
    except CallsError:
        return False
    words = named["transcript" if "transcript" in named.columns else "text"]
    return bool(words.str.contains(r"\S").any())


def read_first(text: str) -> str:
    """Return the first value of a list; of anything else all of it."""
    try:
        first = msgspec.json.decode(text, type=list[Raw])[:1]
    except DECODE_ERRORS:
        return text
    return bytes(first[0]).decode() if first else text


def parse_documents(sources: list[Source]) -> pl.DataFrame:
    """Parse the documents of files to one row per call, and print which files have none by their kind."""
    passed: dict[str, list[str]] = {}
    calls = frame_calls(
        (document.name, call)
        for source in sources
        for document in divide_lines(source, read_text_bytes(source))
        for call in read_document(document, passed)
    )
    if told := describe_passed(passed):
        print(told)
    return fill_call_ids(join_segments(data_automation.join_blueprints(calls)))


def fill_call_ids(calls: pl.DataFrame) -> pl.DataFrame:
    """Use file names as ids where a source has no id or a repeated one.

    The redacted and the unredacted output of a job share an id, and so do files of one name in several folders.
    """
    file = pl.col("source_file")
    path = file.str.replace(ENDING, "$1")
    calls = calls.with_columns(pl.when(pl.col("call_id") != "").then("call_id").otherwise(path.str.extract("([^/]*)$")))
    # The shortest name that is unique; the last one distinguishes a.json from a.json.gz.
    for name in (path.str.extract("([^/]*)$"), path, file):
        calls = calls.with_columns(
            pl.when(pl.col("call_id").is_duplicated()).then(name).otherwise("call_id").alias("call_id")
        )
    return calls


def read_document(document: Text, passed: dict[str, list[str]]) -> list[Call]:
    """Parse the calls of one document; where it has none by its kind, add its name to those that are passed over."""
    label, name, text = document
    if subtitles.is_subtitles(text) or find_kind_of_file(label) == "subtitles":
        return [read_cues(label, text)]
    title, kind = find_format(text) or refuse(label, text)
    try:
        calls = decode_calls(text, kind)
    except CallsError as error:
        raise CallsError(label, error.reason, error.cure) from error
    except DECODE_ERRORS as error:
        # Without the cause where Python's text quotes the value, which may be what somebody said.
        reason = f"looks like {title}, but cannot be read: {explain_decoding(error)}"
        raise CallsError(label, reason, "leave the file out") from None
    if not calls and title != EVENT:
        passed.setdefault(title, []).append(name)
    return calls


def decode_calls(text: str, kind: Any) -> list[Call]:
    """Decode the calls of a document, or of a list of documents."""
    read = msgspec.json.decode(text, type=kind)
    documents: list[Document] = read if isinstance(read, list) else [read]
    return [call for document in documents for call in document.read_calls()]


def read_cues(label: str, text: str) -> Call:
    """Parse the one call of subtitles."""
    try:
        return subtitles.read_subtitles(text)
    except CallsError as error:
        raise CallsError(label, error.reason, error.cure) from error


def find_format(text: str) -> tuple[str, Any] | None:
    """Return the service that wrote a file and the type to decode it as; of a list, the first document decides."""
    try:
        # Raw leaves values undecoded: the keys are enough to recognize the format.
        keys = msgspec.json.decode(text, type=dict[str, Raw] | list[dict[str, Raw]])
    except DECODE_ERRORS:
        return None
    first = keys if isinstance(keys, dict) else (keys or [{}])[0]
    for known in FORMATS:
        if known.fits(first):
            kind = known.kind
            return known.title, kind if isinstance(keys, dict) else list[kind]  # type: ignore[valid-type]
    return None


def refuse(label: str, text: str) -> NoReturn:
    """Raise an error that says why a file is no document of a known format."""
    try:
        keys = msgspec.json.decode(text, type=dict[str, Raw] | list[dict[str, Raw]])
    except msgspec.ValidationError as error:
        raise CallsError(label, f"not a transcript ({error})", READABLE) from error
    except DECODE_ERRORS as error:
        raise CallsError(label, *explain(text, error)) from error
    first = keys if isinstance(keys, dict) else (keys or [{}])[0]
    raise CallsError(label, f"not a transcript of a known format (its fields: {show_first(first) or 'none'})", READABLE)


def explain(text: str, error: Exception) -> tuple[str, str]:
    """Return why a file is not JSON, and what to do about it."""
    if not text.strip():
        return "the file is empty", "download it again, or leave it out"
    if has_escaped_surrogates(text.encode()):
        reason = (
            f"not JSON ({error}); it may have half of a surrogate pair (\\ud800 to \\udfff), which is not a character"
        )
        return reason, SURROGATE_CURE
    return f"not JSON ({explain_decoding(error)})", "download it again, or leave it out"


def explain_decoding(error: Exception) -> str:
    """Return what is wrong with JSON, in words that quote no value."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return str(error) if isinstance(error, msgspec.MsgspecError) else "a number or time in it is out of range"
