"""Read zips of text or JSON files, without writing their content to disk."""

from __future__ import annotations

import lzma
import stat
import zipfile
import zlib
from collections.abc import Iterator

import polars as pl

from analysis.errors import CallsError
from analysis.transcripts.documents import parse_documents
from analysis.transcripts.listing import choose
from analysis.transcripts.sources import CHECK_FILE, GET_AGAIN, ColumnNames, Source, find_kind_of_file
from analysis.transcripts.texts import parse_texts
from analysis.transcripts.unpacking import PackedFile, gunzip

# What zipfile raises for a zip that is damaged, encrypted or packed in a way that it does not know.
ZIP_ERRORS = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError, ValueError, OverflowError
)  # fmt: skip


DOCUMENTS = {"JSON", "subtitles"}


def read_zips(sources: list[Source], _: ColumnNames) -> pl.DataFrame:
    """Read zips of text files, or of JSON and subtitles, as one row per call."""
    zips = [(source, list_members(source)) for source in sources]
    kinds = {find_kind_of_file(info.filename): label_member(source, info) for source, infos in zips for info in infos}
    for kind in kinds.keys() - {"text", *DOCUMENTS}:
        cure = "a zip may have .txt files, or .json, .vtt and .srt files"
        raise CallsError(kinds[kind], "not a file of text, JSON or subtitles", cure)
    if len(kinds) > 1 and not kinds.keys() <= DOCUMENTS:
        reason = f"several kinds of files: {' and '.join(sorted(kinds.values()))}"
        raise CallsError(sources[0].label, reason, "make a zip of each kind, and read them separately")
    contents = (member for source, infos in zips for member in read_members(source, infos))
    return parse_documents(contents) if kinds.keys() <= DOCUMENTS else parse_texts(contents)


def label_member(source: Source, info: zipfile.ZipInfo) -> str:
    """Return the label of a file in a zip."""
    return f"{source.label}, {info.filename}"


def list_members(source: Source) -> list[zipfile.ZipInfo]:
    """List the files of calls in a zip, sorted by name, and print which others are passed over."""
    try:
        with zipfile.ZipFile(source.path) as archive:
            infos = archive.infolist()
    except ZIP_ERRORS as error:
        cure = CHECK_FILE if isinstance(error, PermissionError | FileNotFoundError) else GET_AGAIN
        raise CallsError(source.label, f"cannot be read as a zip ({error})", cure) from error
    for info in infos:
        check_member(source, info)
    files = [info for info in infos if not info.is_dir()]
    chosen = set(choose(source.label, {info.filename for info in files}))
    return sorted((info for info in files if info.filename in chosen), key=lambda info: info.filename)


def check_member(source: Source, info: zipfile.ZipInfo) -> None:
    """Raise for a name that leads out of the zip, and for a link: nobody makes such a zip by chance."""
    # Windows divides names by backslashes, and begins them with a drive.
    parts = info.filename.replace("\\", "/").split("/")
    if ".." in parts or not parts[0] or parts[0].endswith(":"):
        label = label_member(source, info)
        raise CallsError(label, "its name leads out of the zip", "make the zip anew, from within the folder of calls")
    if stat.S_ISLNK(info.external_attr >> 16):
        raise CallsError(label_member(source, info), "a link, not a file", "put the file itself into the zip")


def read_members(source: Source, infos: list[zipfile.ZipInfo]) -> Iterator[tuple[str, str, str]]:
    """Yield label, name and text of the files of calls in a zip, one at a time."""
    packed = source.unpacking.open(source.label, source.path.stat().st_size)
    # The stated sizes can be trusted: zipfile never reads more than they say.
    packed.check(sum(info.file_size for info in infos))
    with zipfile.ZipFile(source.path) as archive:
        for info in infos:
            label = label_member(source, info)
            text = source.encodings.decode(label, read_member(label, archive, info, packed))
            yield label, f"{source.name}/{info.filename}", text


def read_member(label: str, archive: zipfile.ZipFile, info: zipfile.ZipInfo, packed: PackedFile) -> bytes:
    """Read one file, decompressed if it is a `.gz`."""
    try:
        content = archive.read(info)
        packed.add(len(content))
        return gunzip(content, packed) if info.filename.lower().endswith(".gz") else content
    except ZIP_ERRORS as error:
        raise CallsError(label, f"cannot be read ({error})", GET_AGAIN) from error
