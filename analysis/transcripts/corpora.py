"""Published conversations in their own formats: HarperValleyBank (spoken) and ABCD (typed)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from msgspec import Struct

from analysis.transcripts.calls import Call, Millis, Turn


class HarperValleySegment(Struct):
    """A stretch of speech of one side; the machine's transcript where there is no human one."""

    speaker_role: str | None = None
    start_ms: Millis | None = None
    duration_ms: Millis | None = None
    human_transcript: str | None = None
    transcript: str | None = None

    def read_turn(self) -> Turn:
        """Convert the segment to a turn."""
        known = self.start_ms is not None and self.duration_ms is not None
        end_ms = (self.start_ms or 0) + (self.duration_ms or 0) if known else None
        return Turn(self.speaker_role, self.human_transcript or self.transcript or "", self.start_ms, end_ms)


class HarperValley(Struct):
    """One call; its times are in milliseconds since 1970."""

    sid: str
    segments: list[HarperValleySegment]
    start_time_ms: Millis | None = None
    end_time_ms: Millis | None = None

    def read_calls(self) -> Iterable[Call]:
        """Read the one call."""
        begin_ms, end_ms = self.start_time_ms, self.end_time_ms
        yield Call(
            call_id=self.sid,
            source_format="harper_valley",
            turns=[segment.read_turn() for segment in self.segments],
            duration_ms=None if begin_ms is None or end_ms is None else end_ms - begin_ms,
            started_at=None if begin_ms is None else datetime.fromtimestamp(begin_ms / 1000, UTC),
        )


class AbcdChat(Struct):
    """One chat: pairs of speaker and text; the speaker `action` marks what was done rather than said."""

    convo_id: int | str
    original: list[tuple[str, str]]

    def read_calls(self) -> Iterable[Call]:
        """Read the one call."""
        yield Call(str(self.convo_id), "abcd", [Turn(speaker, text) for speaker, text in self.original])
