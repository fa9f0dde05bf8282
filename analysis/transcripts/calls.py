"""Calls as JSON documents describe them: the turns with speakers and times, and what the service found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Annotated, NamedTuple, Protocol

import polars as pl
from msgspec import Meta

from analysis.errors import CallsError
from analysis.transcripts.turns import format_lines

# Amazon Connect API Reference, RealTimeContactAnalysisSegmentTranscript: ParticipantRole.
ROLES = {"AGENT", "CUSTOMER", "SYSTEM", "CUSTOM_BOT", "SUPERVISOR"}
CALLS_AT_ONCE = 256  # as Python objects; all other calls are in a frame, which is many times smaller
MOST_MILLIS = 2**53
Seconds = str | float  # Transcribe writes text; tools that rewrite its files may write numbers
Millis = Annotated[int, Meta(gt=-MOST_MILLIS, lt=MOST_MILLIS)]

TURN_SCHEMA = {
    "speaker": pl.String(),
    "text": pl.String(),
    "begin_ms": pl.Int64(),
    "end_ms": pl.Int64(),
    "sentiment": pl.String(),
}
CALL_SCHEMA = {
    "call_id": pl.String(),
    "language": pl.String(),
    "channel": pl.String(),
    "duration_s": pl.Float64(),
    "started_at": pl.Datetime("us", "UTC"),
    "agent_sentiment": pl.Float64(),
    "customer_sentiment": pl.Float64(),
    "redacted": pl.Boolean(),
    "categories": pl.List(pl.String()),
    "summary": pl.String(),
    "source_format": pl.String(),
    "source_file": pl.String(),
}


class Turn(NamedTuple):
    """One turn, as a row of `TURN_SCHEMA`; the speaker is a role, or a label where no role is known."""

    speaker: str | None
    text: str
    begin_ms: int | None = None
    end_ms: int | None = None
    sentiment: str | None = None


class Call(NamedTuple):
    """One call; an empty id is replaced by the name of its file, and what its source does not say is None."""

    call_id: str
    source_format: str
    turns: list[Turn]
    language: str | None = None
    channel: str | None = None
    duration_ms: int | None = None
    started_at: datetime | None = None
    agent_sentiment: float | None = None
    customer_sentiment: float | None = None
    redacted: bool | None = None
    categories: list[str] | None = None
    summary: str | None = None


class Document(Protocol):
    """A file of calls as its service writes it, decoded."""

    def read_calls(self) -> Iterable[Call]:
        """Read the calls, or raise a `CallsError` that says why there are none; the caller adds the file name."""


def frame_calls(calls: Iterable[tuple[str, Call]]) -> pl.DataFrame:
    """Build a frame with one row per call, from pairs of file name and call."""
    remaining = iter(calls)
    # An empty frame first, so that the columns are there when there are no calls.
    frames = [frame_chunk([])]
    while chunk := list(islice(remaining, CALLS_AT_ONCE)):
        frames.append(frame_chunk(chunk))
    return pl.concat(frames)


def frame_chunk(calls: list[tuple[str, Call]]) -> pl.DataFrame:
    """Build the frame of one chunk of calls."""
    calls_frame = pl.DataFrame([list_values(name, call) for name, call in calls], CALL_SCHEMA, orient="row")
    said = [(number, *turn) for number, (_, call) in enumerate(calls) for turn in order_turns(call.turns)]
    turns = pl.DataFrame(said, {"number": pl.get_index_type(), **TURN_SCHEMA}, orient="row")
    spoken = turns.group_by("number", maintain_order=True).agg(
        format_lines(turns).str.join("\n").alias("transcript"), pl.struct(list(TURN_SCHEMA)).alias("turns")
    )
    # A left join, so that a call without words keeps its row.
    frame = calls_frame.with_row_index("number").join(spoken, on="number", how="left", maintain_order="left")
    others = [name for name in CALL_SCHEMA if name != "call_id"]
    return frame.select("call_id", "transcript", *others, "turns")


def list_values(name: str, call: Call) -> tuple[object, ...]:
    """List the values of a call in the order of `CALL_SCHEMA`."""
    seconds = None if call.duration_ms is None else call.duration_ms / 1000
    overall = (call.agent_sentiment, call.customer_sentiment, call.redacted, call.categories, call.summary)
    return (
        call.call_id,
        call.language,
        lower(call.channel),
        seconds,
        call.started_at,
        *overall,
        call.source_format,
        name,
    )


def order_turns(turns: Iterable[Turn]) -> Iterator[Turn]:
    """Return the turns that have words, sorted by their begin; ties keep the order of the file."""
    begins = []
    latest = float("-inf")
    said = [turn for turn in turns if turn.text.strip()]
    for turn in said:
        # A turn without a time stays behind the one before it.
        latest = latest if turn.begin_ms is None else turn.begin_ms
        begins.append(latest)
    return (said[position] for position in sorted(range(len(said)), key=begins.__getitem__))


def choose_speaker(*names: str | None) -> str | None:
    """Return the first name that is not empty: a role in lower case, anything else as it is written."""
    name = next(filter(None, names), None)
    return name.lower() if name in ROLES else name


def lower(word: str | None) -> str | None:
    """Convert a word of the service to lower case; None stays None."""
    return None if word is None else word.lower()


def check_status(status: str | None) -> None:
    """Raise an error for the file of a job that failed or has not ended."""
    if status not in {None, "COMPLETED"}:
        raise CallsError(
            "", f"the status of the job is {status}, not COMPLETED", "run the job again, or leave the file out"
        )


def to_ms(time: Seconds | None) -> int | None:
    """Convert seconds to milliseconds; raise a ValueError or OverflowError for a time that no recording has."""
    if time is None:
        return None
    millis = round(float(time) * 1000)
    if -MOST_MILLIS < millis < MOST_MILLIS:
        return millis
    raise OverflowError("a time is out of range")


def read_time(time: datetime | float) -> datetime:
    """Convert a time to a datetime in a zone: numbers are seconds since 1970, times without a zone are UTC."""
    if isinstance(time, int | float):
        return datetime.fromtimestamp(time, UTC)
    return time if time.tzinfo else time.replace(tzinfo=UTC)
