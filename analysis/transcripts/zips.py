"""Read the files in zips, without writing their content to disk."""

from __future__ import annotations

import lzma
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial

from analysis.errors import CallsError
from analysis.transcripts.listing import choose
from analysis.transcripts.sources import CHECK_FILE, GET_AGAIN, Source
from analysis.transcripts.unpacking import PackedFile, gunzip

# What zipfile raises for a zip that is damaged, encrypted or packed in a way that it does not know.
ZIP_ERRORS = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError, ValueError, OverflowError
)  # fmt: skip


def open_members(sources: list[Source], opened: ExitStack) -> list[Source]:
    """Return the files of calls in zips as files to read, one at a time, while the zips are open.

    Raises
    ------
    CallsError
        A zip is damaged, unpacks to too much, or has a file whose name leads out of it.
    """
    return [member for source in sources for member in open_zip(source, opened)]


def open_zip(source: Source, opened: ExitStack) -> Iterator[Source]:
    """Open a zip, and yield its files of calls."""
    infos = list_members(source)
    packed = source.unpacking.open(source.label, source.path.stat().st_size)
    # The stated sizes can be trusted: zipfile never reads more than they say.
    packed.check(sum(info.file_size for info in infos))
    archive = opened.enter_context(zipfile.ZipFile(source.path))
    for info in infos:
        label = label_member(source, info)
        read = partial(read_member, label, archive, info, packed)
        yield replace(source, label=label, name=f"{source.name}/{info.filename}", read_member=read)


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


def read_member(label: str, archive: zipfile.ZipFile, info: zipfile.ZipInfo, packed: PackedFile) -> bytes:
    """Read one file, decompressed if it is a `.gz`."""
    try:
        content = archive.read(info)
        packed.add(len(content))
        return gunzip(content, packed) if info.filename.lower().endswith(".gz") else content
    except ZIP_ERRORS as error:
        raise CallsError(label, f"cannot be read ({error})", GET_AGAIN) from error
