"""Find the files of calls at a place: what is read, what is passed over, and what is refused."""

from __future__ import annotations

import glob
import os
import re
import stat
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from analysis.aws.cures import NOTHING
from analysis.aws.downloads import fetch_files
from analysis.aws.storage import is_s3_uri, list_files
from analysis.display import count
from analysis.errors import CallsError, StorageError, show_path
from analysis.files import has_lone_surrogates
from analysis.transcripts.encodings import Encodings
from analysis.transcripts.sources import KINDS, Source
from analysis.transcripts.unpacking import Unpacking

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

SUBTITLES = (".vtt", ".srt")
# What Spark, macOS, Windows and Jupyter put beside data: never calls, and so not worth a word.
MARKS = re.compile(
    r"_SUCCESS|_(committed|started)_\d+|_(common_)?metadata|__MACOSX|\.DS_Store|\._.*|\..*\.crc|\.ipynb_checkpoints|\.git"
)
BY_NAME = "with a name that begins with '.' or '_'"
AS_SUBTITLES = "subtitles beside the same call"
AS_LINK, AS_PIPE = "links that lead to no file of the folder", "pipes or devices"


def find_sources(where: str | Path, folder: str, s3: S3Client | None) -> list[Source]:
    """Find the files to read, fetched to a folder where they are in S3, and print which others are passed over.

    Raises
    ------
    CallsError
        The place cannot be read, is a pipe, or has no file of calls; or a link leads out of it.
    """
    sources = find_in_s3(str(where), folder, s3) if is_s3_uri(where) else find_local(where)
    for source in sources:
        if has_lone_surrogates(source.name):
            raise CallsError(source.label, "its name is not UTF-8", "rename the file: the name may become an id")
    return sources


def find_in_s3(uri: str, folder: str, s3: S3Client | None) -> list[Source]:
    """List the objects at an address, and fetch those that may be calls."""
    try:
        objects = {file.name: file for file in list_files(uri, s3=s3)}
        alone = [name for name, file in objects.items() if file.uri == uri]
        chosen = alone or choose(uri, objects)
        paths = fetch_files([objects[name] for name in chosen], folder, s3=s3)
    except StorageError as error:
        raise CallsError(error.where, error.reason, error.cure) from error
    unpacking, encodings = Unpacking(), Encodings()
    return [
        Source(objects[name].uri, name, path, unpacking, encodings) for name, path in zip(chosen, paths, strict=True)
    ]


def find_local(where: str | Path) -> list[Source]:
    """List the files of a local file, folder or glob."""
    try:
        base, paths, odd = list_place(where, Path(where).expanduser())
    except (OSError, RuntimeError, ValueError) as error:
        # Not only what may not be read: a name that is too long, or that holds NUL, and the home of nobody.
        raise CallsError(where, f"cannot be read ({error})", "check the path and its permissions") from error
    named = {path.relative_to(base).as_posix(): path for path in paths}
    alone = [name for name, path in named.items() if path == Path(where).expanduser()]
    chosen = alone or choose(where, named, odd)
    unpacking, encodings = Unpacking(), Encodings()
    return [Source(str(named[name]), name, named[name], unpacking, encodings) for name in chosen]


def list_place(where: str | Path, place: Path) -> tuple[Path, list[Path], dict[str, list[str]]]:
    """Return the folder that names are relative to, the files at a place, and what is none of these by the reason."""
    if not str(where):
        raise CallsError("read_calls", "no place is given", "give a file, a folder or an s3:// address")
    if place.is_dir():
        return place, *walk(place, place)
    if place.is_file():
        return place.parent, [place], {}
    if place.exists():
        # A run reads its calls more than once, and a kind is known by the end of a name.
        reason = "a pipe or a device, which can be read once and has no name that tells its kind"
        raise CallsError(where, reason, "save it to a file that ends in .csv, .jsonl or .parquet, and give that")
    matches = [Path(match) for match in glob.glob(str(place), recursive=True)]  # noqa: PTH207 (absolute patterns too)
    if not matches:
        raise CallsError(where, "no such file or folder", NOTHING)
    if matches == [place]:
        raise CallsError(where, "a link that leads nowhere", "give the file itself")
    return list_matches(matches, fixed_part(place))


def list_matches(matches: list[Path], base: Path) -> tuple[Path, list[Path], dict[str, list[str]]]:
    """List what a glob has found, and all below the folders among it."""
    for folder in {match.parent for match in matches}:
        refuse_outside(folder, base.resolve())
    found, odd = sort_out(matches, base)
    folders = [match for match in matches if match.is_dir() and not match.is_symlink()]
    files = dict.fromkeys(found)
    for folder in folders:
        below, others = walk(folder, base)
        files |= dict.fromkeys(below)
        for reason, names in others.items():
            odd.setdefault(reason, []).extend(names)
    return base, list(files), odd


def fixed_part(pattern: Path) -> Path:
    """Return the part of a glob before its first wildcard."""
    wild = next(n for n, part in enumerate(pattern.parts) if set(part) & set("*?["))
    return Path(*pattern.parts[:wild])


def walk(place: Path, base: Path) -> tuple[list[Path], dict[str, list[str]]]:
    """List the files below a folder; one that may not be read is an error, since its calls would be missing."""

    def fail(error: OSError) -> None:
        raise error

    paths = []
    for folder, folders, names in os.walk(place, onerror=fail):
        paths += [Path(folder, name) for name in (*names, *folders)]
        folders[:] = [name for name in folders if not MARKS.fullmatch(name)]
    return sort_out(paths, base)


def sort_out(paths: Iterable[Path], base: Path) -> tuple[list[Path], dict[str, list[str]]]:
    """Divide paths into files, and links and pipes that are passed over; a link that leads out of the base is refused.

    Links within the folder are read where they lead to a file: its calls are there under another name, as in a copy.
    """
    inside = base.resolve()
    files: list[Path] = []
    odd: dict[str, list[str]] = {}
    for path in paths:
        mode = path.lstat().st_mode
        if stat.S_ISREG(mode) or (stat.S_ISLNK(mode) and leads_to_file(path, inside)):
            files.append(path)
        elif not stat.S_ISDIR(mode):
            name = path.relative_to(base).as_posix()
            odd.setdefault(AS_LINK if stat.S_ISLNK(mode) else AS_PIPE, []).append(name)
    return files, odd


def leads_to_file(link: Path, inside: Path) -> bool:
    """Return whether a link leads to a file of the folder; raise where it leads out of it."""
    try:
        target = link.resolve()
        if target.exists() and is_source(link.name):
            refuse_outside(link, inside)
        return target.is_relative_to(inside) and target.is_file()
    except (OSError, RuntimeError):  # a link to itself
        return False


def refuse_outside(path: Path, inside: Path) -> None:
    """Raise for a path that links lead out of a folder."""
    if not path.resolve().is_relative_to(inside):
        cure = "copy the files into the folder, or give them by their own path: what they hold would be sent to a model"
        raise CallsError(path, "a link that leads out of the folder", cure)


def is_source(name: str) -> bool:
    """Return whether a file may have calls: hidden files and marker files have none."""
    return not any(part.startswith((".", "_")) for part in PurePosixPath(name).parts)


def choose(where: str | Path, names: Iterable[str], odd: dict[str, list[str]] | None = None) -> list[str]:
    """Choose the files of calls by their names, and print which others are passed over.

    Subtitles beside another file of their name are passed over: services write them of the same words.

    Raises
    ------
    CallsError
        No file is left.
    """
    found, hidden = divide(names, is_source)
    beside = find_beside(found)
    chosen, subtitles = divide(found, lambda name: name not in beside)
    unknown = [name for name in hidden if not any(MARKS.fullmatch(part) for part in PurePosixPath(name).parts)]
    passed = {BY_NAME: unknown, AS_SUBTITLES: subtitles, **(odd or {})}
    told = describe_passed(passed)
    if not chosen:
        reason = f"no calls: {told}" if told else "no calls: the folder is empty"
        raise CallsError(where, reason, f"files that can be read: {', '.join(KINDS)}")
    if told:
        print(f"{show_path(where)}: {told}")
    return chosen


def find_beside(names: list[str]) -> set[str]:
    """Find the subtitles that are beside another file of their name: WebVTT goes before SRT."""
    vtt, srt = ([name for name in names if name.lower().endswith(ending)] for ending in SUBTITLES)
    if not vtt and not srt:
        return set()
    others = {remove_ending(name) for name in names if not name.lower().endswith(SUBTITLES)}
    beside = {name for name in vtt if remove_ending(name) in others}
    others |= {remove_ending(name) for name in vtt}
    return beside | {name for name in srt if remove_ending(name) in others}


def remove_ending(name: str) -> str:
    """Return the name of a file without the ending that tells its kind."""
    return next((name[: -len(end)] for end in sorted(KINDS, key=len, reverse=True) if name.lower().endswith(end)), name)


def divide(names: Iterable[str], keep: Callable[[str], bool]) -> tuple[list[str], list[str]]:
    """Divide names into those to keep and the others, both sorted."""
    kept: list[str] = []
    others: list[str] = []
    for name in sorted(names):
        (kept if keep(name) else others).append(name)
    return kept, others


def describe_passed(passed: dict[str, list[str]]) -> str:
    """Count and name the files that are passed over; empty where there are none."""
    parts = [f"{len(names):,} {reason} ({show_files(names)})" for reason, names in passed.items() if names]
    total = sum(map(len, passed.values()))
    return f"{count(total, 'file')} {'is' if total == 1 else 'are'} passed over: {', '.join(parts)}" if parts else ""


def show_files(names: Iterable[str]) -> str:
    """Format the first three of some files, sorted."""
    shown = sorted(names)
    return ", ".join(map(show_path, shown[:3])) + (", ..." if len(shown) > 3 else "")
