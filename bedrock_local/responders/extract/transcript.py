"""Where the call stands in a prompt, and the sentences it is made of."""

from __future__ import annotations

import re
from collections import Counter
from typing import NamedTuple

from bedrock_local.responders.extract.lexicon import AGENTS, CUSTOMERS

TAGS = ("transcript", "call", "conversation", "dialogue", "dialog", "document", "text")
# Words that stand for a role rather than for somebody, and say less than the role's usual name.
PLAIN_NAMES = {"wizard": "agent", "rep": "agent", "csr": "agent", "user": "customer", "caller": "customer"}
LABEL = re.compile(
    r"[ \t>*_-]{0,6}(?:[\[(]?\d{1,2}:\d{2}(?::\d{2})?(?:[.,]\d{1,3})?[\])]?[ \t-]{0,3})?"
    r"(\w[\w .'\u2019-]{0,29}?)(?:[ \t]?\([^)\n]{0,20}\))?"
    r"[ \t]?:(?:\*\*)?(?:[ \t]+|$)"
)
MARKER = re.compile(r"(?:transcript|conversation|dialogue|call)[^\n:]{0,30}:[ \t]*$", re.IGNORECASE)
# `{disfmarker}` is a mark, `{NAME}` stands for a name.
STAGE = re.compile(
    r"\*[^*\n]{1,80}\*|<[A-Z_]{1,30}/>|</?UNSURE>|</?[a-z][^>\n]{0,38}>|\[[A-Z]?[a-z][^\]\n]{0,60}\]|\{[a-z]{3,20}\}"
)
END = "\0"
ENDS = (". ", "? ", "! ")
QUOTED_ENDS = ('." ', '?" ', '!" ', ".' ", "?' ", "!' ")
OTHER_ENDS = (".\u201d ", "?\u201d ", "!\u201d ", "\u2026 ", "\u061f ", "\u3002", "\uff01", "\uff1f")
NO_END = re.compile(
    r"\0(?:(?<=[^,][ \0][A-Z]\.\0)|(?<=\.[A-Z]\.\0)"
    r"|(?<=Mr\.\0)|(?<=Mrs\.\0)|(?<=Ms\.\0)|(?<=Dr\.\0)|(?<=St\.\0)|(?<=No\.\0))"
)
LONGEST_SENTENCE = 300
# Speech that was written down without full stops is cut before such words, where that leaves enough to say something.
JOINT = re.compile(
    r" (?=(?:so|and|but|because|then|well|okay|now)"
    r" (?:i|you|we|he|she|it|they|the|there|that|this|if|what|do|are|is)\b)",
    re.IGNORECASE,
)
WORDS_PER_PIECE, LEAST_WORDS = 40, 12
LONGEST_WORD = 80


class Sentence(NamedTuple):
    """A sentence of the call: its words, who said it, and on which side of the line."""

    text: str
    speaker: str
    role: str


def find_transcript(text: str) -> tuple[str, str]:
    """Part a prompt into its instructions and its call.

    The call is what stands between tags such as `<transcript>`; else the lines from the first speaker to the last;
    else what follows a line such as `Transcript:`; else the longest paragraph.
    """
    for tag in TAGS:
        start, end = text.find(f"<{tag}>"), text.rfind(f"</{tag}>")
        if 0 <= start < end:
            return text[:start] + "\n" + text[end + len(tag) + 3 :], text[start + len(tag) + 2 : end]
    lines = text.split("\n")
    spoken = spoken_lines(lines)
    if spoken:
        first, last = spoken[0], spoken[-1]
        return "\n".join([*lines[:first], "", *lines[last + 1 :]]), "\n".join(lines[first : last + 1])
    return part_prose(lines)


def spoken_lines(lines: list[str]) -> list[int]:
    """List the lines that begin with a speaker: a known role, or a name that comes back."""
    labels = labels_of(lines)
    times = Counter(labels.values())
    roles = {label: role_of(label) for label in times}
    known = [number for number, label in labels.items() if roles[label]]
    if known:
        return known
    repeated = [number for number, label in labels.items() if times[label] > 1]
    return repeated if len(repeated) > 2 else []


def labels_of(lines: list[str]) -> dict[int, str]:
    """Give the label of each line that begins with one; one that was seen before is known without a search."""
    labels: dict[int, str] = {}
    seen = set()
    for number, line in enumerate(lines):
        start, colon, _ = line.partition(": ")
        if colon and start in seen:
            labels[number] = start
        elif match := LABEL.match(line):
            labels[number] = match[1]
            seen.add(match[1])
    return labels


def part_prose(lines: list[str]) -> tuple[str, str]:
    """Part a prompt whose call has no speakers."""
    for number, line in enumerate(lines):
        if len(line) < LONGEST_SENTENCE and MARKER.search(line):
            return "\n".join(lines[: number + 1]), "\n".join(lines[number + 1 :])
    blocks = "\n".join(lines).split("\n\n")
    if len(blocks) == 1:
        return blocks[0][:LONGEST_SENTENCE], blocks[0]
    longest = max(range(len(blocks)), key=lambda number: len(blocks[number]))
    return "\n\n".join(blocks[:longest] + blocks[longest + 1 :]), blocks[longest]


def role_of(label: str) -> str:
    """Say `agent`, `customer`, or nothing for a label that is no known role."""
    word = label.lower().strip(" _0123456789")
    return "agent" if word in AGENTS else "customer" if word in CUSTOMERS else ""


def split_sentences(transcript: str) -> list[Sentence]:
    """Split a call into sentences, in the order said.

    Stage directions, marks such as `<UNIN/>` and what stands before the first speaker are left out.
    """
    if any(mark in transcript for mark in "*<[{"):
        transcript = STAGE.sub("", transcript)
    sentences: list[Sentence] = []
    known: dict[str, tuple[str, str]] = {}
    speaker, role, is_begun = "", "", False
    for line in mark_ends(transcript).split("\n"):
        label, colon, said = line.partition(": ")
        if colon and label in known:
            speaker, role = known[label]
        elif match := LABEL.match(line):
            # A line without a label goes on with the speaker before; one whose label is no role is nobody's.
            said = line[match.end() :]
            speaker, role = speaker_of(match[1])
            sentences = sentences if is_begun or not role else []
            is_begun = True
            if line.startswith(f"{match[1]}: "):
                known[match[1]] = speaker, role
        else:
            said = line
        sentences += [Sentence(piece, speaker, role) for piece in pieces_of(said)]
    return sentences


def mark_ends(text: str) -> str:
    """Put a mark at the end of every sentence, though not after titles and initials."""
    ends = ENDS if text.isascii() else ENDS + OTHER_ENDS
    for end in ends + QUOTED_ENDS if '" ' in text or "' " in text else ends:
        text = text.replace(end, end.rstrip() + END)
    return NO_END.sub(" ", text)


def speaker_of(label: str) -> tuple[str, str]:
    """Give the name by which a label's speaker is told, and the role; nothing for a label that is no known role."""
    role = role_of(label)
    name = label.lower().strip(" _0123456789") if role else ""
    return PLAIN_NAMES.get(name, name), role


def pieces_of(said: str) -> list[str]:
    """Part what was said at its sentence ends, and sentences that never end into pieces."""
    pieces = [piece for piece in said.split(END) if piece and not piece.isspace()]
    if len(said) <= LONGEST_SENTENCE:
        return pieces
    return [part for piece in pieces for part in parts_of(piece)]


def parts_of(sentence: str) -> list[str]:
    """Cut a sentence that goes on and on between its clauses, and after so many words at the latest."""
    if len(sentence) <= LONGEST_SENTENCE:
        return [sentence]
    parts: list[list[str]] = [[]]
    for clause in JOINT.split(sentence):
        if len(parts[-1]) >= LEAST_WORDS:
            parts.append([])
        parts[-1] += [word[:LONGEST_WORD] for word in clause.split()]
    return [
        " ".join(words[at : at + WORDS_PER_PIECE]) for words in parts for at in range(0, len(words), WORDS_PER_PIECE)
    ]
