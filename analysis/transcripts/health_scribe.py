"""Transcripts of AWS HealthScribe jobs, and the notes beside them.

Source: AWS HealthScribe Developer Guide, "Transcript file" and "Clinical documentation file".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from analysis.transcripts.calls import Call, Seconds, Turn, lower, to_ms


class ParticipantDetails(Struct, rename="pascal"):
    """Who speaks, such as CLINICIAN_0."""

    participant_role: str | None = None


class HealthScribeSegment(Struct, rename="pascal"):
    """A stretch of speech of one participant."""

    content: str | None = None
    begin_audio_time: Seconds | None = None
    end_audio_time: Seconds | None = None
    participant_details: ParticipantDetails | None = None

    def read_turn(self) -> Turn:
        """Convert the segment to a turn."""
        speaker = lower(self.participant_details.participant_role) if self.participant_details else None
        return Turn(speaker, self.content or "", to_ms(self.begin_audio_time), to_ms(self.end_audio_time))


class Conversation(Struct, rename="pascal"):
    """One conversation."""

    conversation_id: str | None = None
    job_name: str | None = None
    language_code: str | None = None
    transcript_segments: list[HealthScribeSegment] = []


class HealthScribeOutput(Struct, rename="pascal"):
    """The transcript of one conversation."""

    conversation: Conversation

    def read_calls(self) -> Iterable[Call]:
        """Read the one call."""
        talk = self.conversation
        turns = [segment.read_turn() for segment in talk.transcript_segments]
        yield Call(talk.conversation_id or talk.job_name or "", "health_scribe", turns, talk.language_code)


class ClinicalNotes(Struct):
    """The notes that the service wrote about a conversation, in a file beside its transcript."""

    clinical_documentation: Any = None

    def read_calls(self) -> Iterable[Call]:
        """Return no calls: the notes are sentences about evidence, and no words of the conversation."""
        return ()
