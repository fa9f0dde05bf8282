"""What form of answer a prompt asks for."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal
from zlib import crc32

from bedrock_local.protocol.surrogates import encode_text
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
COUNT = rf"\b{NUMBER}(?:\s?(?:-|\u2013|to|or)\s?{NUMBER})?"
SENTENCES = re.compile(COUNT + r"[\s-](?:[a-z]{1,20}[\s-]){0,2}?sentences?\b", re.IGNORECASE)
WORDS = re.compile(COUNT + r"[\s-]words?\b", re.IGNORECASE)
BULLETS = re.compile(COUNT + r"[\s-](?:[a-z]{1,20}[\s-]){0,2}?(?:bullets?|points|items)\b", re.IGNORECASE)
ANY_BULLETS = re.compile(r"(?<!\bno )(?<!without )(?<!any )\b(?:bullet(?:ed|s|\b)|numbered list)", re.IGNORECASE)
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
LONGEST_READ = 10_000


@dataclass(frozen=True)
class Heading:
    """A heading as it is to be written, and the topic of what stands under it."""

    line: str
    topic: str


@dataclass(frozen=True)
class Wishes:
    """The form asked for; a missing number was not asked for. `keys` is a skeleton of the JSON."""

    form: Literal["paragraph", "bullets", "headings", "json"] = "paragraph"
    sentences: int | None = None
    words: int | None = None
    bullets: int | None = None
    is_numbered: bool = False
    headings: tuple[Heading, ...] = ()
    keys: Any = None
    focus: frozenset[str] = frozenset()
    seed: int = 0


def read_wishes(instructions: str) -> Wishes:
    """Read the form from the instructions; of very long ones, the beginning and the end."""
    if len(instructions) > 2 * LONGEST_READ:
        instructions = instructions[:LONGEST_READ] + "\n" + instructions[-LONGEST_READ:]
    return read_once(instructions)


@lru_cache(maxsize=256)
def read_once(text: str) -> Wishes:
    """Read instructions that many calls share, once."""
    keys = read_keys(text)
    headings = () if keys else read_headings(text)
    bullets = last_count(BULLETS, text) or (4 if ANY_BULLETS.search(text) else None)
    return Wishes(
        form="json" if keys else "headings" if headings else "bullets" if bullets else "paragraph",
        sentences=last_count(SENTENCES, text),
        words=last_count(WORDS, text),
        bullets=bullets,
        is_numbered="numbered list" in text.lower(),
        headings=headings,
        keys=keys,
        focus=frozenset(re.findall(r"[a-z]{4,}", text.lower())),
        seed=crc32(encode_text(text)),
    )


def last_count(pattern: re.Pattern[str], text: str) -> int | None:
    """Read the number of a request, the larger of `2-3`; the smallest where several are asked."""
    counts = [number_of(match[2] or match[1]) for match in pattern.finditer(text)]
    return max(1, min(counts)) if counts else None


def number_of(word: str) -> int:
    """Read `3` or `three`."""
    return int(word) if word.isdigit() else NUMBERS[word.lower()]


def topic_of(name: str, hint: str = "") -> str:
    """Name the topic that a heading or key is about, by its own words before its explanation."""
    for words in (name, hint):
        for topic, pattern in TOPIC_WORDS:
            if pattern.search(words):
                return topic
    return "general"


def read_headings(text: str) -> tuple[Heading, ...]:
    """Read the headings: lines of their own, else a list after `headings` or `sections`."""
    headings = unique([heading for line in text.split("\n") if (heading := heading_of(line))])
    if len(headings) > 1 and any(heading.topic != "general" for heading in headings):
        return headings
    match = LISTED.search(text)
    names = [name for name, _ in named_parts(match[1])] if match else []
    mark = "## " if "markdown" in text.lower() or "##" in text else ""
    end = "" if mark else ":"
    return (
        unique([Heading(f"{mark}{name.strip('# :')}{end}", topic_of(name)) for name in names]) if len(names) > 1 else ()
    )


def heading_of(line: str) -> Heading | None:
    """Read a line such as `Reason:`, `Reason: why they called`, `## Reason` or `**Reason**`."""
    match = HEADING.fullmatch(line) if len(line) < 200 else None
    if not match or not (match["mark"] or match["end"]):
        return None
    name = match["name"]
    words = name.lower().replace("-", " ").split()
    if len(words) > 4 or NOT_HEADINGS.intersection(words) - {"call"} or words == ["call"]:
        return None
    mark, end = match["mark"] or "", match["end"] or ""
    return Heading(f"{mark}{name}{end}", topic_of(name, match["hint"] or ""))


def unique(headings: list[Heading]) -> tuple[Heading, ...]:
    """Keep each heading once, whatever its case."""
    return tuple({heading.line.lower(): heading for heading in headings}.values())


def read_keys(text: str) -> Any:
    """Read a skeleton of the JSON asked for, printed or made of named keys; none without the word JSON."""
    if "json" not in text.lower():
        return None
    start, end = text.find("{"), text.rfind("}")
    if 0 <= start < end:
        return read_skeleton(text[start : end + 1]) or DEFAULT_KEYS
    match = KEYS.search(text) or QUOTED_KEYS.search(text)
    parts = named_parts(match[1]) if match else []
    if not parts:
        lines = [HEADING.fullmatch(line) for line in text.split("\n") if len(line) < 200]
        parts = [(line["name"], line["hint"] or "") for line in lines if line and line["end"]]
        parts = [part for part in parts if part[0].lower() not in NOT_HEADINGS]
    return {name: kind_of(name, hint) for name, hint in parts} or DEFAULT_KEYS


def read_skeleton(printed: str) -> Any:
    """Read printed JSON, or its keys when it is no JSON, as `{"resolved": true or false}`."""
    try:
        return json.loads(printed)
    except (ValueError, RecursionError):
        starts = {"[": [""], "t": True, "f": True, "0": 0, "<": ""}
        return {
            key: value.strip('"') if value.startswith('"') else starts.get("0" if value.isdigit() else value, "")
            for key, value in FLAT_KEY.findall(printed)
        }


def named_parts(listed: str) -> list[tuple[str, str]]:
    """Read the names of `reason, actions (a list) and outcome`, each with its explanation."""
    hints = re.findall(r"\(([^()]*)\)", listed)
    flat = re.sub(r"\([^()]*\)", "\0", listed)
    quoted = re.findall(r"[`\"]([^`\"\n]{1,40})[`\"]\s*(\0?)", flat)
    pieces = [name + mark for name, mark in quoted] or re.split(r"\s*(?:,\s*and\s|,|\band\b|&)\s*", flat)
    parts, remaining = [], iter(hints)
    for piece in pieces:
        hint = next(remaining, "") if "\0" in piece else ""
        match = NAME.fullmatch(piece.replace("\0", "").strip(" :#"))
        if not match or len(match[1].split()) > 3:
            break
        parts.append((match[1], hint))
    return parts


def kind_of(name: str, hint: str) -> Any:
    """Say by an example what a key holds."""
    if re.search(r"list|array", hint, re.IGNORECASE) or re.search(
        r"(?:actions|points|amounts|dates|items|steps|topics)$", name
    ):
        return [""]
    if re.search(r"bool|true", hint, re.IGNORECASE) or re.match(r"(?:is|was|has|needs)_|resolved$", name):
        return True
    if re.search(r"number|integer|\d", hint, re.IGNORECASE) or re.search(r"score|rating", name):
        return 0
    return hint if "|" in hint or " or " in hint else ""
