"""Subtitles as transcripts: WebVTT, as of Teams and Zoom, and SRT.

Sources: W3C, WebVTT: The Web Video Text Tracks Format; SRT has no standard.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from itertools import groupby

from analysis.errors import CallsError
from analysis.transcripts.calls import Call, Turn
from analysis.transcripts.spacing import join_texts

VTT = re.compile(r"WEBVTT(?=\s|$)")
SRT = re.compile(r"\s*\d+[ \t]*\r?\n\s*\d+:\d{1,2}:\d{1,2}[,.]\d+[ \t]*-->")
TIMES = re.compile(r"\s*(?:\d+:)?\d{1,2}:\d{1,2}[,.]\d+[ \t]*-->[ \t]*(?:\d+:)?\d{1,2}:\d{1,2}[,.]\d+")
# With an end to each: without one, marks that are never closed would be looked through again for each of them.
VOICE = re.compile(r"<v(?:\.[^\s<>]{0,100})?[ \t]{1,9}([^<>]{0,200})>")
# Not all that stands between angles: somebody may have written <laughs>.
TAG = re.compile(r"</?(?:[bcisuv]|font|lang|rt|ruby)\b[^<>]{0,200}>|<\d[\d:.]{0,20}>|\{\\[^}]{0,200}\}")
ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z]{2,31});")
# `Agent Smith: Hello.` and `[SPEAKER_00]: Hello.`; a longer beginning is a sentence with a colon.
NAME = re.compile(r"\[?([^\W\d_][^:\[\]\n]{0,40})\]?:\s+(?=\S)")
NAME_WORDS = 5
BLOCKS = ("NOTE", "STYLE", "REGION")  # of WebVTT, which are not said
Piece = tuple[str | None, str]  # who says it, where that is known, and the words


def is_subtitles(text: str) -> bool:
    """Return whether a text begins as WebVTT or SRT."""
    return bool(VTT.match(text) or SRT.match(text[:200]))


def read_subtitles(text: str) -> Call:
    """Read the one call; the pieces of one speaker that follow each other are one turn.

    Raises
    ------
    CallsError
        A time cannot be read, or the file does not begin as such a file does.
    """
    import webvtt

    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    check_times(lines)
    is_vtt = bool(VTT.match(text))
    try:
        parsed = webvtt.from_string(fill_gaps(lines)) if is_vtt else webvtt.from_buffer([lines.lstrip()], format="srt")
    except (webvtt.errors.MalformedFileError, webvtt.errors.MalformedCaptionError) as error:
        reason = "does not begin as subtitles do: WEBVTT, or the number and the times of the first one"
        raise CallsError("", reason, "export it again as WebVTT") from error
    cues = [(to_ms(cue.start), to_ms(cue.end), cue.raw_text) for cue in parsed.captions]
    languages = (line.partition(":")[2].strip() for line in parsed.metadata if line.lower().startswith("language:"))
    return Call("", "webvtt" if is_vtt else "srt", read_turns(cues), next(languages, None))


def check_times(text: str) -> None:
    """Raise for a line of times that cannot be read: the words below it would be lost."""
    for number, line in enumerate(text.split("\n"), start=1):
        if "-->" in line and not TIMES.match(line) and not line.startswith(BLOCKS):
            cure = "write them as 00:00:01.000 --> 00:00:02.000"
            raise CallsError("", f"line {number}: no times that can be read", cure)


def fill_gaps(text: str) -> str:
    """Remove the blank lines within a cue: what follows one would not belong to it, and be lost."""
    blocks = re.split(r"\n{2,}", text)
    filled = [blocks[0]]
    for block in blocks[1:]:
        is_rest = "-->" in filled[-1] and "-->" not in block and not block.startswith(BLOCKS)
        filled.append(f"{filled.pop()}\n{block}" if is_rest else block)
    return "\n\n".join(filled)


def to_ms(time: str) -> int:
    """Convert a time of a cue, such as 00:00:03.120, to milliseconds."""
    *hours, minutes, seconds = time.replace(",", ".").split(":")
    return (int(hours[0]) if hours else 0) * 3_600_000 + int(minutes) * 60_000 + round(float(seconds) * 1000)


def read_turns(cues: list[tuple[int, int, str]]) -> list[Turn]:
    """Join the pieces of one speaker that follow each other to turns."""
    texts = [text for *_, text in cues]
    divide = divide_voices if any(VOICE.search(text) for text in texts) else divide_lines
    if divide is divide_lines and not is_named(texts):
        divide = keep_whole
    speaker: str | None = None
    pieces: list[Turn] = []
    for begin_ms, end_ms, text in cues:
        for name, words in divide(text):
            speaker = name if name is not None or divide is divide_voices else speaker
            pieces.append(Turn(speaker, clean(words), begin_ms, end_ms))
    return join_pieces(piece for piece in pieces if piece.text)


def join_pieces(pieces: Iterable[Turn]) -> list[Turn]:
    """Join the pieces of one speaker that follow each other to turns."""
    joined = []
    for speaker, said in groupby(pieces, key=lambda piece: piece.speaker):
        group = list(said)
        joined.append(Turn(speaker, join_texts(piece.text for piece in group), group[0].begin_ms, group[-1].end_ms))
    return joined


def divide_voices(text: str) -> Iterator[Piece]:
    """Divide a cue at its marks of voices, as `<v Maria>`."""
    first, *rest = VOICE.split(text)
    yield None, first
    for name, words in zip(rest[::2], rest[1::2], strict=True):
        yield clean(name) or None, words


def divide_lines(text: str) -> Iterator[Piece]:
    """Divide a cue into lines, and each into a name and words where it begins with a name."""
    for line in text.split("\n"):
        name = find_name(line)
        yield (clean(name[1]), line[name.end() :]) if name else (None, line)


def keep_whole(text: str) -> Iterator[Piece]:
    """Keep a cue as it is, without a name."""
    yield None, text


def is_named(texts: Iterable[str]) -> bool:
    """Return whether the first cue with words begins with a name: then so do all that begin a turn."""
    return any(find_name(text) for text in [next((text for text in texts if clean(text)), "")])


def find_name(line: str) -> re.Match[str] | None:
    """Return the name at the beginning of a line."""
    found = NAME.match(TAG.sub("", line)) and NAME.match(line)
    return found if found and len(found[1].split()) <= NAME_WORDS else None


def clean(text: str) -> str:
    """Return the words of a cue in one line, without marks and entities."""
    bare = TAG.sub("", VOICE.sub("", text))
    return ENTITY.sub(lambda entity: html.unescape(entity[0]), join_texts(bare.split("\n"))).strip()
