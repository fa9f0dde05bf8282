"""Chats as Amazon Connect stores them, and responses of GetTranscript.

Sources: Amazon Connect Administrator Guide, "Chat transcripts" and "Add interactive messages to chat"; Amazon Connect
Participant Service API Reference, GetTranscript.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from analysis.errors import CallsError
from analysis.transcripts.calls import Call
from analysis.transcripts.contact_lens import ContactLensItem, Participant, read_turns


class ConnectChat(Struct, rename="pascal"):
    """The messages and events of one contact."""

    transcript: list[ContactLensItem]
    participants: list[Participant] = []
    contact_id: str | None = None
    initial_contact_id: str | None = None
    next_token: str | None = None

    def read_calls(self) -> Iterable[Call]:
        """Read the one call."""
        if self.next_token:
            cure = "request the rest with the token, and put the messages of all responses into one file"
            raise CallsError("", "only a part of a chat: it has a NextToken", cure)
        roles = {person.participant_id: person.participant_role for person in self.participants}
        started_at, turns = read_turns(self.transcript, roles, {})
        contacts = {item.contact_id for item in self.transcript if item.contact_id}
        own = contacts.pop() if len(contacts) == 1 else None
        call_id = self.contact_id or own or self.initial_contact_id or ""
        yield Call(call_id, "connect_chat", turns, channel="chat", started_at=started_at)
