"""Deletion: all that there is of a run, in S3 first and its folder last, after a list and a yes."""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from analysis.aws.versions import StoredVersion, delete_versions
from analysis.errors import RunError, escape_controls, show_path
from analysis.files import DRAFT, explain_file_errors, flush_path
from analysis.runs.contents import Part, find_drafts, find_reports, list_takers, measure_folder
from analysis.runs.folder import Run, RunSource, find_folder, open_run
from analysis.runs.invocation import check_alone
from analysis.runs.place import RUN_FILE
from analysis.runs.sending import explain_outage, lock_folder
from analysis.runs.sharing import check_holder, read_copy
from analysis.runs.state import RunState, read_state
from analysis.runs.traces import PREFIX, Access, describe_left, find_remote

REPORTS = "reports"
MOST_SHOWN = 10  # places of one kind in the list
SCHEMA = {"what": pl.String, "where": pl.String, "files": pl.Int64, "bytes": pl.Int64}


@dataclass(frozen=True)
class Deletion:
    """What is to be deleted of a run, in its order, and what has to be known about the rest; printing it says both.

    Attributes
    ----------
    folder
        Of the run; may be gone, where an earlier deletion was killed.
    parts
        Each place, with the number and size of its files or objects.
    folders
        The local ones.
    versions
        Objects in S3.
    clients
        Of S3, by the names of their buckets.
    notes
        Sentences on what stays, and on what cannot be known.
    ledger_bytes
        Size of the ledger when the list was made.
    """

    folder: Path
    parts: list[Part]
    folders: list[Path]
    notes: list[str]
    versions: list[StoredVersion] = field(default_factory=list)
    clients: Mapping[str, Any] = field(default_factory=dict)
    ledger_bytes: int = 0

    def __str__(self) -> str:
        parts = gather_parts(self.parts)
        rows = [(part.what, f"{part.files:,}", f"{part.bytes:,}", show_path(part.where)) for part in parts]
        head = ("", "files", "bytes", "")
        widths = [max(len(row[place]) for row in (head, *rows)) for place in range(3)]
        lines = [
            f"    {what:<{widths[0]}}  {files:>{widths[1]}}  {size:>{widths[2]}}  {where}".rstrip()
            for what, files, size, where in (head, *rows)
        ]
        notes = [escape_controls(note) for note in self.notes]
        return "\n".join([f"Of the run {self.folder.name} is deleted:", *lines, *notes])


def gather_parts(parts: Sequence[Part]) -> Iterator[Part]:
    """Yield parts for reading: those of one kind as one where they would fill the screen."""
    for what in dict.fromkeys(part.what for part in parts):
        kind = [part for part in parts if part.what == what]
        if len(kind) <= MOST_SHOWN:
            yield from kind
        else:
            where = f"{kind[0].where}, and {len(kind) - 1:,} more"
            yield Part(what, where, sum(part.files for part in kind), sum(part.bytes for part in kind))


@explain_file_errors()
def delete(
    run: RunSource,
    *,
    profile: str = "",
    region: str = "",
    bucket: str = "",
    prefix: str = PREFIX,
    bucket_owner: str = "",
    reports: str | Path = "",
    local_only: bool = False,
    ask: Callable[[str], str] = input,
    now: Callable[[], float] = time.time,
) -> pl.DataFrame:
    """Delete all that there is of a run, after a list and a yes: its folder, its reports, its input and output in S3.

    S3 comes first and the folder last, so that what a killed process has left is deleted by calling this again.
    Objects that no job of the run wrote stay, and are named; so do answers that other runs have taken over, as these
    are copies. The names of jobs stay with Bedrock, which cannot delete them.

    Parameters
    ----------
    run
        A run, its folder or its name.
    profile, region, bucket_owner
        As in `submit`; empty for those that the run was sent with.
    bucket, prefix
        Where its objects are, if its ledger is lost, or if it was invoked with a bucket.
    reports
        Folder of reports; empty for `reports` beside the folder of runs.
    local_only
        Whether AWS is left alone, for an account that cannot be reached any more. What is in S3 stays.
    ask
        Prints the list with a question and returns what was typed; deletes without a question where it returns `yes`.
    now
        Returns the time in seconds.

    Returns
    -------
    frame
        One row per place that was deleted: `what`, `where` (path or `s3://` address), `files` (or versions of objects)
        and `bytes`.

    Raises
    ------
    RunError
        It is no run; jobs of it are running; it was sent by another account; its ledger is lost and its objects cannot
        be found; or no yes was given.
    JobError, StorageError
        The account cannot be reached, or S3 did not delete all objects: the folder stays, and the same call goes on.
    """
    access = Access(profile, region, bucket, prefix, bucket_owner)
    folder = run.folder.resolve() if isinstance(run, Run) else find_folder(run, profile=profile, region=region)
    place = Path(reports) if str(reports) else folder.parent.parent / REPORTS
    plan = plan_deletion(folder, place, access=access, local_only=local_only, now=now)
    confirm(plan, ask)
    if (folder / RUN_FILE).exists():
        with lock_folder(Run(folder), wait_s=0), explain_outage(Run(folder)):
            check_same(plan)
            for name in sorted({each.bucket for each in plan.versions}):
                delete_versions([each for each in plan.versions if each.bucket == name], s3=plan.clients[name])
    for path in plan.folders:
        remove_folder(path)
    return pl.DataFrame([vars(part) for part in plan.parts], SCHEMA)


def plan_deletion(
    folder: Path, reports: Path, *, access: Access, local_only: bool, now: Callable[[], float]
) -> Deletion:
    """List what there is of a run; nothing is deleted yet.

    Raises
    ------
    RunError
        It is no run, or cannot be deleted now.
    """
    drafts = [*find_drafts(reports / folder.name), *find_drafts(folder)]
    report = find_reports(folder, reports)
    beside = [Part("drafts", *measure(path)) for path in drafts]
    if not (folder / RUN_FILE).exists() and drafts:
        notes = ["The run itself is gone: a deletion, or its preparation, was killed before it was done."]
        return Deletion(folder, beside, drafts, notes)
    opened = open_run(folder)
    if not local_only:
        read_copy(opened)
        check_holder(opened, opened.ledger)
    state = read_known(opened)
    with lock_folder(opened, wait_s=0):  # nothing is being sent at this moment
        check_alone(state)
    local = [path for path in (*drafts, report, folder) if path]
    parts = [*beside, *([Part("reports", *measure(report))] if report else []), Part("run", *measure(folder))]
    notes = list_notes(opened)
    if local_only:
        notes = [*describe_left(state), *notes]
        return Deletion(folder, parts, local, notes, ledger_bytes=measure_ledger(folder))
    objects, clients, told = find_remote(state, access, now)
    parts = [*objects.parts, *parts]
    return Deletion(folder, parts, local, [*told, *notes], objects.own, clients, measure_ledger(folder))


def measure(folder: Path) -> tuple[str, int, int]:
    """Return the path of a folder, and the number and size of its files."""
    part = measure_folder("", folder)
    return part.where, part.files, part.bytes


def read_known(run: Run) -> RunState:
    """Read the state of a run; of one whose tables are damaged what its ledger alone says."""
    try:
        return read_state(run)
    except RunError:
        ledger = run.ledger
        tries = tuple(ledger.replay())
        return RunState(run, ledger, {}, (), tries, ledger.sending)


def list_notes(run: Run) -> list[str]:
    """List what stays on this machine."""
    takers = list_takers(run)
    copied = f"Answers that {', '.join(takers)} took over are copies, and stay there." if takers else ""
    elsewhere = "Exports, and executed notebooks in other folders such as lab/, stay."
    return [note for note in (copied, elsewhere) if note]


def confirm(plan: Deletion, ask: Callable[[str], str]) -> None:
    """Ask for a yes to a list, and raise for any other answer, or where none can be typed."""
    try:
        answer = ask(f"{plan}\n\nDelete all of this? It cannot be undone. [y/N] ")
    # What a closed terminal, a pytest run and a kernel without a front end raise.
    except (EOFError, OSError, RuntimeError, NotImplementedError) as error:
        cure = "give --yes, or in Python ask=lambda question: 'yes'"
        raise RunError(plan.folder, "no yes can be typed here, and nothing was deleted", cure) from error
    if answer.strip().lower() not in {"y", "yes"}:
        raise RunError(plan.folder, "nothing was deleted, without a yes")


def measure_ledger(folder: Path) -> int:
    """Return the size of the ledger of a run; 0 where there is none."""
    file = Run(folder).ledger.file
    return file.stat().st_size if file.exists() else 0


def check_same(plan: Deletion) -> None:
    """Raise where the run was sent or answered after the list was made."""
    if measure_ledger(plan.folder) != plan.ledger_bytes:
        raise RunError(plan.folder, "was sent on while the list was looked at", "delete it again")


def remove_folder(folder: Path) -> None:
    """Delete a folder and all below it, links but not what they lead to; it is gone from its place at once."""
    with suppress(FileNotFoundError):  # another process may delete as well
        draft = folder
        if not folder.name.endswith(DRAFT):
            # What a killed process leaves has the name of a draft: the next deletion, or `prepare`, deletes it.
            draft = folder.with_name(f".{folder.name}-{secrets.token_hex(4)}{DRAFT}")
            folder.rename(draft)
            flush_path(folder.parent)
        shutil.rmtree(draft)
