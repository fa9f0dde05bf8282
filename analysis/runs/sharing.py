"""Sharing a stored run: its ledger has a copy in S3, which says who sends the run, and from which others go on.

The copy has the lines of the ledgers of all machines. It is written only over the version that was last read, so that
of two who begin to send at once one is told of the other. Lines that others wrote are added to the own ones first.
Names and tokens of jobs follow from their content: whatever gets lost, none is created twice.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath

import msgspec

from analysis.aws.conditions import put_over, read_object
from analysis.aws.downloads import fetch_files
from analysis.aws.storage import list_prefix
from analysis.errors import RunError, StorageError
from analysis.files import make_draft, make_folder, make_private, replace_when_whole
from analysis.jobs.ledger import Ledger, write_event
from analysis.runs.folder import ATTEMPTS, SENT_FILE, Run
from analysis.runs.place import Place

HOLDING = "holding"  # the event that says who sends the run, and until when others have to believe it
MOST_WRITES = 20  # of one change of the ledger, while others write their own
HELD_S = 600  # after which a process that says nothing more is taken for dead


@contextmanager
def hold_run(run: Run) -> Iterator[None]:
    """Keep other machines from sending a stored run for the time of a block; does nothing for any other run.

    Raises
    ------
    RunError
        Another machine, or another folder on this one, sends the run.
    """
    place = run.place
    if place is None:
        yield
        return
    if not place.holds:
        read_copy(run)
        hold_on(run, run.ledger, HELD_S)
    place.holds += 1
    try:
        yield
    finally:
        place.holds -= 1
        # What is not written now is in the ledger, and is written by the next call.
        with suppress(RunError, StorageError):
            hold_on(run, run.ledger, HELD_S if place.holds else 0)


def keep_hold(run: Run, ledger: Ledger) -> None:
    """Write to the copy what the ledger of a stored run has got since; does nothing for any other run.

    Raises
    ------
    RunError
        Another machine has begun to send the run, as after this one slept for hours.
    """
    if run.place is not None and run.place.holds:
        ledger.replay()
        left = read_until(ledger) - datetime.now(UTC)
        # A line for each step would make the ledger of a long run large.
        hold_on(run, ledger, HELD_S if left < timedelta(seconds=HELD_S / 2) else None)


def read_copy(run: Run) -> None:
    """Add to the folder of a stored run what other machines have done: events, repairs, and where it was sent."""
    if run.place is None:
        return
    ledger = run.ledger
    with ledger.lock():
        merge_copy(run.place, ledger)
    fetch_attempts(run, run.place)
    ledger.replay()
    if ledger.sending and not (run.folder / SENT_FILE).exists():
        write_target(run, run.place, ledger)


def write_target(run: Run, place: Place, ledger: Ledger) -> None:
    """Write beside the ledger where the run was sent, by the profile of this machine, as the one that sent it did."""
    sent = {name: str(ledger.sending.get(name, "")) for name in ("invocation", "region", "account")}
    with replace_when_whole(run.folder / SENT_FILE) as unfinished:
        unfinished.write_bytes(msgspec.json.encode({**sent, "profile": place.profile}))


def share_ledger(run: Run) -> None:
    """Write to the copy what the ledger of a stored run says, whoever sends it."""
    if run.place is not None:
        ledger = run.ledger
        with ledger.lock():
            for _ in range(MOST_WRITES):
                if write_copy(run.place, ledger):
                    return
                merge_copy(run.place, ledger)  # a last attempt that failed is made good by the next call


def hold_on(run: Run, ledger: Ledger, seconds: float | None) -> None:
    """Write the ledger to its copy, and that this folder sends the run for some seconds more.

    Raises
    ------
    RunError
        Another one sends it.
    """
    place = run.place
    if place is None:
        return
    with ledger.lock():
        for _ in range(MOST_WRITES):
            check_holder(run, ledger)
            if write_copy(place, ledger, b"" if seconds is None else write_holding(run, seconds)):
                return
            merge_copy(place, ledger)
    raise StorageError(f"{place.uri}{ledger.file.name}", "others write it all the time", "do the same again later")


def write_copy(place: Place, ledger: Ledger, line: bytes = b"") -> bool:
    """Write the ledger and one more line to the copy, and then the line to the ledger.

    Returns
    -------
    is_written
        False where the copy is another one than was last read: nothing is written.
    """
    size = ledger.file.stat().st_size if ledger.file.exists() else 0
    if not line and size == place.copied_bytes:
        return True
    content = ledger.read_bytes() + line
    etag = put_over(content, f"{place.uri}{ledger.file.name}", place.etag, s3=place.s3)
    if not etag:
        return False
    place.etag, place.copied_bytes = etag, len(content)
    if line:
        ledger.append_lines(line)
    return True


def merge_copy(place: Place, ledger: Ledger) -> None:
    """Add to the ledger the lines of the copy that it does not have."""
    found = read_object(f"{place.uri}{ledger.file.name}", s3=place.s3)
    known = {*ledger.read_bytes().split(b"\n")}
    lines = [line + b"\n" for line in found.body.split(b"\n") if line not in known]
    if lines:
        ledger.append_lines(b"".join(lines))
    place.etag, place.copied_bytes = found.etag, len(found.body)


def write_holding(run: Run, seconds: float) -> bytes:
    """Write the event that says until when this folder sends the run."""
    host, folder = name_holder(run)
    until = datetime.now(UTC) + timedelta(seconds=seconds)
    return write_event(HOLDING, host=host, folder=folder, until=until.isoformat(timespec="milliseconds"))


def name_holder(run: Run) -> tuple[str, str]:
    """Name this machine and the folder of the run."""
    return platform.node(), str(run.folder.resolve())


def check_holder(run: Run, ledger: Ledger) -> None:
    """Raise where another machine, or another folder here, sends the run."""
    ledger.replay()
    last = ledger.last.get(HOLDING, {})
    holder, until = (last.get("host", ""), last.get("folder", "")), read_until(ledger)
    if holder != name_holder(run) and datetime.now(UTC) < until:
        reason = f"another process sends this run: it is on {holder[0]}, in {holder[1]}"
        cure = f"wait for it; if it was stopped, do the same again after {until.isoformat(timespec='seconds')}"
        raise RunError(run.folder, reason, cure)


def read_until(ledger: Ledger) -> datetime:
    """Read until when somebody sends the run."""
    text = ledger.last.get(HOLDING, {}).get("until", "")
    return datetime.fromisoformat(text) if text else datetime.min.replace(tzinfo=UTC)


def fetch_attempts(run: Run, place: Place) -> None:
    """Download the tables of the repairs that another machine has planned."""
    known = run.list_attempts()
    names = list_prefix(f"{place.uri}{ATTEMPTS}/", s3=place.s3)
    for done in names:
        number, _, name = done.name.partition("/")
        if name != "files.parquet" or int(number) in known:
            continue  # that table is written last
        tables = [each for each in names if PurePosixPath(each.name).match(f"{number}/*.parquet")]
        make_folder(run.folder / ATTEMPTS)
        with make_draft(run.folder / ATTEMPTS, number) as draft:
            fetch_files(tables, draft, s3=place.s3)
            make_private(draft / number, run.folder.parent)
            (draft / number).rename(run.folder / ATTEMPTS / number)
