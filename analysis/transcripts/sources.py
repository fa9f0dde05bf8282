"""The files that calls are read from: their kinds, their names, and how their bytes and text are read."""

from __future__ import annotations

import difflib
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from analysis.errors import NAME_CHARS, CallsError, show_names
from analysis.transcripts.encodings import Encodings
from analysis.transcripts.unpacking import Unpacking, gunzip

KINDS = {
    ".parquet": "Parquet",
    ".csv": "CSV",
    ".csv.gz": "CSV",
    ".tsv": "CSV",
    ".tsv.gz": "CSV",
    ".xlsx": "Excel",
    ".jsonl": "JSONL",
    ".jsonl.gz": "JSONL",
    ".ndjson": "JSONL",
    ".ndjson.gz": "JSONL",
    ".json": "JSON",
    ".json.gz": "JSON",
    ".vtt": "subtitles",
    ".srt": "subtitles",
    ".txt": "text",
    ".zip": "zip",
}
CHECK_FILE = "check that the file is still there, and its permissions"
GET_AGAIN = "write or download it again: it may be half of the file"
COMPARED = 1000  # columns, for one that is like a misspelt one


@dataclass(frozen=True)
class ColumnNames:
    """The names that the columns have in a source."""

    call_id: str = "call_id"
    transcript: str = "transcript"
    turn: str | None = "turn"
    speaker: str | None = "speaker"
    text: str = "text"


@dataclass(frozen=True)
class Source:
    """A file of calls.

    Attributes
    ----------
    label, name
        Its place for messages, and its name relative to the place that was read.
    path
        Its local path; of a file in a zip that of the zip.
    unpacking
        Counts what the files of one reading unpack to.
    encodings
        Notes which files of one reading are not UTF-8.
    read_member
        Reads the bytes of a file in a zip; None for other files.
    """

    label: str
    name: str
    path: Path
    unpacking: Unpacking = field(default_factory=Unpacking, compare=False)
    encodings: Encodings = field(default_factory=Encodings, compare=False)
    read_member: Callable[[], bytes] | None = field(default=None, compare=False)


def find_kind_of_file(name: str) -> str:
    """Return the kind of a file by the end of its name, or `unknown`."""
    return next((kind for end, kind in KINDS.items() if name.lower().endswith(end)), "unknown")


def read_bytes(source: Source) -> bytes:
    """Read a whole file; a `.gz` is decompressed."""
    if source.read_member:
        return source.read_member()
    try:
        content = source.path.read_bytes()
        if not source.name.lower().endswith(".gz"):
            return content
        return gunzip(content, source.unpacking.open(source.label, len(content)))
    except OSError as error:
        raise CallsError(source.label, f"cannot be read ({error})", CHECK_FILE) from error
    except (EOFError, zlib.error) as error:
        raise CallsError(source.label, f"cannot be read ({error})", GET_AGAIN) from error


def read_text(source: Source) -> str:
    """Read a whole file as text."""
    return source.encodings.decode(source.label, read_bytes(source))


def read_text_bytes(source: Source) -> bytes:
    """Read a whole file of text as bytes of UTF-8."""
    return source.encodings.convert(source.label, read_bytes(source))


def show_first(values: Iterable[object]) -> str:
    """Format the first three values of a list."""
    return show_names(values, most=3)


def suggest_columns(name: str, columns: Sequence[str]) -> str:
    """Format the columns that exist as a suggestion, the one most like a name first."""
    # Compared without case and underscores, so that CallID is like call_id.
    short = islice((column for column in columns if len(column) <= NAME_CHARS), COMPARED)
    plain = {column.lower().replace("_", ""): column for column in short}
    near = difflib.get_close_matches(name.lower().replace("_", ""), plain, n=1, cutoff=0.7)
    listed = f"it has {show_names(columns) or 'no columns'}"
    return f"did you mean {plain[near[0]]!r}? {listed}" if near else listed
