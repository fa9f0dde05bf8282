"""The ledger of a run: what was intended, created, seen and ended, one line each, never rewritten."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

import msgspec

from analysis.aws.storage import ends_line
from analysis.files import open_to_append
from analysis.jobs.statuses import FINISHED, PLANNED, UNPRODUCTIVE

if TYPE_CHECKING:
    from filelock import BaseFileLock


@dataclass(frozen=True)
class JobState:
    """The state of one try of one planned job, as the ledger has it.

    Attributes
    ----------
    job_key
        The planned job.
    job_try
        1, and one more after each unproductive end.
    folder, records, digest
        Of a further try: its folder of input files, how many records they have, which earlier tries left without an
        answer, and the SHA-256 of `PlannedJob.digest_files`. Empty and None where the try sends the whole planned job.
    taken
        Of a first try: how many records other runs have answered, which it does not send.
    status
        `planned`, `intended` (Bedrock may or may not have received the request), one of Bedrock's ten, `refused`, or
        `taken` (all records were answered by other runs).
    job_name, token, input_uri, output_uri
        Fields of the request that creates the job; empty while planned.
    job_arn
        Empty until Bedrock gave one.
    message
        Bedrock's reason, when it gave one.
    counts
        `total`, `processed`, `success`, `error` records as last seen; what Bedrock did not report is absent.
    left
        Records of the planned job without an answer after an unproductive end; None until its output has been read.
    submitted_at, ended_at
        Bedrock's times, ISO 8601; empty when not known.
    """

    job_key: str
    job_try: int = 1
    folder: str = ""
    records: int | None = None
    digest: str = ""
    taken: int = 0
    status: str = PLANNED
    job_name: str = ""
    token: str = ""
    input_uri: str = ""
    output_uri: str = ""
    job_arn: str = ""
    message: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    left: int | None = None
    submitted_at: str = ""
    ended_at: str = ""

    @property
    def job_id(self) -> str:
        """Last part of the ARN; empty until there is one."""
        return self.job_arn.rsplit("/", 1)[-1]

    @property
    def is_finished(self) -> bool:
        """Whether this try has ended."""
        return self.status in FINISHED

    @property
    def is_partly_taken(self) -> bool:
        """Whether other runs have answered records of this try, and its input files without them are yet to be made."""
        return bool(self.taken) and self.status == PLANNED and self.records is None

    @property
    def needs_first_input(self) -> bool:
        """Whether the input of a further try, or the rest of a first one, may have to be copied from the job's."""
        return self.is_unproductive or self.is_partly_taken

    @property
    def is_unproductive(self) -> bool:
        """Whether this try ended before its work was done, so that another may follow."""
        return self.status in UNPRODUCTIVE


class TakenOver(msgspec.Struct):
    """What the event `taken` says of one job."""

    taken: int
    status: str


class RunEvent(msgspec.Struct):
    """The types of the fields of an event that is about no job or several; others may stand beside them."""

    event: str
    invocation: str = ""
    profile: str = ""
    region: str = ""
    host: str = ""
    until: str = ""
    account: str = ""
    parts: dict[str, str] = {}
    jobs: dict[str, TakenOver] = {}


# The types that the fields of any event must have for it to be replayed; those of a job are the fields of its state.
Event = msgspec.defstruct(
    "Event", [(name, kind, None) for name, kind in get_type_hints(JobState).items()], bases=(RunEvent,)
)


@dataclass(eq=False)
class Ledger:
    """The file `ledger.jsonl` of a run folder, and what it has been read to say: each replay reads on from there.

    Attributes
    ----------
    file
        May be missing: then nothing has happened.
    position
        Bytes that have been read.
    tries
        Each try of each job by job key and try, in the order of their first events.
    last
        The last event of each kind that is about no job or several, by its name: `sending`, `answering`, `taken`.
    """

    file: Path
    position: int = 0
    tries: dict[tuple[str, int], JobState] = field(default_factory=dict)
    last: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def sending(self) -> dict[str, Any]:
        """How the run was last sent; empty before that."""
        return self.last.get("sending", {})

    def lock(self) -> BaseFileLock:
        """Return the lock between processes: to be held for one step, never while waiting."""
        from filelock import FileLock

        return FileLock(self.file.with_suffix(".lock"))

    def append(self, event: str, **facts: Any) -> None:
        """Write one line and flush it to the disk."""
        self.append_lines(write_event(event, **facts))

    def append_lines(self, lines: bytes) -> None:
        """Write whole lines and flush them to the disk."""
        with open_to_append(self.file) as file:
            # A crash may have cut off the last line: the new one must not be appended to its rest.
            if file.tell() and not ends_line(self.file):
                file.write(b"\n")
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())

    def read_bytes(self) -> bytes:
        """Read the whole lines of the file; one that a crash cut off is left out."""
        content = self.file.read_bytes() if self.file.exists() else b""
        return content[: content.rfind(b"\n") + 1]

    def read(self) -> list[dict[str, Any]]:
        """Read all events; a line that a crash cut off, or of another shape, is skipped: its job is found again."""
        return [event for _, event in self.read_lines(0)]

    def read_lines(self, position: int) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield the events from a position on, each with the position after its line.

        One by one, since all those of ten thousand jobs take hundreds of megabytes.
        """
        decoder, shape = msgspec.json.Decoder(dict[str, Any]), msgspec.json.Decoder(Event)
        if not self.file.exists():
            return
        with self.file.open("rb") as lines:
            lines.seek(position)
            for line in lines:
                # A last line without its end may still be cut off, and is read again.
                position += len(line) if line.endswith(b"\n") else 0
                with suppress(msgspec.DecodeError):
                    shape.decode(line)
                    yield position, decoder.decode(line)

    def replay(self) -> list[JobState]:
        """List every try of every job, in the order of their first events; lines of earlier replays are not read."""
        if self.position and (not self.file.exists() or self.file.stat().st_size < self.position):
            self.position, self.tries, self.last = 0, {}, {}  # the file was replaced
        fields: dict[tuple[str, int], dict[str, Any]] = {}
        for position, event in self.read_lines(self.position):
            self.position = position
            if "job_key" not in event:
                self.last[event["event"]] = event
                # In one line for all jobs: what was taken over is taken over as a whole, or not at all.
                for key, facts in event.get("jobs", {}).items():
                    fields.setdefault((key, 1), {}).update(facts)
            elif "job_try" in event:
                fields.setdefault((event["job_key"], event["job_try"]), {}).update(event)
        for key, merged in fields.items():
            self.tries[key] = apply_event(self.tries.get(key) or JobState(*key), merged)
        return list(self.tries.values())

    def latest(self) -> dict[str, JobState]:
        """Return the latest try of each job by its key."""
        return {state.job_key: state for state in sorted(self.replay(), key=lambda state: state.job_try)}


def write_event(event: str, **facts: Any) -> bytes:
    """Write the line of an event that happens now."""
    at = datetime.now(UTC).isoformat(timespec="seconds")
    return msgspec.json.encode({"event": event, "at": at} | facts) + b"\n"


def apply_event(state: JobState, event: Mapping[str, Any]) -> JobState:
    """Return the state with the fields of one event."""
    facts = {name: event[name] for name in JobState.__dataclass_fields__ if name in event}
    return replace(state, **facts)
