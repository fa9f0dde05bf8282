"""Outputs of Amazon Transcribe jobs.

Source: Amazon Transcribe Developer Guide, "How Amazon Transcribe works" and the example outputs of diarization,
channel identification and redaction.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import NamedTuple

from msgspec import Struct

from analysis.errors import CallsError
from analysis.transcripts.calls import Call, Turn, check_status

Seconds = str | float  # as text, but for files that other tools wrote again


class Alternative(Struct):
    """What may have been said; the first one is the most likely."""

    content: str | None = None


class Item(Struct):
    """A word or a mark; times are text in seconds, and marks have none."""

    alternatives: list[Alternative] = []
    type: str | None = None
    start_time: Seconds | None = None
    end_time: Seconds | None = None
    speaker_label: str | None = None


class TranscribeSegment(Struct):
    """What one speaker says without a longer pause, newer files with its text."""

    transcript: str | None = None
    start_time: Seconds | None = None
    end_time: Seconds | None = None
    speaker_label: str | None = None
    channel_label: str | None = None
    items: list[Item | int] = []


class TranscribeChannel(Struct):
    """What is said on one channel."""

    channel_label: str | None = None
    items: list[Item] = []


class ChannelLabels(Struct):
    """Channel identification."""

    channels: list[TranscribeChannel] = []


class SpeakerLabels(Struct):
    """Speaker partitioning."""

    segments: list[TranscribeSegment] = []


class TranscribeText(Struct):
    """The whole text."""

    transcript: str | None = None


class Language(Struct):
    """One of the languages of a recording."""

    language_code: str | None = None
    duration_in_seconds: float | None = None


class TranscribeResults(Struct):
    """What was heard."""

    transcripts: list[TranscribeText] = []
    items: list[Item] = []
    audio_segments: list[TranscribeSegment] = []
    channel_labels: ChannelLabels | None = None
    speaker_labels: SpeakerLabels | None = None
    language_code: str | None = None
    language_codes: list[Language] | None = None


class TranscribeOutput(Struct, rename="camel"):
    """The output of a job."""

    job_name: str | None = None
    status: str | None = None
    is_redacted: bool | None = None
    results: TranscribeResults | None = None

    def read_calls(self) -> Iterable[Call]:
        """Read the one call."""
        check_status(self.status)
        results = self.results or TranscribeResults()
        turns, language = read_turns(results), find_language(results)
        yield Call(self.job_name or "", "transcribe", turns, language, redacted=self.is_redacted)


class JobDescription(Struct):
    """The answer of GetTranscriptionJob or GetCallAnalyticsJob, which is easily taken for the output."""

    def read_calls(self) -> Iterable[Call]:
        """Say where the output is."""
        cure = "read the file that its TranscriptFileUri names"
        raise CallsError("", "says how a job stands, and has no transcript", cure)


Times = tuple[Seconds | None, Seconds | None]
SegmentKey = tuple[int, str | None]


class Word(NamedTuple):
    """A word with the marks behind it, and where it belongs."""

    text: str
    begin_ms: int | None
    end_ms: int | None
    place: SegmentKey


def read_turns(results: TranscribeResults) -> list[Turn]:
    """Read turns by their speakers, or the whole text where nobody is told apart."""
    whole = [text.transcript or "" for text in results.transcripts]
    # Chinese and Japanese are written without spaces.
    joint = "" if any(whole) and not any(" " in text for text in whole) else " "
    turns = list(read_spoken(results, joint))
    if any(turn.text for turn in turns):
        return turns
    begin_ms, end_ms = span(read_words(results.items, {}) if len(whole) == 1 else [])
    return [Turn(None, text, begin_ms, end_ms) for text in whole]


def read_spoken(results: TranscribeResults, joint: str) -> Iterable[Turn]:
    """Read turns from where they are told best."""
    if results.audio_segments:
        return read_segments(results.audio_segments)
    if results.channel_labels:
        return read_channels(results.channel_labels.channels, joint)
    if results.speaker_labels:
        return read_speakers(results.items, results.speaker_labels.segments, joint)
    return ()


def read_segments(segments: list[TranscribeSegment]) -> Iterator[Turn]:
    """Make a turn of every segment that has its text."""
    for segment in segments:
        speaker = segment.speaker_label or segment.channel_label
        yield Turn(speaker, segment.transcript or "", to_ms(segment.start_time), to_ms(segment.end_time))


def read_speakers(items: list[Item], segments: list[TranscribeSegment], joint: str) -> Iterator[Turn]:
    """Make a turn of every segment out of the words that it points to by their times."""
    places = {
        (item.start_time, item.end_time): (number, segment.speaker_label)
        for number, segment in enumerate(segments)
        for item in segment.items
        if isinstance(item, Item)
    }
    for (_, speaker), words in groupby(read_words(items, places), key=lambda word: word.place):
        yield join_words(speaker, list(words), joint)


def read_channels(channels: list[TranscribeChannel], joint: str) -> Iterator[Turn]:
    """Make turns of the words of each channel: one ends where another channel begins to speak in a pause of it."""
    spoken = [read_words(channel.items, {}) for channel in channels]
    for number, channel in enumerate(channels):
        others = [word for place, words in enumerate(spoken) if place != number for word in words]
        begins = sorted(word.begin_ms for word in others if word.begin_ms is not None)
        for words in cut(spoken[number], begins):
            yield join_words(channel.channel_label, words, joint)


def read_words(items: list[Item], places: dict[Times, SegmentKey]) -> list[Word]:
    """Read words in their order; a mark joins the word before it."""
    words: list[Word] = []
    for item in items:
        text = (item.alternatives[0].content or "") if item.alternatives else ""
        if item.type == "punctuation" and words:
            words[-1] = words[-1]._replace(text=words[-1].text + text)
        elif text:
            number, label = words[-1].place if words else (0, None)
            place = places.get((item.start_time, item.end_time), (number, item.speaker_label or label))
            words.append(Word(text, to_ms(item.start_time), to_ms(item.end_time), place))
    return words


def cut(words: list[Word], begins: list[int]) -> Iterator[list[Word]]:
    """Cut words at the pauses in which somebody else begins."""
    turn: list[Word] = []
    for word in words:
        if turn and is_between(begins, turn[-1].end_ms, word.begin_ms):
            yield turn
            turn = []
        turn.append(word)
    if turn:
        yield turn


def is_between(begins: list[int], since_ms: int | None, until_ms: int | None) -> bool:
    """Tell whether something begins in a pause."""
    if since_ms is None or until_ms is None:
        return False
    return bisect_left(begins, since_ms) < bisect_left(begins, until_ms)


def join_words(speaker: str | None, words: list[Word], joint: str) -> Turn:
    """Make a turn of words."""
    return Turn(speaker, joint.join(word.text for word in words), *span(words))


def span(words: list[Word]) -> tuple[int | None, int | None]:
    """Say when words begin and end."""
    begins = [word.begin_ms for word in words if word.begin_ms is not None]
    ends = [word.end_ms for word in words if word.end_ms is not None]
    return min(begins, default=None), max(ends, default=None)


def to_ms(time: Seconds | None) -> int | None:
    """Read seconds."""
    return None if time is None else round(float(time) * 1000)


def find_language(results: TranscribeResults) -> str | None:
    """Find the language, of several the one that is spoken longest."""
    spoken = sorted(results.language_codes or [], key=lambda language: -(language.duration_in_seconds or 0))
    return results.language_code or (spoken[0].language_code if spoken else None)
