"""Results of Azure AI Speech: of batch and of fast transcription.

Sources: Azure AI Speech, "Get batch transcription results" and "Use the fast transcription API".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from analysis.transcripts.calls import Call, Millis, Turn

TICKS = 10_000  # of 100 ns, in a millisecond


class AzurePhrase(Struct, rename="camel"):
    """A phrase of batch transcription, with its possible wordings: the first one is the most likely."""

    n_best: list[AzureWording] = []
    channel: int | None = None
    speaker: int | None = None
    locale: str | None = None
    offset_in_ticks: float | None = None
    duration_in_ticks: float | None = None
    offset_milliseconds: Millis | None = None
    duration_milliseconds: Millis | None = None
    text: str | None = None

    def find_span(self) -> tuple[int | None, int | None]:
        """Return begin and end in milliseconds."""
        begin_ms = choose_ms(self.offset_milliseconds, self.offset_in_ticks)
        long_ms = choose_ms(self.duration_milliseconds, self.duration_in_ticks)
        return begin_ms, None if begin_ms is None or long_ms is None else begin_ms + long_ms

    def read_turn(self, channels: int) -> Turn:
        """Convert the phrase to a turn: of a speaker where speakers are told apart, else of one of several channels."""
        channel = f"ch_{self.channel}" if channels > 1 and self.channel is not None else None
        wording = self.n_best[0].display if self.n_best else self.text
        return Turn(channel if self.speaker is None else str(self.speaker), wording or "", *self.find_span())


class AzureWording(Struct):
    """A possible wording of a phrase."""

    display: str | None = None


class AzureOutput(Struct, rename="camel"):
    """The result for one recording."""

    recognized_phrases: list[AzurePhrase] | None = None
    phrases: list[AzurePhrase] | None = None
    source: str | None = None
    duration_in_ticks: float | None = None
    duration_milliseconds: Millis | None = None

    def read_calls(self) -> Iterable[Call]:
        """Read the one call; its id is the name of the recording, without the address and the key in it."""
        phrases = self.recognized_phrases or self.phrases or []
        channels = len({phrase.channel for phrase in phrases})
        yield Call(
            call_id=PurePosixPath(unquote(urlsplit(self.source or "").path)).name,
            source_format="azure_speech",
            turns=[phrase.read_turn(channels) for phrase in phrases],
            language=find_most([phrase.locale for phrase in phrases]),
            duration_ms=choose_ms(self.duration_milliseconds, self.duration_in_ticks),
        )


def choose_ms(millis: int | None, ticks: float | None) -> int | None:
    """Return milliseconds, which newer versions write, else ticks as milliseconds."""
    return round(ticks / TICKS) if millis is None and ticks is not None else millis


def find_most(values: Sequence[str | None]) -> str | None:
    """Return the commonest value that is known, the first of several."""
    known = [value for value in values if value]
    return max(known, key=known.count) if known else None
