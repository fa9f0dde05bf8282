"""Zips of text or JSON files; nothing of them is written to disk."""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from collections.abc import Iterator

import polars as pl

from analysis.errors import CallsError
from analysis.transcripts.documents import calls_of_documents
from analysis.transcripts.sources import ColumnNames, Source, kind_of, pick_sources
from analysis.transcripts.texts import calls_of_texts

MEMBER_BYTES = 100 * 2**20  # of one transcript in a zip; an hour of talk takes about 0.1 MB, its JSON 20 MB


def read_zips(sources: list[Source], _: ColumnNames) -> pl.DataFrame:
    """Read zips of files of one kind."""
    members = [(source, info.filename) for source in sources for info in list_members(source)]
    kinds = {kind_of(name): f"{source.label}, {name}" for source, name in members}
    for kind in kinds.keys() - {"text", "JSON"}:
        cure = "a zip is read when it holds .txt files or .json files alone"
        raise CallsError(kinds[kind], "not a text or JSON file", cure)
    if len(kinds) > 1:
        reason = f"several kinds of files, {' and '.join(sorted(kinds.values()))}"
        raise CallsError(sources[0].label, reason, "make a zip of each kind, and read them apart")
    contents = (member for source in sources for member in read_members(source))
    return calls_of_documents(contents) if "JSON" in kinds else calls_of_texts(contents)


def list_members(source: Source) -> list[zipfile.ZipInfo]:
    """List the files of calls in a zip, sorted by name."""
    try:
        with zipfile.ZipFile(source.path) as archive:
            infos = [info for info in archive.infolist() if not info.is_dir()]
            picked = pick_sources(info.filename for info in infos)
            return sorted((info for info in infos if info.filename in picked), key=lambda info: info.filename)
    except (zipfile.BadZipFile, OSError) as error:
        raise CallsError(source.label, f"cannot be read as a zip ({error})") from error


def read_members(source: Source) -> Iterator[tuple[str, str, bytes]]:
    """Read the files of calls in a zip, one at a time."""
    try:
        with zipfile.ZipFile(source.path) as archive:
            for info in list_members(source):
                label = f"{source.label}, {info.filename}"
                yield label, f"{source.name}/{info.filename}", read_member(label, archive, info)
    except (zipfile.BadZipFile, RuntimeError, EOFError, zlib.error, OSError) as error:
        raise CallsError(source.label, f"cannot be read as a zip ({error})") from error


def read_member(label: str, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """Read one file, unpacked when it is a `.gz`; what is too long for a transcript is refused."""
    # zipfile reads no more than the size that the archive states.
    check_size(label, info.file_size)
    content = archive.read(info)
    if info.filename.lower().endswith(".gz"):
        content = gzip.GzipFile(fileobj=io.BytesIO(content)).read(MEMBER_BYTES + 1)
        check_size(label, len(content))
    return content


def check_size(label: str, size: int) -> None:
    """Refuse what is no transcript."""
    if size > MEMBER_BYTES:
        raise CallsError(label, f"{size:,} bytes", f"a transcript in a zip has {MEMBER_BYTES:,} at most")
