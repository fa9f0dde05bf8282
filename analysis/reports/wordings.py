"""Wordings: what each variant asked, and what changed since the run before, word by word."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

import polars as pl
from markupsafe import Markup, escape

from analysis.display import count
from analysis.errors import AnalysisError, escape_controls
from analysis.prompts import Prompt
from analysis.prompts.prompt import describe_setting, describe_settings, list_settings
from analysis.runs import Run, open_run

ROUND = re.compile(r"(.+-)([0-9]+)")  # as in tune-002
WORDS = re.compile(r"\S+\s*|\s+")
MOST_WORDS = 4_000  # of two texts, beyond which they are not compared word by word


@dataclass(frozen=True)
class Wording:
    """A prompt as it was sent; `system` and `user` are HTML that is escaped.

    Attributes
    ----------
    name
        Of the variant.
    about
        What is new in it, or from where answers were taken.
    settings
        Model and limits, and what else differs from the defaults.
    system, user
        Its texts, words marked that changed since the run before.
    is_changed
        Whether a text differs from that of the run before.
    """

    name: str
    about: str
    settings: str
    system: Markup
    user: Markup
    is_changed: bool


def list_wordings(run: Run) -> list[Wording]:
    """List the prompts of a run, compared with those of the round before where there is one."""
    before = find_round_before(run)
    earlier = {prompt.name: prompt for prompt in before.read_prompts()} if before else {}
    return [describe_wording(prompt, earlier.get(prompt.name), before) for prompt in run.read_prompts()]


def find_round_before(run: Run) -> Run | None:
    """Find the run of the nearest lower number beside one: `tune-001` for `tune-002`."""
    if not (own := ROUND.fullmatch(run.folder.name)):
        return None
    numbers = {}
    for other in run.list_beside():
        match = ROUND.fullmatch(other.folder.name)
        if match and match[1] == own[1] and int(match[2]) < int(own[2]):
            numbers[int(match[2])] = other
    with suppress(AnalysisError):  # one of a later version cannot be read, and is not needed
        return open_run(numbers[max(numbers)]) if numbers else None
    return None


def describe_wording(prompt: Prompt, earlier: Prompt | None, before: Run | None) -> Wording:
    """Describe a prompt, and what is new in it."""
    settings, about = list_settings(prompt), ""
    texts = [(prompt.system, prompt.system), (prompt.template, prompt.template)]
    is_changed = False
    if before and earlier:
        texts = [(earlier.system, prompt.system), (earlier.template, prompt.template)]
        is_changed = any(old != new for old, new in texts)
        changes = [*(["the wording"] if is_changed else []), *list_changes(list_settings(earlier), settings)]
        what = f"changed since {before.folder.name}: {', '.join(changes)}"
        about = what if changes else f"as in {before.folder.name}"
    elif before:
        about = f"new since {before.folder.name}"
    system, user = (mark_changes(*pair) for pair in texts)
    return Wording(prompt.name, about, describe_settings(settings), system, user, is_changed)


def list_changes(old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    """Yield each setting that changed, with both values."""
    for name in [*old, *(name for name in new if name not in old)]:
        if old.get(name) != new.get(name):
            yield f"{name} {describe_setting(old.get(name, 'not set'))} → {describe_setting(new.get(name, 'not set'))}"


def mark_changes(old: str, new: str) -> Markup:
    """Escape a text, and mark which words are gone and which are new."""
    words: list[list[str]] = [WORDS.findall(text) for text in (old, new)]
    if old == new or sum(map(len, words)) > MOST_WORDS:
        return clean(new)
    parts = []
    for kind, begin, end, new_begin, new_end in SequenceMatcher(None, words[0], words[1], autojunk=False).get_opcodes():
        gone, come = clean("".join(words[0][begin:end])), clean("".join(words[1][new_begin:new_end]))
        if kind == "equal":
            parts.append(come)
        else:
            parts += [Markup("<del>{}</del>").format(gone)] if gone else []
            parts += [Markup("<ins>{}</ins>").format(come)] if come else []
    return Markup("").join(parts)


def clean(text: str) -> Markup:
    """Escape a text for HTML, and what reorders a line."""
    return escape(escape_controls(text))


def describe_taken(run: Run, records: int) -> str:
    """Return a sentence on the answers that were taken over from other runs; empty where none was."""
    taken = run.scan_outputs().drop_nulls("taken_from").group_by("taken_from").agg(pl.col("record_id").n_unique())
    counts = taken.sort("taken_from").collect(engine="streaming").rows()
    if not counts:
        return ""
    total = sum(number for _, number in counts)
    where = ", ".join(f"{number:,} in {name}" for name, number in counts)
    were = "was" if total == 1 else "were"
    rest = records - total
    what = f"{count(total, 'record')} of {records:,} {were} answered before ({where}) and taken over from there"
    return f"{what}; {rest:,} {'was' if rest == 1 else 'were'} sent."
