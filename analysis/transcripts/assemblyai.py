"""Transcripts of AssemblyAI.

Source: AssemblyAI API Reference, "Get transcript".
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from analysis.transcripts.calls import Call, Millis, Seconds, Turn, check_status, to_ms


class AssemblyUtterance(Struct):
    """What one speaker says at a stretch; with several channels the speaker is the number of the channel."""

    text: str = ""
    start: Millis | None = None
    end: Millis | None = None
    speaker: str | None = None
    channel: str | None = None

    def read_turn(self) -> Turn:
        """Convert the utterance to a turn."""
        return Turn(self.speaker or self.channel, self.text, self.start, self.end)


class AssemblyOutput(Struct):
    """The transcript of one recording."""

    id: str
    status: str | None = None
    text: str | None = None
    utterances: list[AssemblyUtterance] | None = None
    language_code: str | None = None
    audio_duration: Seconds | None = None
    redact_pii: bool | None = None
    summary: str | None = None

    def read_calls(self) -> Iterable[Call]:
        """Read the one call."""
        check_status(self.status.upper() if self.status else None)
        yield Call(
            call_id=self.id,
            source_format="assemblyai",
            turns=[part.read_turn() for part in self.utterances or []] or [Turn(None, self.text or "")],
            language=self.language_code,
            duration_ms=to_ms(self.audio_duration),
            redacted=self.redact_pii,
            summary=self.summary,
        )
