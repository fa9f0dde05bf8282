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
from analysis.transcripts.calls import Call, Seconds, Turn, check_status, to_ms
from analysis.transcripts.spacing import choose_space, find_spaces, skip_spaces


class Alternative(Struct):
    """A possible transcription of an item; the first one is the most likely."""

    content: str | None = None


class Item(Struct):
    """A word or a punctuation mark; times are seconds as text, and marks have none."""

    alternatives: list[Alternative] = []
    type: str | None = None
    start_time: Seconds | None = None
    end_time: Seconds | None = None
    speaker_label: str | None = None


class TranscribeSegment(Struct):
    """A stretch of speech of one speaker without a longer pause; newer files have its text."""

    transcript: str | None = None
    start_time: Seconds | None = None
    end_time: Seconds | None = None
    speaker_label: str | None = None
    channel_label: str | None = None
    items: list[Item | int] = []


class TranscribeChannel(Struct):
    """The words of one channel."""

    channel_label: str | None = None
    items: list[Item] = []


class ChannelLabels(Struct):
    """The result of channel identification."""

    channels: list[TranscribeChannel] = []


class SpeakerLabels(Struct):
    """The result of speaker partitioning."""

    segments: list[TranscribeSegment] = []


class TranscribeText(Struct):
    """The transcript of the whole recording."""

    transcript: str | None = None


class Language(Struct):
    """A language of a recording, and for how long it is spoken."""

    language_code: str | None = None
    duration_in_seconds: float | None = None


class TranscribeResults(Struct):
    """The transcription of a recording."""

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
    """A response of GetTranscriptionJob or GetCallAnalyticsJob, easily mistaken for the output of the job."""

    def read_calls(self) -> Iterable[Call]:
        """Raise an error that says where the output is."""
        cure = "read the file at its TranscriptFileUri"
        raise CallsError("", "the status of a job, without a transcript", cure)


Times = tuple[Seconds | None, Seconds | None]
SegmentKey = tuple[int, str | None]


class Word(NamedTuple):
    """A word and the punctuation after it, and the segment and speaker that it belongs to."""

    texts: list[str]
    begin_ms: int | None
    end_ms: int | None
    segment: SegmentKey


Spoken = tuple[str | None, list[Word]]  # a turn: who speaks, and the words


def read_turns(results: TranscribeResults) -> list[Turn]:
    """Read the turns of each speaker, or the whole text as one turn where speakers are not distinguished."""
    whole = [text.transcript or "" for text in results.transcripts]
    turns = list(read_speaker_turns(results, " ".join(whole)))
    if any(turn.text for turn in turns):
        return turns
    begin_ms, end_ms = find_span(read_words(results.items, {}) if len(whole) == 1 else [])
    return [Turn(None, text, begin_ms, end_ms) for text in whole]


def read_speaker_turns(results: TranscribeResults, whole: str) -> Iterable[Turn]:
    """Read turns from the most detailed source that the results have."""
    if results.audio_segments:
        return read_segments(results.audio_segments)
    if results.channel_labels:
        return join_words(divide_channels(results.channel_labels.channels), whole)
    if results.speaker_labels:
        return join_words(divide_speakers(results.items, results.speaker_labels.segments), whole)
    return ()


def read_segments(segments: list[TranscribeSegment]) -> Iterator[Turn]:
    """Yield a turn for every segment, whose text the file has."""
    for segment in segments:
        speaker = segment.speaker_label or segment.channel_label
        yield Turn(speaker, segment.transcript or "", to_ms(segment.start_time), to_ms(segment.end_time))


def divide_speakers(items: list[Item], segments: list[TranscribeSegment]) -> Iterator[Spoken]:
    """Yield the words of every segment, by the times that it lists."""
    places = {
        (item.start_time, item.end_time): (number, segment.speaker_label)
        for number, segment in enumerate(segments)
        for item in segment.items
        if isinstance(item, Item)
    }
    for (_, speaker), words in groupby(read_words(items, places), key=lambda word: word.segment):
        yield speaker, list(words)


def divide_channels(channels: list[TranscribeChannel]) -> list[Spoken]:
    """List the turns of all channels by their begins; one ends at a pause in which another channel begins to speak."""
    spoken = [read_words(channel.items, {}) for channel in channels]
    turns: list[Spoken] = []
    for number, channel in enumerate(channels):
        others = [word for place, words in enumerate(spoken) if place != number for word in words]
        begins = sorted(word.begin_ms for word in others if word.begin_ms is not None)
        turns += [(channel.channel_label, words) for words in split_at_pauses(spoken[number], begins)]
    return sorted(turns, key=lambda turn: turn[1][0].begin_ms or 0)


def read_words(items: list[Item], places: dict[Times, SegmentKey]) -> list[Word]:
    """List the words in their order; a punctuation mark joins the word before it."""
    words: list[Word] = []
    for item in items:
        text = (item.alternatives[0].content or "") if item.alternatives else ""
        if item.type == "punctuation" and words:
            words[-1].texts.append(text)
        elif text:
            number, label = words[-1].segment if words else (0, None)
            place = places.get((item.start_time, item.end_time), (number, item.speaker_label or label))
            words.append(Word([text], to_ms(item.start_time), to_ms(item.end_time), place))
    return words


def split_at_pauses(words: list[Word], begins: list[int]) -> Iterator[list[Word]]:
    """Split words into turns at the pauses in which another speaker begins."""
    turn: list[Word] = []
    for word in words:
        if turn and is_between(begins, turn[-1].end_ms, word.begin_ms):
            yield turn
            turn = []
        turn.append(word)
    if turn:
        yield turn


def is_between(begins: list[int], since_ms: int | None, until_ms: int | None) -> bool:
    """Return whether one of the sorted times is in a pause; False where the pause has no times."""
    if since_ms is None or until_ms is None:
        return False
    return bisect_left(begins, since_ms) < bisect_left(begins, until_ms)


def join_words(turns: Iterable[Spoken], whole: str) -> Iterator[Turn]:
    """Yield turns whose words are spaced as they are in the text of the whole recording."""
    place = 0
    for speaker, words in turns:
        text = " ".join("".join(word.texts) for word in words)
        begin = skip_spaces(whole, place)
        if whole.startswith(text, begin):
            place = begin + len(text)
        else:
            text, place = space_words(words, whole, place)
        yield Turn(speaker, text, *find_span(words))


def space_words(words: list[Word], whole: str, place: int) -> tuple[str, int]:
    """Join words by what stands between them in a text from a place on, and return where they end in it."""
    spaces, place = find_spaces((text for word in words for text in word.texts), whole, place)
    known = iter(spaces)
    said: list[str] = []
    for word in words:
        for number, text in enumerate(word.texts):
            space = next(known)
            if space is None and said:
                # The text does not tell: marks follow their word.
                space = "" if number else choose_space(said[-1], text)
            said += (space, text) if said and space else (text,)
    return "".join(said), place


def find_span(words: list[Word]) -> tuple[int | None, int | None]:
    """Return begin and end of some words in milliseconds."""
    begins = [word.begin_ms for word in words if word.begin_ms is not None]
    ends = [word.end_ms for word in words if word.end_ms is not None]
    return min(begins, default=None), max(ends, default=None)


def find_language(results: TranscribeResults) -> str | None:
    """Return the language; of several, the one that is spoken longest."""
    spoken = sorted(results.language_codes or [], key=lambda language: -(language.duration_in_seconds or 0))
    return results.language_code or (spoken[0].language_code if spoken else None)
