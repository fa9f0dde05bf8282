r"""Convert keys of objects to paths of files, and back.

A key is a path below its bucket's folder: `runs/a/input.jsonl` is the file of that name. What a file system cannot
store that way is marked by a percent sign; percent signs of a key are `%25`, so the two cannot be confused:

- A folder whose name has a dot, and a file whose name has none, end in `%`. So `a` and `a/b` stand side by side.
- An empty part of a key is `%_`, and parts of dots alone (`.`, `..`) have their dots as `%2E`.
- Control characters and `% : * ? " < > | \` are `%` and two hexadecimal digits of each byte.
- A part of 180 bytes or more goes on in a folder whose name ends in `%+`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote

from bedrock_local.protocol.surrogates import has_lone_surrogate

PART_BYTES = 180
ODD = re.compile(r'[\x00-\x1f\x7f%:*?"<>|\\]')
# Names that need no conversion except for the mark at the end. Bytes that are not UTF-8 appear as lone surrogates.
PLAIN = re.compile(r'(?!\.+%?$)[^\x00-\x1f\x7f%:*?"<>|\\\ud800-\udfff]+%?')
EMPTY, FOLDED, MARK = "%_", "%+", "%"


def key_path(bucket_folder: Path, key: str) -> Path:
    """Return the path of a key, which is always below the bucket's folder."""
    return bucket_folder / key_name(key)


@lru_cache(maxsize=1_000)
def key_name(key: str) -> str:
    """Return the path of a key below the folder of its bucket, as a text."""
    *folders, last = key.split("/")
    names = [name for part in folders for name in part_names(part, "folder")]
    return "/".join([*names, *part_names(last, "file")])


def part_names(part: str, kind: str) -> Iterator[str]:
    """Yield the names, one or more, for one part of a key."""
    if not part.strip("."):
        pieces = ["%2E"] * len(part)
    else:
        pieces = [ODD.sub(lambda found: f"%{ord(found[0]):02X}", letter) for letter in part]
    while sum(len(piece.encode()) for piece in pieces) >= PART_BYTES:
        head, pieces = split_pieces(pieces)
        yield head + FOLDED
    # A dot tells files from folders, so that `a` and `a/b` can both exist.
    name = "".join(pieces) or EMPTY
    is_plain = ("." in name) == (kind == "file")
    yield name if is_plain else name + MARK


def split_pieces(pieces: list[str]) -> tuple[str, list[str]]:
    """Split off the pieces that fill one name: the same for all parts that begin with them, so order is kept."""
    taken = size = 0
    while size < PART_BYTES:
        size += len(pieces[taken].encode())
        taken += 1
    return "".join(pieces[:taken]), pieces[taken:]


def name_text(name: str, kind: str) -> str:
    """Return the part of a key that a name stands for, with a slash after that of a folder."""
    if name.endswith(FOLDED):
        return unquote(name.removesuffix(FOLDED))
    text = name.removesuffix(MARK) if name.endswith(MARK) else name
    return ("" if text == EMPTY else unquote(text)) + ("/" if kind == "folder" else "")


def is_name(name: str, kind: str) -> bool:
    """Return whether `part_names` could have made a name; others were put there by hand."""
    if PLAIN.fullmatch(name):
        is_plain = ("." in name) == (kind == "file")
        return is_plain != name.endswith(MARK) and len(name.encode()) <= PART_BYTES
    if name.endswith(FOLDED):
        return kind == "folder"
    if has_lone_surrogate(name):
        return False
    return list(part_names(name_text(name, kind).removesuffix("/"), kind)) == [name]
