"""Outputs of batch jobs, one row per output line, whatever program started the jobs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import polars as pl

from analysis.aws.storage import StoredFile, list_files, open_s3
from analysis.errors import StorageError
from analysis.families.reasoning import REASONING_TAGS
from analysis.outputs.frames import ALL, OUTPUT_SCHEMA, find_job_id
from analysis.outputs.parallel import count_processes, read_files
from analysis.outputs.parquet import RecordIndex, index_records, read_joined, read_stamp, scan_parts, write_part

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

__all__ = [
    "MANIFEST",
    "OUTPUT_SCHEMA",
    "RecordIndex",
    "find_job_id",
    "index_records",
    "list_outputs",
    "load_outputs",
    "read_joined",
    "read_stamp",
    "scan_outputs",
    "scan_parts",
    "write_part",
]

MANIFEST = "manifest.json.out"
OUTPUTS = (".out", ".jsonl.err")  # the second holds the errors of one of OpenAI's batches
INPUTS = (".jsonl",)
PACKED = ".gz"


def load_outputs(
    where: str | Path,
    *,
    model_id: str | None = None,
    reasoning_tags: Iterable[str] = REASONING_TAGS,
    profile: str = "",
    bucket_owner: str = "",
) -> pl.DataFrame:
    """Read the outputs of batch jobs.

    Parameters
    ----------
    where
        A folder, an `s3://` prefix, a file or a glob. Every `*.out` and `*.out.gz` file below it is read, manifests
        apart, and every `*.jsonl.err` of OpenAI's batches; without any, and where nothing else is there, every
        `*.jsonl` and `*.jsonl.gz`. A file that is named itself is read whatever its name.
    model_id
        The model that the jobs were for: fills the column, since the lines do not have it, and decides between
        families whose answers look alike. For an application inference profile, give the model behind it.
    reasoning_tags
        Names of the tags between which a text has reasoning, which is set apart from `text`: a block at its
        beginning, those that follow, and what stands before a closing tag alone. `()` where texts may rightly have
        such tags.
    profile, bucket_owner
        AWS profile, for `s3://`, and the account that the bucket has to belong to; empty for any.

    Returns
    -------
    frame
        One row per line, by file and line. `job_id` is the name of the folder, when it looks like a job's.
        `call_id`, `variant`, `sample` and `attempt` are missing, since only a collected run has them.
        `text` is missing when an answer has no text block; tokens are missing when the service gave none.
        `tool_calls` has the tools that an answer calls, each with its input as JSON text.
        A failed line has an `error_kind`: `service`, `expired` (it never ran) or `unreadable`.
        Where `error_kind` is missing and `error_message` is not, the answer is there, and the message says what
        in the line was replaced or left out.

    Raises
    ------
    StorageError
        Nothing is there, or nothing but files of other kinds, or it cannot be read.
    """
    s3 = open_s3(where, profile=profile, bucket_owner=bucket_owner)
    files = find_outputs(where, s3=s3)
    processes = count_processes(files)
    return collect_chunks(
        read_files(files, s3=s3, model_id=model_id, reasoning_tags=reasoning_tags, processes=processes)
    )


def scan_outputs(
    where: str | Path,
    *,
    model_id: str | None = None,
    reasoning_tags: Iterable[str] = REASONING_TAGS,
    profile: str = "",
    bucket_owner: str = "",
) -> pl.LazyFrame:
    """Read the outputs of batch jobs lazily: the rows of `load_outputs`, a thousand at a time.

    Files are listed now and read when the frame is collected; columns that a query does not use are never built.
    """
    from polars.io.plugins import register_io_source

    s3 = open_s3(where, profile=profile, bucket_owner=bucket_owner)
    files = find_outputs(where, s3=s3)
    tags = tuple(reasoning_tags)

    def read(
        columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, _batch_rows: int | None
    ) -> Iterator[pl.DataFrame]:
        wanted = columns or list(ALL)
        needed = set(wanted) if predicate is None else {*wanted, *predicate.meta.root_names()}
        needed_in_order = [name for name in ALL if name in needed]
        # The first few rows are read before a worker process would have started.
        processes = count_processes(files) if n_rows is None else 1
        chunks = read_files(
            files, s3=s3, model_id=model_id, columns=needed_in_order, reasoning_tags=tags, processes=processes
        )
        for chunk in chunks if n_rows is None else take_rows(chunks, n_rows):
            yield (chunk if predicate is None else chunk.filter(predicate)).select(wanted)

    return register_io_source(read, schema=OUTPUT_SCHEMA)


def find_outputs(where: str | Path, *, s3: S3Client | None = None) -> list[StoredFile]:
    """Find the files to read at a place: an empty folder has none, and one without outputs is an error."""
    files = list_files(where, s3=s3)
    if len(files) == 1 and Path(files[0].name).name == Path(str(where)).name:
        return files
    others = [file for file in files if PurePosixPath(file.name).name.removesuffix(PACKED) != MANIFEST]
    names = {file.name for file in others}
    # A packed file beside what it was made of has the same lines.
    unpacked = [file for file in others if file.name.removesuffix(PACKED) not in names - {file.name}]
    for kind in (OUTPUTS, INPUTS):
        found = [file for file in unpacked if file.name.removesuffix(PACKED).endswith(kind)]
        if found and (kind == OUTPUTS or len(found) == len(unpacked)):
            return found
    if files:
        raise explain_nothing(where, files, others)
    return []


def explain_nothing(where: str | Path, files: list[StoredFile], others: list[StoredFile]) -> StorageError:
    """Explain why no file at a place is read."""
    if not others:
        reason = f"{files[0].name} and no output of a job beside it"
        return StorageError(where, reason, "load_manifests(where) reads what it counts")
    count = f"{len(files)} files and no *.out among them" if len(files) > 1 else "1 file and no *.out"
    cure = "give the output folder of a job, or the folder above several, or the file itself, whatever its name"
    return StorageError(where, f"{count}, such as {others[0].name}", cure)


def list_outputs(where: str | Path, *, s3: S3Client | None = None) -> list[StoredFile]:
    """List the output files at a place: `*.out` without manifests, or the one file that `where` names."""
    files = list_files(where, s3=s3)
    if files and not any(file.name.endswith(".out") for file in files) and len(files) > 1:
        reason = f"{len(files)} files and no *.out among them, such as {files[0].name}"
        raise StorageError(where, reason, "give the output folder of a job, or the folder above several")
    outputs = [file for file in files if file.name.endswith(".out") and PurePosixPath(file.name).name != MANIFEST]
    is_named_itself = len(files) == 1 and Path(files[0].name).name == Path(str(where)).name
    return outputs or (files if is_named_itself else [])


def collect_chunks(chunks: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Concatenate chunks; without any, return an empty frame with all columns."""
    return pl.concat([pl.DataFrame(schema=OUTPUT_SCHEMA), *chunks])


def take_rows(chunks: Iterable[pl.DataFrame], count: int) -> Iterator[pl.DataFrame]:
    """Yield chunks up to `count` rows in all."""
    for chunk in chunks:
        yield chunk.head(count)
        count -= chunk.height
        if count <= 0:
            return
