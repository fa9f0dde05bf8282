"""Post-call outputs of Amazon Transcribe Call Analytics; Contact Lens shares much of their format.

Source: Amazon Transcribe Developer Guide, "Post-call analytics output".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec import Struct, field

from analysis.transcripts.calls import Call, Millis, Turn, check_status, choose_speaker, lower


class Content(Struct, rename="pascal"):
    """A generated text."""

    content: str | None = None


class Summary(Struct, rename="pascal"):
    """A generated summary, in the fields of Call Analytics or of Contact Lens."""

    overall_summary: Content | None = None
    auto_generated: Summary | None = None
    post_contact_summary: Content | None = None

    def read_text(self) -> str | None:
        """Return the text of the summary."""
        inner = self.auto_generated.read_text() if self.auto_generated else None
        texts = (part.content for part in (self.overall_summary, self.post_contact_summary) if part)
        return inner or next(filter(None, texts), None)


class Categories(Struct, rename="pascal"):
    """The rules that a call matched."""

    matched_categories: list[str] | None = None
    matched_details: dict[str, Any] | None = None

    def list_names(self) -> list[str]:
        """List the names of the categories."""
        return list(self.matched_details or {}) if self.matched_categories is None else self.matched_categories


class ContentMetadata(Struct, rename="pascal"):
    """Whether personal data was redacted."""

    output: str | None = None

    def is_redacted(self) -> bool | None:
        """Return whether the output is `Redacted` and not `Raw`; None for anything else."""
        return {"redacted": True, "raw": False}.get((self.output or "").lower())


class OverallSentiment(Struct):
    """The sentiment of each side, -5 to 5; of a chat one level deeper."""

    agent: float | None = field(name="AGENT", default=None)
    customer: float | None = field(name="CUSTOMER", default=None)
    by_role: OverallSentiment | None = field(name="DetailsByParticipantRole", default=None)


class ItemReference(Struct, rename="pascal"):
    """A reference to an item of the transcript."""

    id: str | None = None


class SentimentGroup(Struct, rename="pascal"):
    """Messages of a chat that share a sentiment."""

    sentiment: str | None = None
    transcript_items: list[ItemReference] = []


class Sentiment(Struct, rename="pascal"):
    """The sentiment of the whole call, and of a chat's messages."""

    overall_sentiment: OverallSentiment | None = None
    details_by_transcript_item_group: list[SentimentGroup] = []


class Characteristics(Struct, rename="pascal"):
    """Duration, sentiment and summary of a call."""

    total_conversation_duration_millis: Millis | None = None
    sentiment: Sentiment | None = None
    contact_summary: Summary | None = None

    def find_overall(self) -> OverallSentiment:
        """Return the sentiment of each side, of a call or of a chat."""
        overall = (self.sentiment and self.sentiment.overall_sentiment) or OverallSentiment()
        return overall.by_role or overall


class CallAnalyticsTurn(Struct, rename="pascal"):
    """One turn."""

    content: str | None = None
    participant_role: str | None = None
    begin_offset_millis: Millis | None = None
    end_offset_millis: Millis | None = None
    sentiment: str | None = None


class IdentifiedLanguage(Struct, rename="pascal"):
    """A language that was identified, with its score."""

    code: str | None = None
    score: float | None = None


class Findings(Struct, rename="pascal"):
    """The fields that Call Analytics and Contact Lens have in common."""

    job_status: str | None = None
    language_code: str | None = None
    language_identification: list[IdentifiedLanguage] | None = None
    channel: str | None = None
    content_metadata: ContentMetadata | None = None
    categories: Categories | None = None
    conversation_characteristics: Characteristics | None = None
    contact_summary: Summary | None = None
    post_contact_summary: Content | None = None

    def make_call(self, call_id: str | None, source_format: str, turns: list[Turn]) -> Call:
        """Build a call from these fields and its turns."""
        check_status(self.job_status)
        measured = self.conversation_characteristics or Characteristics()
        overall = measured.find_overall()
        found = sorted(self.language_identification or [], key=lambda language: -(language.score or 0))
        return Call(
            call_id=call_id or "",
            source_format=source_format,
            turns=turns,
            language=self.language_code or (found[0].code if found else None),
            channel=self.channel,
            duration_ms=measured.total_conversation_duration_millis,
            agent_sentiment=overall.agent,
            customer_sentiment=overall.customer,
            redacted=self.content_metadata.is_redacted() if self.content_metadata else None,
            categories=self.categories.list_names() if self.categories else None,
            summary=self.find_summary(measured),
        )

    def find_summary(self, measured: Characteristics) -> str | None:
        """Return the generated summary, whose place has changed between versions."""
        own = Summary(post_contact_summary=self.post_contact_summary)
        texts = (place.read_text() for place in (self.contact_summary, measured.contact_summary, own) if place)
        return next(filter(None, texts), None)


class CallAnalyticsOutput(Findings, rename="pascal"):
    """The output of a job."""

    job_name: str | None = None
    transcript: list[CallAnalyticsTurn] = field(default_factory=list)

    def read_calls(self) -> Iterable[Call]:
        """Read the one call."""
        turns = [
            Turn(
                choose_speaker(said.participant_role),
                said.content or "",
                said.begin_offset_millis,
                said.end_offset_millis,
                lower(said.sentiment),
            )
            for said in self.transcript
        ]
        yield self.make_call(self.job_name, "call_analytics", turns)
