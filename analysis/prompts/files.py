"""Prompt files: Markdown with a header between `---` lines."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from analysis.errors import PromptError, describe_passed, is_frame
from analysis.prompts.prompt import HEADER_KEYS, MOST_DEPTH, MOST_FIELDS, Prompt, PromptList
from analysis.prompts.schemas import read_schema

PromptSource = Prompt | str | Path | Iterable[Prompt | str | Path]
MOST_BYTES = 10_000_000  # of a prompt file; a million tokens are about four million
HEADER = re.compile(r"\A---\n(.*?)\n---[ \t]*\n(.*)\Z", re.DOTALL)
PARTS = re.compile(
    r"\A\s*(?:# System[ \t]*\n(?P<system>.*?)^)?# User[ \t]*\n(?P<template>.*)\Z", re.DOTALL | re.MULTILINE
)


def read_prompts(where: PromptSource) -> PromptList:
    """Read prompt files.

    Parameters
    ----------
    where
        A file, a folder (its `*.md` files by name), or several of these. A Prompt among them is taken as it is, so a
        function of prompts takes files as well.

    Returns
    -------
    prompts
        In the order given, as a list; a notebook shows their texts.

    Raises
    ------
    PromptError
        There is no file, a header is invalid, or two files have prompts of one name; the error names the file.
    """
    places = [where] if isinstance(where, str | Path | Prompt) else list_places(where)
    read = [one for place in places for one in read_place(place)]
    names = [prompt.name for file, prompt in read if file]
    for file, prompt in read:
        if file and names.count(prompt.name) > 1:
            reason = f"the name {prompt.name!r} is used by {names.count(prompt.name)} prompts"
            raise PromptError(file, reason, "give each its own")
    return PromptList(prompt for _, prompt in read)


def list_places(where: Any) -> list[str | Path | Prompt]:
    """List several places; an error for anything else, such as a frame of calls where the prompts belong."""
    is_several = isinstance(where, Iterable) and not isinstance(where, Mapping) and not is_frame(where)
    places: list[Any] = list(where) if is_several else [where]
    for place in places:
        if not isinstance(place, str | Path | Prompt):
            cure = "pass prompts of read_prompts, or their files or folders"
            raise PromptError("prompts", f"{describe_passed(place)} is neither a prompt nor the path of a file", cure)
    return places


def read_place(place: str | Path | Prompt) -> list[tuple[Path | None, Prompt]]:
    """Read the prompts of a file or folder, each with its file; a prompt is itself, of no file."""
    if isinstance(place, Prompt):
        return [(None, place)]
    return [(file, read_prompt(file)) for file in list_prompt_files(Path(place))]


def list_prompt_files(place: Path) -> list[Path]:
    """List the prompt files of a folder, or the one file."""
    try:
        # Not by glob, which passes over a folder that it may not read.
        files = sorted(file for file in place.iterdir() if file.match("*.md")) if place.is_dir() else [place]
    except (OSError, ValueError) as error:
        raise cannot_read(place, error) from error
    if not files:
        raise PromptError(place, "no prompt files", "put .md files there")
    return files


def read_text(file: Path) -> str:
    """Read the text of a prompt file, without the byte order mark that editors on Windows put in front."""
    try:
        about = file.stat()
        if not stat.S_ISREG(about.st_mode):
            # A prompt is read again by every step of a run, and its file's name is its name.
            raise PromptError(file, "not a file but a pipe, a device or a folder", "save the prompt as a .md file")
        if about.st_size > MOST_BYTES:
            raise PromptError(file, f"has {about.st_size:,} bytes", f"a prompt file has at most {MOST_BYTES:,}")
        return file.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise cannot_read(file, error) from error


def cannot_read(place: Path, error: OSError | ValueError) -> PromptError:
    """Return the error for a file or folder of prompts that cannot be read."""
    if isinstance(error, UnicodeDecodeError):
        return PromptError(place, "is not text in UTF-8", "save it as UTF-8")
    reason = getattr(error, "strerror", None) or error
    return PromptError(place, f"cannot be read ({reason})", "check its path and its permissions")


def read_prompt(file: Path) -> Prompt:
    """Read one prompt file: a header between `---` lines, then `# System` (may be left out) and `# User`."""
    return parse_prompt(file, read_text(file))


def parse_prompt(file: Path, text: str) -> Prompt:
    """Parse the text of a prompt file, which need not stand in it yet; a schema is read beside the file."""
    fields, texts = parse_parts(file, text)
    if place := find_schema_file(file, fields):
        fields["schema"] = read_schema(place, read_text(place))
    with naming_file(file):
        return msgspec.convert({"name": file.stem} | fields | texts, Prompt)


def parse_parts(file: Path, text: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Parse the fields of a prompt file's header, and its texts."""
    header = HEADER.match(text)
    parts = PARTS.match(header[2]) if header else None
    if not header or not parts:
        raise PromptError(file, "not a prompt file", "write a header between '---' lines, '# System', then '# User'")
    with naming_file(file):
        check_yaml(header[1])
        fields = msgspec.yaml.decode(header[1], type=dict[str, Any])
        check_header(fields)
    return fields, {"system": (parts["system"] or "").strip(), "template": parts["template"].strip()}


def find_schema_file(file: Path, fields: Mapping[str, Any]) -> Path | None:
    """Return the path of the schema that a prompt's header names; None where it has none, or has it itself."""
    schema = fields.get("schema")
    return file.parent / schema if isinstance(schema, str) else None


def list_schema_files(prompts: Iterable[Path]) -> list[Path]:
    """List the files of schemas that the headers of prompt files name, each once."""
    named = [find_schema_file(file, parse_parts(file, read_text(file))[0]) for file in prompts]
    return list(dict.fromkeys(place for place in named if place))


@contextmanager
def naming_file(file: Path) -> Iterator[None]:
    """Name the prompt file in the errors of its header."""
    try:
        yield
    except (msgspec.MsgspecError, ValueError) as error:  # a date such as 2026-13-45 is a ValueError
        raise PromptError(file, str(error), f"the header can have {', '.join(HEADER_KEYS)}") from error
    except PromptError as error:
        raise PromptError(file, error.reason, error.cure) from error


def check_header(fields: Mapping[str, Any]) -> None:
    """Raise an error for a text in the header, which the one below the header would replace without notice."""
    for field, title in {"system": "# System", "template": "# User"}.items():
        if field in fields:
            raise PromptError("header", f"{field!r} is not a field of the header", f"write it under '{title}'")


def check_yaml(text: str) -> None:
    """Raise an error for a header whose anchors and aliases stand for very many values, or that is nested very deeply.

    Ten aliases of ten aliases, nine times over, are a few lines and a billion values. Counted here as they are parsed,
    before any is made.
    """
    import yaml  # type: ignore[import-untyped]

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    sizes: dict[str, int] = {}
    open_nodes: list[tuple[str | None, int]] = []
    total = 0
    try:
        for event in yaml.parse(text, Loader=loader):
            if isinstance(event, yaml.CollectionStartEvent):
                open_nodes.append((event.anchor, total))
            if isinstance(event, yaml.CollectionEndEvent):
                anchor, before = open_nodes.pop()
                sizes |= {anchor: total - before} if anchor else {}
            elif isinstance(event, yaml.AliasEvent):
                # Of an anchor that is still open the size is not known: it would hold itself.
                total += sizes.get(event.anchor, MOST_FIELDS + 1)
            elif isinstance(event, yaml.NodeEvent):
                total += 1
                sizes |= {event.anchor: 1} if event.anchor and isinstance(event, yaml.ScalarEvent) else {}
            if total > MOST_FIELDS or len(open_nodes) > MOST_DEPTH:
                reason = f"has more than {MOST_FIELDS:,} values, or is nested more than {MOST_DEPTH} deep"
                raise PromptError("header", reason, "write less, with fewer aliases (*) and brackets")
    except yaml.YAMLError:
        return  # said by the decoder, with the line
