"""Analysis files of Amazon Connect Contact Lens for calls and chats, and its real-time segments.

Sources: Amazon Connect Administrator Guide, "Example Contact Lens output files" for a call and for a chat; API
Reference, ListRealtimeContactAnalysisSegments and its V2; "Data model for conversational analytics segment streams".
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct, field

from analysis.errors import CallsError
from analysis.transcripts.call_analytics import Categories, Content, Findings
from analysis.transcripts.calls import Call, Millis, Turn, check_status, choose_speaker, lower, read_time


class Moment(Struct, rename="pascal"):
    """The time of an item."""

    absolute_time: datetime | float | None = None


class ContactLensItem(Struct, rename="pascal"):
    """A turn of a call, or a message or event of a chat."""

    id: str | None = None
    participant_id: str | None = None
    participant_role: str | None = None
    content: str | None = None
    begin_offset_millis: Millis | None = None
    end_offset_millis: Millis | None = None
    absolute_time: datetime | float | None = None
    time: Moment | None = None
    sentiment: str | None = None
    content_type: str | None = None
    contact_id: str | None = None

    def read_words(self) -> str:
        """Return what was said; of an interactive message, which is JSON, the title that people see."""
        content = self.content or ""
        is_json = "interactive" in (self.content_type or "") or (self.content_type or "").endswith("json")
        return find_title(content) if is_json else content

    def find_time(self) -> datetime | None:
        """Return when the item was sent; only chats have this time."""
        time = self.absolute_time if self.time is None else self.time.absolute_time
        return None if time is None else read_time(time)


def find_title(content: str) -> str:
    """Return the uppermost title of a message, else what was chosen in it; empty where it has neither."""
    try:
        level: list[Any] = [msgspec.json.decode(content)]
    except (ValueError, RecursionError):
        return "" if content.lstrip().startswith(("{", "[")) else content
    found: dict[str, str] = {}
    while level:
        objects = [value for value in level if isinstance(value, dict)]
        texts = [(name, text) for each in objects for name, text in each.items() if isinstance(text, str)]
        found = {**dict(reversed(texts)), **found}
        level = [value for each in level if isinstance(each, dict | list) for value in list_values(each)]
    return next((found[name] for name in ("title", "action", "subtitle", "text") if name in found), "")


def list_values(value: dict[str, Any] | list[Any]) -> Iterable[Any]:
    """Return the values of an object or a list."""
    return value.values() if isinstance(value, dict) else value


class Participant(Struct, rename="pascal"):
    """A participant and their role."""

    participant_id: str | None = None
    participant_role: str | None = None


class Customer(Struct, rename="pascal"):
    """The contact that the file belongs to."""

    contact_id: str | None = None


class ContactLensAnalysis(Findings, rename="pascal"):
    """The file of one contact."""

    transcript: list[ContactLensItem] = field(default_factory=list)
    participants: list[Participant] = field(default_factory=list)
    customer_metadata: Customer | None = None
    contact_id: str | None = None

    def read_calls(self) -> Iterable[Call]:
        """Read the one call."""
        roles = {person.participant_id: person.participant_role for person in self.participants}
        started_at, turns = read_turns(self.transcript, roles, self.list_sentiments())
        contact_id = (self.customer_metadata and self.customer_metadata.contact_id) or self.contact_id
        yield self.make_call(contact_id, "contact_lens", turns)._replace(started_at=started_at)

    def list_sentiments(self) -> dict[str | None, str | None]:
        """Map the ids of a chat's messages to their sentiments, which the file lists separately."""
        measured = self.conversation_characteristics
        groups = measured.sentiment.details_by_transcript_item_group if measured and measured.sentiment else []
        return {item.id: group.sentiment for group in groups for item in group.transcript_items}


class RealTimeSegment(Struct, rename="pascal"):
    """A turn, an event, a match of categories or a summary."""

    transcript: ContactLensItem | None = None
    event: ContactLensItem | None = None
    categories: Categories | None = None
    post_contact_summary: Content | None = None


class StreamEvent(Struct):
    """The beginning or the end of a stream of segments."""

    def read_calls(self) -> Iterable[Call]:
        """Return no calls: the event has no words."""
        return ()


class RealTimeSegments(Struct, rename="pascal"):
    """The segments of one contact."""

    segments: list[RealTimeSegment]
    status: str | None = None
    channel: str | None = None
    contact_id: str | None = None
    next_token: str | None = None
    language_code: str | None = None

    def read_calls(self) -> Iterable[Call]:
        """Read the one call."""
        check_status(self.status)
        if self.next_token:
            cure = "request the rest with the token, and put the segments of all responses into one file"
            raise CallsError("", "only a part of a contact: it has a NextToken", cure)
        said = [part for segment in self.segments for part in (segment.transcript, segment.event) if part]
        started_at, turns = read_turns(said, {}, {})
        matched = [segment.categories.list_names() for segment in self.segments if segment.categories]
        yield Call(
            call_id=self.contact_id or "",
            source_format="contact_lens_real_time",
            turns=turns,
            language=self.language_code,
            channel=self.channel,
            started_at=started_at,
            categories=list(dict.fromkeys(name for names in matched for name in names)) if matched else None,
            summary=self.find_summary(),
        )

    def find_summary(self) -> str | None:
        """Return the generated summary."""
        texts = (segment.post_contact_summary.content for segment in self.segments if segment.post_contact_summary)
        return next(filter(None, texts), None)


def read_turns(
    said: list[ContactLensItem], roles: dict[str | None, str | None], sentiments: dict[str | None, str | None]
) -> tuple[datetime | None, list[Turn]]:
    """Convert items to turns; also return the time of the first item where items have clock times."""
    times = [each.find_time() for each in said]
    started_at = min(filter(None, times), default=None)
    return started_at, [
        Turn(
            choose_speaker(each.participant_role, roles.get(each.participant_id), each.participant_id),
            each.read_words(),
            *find_span(each, time, started_at),
            lower(each.sentiment or sentiments.get(each.id)),
        )
        for each, time in zip(said, times, strict=True)
    ]


def find_span(
    said: ContactLensItem, time: datetime | None, started_at: datetime | None
) -> tuple[int | None, int | None]:
    """Return begin and end of a turn in milliseconds; a message of a chat has no duration."""
    if said.begin_offset_millis is not None or time is None or started_at is None:
        return said.begin_offset_millis, said.end_offset_millis
    millis = (time - started_at) // timedelta(milliseconds=1)
    return millis, millis
