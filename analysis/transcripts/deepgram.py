"""Responses of Deepgram to recordings.

Source: Deepgram API Reference, "Transcribe and analyze pre-recorded audio".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from msgspec import Struct, field

from analysis.transcripts.calls import Call, Seconds, Turn, to_ms
from analysis.transcripts.spacing import join_texts


class DeepgramWord(Struct):
    """A word, with its punctuation where that was asked for."""

    word: str = ""
    punctuated_word: str | None = None
    start: Seconds | None = None
    end: Seconds | None = None
    speaker: int | str | None = None


class Sentence(Struct):
    """A sentence of a paragraph."""

    text: str = ""


class Paragraph(Struct):
    """Sentences of one speaker."""

    sentences: list[Sentence] = []
    start: Seconds | None = None
    end: Seconds | None = None
    speaker: int | str | None = None


class Paragraphs(Struct):
    """The paragraphs of a channel."""

    paragraphs: list[Paragraph] = []


class DeepgramAlternative(Struct):
    """A possible transcription of a channel; the first one is the most likely."""

    transcript: str = ""
    words: list[DeepgramWord] = []
    paragraphs: Paragraphs | None = None


class DeepgramChannel(Struct):
    """What was said in one channel."""

    alternatives: list[DeepgramAlternative] = []
    detected_language: str | None = None

    def read_turns(self, channel: int, channels: int) -> Iterator[Turn]:
        """Yield the turns of the most detailed list that the channel has."""
        best = self.alternatives[0] if self.alternatives else DeepgramAlternative()
        if best.paragraphs and best.paragraphs.paragraphs:
            for part in best.paragraphs.paragraphs:
                text = join_texts(sentence.text for sentence in part.sentences)
                yield Turn(name_speaker(channel, part.speaker, channels), text, to_ms(part.start), to_ms(part.end))
        elif channels > 1 or not any(word.speaker is not None for word in best.words):
            begin, end = (best.words[0].start, best.words[-1].end) if best.words else (None, None)
            yield Turn(name_speaker(channel, None, channels), best.transcript, to_ms(begin), to_ms(end))
        else:
            for speaker, words in groupby(best.words, key=lambda word: word.speaker):
                said = list(words)
                text = join_texts(word.punctuated_word or word.word for word in said)
                yield Turn(name_speaker(channel, speaker, channels), text, to_ms(said[0].start), to_ms(said[-1].end))


class Utterance(Struct):
    """A stretch of speech without a longer pause."""

    transcript: str = ""
    start: Seconds | None = None
    end: Seconds | None = None
    channel: int | None = None
    speaker: int | str | None = None

    def read_turn(self, channels: int) -> Turn:
        """Convert the utterance to a turn."""
        speaker = name_speaker(self.channel, self.speaker, channels)
        return Turn(speaker, self.transcript, to_ms(self.start), to_ms(self.end))


class DeepgramSummary(Struct):
    """A generated summary."""

    short: str | None = None


class DeepgramResults(Struct):
    """What was said in the recording."""

    channels: list[DeepgramChannel] = []
    utterances: list[Utterance] | None = None
    summary: DeepgramSummary | None = None


class DeepgramMetadata(Struct):
    """The recording and the request."""

    request_id: str | None = None
    duration: Seconds | None = None
    channels: int | None = None


class DeepgramOutput(Struct):
    """The response for one recording."""

    results: DeepgramResults
    metadata: DeepgramMetadata = field(default_factory=DeepgramMetadata)

    def read_calls(self) -> Iterable[Call]:
        """Read the one call."""
        results = self.results
        channels = self.metadata.channels or len(results.channels)
        turns = [part.read_turn(channels) for part in results.utterances or []] or [
            turn for place, each in enumerate(results.channels) for turn in each.read_turns(place, channels)
        ]
        yield Call(
            call_id=self.metadata.request_id or "",
            source_format="deepgram",
            turns=turns,
            language=next(filter(None, (channel.detected_language for channel in results.channels)), None),
            duration_ms=to_ms(self.metadata.duration),
            summary=results.summary.short if results.summary else None,
        )


def name_speaker(channel: int | None, speaker: int | str | None, channels: int) -> str | None:
    """Return the label of a speaker: the channel where there are several, else the number of the speaker."""
    if channels > 1 and channel is not None:
        return f"ch_{channel}"
    return None if speaker is None else str(speaker)
