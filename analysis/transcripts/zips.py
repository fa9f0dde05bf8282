"""Read zips of text or JSON files, without writing their content to disk."""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from collections.abc import Iterator

import polars as pl

from analysis.errors import CallsError
from analysis.transcripts.documents import parse_documents
from analysis.transcripts.sources import ColumnNames, Source, choose_sources, find_kind_of_file
from analysis.transcripts.texts import parse_texts

# The most of one transcript in a zip; an hour of talk is about 0.1 MB of text or 20 MB of JSON.
MEMBER_BYTES = 100 * 2**20


def read_zips(sources: list[Source], _: ColumnNames) -> pl.DataFrame:
    """Read zips of text files or of JSON files as one row per call."""
    members = [(source, info.filename) for source in sources for info in list_members(source)]
    kinds = {find_kind_of_file(name): f"{source.label}, {name}" for source, name in members}
    for kind in kinds.keys() - {"text", "JSON"}:
        cure = "a zip may have only .txt files or only .json files"
        raise CallsError(kinds[kind], "not a text or JSON file", cure)
    if len(kinds) > 1:
        reason = f"several kinds of files: {' and '.join(sorted(kinds.values()))}"
        raise CallsError(sources[0].label, reason, "make a zip of each kind, and read them separately")
    contents = (member for source in sources for member in read_members(source))
    return parse_documents(contents) if "JSON" in kinds else parse_texts(contents)


def list_members(source: Source) -> list[zipfile.ZipInfo]:
    """List the files of calls in a zip, sorted by name."""
    try:
        with zipfile.ZipFile(source.path) as archive:
            infos = [info for info in archive.infolist() if not info.is_dir()]
            picked = choose_sources(info.filename for info in infos)
            return sorted((info for info in infos if info.filename in picked), key=lambda info: info.filename)
    except (zipfile.BadZipFile, OSError) as error:
        raise CallsError(source.label, f"cannot be read as a zip ({error})") from error


def read_members(source: Source) -> Iterator[tuple[str, str, bytes]]:
    """Yield label, name and bytes of the files of calls in a zip, one at a time."""
    try:
        with zipfile.ZipFile(source.path) as archive:
            for info in list_members(source):
                label = f"{source.label}, {info.filename}"
                yield label, f"{source.name}/{info.filename}", read_member(label, archive, info)
    except (zipfile.BadZipFile, RuntimeError, EOFError, zlib.error, OSError) as error:
        raise CallsError(source.label, f"cannot be read as a zip ({error})") from error


def read_member(label: str, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """Read one file, decompressed if it is a `.gz`; raise an error for one too large to be a transcript."""
    # The stated size can be trusted: zipfile never reads more than it.
    check_size(label, info.file_size)
    content = archive.read(info)
    if info.filename.lower().endswith(".gz"):
        content = gzip.GzipFile(fileobj=io.BytesIO(content)).read(MEMBER_BYTES + 1)
        check_size(label, len(content))
    return content


def check_size(label: str, size: int) -> None:
    """Raise an error for a file that is too large to be a transcript."""
    if size > MEMBER_BYTES:
        raise CallsError(
            label, f"{size:,} bytes are too many for a transcript", f"the most in a zip is {MEMBER_BYTES:,}"
        )
