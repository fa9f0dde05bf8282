"""Calls in JSON files, as services write them, and in subtitles; the fields of a file tell which service wrote it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

import msgspec
import polars as pl
from msgspec import Raw

from analysis.errors import CallsError
from analysis.surrogates import CURE, has_escaped_surrogates
from analysis.transcripts import data_automation, subtitles
from analysis.transcripts.calls import Call, Document, frame_calls
from analysis.transcripts.formats import DECODE_ERRORS, FORMATS, READABLE
from analysis.transcripts.json_rows import find_rows, is_table, read_json_table
from analysis.transcripts.sources import ColumnNames, Source, find_kind_of_file, read_text, show_first
from analysis.transcripts.tables import read_tables

ENDING = r"(?i)[.]((json|vtt|srt)([.]gz)?|txt)$"


def read_documents(sources: list[Source], columns: ColumnNames) -> pl.DataFrame:
    """Read JSON files as one row per call: documents of services, one at a time, or else tables."""
    first = read_text(sources[0])
    if find_format(first) is None and (rows := find_rows(first, columns)) and is_table(rows, columns):
        return read_tables(read_json_table, sources, columns)
    return parse_documents((source.label, source.name, read_text(source)) for source in sources)


def parse_documents(documents: Iterable[tuple[str, str, str]]) -> pl.DataFrame:
    """Parse documents, each given as label, name and text, to one row per call."""
    calls = frame_calls((name, call) for label, name, content in documents for call in read_document(label, content))
    return fill_call_ids(data_automation.join_blueprints(calls))


def fill_call_ids(calls: pl.DataFrame) -> pl.DataFrame:
    """Use file names as ids where a source has no id or a repeated one.

    The redacted and the unredacted output of a job share an id, and so do files of one name in several folders.
    """
    file = pl.col("source_file")
    path = file.str.replace(ENDING, "")
    calls = calls.with_columns(pl.when(pl.col("call_id") != "").then("call_id").otherwise(path.str.extract("([^/]*)$")))
    # The shortest name that is unique; the last one distinguishes a.json from a.json.gz.
    for name in (path.str.extract("([^/]*)$"), path, file):
        calls = calls.with_columns(
            pl.when(pl.col("call_id").is_duplicated()).then(name).otherwise("call_id").alias("call_id")
        )
    return calls


def read_document(label: str, text: str) -> list[Call]:
    """Parse the calls of one file."""
    if subtitles.is_subtitles(text) or find_kind_of_file(label) == "subtitles":
        return [read_cues(label, text)]
    title, kind = find_format(text) or refuse(label, text)
    try:
        read = msgspec.json.decode(text, type=kind)
        documents: list[Document] = read if isinstance(read, list) else [read]
        return [call for document in documents for call in document.read_calls()]
    except CallsError as error:
        raise CallsError(label, error.reason, error.cure) from error
    except DECODE_ERRORS as error:
        # Without the cause where Python's text quotes the value, which may be what somebody said.
        reason = f"looks like {title}, but cannot be read: {explain_decoding(error)}"
        raise CallsError(label, reason, "leave the file out") from None


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
        return reason, CURE
    return f"not JSON ({explain_decoding(error)})", "download it again, or leave it out"


def explain_decoding(error: Exception) -> str:
    """Return what is wrong with JSON, in words that quote no value."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return str(error) if isinstance(error, msgspec.MsgspecError) else "a number or time in it is out of range"
