"""Transcripts of Genesys Cloud speech and text analytics.

Source: Genesys Cloud Developer Center, "Transcript URL" below "Speech and Text Analytics".
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from msgspec import Struct

from analysis.transcripts.calls import Call, Millis, Turn

CHANNELS = {"call": "voice"}  # Amazon Connect's word


class GenesysDuration(Struct):
    """A duration."""

    milliseconds: Millis | None = None


class Phrase(Struct, rename="camel"):
    """What one side says at a stretch: `internal` is the agent's or the bot's, `external` the customer's."""

    text: str = ""
    participant_purpose: str | None = None
    start_time_ms: Millis | None = None
    duration: GenesysDuration | None = None

    def read_turn(self, started_ms: int | None) -> Turn:
        """Convert the phrase to a turn; its time is one of the clock."""
        begin_ms = None if self.start_time_ms is None or started_ms is None else self.start_time_ms - started_ms
        long_ms = self.duration.milliseconds if self.duration else None
        end_ms = None if begin_ms is None or long_ms is None else begin_ms + long_ms
        return Turn(self.participant_purpose, self.text, begin_ms, end_ms)


class GenesysTranscript(Struct):
    """A part of the conversation in one language."""

    phrases: list[Phrase] = []
    language: str | None = None


class GenesysOutput(Struct, rename="camel"):
    """The transcript of one communication."""

    transcripts: list[GenesysTranscript]
    conversation_id: str | None = None
    media_type: str | None = None
    start_time: Millis | None = None
    duration: GenesysDuration | None = None

    def read_calls(self) -> Iterable[Call]:
        """Read the one call."""
        phrases = [phrase for part in self.transcripts for phrase in part.phrases]
        known = [phrase.start_time_ms for phrase in phrases if phrase.start_time_ms is not None]
        started_ms = min(known, default=None) if self.start_time is None else self.start_time
        media = self.media_type.lower() if self.media_type else None
        yield Call(
            call_id=self.conversation_id or "",
            source_format="genesys_cloud",
            turns=[phrase.read_turn(started_ms) for phrase in phrases],
            language=next(filter(None, (part.language for part in self.transcripts)), None),
            channel=CHANNELS.get(media, media) if media else None,
            duration_ms=self.duration.milliseconds if self.duration else None,
            started_at=None if started_ms is None else datetime.fromtimestamp(started_ms / 1000, UTC),
        )
