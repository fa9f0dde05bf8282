"""Reading the requested format of the answer from a prompt."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal
from zlib import crc32

from bedrock_local.protocol.surrogates import encode_text
from bedrock_local.responders.extract.json_schema import is_schema, make_skeleton
from bedrock_local.responders.extract.lexicon import NOT_HEADINGS

NUMBER_WORDS = "zero one two three four five six seven eight nine ten"
NUMBERS = {word: number for number, word in enumerate(NUMBER_WORDS.split())}
NUMBERS |= {
    "single": 1,
    "couple": 2,
    "twelve": 12,
    "fifteen": 15,
    "twenty": 20,
    "thirty": 30,
    "fifty": 50,
    "hundred": 100,
}
NUMBER = r"(\d{1,4}|" + "|".join(NUMBERS) + ")"
# `3`, `three`, or a range such as `2-3`.
COUNT = rf"\b{NUMBER}(?:\s?(?:-|\u2013|to|or)\s?{NUMBER})?"
# Up to two words may come between, as in "three short clear sentences".
SENTENCES = re.compile(COUNT + r"[\s-](?:[a-z]{1,20}[\s-]){0,2}?sentences?\b", re.IGNORECASE)
WORDS = re.compile(COUNT + r"[\s-]words?\b", re.IGNORECASE)
BULLETS = re.compile(COUNT + r"[\s-](?:[a-z]{1,20}[\s-]){0,2}?(?:bullets?|points|items)\b", re.IGNORECASE)
# Not "no bullets".
ANY_BULLETS = re.compile(r"(?<!\bno )(?<!without )(?<!any )\b(?:bullet(?:ed|s|\b)|numbered list)", re.IGNORECASE)
# A list mark or not, then `Reason:`, `## Reason` or `**Reason**`, then an explanation or not.
HEADING = re.compile(
    r"[ \t]*(?:[-*][ \t]+|\d{1,2}[.)][ \t]+)?(?P<mark>#{1,6}[ \t]+|\*\*)?[`\"]?(?P<name>\w[\w '/&-]{1,39}?)[`\"]?"
    r"(?P<end>:\*\*|\*\*:?|:)?[`\"]?(?:[ \t]+(?P<hint>\S.*)|[ \t]*)$"
)
LISTED = re.compile(
    r"(?<!\bno )(?<!without )(?<!any )\b(?:headings?|sections?|labels?|headers?)\b"
    r"[^\n:;.]{0,40}?[:\s]\s*((?:[^\n.]|\.(?=\w)){3,300})",
    re.IGNORECASE,
)
KEYS = re.compile(
    r"\b(?:keys|fields|properties|attributes)\b(?: (?:named|called|are))?\s*:?\s*((?:[^\n.;]|\.(?=\w)){2,400})",
    re.IGNORECASE,
)
# Names in quotes are keys without being called so: `JSON: an object with "reason" and "outcome"`.
QUOTED_KEYS = re.compile(
    r"\bjson\b[^\n.;]{0,40}?\bwith\b:?\s*([^\n.;]{0,20}?[`\"](?:[^\n.;]|\.(?=\w)){2,400})", re.IGNORECASE
)
FLAT_KEY = re.compile(r"\"([\w -]{1,40})\"\s*:\s*(\"[^\"\n]*\"|\S)")
NAME = re.compile(r"[`\"']?([A-Za-z][\w -]{0,39}?)[`\"']?")
# In this order: `next_steps` belongs to follow_up, not to actions.
TOPIC_WORDS = (
    ("follow_up", re.compile(r"follow|next|promis|commit|pending|todo|to_do|callback", re.IGNORECASE)),
    ("outcome", re.compile(r"outcome|resol|result|status|disposition|conclusion|solution|plan", re.IGNORECASE)),
    ("actions", re.compile(r"action|steps?\b|done|taken|agent|did", re.IGNORECASE)),
    ("mood", re.compile(r"mood|sentiment|emotion|satisf|tone|feel", re.IGNORECASE)),
    ("amounts", re.compile(r"amount|money|figure|cost|price|charge|payment|fee", re.IGNORECASE)),
    ("dates", re.compile(r"date|deadline|when|time", re.IGNORECASE)),
    (
        "reason",
        re.compile(r"reason|issue|problem|why|purpose|concern|complain|intent|request|topic|want", re.IGNORECASE),
    ),
)
DEFAULT_KEYS = {"reason": "", "actions": [""], "outcome": "", "follow_up": ""}
# Instructions are at the ends of a prompt, and the patterns are slow on a long text.
MAX_CHARACTERS = 10_000


@dataclass(frozen=True)
class Heading:
    """A heading as the answer shows it, and the topic of its text."""

    line: str
    topic: str


@dataclass(frozen=True)
class Instructions:
    """The requested format; numbers that were not requested are None. `keys` is a skeleton of the JSON."""

    form: Literal["paragraph", "bullets", "headings", "json"] = "paragraph"
    sentences: int | None = None
    words: int | None = None
    bullets: int | None = None
    is_numbered: bool = False
    headings: tuple[Heading, ...] = ()
    keys: Any = None
    focus: frozenset[str] = frozenset()
    seed: int = 0


def read_instructions(instructions: str) -> Instructions:
    """Read the format from the instructions; of very long ones, only the beginning and the end."""
    if len(instructions) > 2 * MAX_CHARACTERS:
        instructions = instructions[:MAX_CHARACTERS] + "\n" + instructions[-MAX_CHARACTERS:]
    return parse_instructions(instructions)


@lru_cache(maxsize=256)
def parse_instructions(text: str) -> Instructions:
    """Parse instructions; cached, as many calls share them."""
    keys = read_keys(text)
    headings = () if keys else read_headings(text)
    bullets = read_count(BULLETS, text) or (4 if ANY_BULLETS.search(text) else None)
    return Instructions(
        form="json" if keys else "headings" if headings else "bullets" if bullets else "paragraph",
        sentences=read_count(SENTENCES, text),
        words=read_count(WORDS, text),
        bullets=bullets,
        is_numbered="numbered list" in text.lower(),
        headings=headings,
        keys=keys,
        focus=frozenset(re.findall(r"[a-z]{4,}", text.lower())),
        # Not hash(), which differs from process to process.
        seed=crc32(encode_text(text)),
    )


def read_count(pattern: re.Pattern[str], text: str) -> int | None:
    """Read a requested number, the larger of `2-3`; the smallest where there are several."""
    counts = [read_number(match[2] or match[1]) for match in pattern.finditer(text)]
    return max(1, min(counts)) if counts else None


def read_number(word: str) -> int:
    """Read `3` or `three`."""
    return int(word) if word.isdigit() else NUMBERS[word.lower()]


def find_topic(name: str, hint: str = "") -> str:
    """Find the topic of a heading or key by its own words, else by its explanation."""
    for words in (name, hint):
        for topic, pattern in TOPIC_WORDS:
            if pattern.search(words):
                return topic
    return "general"


def read_headings(text: str) -> tuple[Heading, ...]:
    """Read the headings: from lines of their own, else from a list after `headings` or `sections`."""
    headings = drop_duplicates([heading for line in text.split("\n") if (heading := read_heading(line))])
    # Lines with a colon and no known topic are more likely part of the text.
    if len(headings) > 1 and any(heading.topic != "general" for heading in headings):
        return headings
    match = LISTED.search(text)
    names = [name for name, _ in read_names(match[1])] if match else []
    mark = "## " if "markdown" in text.lower() or "##" in text else ""
    end = "" if mark else ":"
    if len(names) < 2:
        return ()
    return drop_duplicates([Heading(f"{mark}{name.strip('# :')}{end}", find_topic(name)) for name in names])


def read_heading(line: str) -> Heading | None:
    """Read a line such as `Reason:`, `Reason: why they called`, `## Reason` or `**Reason**`."""
    match = HEADING.fullmatch(line) if len(line) < 200 else None
    if not match or not (match["mark"] or match["end"]):
        return None
    name = match["name"]
    words = name.lower().replace("-", " ").split()
    # `Call:` alone introduces the transcript, `Call reason:` is a heading.
    if len(words) > 4 or NOT_HEADINGS.intersection(words) - {"call"} or words == ["call"]:
        return None
    mark, end = match["mark"] or "", match["end"] or ""
    return Heading(f"{mark}{name}{end}", find_topic(name, match["hint"] or ""))


def drop_duplicates(headings: list[Heading]) -> tuple[Heading, ...]:
    """Drop headings that differ only in case."""
    return tuple({heading.line.lower(): heading for heading in headings}.values())


def read_keys(text: str) -> Any:
    """Read a skeleton of the requested JSON, printed or as named keys; None without the word JSON."""
    if "json" not in text.lower():
        return None
    start, end = text.find("{"), text.rfind("}")
    if 0 <= start < end:
        return read_skeleton(text[start : end + 1]) or DEFAULT_KEYS
    match = KEYS.search(text) or QUOTED_KEYS.search(text)
    parts = read_names(match[1]) if match else []
    if not parts:
        lines = [HEADING.fullmatch(line) for line in text.split("\n") if len(line) < 200]
        parts = [(line["name"], line["hint"] or "") for line in lines if line and line["end"]]
        parts = [part for part in parts if part[0].lower() not in NOT_HEADINGS]
    return {name: make_example(name, hint) for name, hint in parts} or DEFAULT_KEYS


def read_skeleton(printed: str) -> Any:
    """Parse printed JSON, an example or a JSON Schema, or find its keys where it is not valid.

    As in `{"resolved": true or false}`.
    """
    try:
        value = json.loads(printed)
        return make_skeleton(value, value) if is_schema(value) else value
    except (ValueError, RecursionError):
        starts = {"[": [""], "t": True, "f": True, "0": 0, "<": ""}
        return {
            key: value.strip('"') if value.startswith('"') else starts.get("0" if value.isdigit() else value, "")
            for key, value in FLAT_KEY.findall(printed)
        }


def read_names(listed: str) -> list[tuple[str, str]]:
    """Read the names of `reason, actions (a list) and outcome`, each with its explanation."""
    hints = re.findall(r"\(([^()]*)\)", listed)
    # A NUL marks where an explanation was, so that its commas do not split the list.
    flat = re.sub(r"\([^()]*\)", "\0", listed)
    quoted = re.findall(r"[`\"]([^`\"\n]{1,40})[`\"]\s*(\0?)", flat)
    pieces = [name + mark for name, mark in quoted] or re.split(r"\s*(?:,\s*and\s|,|\band\b|&)\s*", flat)
    parts, remaining = [], iter(hints)
    for piece in pieces:
        hint = next(remaining, "") if "\0" in piece else ""
        match = NAME.fullmatch(piece.replace("\0", "").strip(" :#"))
        # A piece that is not a name belongs to the rest of the sentence.
        if not match or len(match[1].split()) > 3:
            break
        parts.append((match[1], hint))
    return parts


def make_example(name: str, hint: str) -> Any:
    """Make an example of a key's value, which stands for its type in the skeleton."""
    if re.search(r"list|array", hint, re.IGNORECASE) or re.search(
        r"(?:actions|points|amounts|dates|items|steps|topics)$", name
    ):
        return [""]
    if re.search(r"bool|true", hint, re.IGNORECASE) or re.match(r"(?:is|was|has|needs)_|resolved$", name):
        return True
    if re.search(r"number|integer|\d", hint, re.IGNORECASE) or re.search(r"score|rating", name):
        return 0
    return hint if "|" in hint or " or " in hint else ""
