"""The files that calls are read from: their kinds, their names, and how their bytes and text are read."""

from __future__ import annotations

import difflib
import gzip
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from analysis.errors import CallsError

KINDS = {
    ".parquet": "Parquet",
    ".csv": "CSV",
    ".csv.gz": "CSV",
    ".jsonl": "JSONL",
    ".ndjson": "JSONL",
    ".json": "JSON",
    ".json.gz": "JSON",
    ".txt": "text",
    ".zip": "zip",
}
SUBTITLES = (".vtt", ".srt")


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
    """A file of calls: its label for messages, its name relative to the place that was read, and its local path."""

    label: str
    name: str
    path: Path


def is_source(name: str) -> bool:
    """Return whether a file may have calls: hidden files and marker files have none."""
    return not any(part.startswith((".", "_")) for part in PurePosixPath(name).parts)


def choose_sources(names: Iterable[str]) -> set[str]:
    """Choose the files of calls.

    Subtitles beside JSON are left out: Amazon Transcribe writes them of the same words.
    """
    found = {name for name in names if is_source(name)}
    subtitled = any(find_kind_of_file(name) == "JSON" for name in found)
    return {name for name in found if not (subtitled and name.lower().endswith(SUBTITLES))}


def find_kind_of_file(name: str) -> str:
    """Return the kind of a file by the end of its name, or `unknown`."""
    return next((kind for end, kind in KINDS.items() if name.lower().endswith(end)), "unknown")


def read_bytes(source: Source) -> bytes:
    """Read a whole file; a `.gz` is decompressed."""
    try:
        content = source.path.read_bytes()
        return gzip.decompress(content) if source.name.lower().endswith(".gz") else content
    except (OSError, EOFError, zlib.error) as error:
        raise CallsError(source.label, f"cannot be read ({error})") from error


def decode(label: str, content: bytes) -> str:
    """Decode bytes as UTF-8, without the byte order mark that Windows writes."""
    try:
        return content.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        cure = "save it as UTF-8: iconv -f WINDOWS-1252 -t UTF-8, or -f UTF-16"
        raise CallsError(label, f"not UTF-8 at byte {error.start}", cure) from error


def show_first(values: Iterable[object]) -> str:
    """Format the first three values of a list."""
    shown = [str(value) for value in values]
    return ", ".join(shown[:3]) + (", ..." if len(shown) > 3 else "")


def suggest_columns(name: str, columns: Iterable[str]) -> str:
    """Format the columns that exist as a suggestion, the one most like a name first."""
    # Compared without case and underscores, so that CallID is like call_id.
    plain = {column.lower().replace("_", ""): column for column in columns}
    near = difflib.get_close_matches(name.lower().replace("_", ""), plain, n=1, cutoff=0.7)
    listed = f"it has {', '.join(plain.values()) or 'no columns'}"
    return f"did you mean {plain[near[0]]!r}? {listed}" if near else listed
