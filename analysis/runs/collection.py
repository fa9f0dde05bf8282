"""Collecting: download the output, join it to the calls, and count what is missing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from importlib.metadata import version
from itertools import chain

import msgspec
import polars as pl

from analysis.aws.storage import StoredFile, open_bucket
from analysis.files import explain_file_errors, make_folder, replace_when_whole, sweep_drafts, sweep_parts
from analysis.jobs.keys import find_key
from analysis.outputs import OUTPUT_SCHEMA, read_stamp
from analysis.outputs.manifests import MANIFEST_SCHEMA, load_manifests
from analysis.outputs.writers import Part, share_writing
from analysis.runs.accounts import open_sent
from analysis.runs.folder import PARTS_FILE, Run, RunSource, open_run
from analysis.runs.parts import (
    delete_parts,
    group_by_part,
    list_jobs_by_part,
    name_part,
    name_shared_parts,
)
from analysis.runs.received import borrow_output, download_job, list_output_files, list_received
from analysis.runs.reconciliation import RECORD_KEYS, reconcile_records
from analysis.runs.sharing import read_copy
from analysis.runs.state import RunState, read_state
from analysis.runs.status import ON_DEMAND

JOINED = ("record_id", "call_id", "variant", "sample", "attempt", "model_id")  # columns of records that outputs need
VERSION = version("batchbook")
COLUMNS = hashlib.sha256(repr(OUTPUT_SCHEMA).encode()).hexdigest()[:8]  # a part that lacks one is made again


@explain_file_errors()
def collect(run: RunSource, *, profile: str = "", region: str = "", bucket_owner: str = "") -> pl.DataFrame:
    """Download what came back, read it, join it to calls and variants, and count what is missing.

    Can be called while jobs are running, and again: it reads the output that is new or has changed by then.

    Parameters
    ----------
    run
        A run that has been submitted, or invoked.
    profile, region
        As in `submit`; empty for those that the run was sent with.
    bucket_owner
        As in `submit`; empty for that which the run was sent with, or else the caller's account.

    Returns
    -------
    frame
        One row per job, from `reconcile_run`.

    Raises
    ------
    RunError
        Nothing has been sent, or profile or emulator are of another account.
    """
    run = open_run(run, profile=profile, region=region, bucket_owner=bucket_owner)
    read_copy(run)
    state = read_state(run)
    _, home = state.find_account(profile, region)
    make_folder(run.folder / "output")  # a job that was stopped early leaves no file
    sweep_parts(run.folder)
    sweep_drafts(run.folder)
    if state.job_keys:
        owner = bucket_owner or str(state.sending.get("bucket_owner", ""))
        sessions = open_sent(state, profile, region)
        for there, part in state.split_by_region(home).items():
            s3 = open_bucket(sessions[there], owner=owner)
            for job in chain.from_iterable(part.created.values()):
                download_job(run, job, s3)
    records = write_parts(state)
    write_manifests(run)
    return reconcile_records(state, records)


def write_manifests(run: Run) -> None:
    """Read the manifests into one table, written under another name first so that it is never seen half written."""
    folder = run.folder / "output"
    manifests = load_manifests(folder) if folder.exists() else pl.DataFrame(schema=MANIFEST_SCHEMA)
    # Not flushed: collecting makes it again from the output files.
    with replace_when_whole(run.folder / "manifests.parquet", flush=False) as unfinished:
        manifests.write_parquet(unfinished)


def write_parts(state: RunState) -> pl.DataFrame:
    """Read new or changed output files into Parquet parts: one row per output, joined to its record.

    Returns
    -------
    records
        `record_id` and `job_key` of each record, since the table can be too large to be read again.
    """
    run = state.run
    folder, shared = run.folder / "outputs", name_shared_parts(run)
    parts = group_by_part(list_own_outputs(state, list_received(run)), shared)
    taken: dict[str, list[str]] = {part.name: [] for part in state.list_taken_parts()}
    changed = list_changed(run, parts)
    records = run.read_records(*JOINED, "job_key") if changed else run.read_records(*RECORD_KEYS)
    # Divided once: a filter for each job would read all records as often as there are jobs.
    by_job = {key: sent for (key,), sent in records.partition_by("job_key", as_dict=True).items()} if changed else {}
    write_all(run, [Part(str(folder / name), stamp, parts[name]) for name, stamp in changed.items()], by_job)
    with replace_when_whole(run.folder / PARTS_FILE, flush=False) as unfinished:
        unfinished.write_bytes(msgspec.json.encode(list_jobs_by_part(parts, shared) | taken))
    delete_parts(folder, {name_part(file) for outputs in parts.values() for _, file in outputs} - parts.keys())
    return records.select(RECORD_KEYS)


def write_all(run: Run, parts: Sequence[Part], records: Mapping[str, pl.DataFrame]) -> None:
    """Write parts, in several processes where there is much to read; of a stored run one after the other."""
    if run.place is None:
        share_writing(parts, records)
        return
    # One at a time, so that no more of its output is on this machine than one part is made of.
    for part in parts:
        with ExitStack() as stack:
            copies = [(key, stack.enter_context(borrow_output(run, file))) for key, file in part.files]
            replace(part, files=copies).write(records)


def list_own_outputs(state: RunState, files: Iterable[StoredFile]) -> list[tuple[str, StoredFile]]:
    """List the output files that a job of the run wrote, or `invoke`, each with the key of its planned job."""
    found = [(find_job_key(file, state.job_keys), file) for file in files]
    planned = {job.key for job in state.all_jobs}
    return [(key, file) for key, file in found if key in planned]


def list_strange_files(state: RunState) -> list[str]:
    """List the files in `output/` and `outputs/` that no job of the run wrote, by their paths in the run's folder."""
    files = list_output_files(state.run)
    own = list_own_outputs(state, files)
    names, shared = {file.name for _, file in own}, name_shared_parts(state.run).values()
    parts = {name_part(file) for _, file in own}.union(shared, state.run.read_listing(), state.taken_parts)
    outputs = [f"output/{file.name}" for file in files if file.name not in names]
    return outputs + [
        f"outputs/{path.name}"
        for path in sorted((state.run.folder / "outputs").glob("*.parquet"))
        if path.name not in parts
    ]


def list_changed(run: Run, parts: Mapping[str, Sequence[tuple[str, StoredFile]]]) -> dict[str, str]:
    """List the parts that are not up to date, each with the stamp that it shall have."""
    about = max(file.stat().st_mtime_ns for file in run.list_first_records())
    stamps = {name: make_stamp(about, outputs) for name, outputs in parts.items()}
    return {name: stamp for name, stamp in stamps.items() if read_stamp(run.folder / "outputs" / name) != stamp}


def make_stamp(about: int, outputs: Iterable[tuple[str, StoredFile]]) -> str:
    """Make the stamp of a part: of its files, the records that are joined, and what this version makes of them."""
    described = [f"{key} {file.name} {file.bytes} {file.modified_s}" for key, file in outputs]
    return f"{VERSION} {COLUMNS} {about} {hashlib.sha256(repr(described).encode()).hexdigest()}"


def find_job_key(file: StoredFile, keys: dict[str, str]) -> str:
    """Find the planned job of an output file; empty for a job that the ledger does not have."""
    folder, _, name = file.name.partition("/")
    return find_key(name) if folder == ON_DEMAND else keys.get(folder, "")
