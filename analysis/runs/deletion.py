"""Deletion: all that there is of a run, in S3 first and its folder last, after a list and a yes."""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from analysis.aws.session import EMULATOR, EMULATOR_BUCKET, make_client, name_account, open_session
from analysis.aws.storage import open_bucket
from analysis.aws.versions import StoredVersion, delete_versions
from analysis.display import count
from analysis.errors import AnalysisError, RunError, escape_controls, show_path
from analysis.files import DRAFT, explain_file_errors, flush_path
from analysis.jobs.batch import refresh_jobs
from analysis.jobs.ledger import JobState
from analysis.jobs.statuses import INTENDED
from analysis.runs.contents import (
    Objects,
    Part,
    find_drafts,
    find_objects,
    find_reports,
    find_roots,
    list_copies,
    list_takers,
    measure_folder,
)
from analysis.runs.folder import RUN_FILE, Run, RunSource, find_folder, open_run
from analysis.runs.invocation import check_alone
from analysis.runs.sending import explain_outage, lock_sending
from analysis.runs.state import ON_DEMAND, RunState, read_state

PREFIX = "batchbook"
REPORTS = "reports"
# After which Bedrock lists a job whose request it has got; one that is not listed then was never created.
INTENT_S = 600
SHOWN = 3  # names of foreign objects in a message
LOCAL = "local_only=True (--local-only) deletes what is on this machine alone"
SCHEMA = {"what": pl.String, "where": pl.String, "files": pl.Int64, "bytes": pl.Int64}


@dataclass(frozen=True)
class Access:
    """How the account of a run is reached, as `delete` is told; what is empty is as the run was sent."""

    profile: str
    region: str
    bucket: str
    prefix: str
    bucket_owner: str


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
    s3
        Client of these; None where there are none.
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
    s3: Any = None
    ledger_bytes: int = 0

    def __str__(self) -> str:
        rows = [(part.what, f"{part.files:,}", f"{part.bytes:,}", show_path(part.where)) for part in self.parts]
        head = ("", "files", "bytes", "")
        widths = [max(len(row[place]) for row in (head, *rows)) for place in range(3)]
        lines = [
            f"    {what:<{widths[0]}}  {files:>{widths[1]}}  {size:>{widths[2]}}  {where}".rstrip()
            for what, files, size, where in (head, *rows)
        ]
        notes = [escape_controls(note) for note in self.notes]
        return "\n".join([f"Of the run {self.folder.name} is deleted:", *lines, *notes])


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
    folder = run.folder.resolve() if isinstance(run, Run) else find_folder(run)
    place = Path(reports) if str(reports) else folder.parent.parent / REPORTS
    plan = plan_deletion(folder, place, access=access, local_only=local_only, now=now)
    confirm(plan, ask)
    if (folder / RUN_FILE).exists():
        with lock_sending(Run(folder), wait_s=0), explain_outage(Run(folder)):
            check_same(plan)
            for name in sorted({each.bucket for each in plan.versions}):
                delete_versions([each for each in plan.versions if each.bucket == name], s3=plan.s3)
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
    state = read_known(opened)
    with lock_sending(opened, wait_s=0):  # nothing is being sent at this moment
        check_alone(state)
    local = [path for path in (*drafts, report, folder) if path]
    parts = [*beside, *([Part("reports", *measure(report))] if report else []), Part("run", *measure(folder))]
    notes = list_notes(opened)
    if local_only:
        notes = [*describe_left(state), *notes]
        return Deletion(folder, parts, local, notes, ledger_bytes=measure_ledger(folder))
    objects, s3, told = find_remote(state, access, now)
    parts = [*objects.parts, *parts]
    return Deletion(folder, parts, local, [*told, *notes], objects.own, s3, measure_ledger(folder))


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


def describe_left(state: RunState) -> Iterator[str]:
    """Describe what stays in an account that is left alone."""
    roots = find_roots(state.run, state.tries)
    if roots:
        yield f"What is in S3 stays: {', '.join(roots)}."
    elif state.sending or state.run.read_target():
        yield "What is in S3 stays, if the run has put anything there."
    running = [f"{each.job_key} ({each.status})" for each in list_running(state)]
    if running:
        yield f"Jobs that were running when last seen go on, and are charged: {', '.join(running)}."


def find_remote(state: RunState, access: Access, now: Callable[[], float]) -> tuple[Objects, Any, list[str]]:
    """Find what the account of a run has of it, with a client for it, and sentences on what stays there.

    Raises
    ------
    AnalysisError
        The account cannot be reached, is another one, or is still working on the run.
    """
    run, sent = state.run, {**state.run.read_target(), **state.sending}
    if not sent and not access.bucket:
        note = "Nothing says that it was sent: if it was, its objects are in S3 still, and --bucket NAME finds them."
        return Objects([], [], [], []), None, [note]
    try:
        with explain_outage(run):
            session = open_session(
                access.profile or sent.get("profile", ""), region=access.region or sent.get("region", "")
            )
            check_account(run, sent, name_account(session))
            state = refresh(state, sent, session, now)
            roots = list_roots(state, sent, access)
            if not roots and not state.sending:
                reason = "its ledger is lost, and the account lists no job of it, so its objects in S3 cannot be found"
                raise RunError(run.folder, reason, "give --bucket NAME, or put ledger.jsonl back")
            s3 = open_bucket(session, owner=access.bucket_owner or str(sent.get("bucket_owner", "")))
            objects = find_objects(roots, state, s3)
    except AnalysisError as error:
        if LOCAL in error.cure or "batchbook stop" in error.cure:
            raise
        raise type(error)(error.where, error.reason, f"{error.cure}; {LOCAL}") from error
    copies = list_copies(run, state.tries)
    if copies:
        note = f"{', '.join(copies)} is a copy of this run with the same jobs: their objects in S3 stay."
        return Objects([], [], [], []), None, [note]
    return objects, s3, [*describe_remote(state, objects, roots)]


def check_account(run: Run, sent: dict[str, Any], account: str) -> None:
    """Raise where the profile is of another account than the one that the run was sent to."""
    before = str(sent.get("account", ""))
    if before and account and before != account:
        reason = f"was sent to the account {before}, and the profile is of {account}"
        raise RunError(run.folder, reason, "give profile and region of that account")


def refresh(state: RunState, sent: dict[str, Any], session: Any, now: Callable[[], float]) -> RunState:
    """Ask Bedrock how the jobs of a run stand, and find those that its ledger lost.

    Raises
    ------
    RunError
        Jobs are running, or one may have been created a moment ago.
    """
    if state.planned and sent.get("invocation") != ON_DEMAND:
        with state.ledger.lock():
            refresh_jobs(state.planned, state.ledger, make_client(session, "bedrock"))
        state = state.read_on()
    folder = state.run.folder
    running = [each for each in list_running(state) if each.job_arn]
    if running:
        reason = f"{count(len(running), 'job')} still at work, such as {running[0].job_key} ({running[0].status})"
        raise RunError(folder, reason, f"end them first, by `batchbook stop {folder.name}`, or wait for them")
    fresh = [each for each in list_running(state) if now() - find_intent(state, each) < INTENT_S]
    if fresh:
        reason = f"Bedrock may have got {fresh[0].job_key} a moment ago, and does not list it yet"
        raise RunError(
            folder, reason, f"delete it in {INTENT_S // 60} minutes, or end it by `batchbook stop {folder.name}`"
        )
    return state


def list_running(state: RunState) -> list[JobState]:
    """List the tries that Bedrock has, or may have, and that have not ended as far as the ledger says."""
    return [each for each in state.tries if not each.is_finished and (each.job_arn or each.status == INTENDED)]


def find_intent(state: RunState, each: JobState) -> float:
    """Find when the request for a job was noted, in seconds; 0 where no line says so."""
    key = (each.job_key, each.job_try)
    times = [
        datetime.fromisoformat(event["at"]).timestamp()
        for event in state.ledger.read()
        if event["event"] == INTENDED and (event.get("job_key"), event.get("job_try")) == key
    ]
    return max(times, default=0)


def list_roots(state: RunState, sent: dict[str, Any], access: Access) -> list[str]:
    """List the folders in S3 that the run wrote to, or may have written to."""
    options = sent.get("options", {})
    places = [(access.bucket, access.prefix), (options.get("bucket", ""), options.get("prefix", PREFIX))]
    if sent.get("profile") == EMULATOR:
        places.append((EMULATOR_BUCKET, PREFIX))
    given = {
        "s3://" + "/".join(part for part in (bucket, folder.strip("/"), state.run.name) if part) + "/"
        for bucket, folder in places
        if bucket
    }
    return sorted(given.union(find_roots(state.run, state.tries)))


def describe_remote(state: RunState, objects: Objects, roots: Sequence[str]) -> Iterator[str]:
    """Describe what stays in the account, and what cannot be seen there."""
    if objects.foreign:
        names = ", ".join(show_path(uri) for uri in sorted({each.uri for each in objects.foreign})[:SHOWN])
        yield f"{count(len(objects.foreign), 'object')} beside these that no job of this run wrote will stay: {names}."
    if objects.hidden:
        what = "earlier versions and unfinished uploads, if there are any, cannot be seen and may stay"
        yield f"Without {', '.join(objects.hidden)} {what}."
    if not roots:
        yield "Where it may have written in S3 is not known: --bucket NAME looks there."
    jobs = len(state.job_keys)
    if jobs:
        yield f"Bedrock keeps the {'name' if jobs == 1 else 'names'} of {count(jobs, 'job')}, without any text."


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
    draft = folder
    if not folder.name.endswith(DRAFT):
        # What a killed process leaves has the name of a draft: the next deletion, or `prepare`, deletes it.
        draft = folder.with_name(f".{folder.name}-{secrets.token_hex(4)}{DRAFT}")
        folder.rename(draft)
        flush_path(folder.parent)
    with suppress(FileNotFoundError):  # another process may sweep as well
        shutil.rmtree(draft)
