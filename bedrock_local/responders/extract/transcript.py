"""Finding the call in a prompt, and splitting it into sentences."""

from __future__ import annotations

import re
from collections import Counter
from typing import NamedTuple

from bedrock_local.responders.extract.lexicon import AGENTS, CUSTOMERS

TAGS = ("transcript", "call", "conversation", "dialogue", "dialog", "document", "text")
# Labels that are retold by the usual name of their role.
PLAIN_NAMES = {"wizard": "agent", "rep": "agent", "csr": "agent", "user": "customer", "caller": "customer"}
# A time stamp, a name, a remark in parentheses, and a colon.
LABEL = re.compile(
    r"[ \t>*_-]{0,6}(?:[\[(]?\d{1,2}:\d{2}(?::\d{2})?(?:[.,]\d{1,3})?[\])]?[ \t-]{0,3})?"
    r"(\w[\w .'\u2019-]{0,29}?)(?:[ \t]?\([^)\n]{0,20}\))?"
    r"[ \t]?:(?:\*\*)?(?:[ \t]+|$)"
)
MARKER = re.compile(r"(?:transcript|conversation|dialogue|call)[^\n:]{0,30}:[ \t]*$", re.IGNORECASE)
# `{disfmarker}` is a stage direction; `{NAME}`, which stands for a name, is not.
STAGE_DIRECTION = re.compile(
    r"\*[^*\n]{1,80}\*|<[A-Z_]{1,30}/>|</?UNSURE>|</?[a-z][^>\n]{0,38}>|\[[A-Z]?[a-z][^\]\n]{0,60}\]|\{[a-z]{3,20}\}"
)
END = "\0"
ENDS = (". ", "? ", "! ")
QUOTED_ENDS = ('." ', '?" ', '!" ', ".' ", "?' ", "!' ")
OTHER_ENDS = (".\u201d ", "?\u201d ", "!\u201d ", "\u2026 ", "\u061f ", "\u3002", "\uff01", "\uff1f")
# Marks that do not end a sentence: after an initial, or a title.
NO_END = re.compile(
    r"\0(?:(?<=[^,][ \0][A-Z]\.\0)|(?<=\.[A-Z]\.\0)"
    r"|(?<=Mr\.\0)|(?<=Mrs\.\0)|(?<=Ms\.\0)|(?<=Dr\.\0)|(?<=St\.\0)|(?<=No\.\0))"
)
MAX_SENTENCE_CHARACTERS = 300
# Speech that was transcribed without full stops is cut before these words, where enough words are left.
CLAUSE_START = re.compile(
    r" (?=(?:so|and|but|because|then|well|okay|now)"
    r" (?:i|you|we|he|she|it|they|the|there|that|this|if|what|do|are|is)\b)",
    re.IGNORECASE,
)
WORDS_PER_PIECE, MIN_WORDS = 40, 12
MAX_WORD_CHARACTERS = 80


class Sentence(NamedTuple):
    """A sentence of the call, with its speaker (`supervisor`) and that speaker's role (`agent`); both may be empty."""

    text: str
    speaker: str
    role: str


def find_transcript(text: str) -> tuple[str, str]:
    """Split a prompt into its instructions and its call.

    The call is the text between tags such as `<transcript>`; else the lines from the first speaker to the last;
    else the text after a line such as `Transcript:`; else the longest paragraph.
    """
    for tag in TAGS:
        start, end = text.find(f"<{tag}>"), text.rfind(f"</{tag}>")
        if 0 <= start < end:
            return text[:start] + "\n" + text[end + len(tag) + 3 :], text[start + len(tag) + 2 : end]
    lines = text.split("\n")
    spoken = find_spoken_lines(lines)
    if spoken:
        first, last = spoken[0], spoken[-1]
        return "\n".join([*lines[:first], "", *lines[last + 1 :]]), "\n".join(lines[first : last + 1])
    return split_prose(lines)


def find_spoken_lines(lines: list[str]) -> list[int]:
    """List the lines that begin with a speaker: with a known role, else with a name that occurs more than once."""
    labels = find_labels(lines)
    times = Counter(labels.values())
    roles = {label: find_role(label) for label in times}
    known = [number for number, label in labels.items() if roles[label]]
    if known:
        return known
    repeated = [number for number, label in labels.items() if times[label] > 1]
    # Two lines that begin alike may be prose.
    return repeated if len(repeated) > 2 else []


def find_labels(lines: list[str]) -> dict[int, str]:
    """Find the label of each line that begins with one."""
    labels: dict[int, str] = {}
    seen = set()
    for number, line in enumerate(lines):
        # A label that was seen before needs no search.
        start, colon, _ = line.partition(": ")
        if colon and start in seen:
            labels[number] = start
        elif match := LABEL.match(line):
            labels[number] = match[1]
            seen.add(match[1])
    return labels


def split_prose(lines: list[str]) -> tuple[str, str]:
    """Split a prompt whose call has no speakers."""
    for number, line in enumerate(lines):
        if len(line) < MAX_SENTENCE_CHARACTERS and MARKER.search(line):
            return "\n".join(lines[: number + 1]), "\n".join(lines[number + 1 :])
    blocks = "\n".join(lines).split("\n\n")
    if len(blocks) == 1:
        # One paragraph is instructions and call at once.
        return blocks[0][:MAX_SENTENCE_CHARACTERS], blocks[0]
    longest = max(range(len(blocks)), key=lambda number: len(blocks[number]))
    return "\n\n".join(blocks[:longest] + blocks[longest + 1 :]), blocks[longest]


def find_role(label: str) -> str:
    """Return the role of a label, `agent` or `customer`; empty when it is not known."""
    word = label.lower().strip(" _0123456789")
    return "agent" if word in AGENTS else "customer" if word in CUSTOMERS else ""


def split_sentences(transcript: str) -> list[Sentence]:
    """Split a call into sentences, in the order said.

    Stage directions, marks such as `<UNIN/>` and the text before the first speaker are left out.
    """
    if any(mark in transcript for mark in "*<[{"):
        transcript = STAGE_DIRECTION.sub("", transcript)
    sentences: list[Sentence] = []
    known: dict[str, tuple[str, str]] = {}
    speaker, role, is_begun = "", "", False
    for line in mark_ends(transcript).split("\n"):
        label, colon, said = line.partition(": ")
        if colon and label in known:
            speaker, role = known[label]
        elif match := LABEL.match(line):
            # A line without a label continues the one before; a label of no known role has neither speaker nor role.
            said = line[match.end() :]
            speaker, role = find_speaker(match[1])
            # Text before the first known speaker does not belong to the call.
            sentences = sentences if is_begun or not role else []
            is_begun = True
            if line.startswith(f"{match[1]}: "):
                known[match[1]] = speaker, role
        else:
            said = line
        sentences += [Sentence(piece, speaker, role) for piece in split_pieces(said)]
    return sentences


def mark_ends(text: str) -> str:
    """Insert a mark at the end of every sentence, but not after titles and initials."""
    ends = ENDS if text.isascii() else ENDS + OTHER_ENDS
    # str.replace for each end is faster than one pattern for all.
    for end in ends + QUOTED_ENDS if '" ' in text or "' " in text else ends:
        text = text.replace(end, end.rstrip() + END)
    return NO_END.sub(" ", text)


def find_speaker(label: str) -> tuple[str, str]:
    """Return the name that a label's speaker is retold by, and the role; both empty when the role is not known."""
    role = find_role(label)
    name = label.lower().strip(" _0123456789") if role else ""
    return PLAIN_NAMES.get(name, name), role


def split_pieces(said: str) -> list[str]:
    """Split a line at its sentence ends, and very long sentences further."""
    pieces = [piece for piece in said.split(END) if piece and not piece.isspace()]
    if len(said) <= MAX_SENTENCE_CHARACTERS:
        return pieces
    return [part for piece in pieces for part in split_clauses(piece)]


def split_clauses(sentence: str) -> list[str]:
    """Split a very long sentence between its clauses, and after a number of words at the latest."""
    if len(sentence) <= MAX_SENTENCE_CHARACTERS:
        return [sentence]
    parts: list[list[str]] = [[]]
    for clause in CLAUSE_START.split(sentence):
        if len(parts[-1]) >= MIN_WORDS:
            parts.append([])
        parts[-1] += [word[:MAX_WORD_CHARACTERS] for word in clause.split()]
    return [
        " ".join(words[start : start + WORDS_PER_PIECE])
        for words in parts
        for start in range(0, len(words), WORDS_PER_PIECE)
    ]
