"""Calls in text files, one each: a folder of them, or a zip."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

import polars as pl

from analysis.errors import CallsError
from analysis.transcripts.sources import Columns, Source, decode, is_source, kind_of, read_bytes

MEMBER_BYTES = 100 * 2**20  # of one transcript in a zip; an hour of talk takes about 0.1 MB


def read_texts(sources: list[Source], _: Columns) -> pl.DataFrame:
    """Read text files, one call each."""
    return calls_of_texts((source.label, source.name, read_bytes(source)) for source in sources)


def read_zips(sources: list[Source], _: Columns) -> pl.DataFrame:
    """Read zips of text files; nothing is written to disk."""
    return calls_of_texts(member for source in sources for member in read_members(source))


def read_members(source: Source) -> Iterator[tuple[str, str, bytes]]:
    """Read the text files of a zip, sorted by name."""
    try:
        with zipfile.ZipFile(source.path) as archive:
            members = [info for info in archive.infolist() if not info.is_dir() and is_source(info.filename)]
            for info in sorted(members, key=lambda info: info.filename):
                label = f"{source.label}, {info.filename}"
                check_member(label, info)
                yield label, info.filename, archive.read(info)
    except (zipfile.BadZipFile, RuntimeError, EOFError, zlib.error, OSError) as error:
        raise CallsError(source.label, f"cannot be read as a zip ({error})") from error


def check_member(label: str, info: zipfile.ZipInfo) -> None:
    """Refuse what is no transcript."""
    if kind_of(info.filename) != "text":
        raise CallsError(label, "not a text file", "a zip is read when it holds .txt files alone")
    # zipfile reads no more than the size that the archive states.
    if info.file_size > MEMBER_BYTES:
        raise CallsError(label, f"{info.file_size:,} bytes", f"a transcript in a zip has {MEMBER_BYTES:,} at most")


def calls_of_texts(texts: Iterable[tuple[str, str, bytes]]) -> pl.DataFrame:
    """Make a call of every text: its id is the name without folder and ending."""
    labels: dict[str, str] = {}
    transcripts = []
    for label, name, content in texts:
        call_id = PurePosixPath(name).stem
        if call_id in labels:
            raise CallsError(label, f"gives the id {call_id!r}, as {labels[call_id]} does", "rename one of them")
        labels[call_id] = label
        transcripts.append(decode(label, content))
    return pl.DataFrame(
        {"call_id": list(labels), "transcript": transcripts}, schema={"call_id": pl.String, "transcript": pl.String}
    )
