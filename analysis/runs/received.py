"""Received: the output files of a run, in its folder or where a stored run has them in S3."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import polars as pl

from analysis.aws.downloads import can_be_file, fetch_files
from analysis.aws.session import print_beside_bars
from analysis.aws.storage import StoredFile, is_s3_uri, list_prefix
from analysis.jobs.ledger import JobState
from analysis.outputs import MANIFEST, list_outputs, scan_outputs
from analysis.runs.folder import Run

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


def download_job(run: Run, state: JobState, s3: S3Client) -> None:
    """Download the output files of one job, if there are any yet, except those that are here and unchanged.

    Of a stored run this is the manifest alone. What somebody else has put beside them is named and left out: it may
    have a key that no file can have.
    """
    files = list_prefix(f"{state.output_uri.rstrip('/')}/{state.job_id}/", s3=s3)
    foreign = [file for file in files if not is_output(file.name)]
    if foreign:
        objects = "1 object" if len(foreign) == 1 else f"{len(foreign):,} objects"
        what = f"{objects} beside its output passed over, such as {foreign[0].uri[:200]!r}"
        print_beside_bars(f"{state.job_key}: {what}.")
    wanted = [file for file in files if is_output(file.name) and (run.place is None or file.name == MANIFEST)]
    fetch_files(wanted, output_folder(run, state), s3=s3)


def is_output(name: str) -> bool:
    """Whether Bedrock writes files of such a name into the folder of one of our jobs."""
    return name.endswith(".out") and "/" not in name and can_be_file(name)


def output_folder(run: Run, state: JobState) -> Path:
    """Return the local folder for the output of a job."""
    return run.folder / "output" / state.job_id


def list_received(run: Run) -> list[StoredFile]:
    """List all output files of a run; those of a stored run are objects, but for its answers on demand."""
    return sorted([*list_output_files(run), *list_stored(run)], key=lambda file: file.name)


def list_output_files(run: Run) -> list[StoredFile]:
    """List the output files in the folder of the run."""
    folder = run.folder / "output"
    return list_outputs(folder) if folder.exists() else []


def list_stored(run: Run, job_id: str = "") -> list[StoredFile]:
    """List the output files of a stored run in S3, of all jobs or of one; none where the run is not stored."""
    if run.place is None:
        return []
    files = list_prefix(f"{run.place.uri}output/{job_id}{'/' if job_id else ''}", s3=run.place.s3)
    names = [(file, PurePosixPath(file.name).name) for file in files]
    return [file for file, name in names if is_output(name) and name != MANIFEST]


@contextmanager
def borrow_output(run: Run, file: StoredFile) -> Iterator[StoredFile]:
    """Find a local copy of an output file; an object is downloaded for as long as it is read."""
    if run.place is None or not is_s3_uri(file.uri):
        yield file
        return
    with run.place.borrow(file) as copy:
        yield copy


def read_answered_ids(run: Run, state: JobState, model_id: str) -> Iterator[str]:
    """Yield the ids of the records that the output of a try answers, file by file."""
    folder = output_folder(run, state)
    here = list_outputs(folder) if folder.exists() else []
    for file in [*here, *list_stored(run, state.job_id)]:
        with borrow_output(run, file) as copy:
            outputs = scan_outputs(copy.uri, model_id=model_id).filter(pl.col("error_kind").is_null())
            yield from outputs.select("record_id").collect()["record_id"]
