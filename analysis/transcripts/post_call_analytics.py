"""Results of the AWS solution Post Call Analytics.

Source: aws-samples/amazon-transcribe-post-call-analytics, "Output JSON".
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from msgspec import Struct, field

from analysis.transcripts.calls import Call, Seconds, Turn, read_time, to_ms


class SpeechSegment(Struct, rename="pascal"):
    """A turn; its speaker is a label that the conversation has a name for."""

    segment_speaker: str | None = None
    display_text: str | None = None
    original_text: str | None = None
    segment_start_time: Seconds | None = None
    segment_end_time: Seconds | None = None
    sentiment_is_positive: int | bool | None = None
    sentiment_is_negative: int | bool | None = None

    def read_turn(self, names: dict[str | None, str | None]) -> Turn:
        """Convert the segment to a turn; a sentiment that is neither positive nor negative is not known."""
        speaker = names.get(self.segment_speaker) or self.segment_speaker
        sentiment = "positive" if self.sentiment_is_positive else "negative" if self.sentiment_is_negative else None
        times = to_ms(self.segment_start_time), to_ms(self.segment_end_time)
        return Turn(speaker, self.display_text or self.original_text or "", *times, sentiment)


class SpeakerName(Struct, rename="pascal"):
    """The name of a speaker's label."""

    speaker: str | None = None
    display_text: str | None = None


class Category(Struct, rename="pascal"):
    """A category that was found."""

    name: str | None = None


class ConversationAnalytics(Struct, rename="pascal"):
    """What was found about the conversation."""

    guid: str | None = field(name="GUID", default=None)
    conversation_time: str | None = None
    duration: Seconds | None = None
    language_code: str | None = None
    speaker_labels: list[SpeakerName] = []
    categories_detected: list[Category] | None = None
    summary: dict[str, Any] | None = None

    def find_start(self) -> datetime | None:
        """Return when the conversation began; missing where the time is written in another way than ISO's."""
        try:
            return read_time(datetime.fromisoformat(self.conversation_time)) if self.conversation_time else None
        except ValueError:
            return None

    def find_summary(self) -> str | None:
        """Return the generated summary."""
        summary = (self.summary or {}).get("Summary")
        return summary if isinstance(summary, str) else None


class PostCallOutput(Struct, rename="pascal"):
    """The result for one call."""

    conversation_analytics: ConversationAnalytics
    speech_segments: list[SpeechSegment] = []

    def read_calls(self) -> Iterable[Call]:
        """Read the one call."""
        found = self.conversation_analytics
        names = {label.speaker: label.display_text for label in found.speaker_labels}
        categories = found.categories_detected
        yield Call(
            call_id=found.guid or "",
            source_format="post_call_analytics",
            turns=[segment.read_turn(names) for segment in self.speech_segments],
            language=found.language_code,
            duration_ms=to_ms(found.duration),
            started_at=found.find_start(),
            categories=None if categories is None else [each.name for each in categories if each.name],
            summary=found.find_summary(),
        )
