"""Transcripts of Whisper: of OpenAI's program and API, WhisperX, whisper.cpp, and pipelines of Hugging Face.

Sources: the writers of openai/whisper, m-bain/whisperX and ggml-org/whisper.cpp; OpenAI API Reference, "Audio".
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct, field

from analysis.transcripts.calls import Call, Millis, Seconds, Turn, to_ms
from analysis.transcripts.subtitles import join_pieces


class WhisperSegment(Struct):
    """A stretch of speech; WhisperX and diarizing models of the API say who speaks."""

    text: str = ""
    start: Seconds | None = None
    end: Seconds | None = None
    speaker: str | None = None
    timestamp: list[Seconds | None] | None = None

    def read_turn(self) -> Turn:
        """Convert the segment to a turn; its spaces decide how it is joined."""
        begin, end = self.timestamp if self.timestamp and len(self.timestamp) == 2 else (self.start, self.end)
        return Turn(self.speaker or None, self.text, to_ms(begin), to_ms(end))


class WhisperOutput(Struct):
    """The transcript of one recording."""

    text: str | None = None
    segments: list[WhisperSegment] | None = None
    chunks: list[WhisperSegment] | None = None
    language: str | None = None
    duration: Seconds | None = None

    def read_calls(self) -> Iterable[Call]:
        """Read the one call; segments of one speaker that follow each other are one turn."""
        said = [segment.read_turn() for segment in self.segments or self.chunks or []]
        turns = join_pieces(turn for turn in said if turn.text.strip()) or [Turn(None, (self.text or "").strip())]
        yield Call("", "whisper", turns, self.language, duration_ms=to_ms(self.duration))


class Offsets(Struct):
    """The times of a segment."""

    begin: Millis | None = field(name="from", default=None)
    end: Millis | None = field(name="to", default=None)


class WhisperCppSegment(Struct):
    """A stretch of speech."""

    text: str = ""
    offsets: Offsets | None = None
    speaker: str | None = None

    def read_turn(self) -> Turn:
        """Convert the segment to a turn."""
        times = self.offsets or Offsets()
        return Turn(self.speaker or None, self.text, times.begin, times.end)


class WhisperCppResult(Struct):
    """What was found out about the recording."""

    language: str | None = None


class WhisperCppOutput(Struct):
    """The transcript of one recording by whisper.cpp."""

    transcription: list[WhisperCppSegment]
    result: WhisperCppResult | None = None

    def read_calls(self) -> Iterable[Call]:
        """Read the one call."""
        turns = join_pieces(turn for part in self.transcription if (turn := part.read_turn()).text.strip())
        yield Call("", "whisper_cpp", turns, self.result.language if self.result else None)
