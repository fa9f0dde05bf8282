"""Manifests: Bedrock's totals of each job, one row per job. The outputs are the truth for billing."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import polars as pl

from analysis.aws.downloads import fetch_files
from analysis.aws.storage import StoredFile, list_files, open_s3
from analysis.families.family import Count
from analysis.outputs import MANIFEST, find_job_id

MANIFEST_SCHEMA = {
    "job_id": pl.String,
    "file": pl.String,
    "total_records": pl.Int64,
    "processed_records": pl.Int64,
    "success_records": pl.Int64,
    "error_records": pl.Int64,
    "input_tokens": pl.Int64,
    "output_tokens": pl.Int64,
    "cache_read_tokens": pl.Int64,
    "cache_write_tokens": pl.Int64,
    "error_message": pl.String,
}


class Manifest(msgspec.Struct):
    """The totals of a job; Bedrock omits those that a model does not have."""

    total_records: Count | None = msgspec.field(default=None, name="totalRecordCount")
    processed_records: Count | None = msgspec.field(default=None, name="processedRecordCount")
    success_records: Count | None = msgspec.field(default=None, name="successRecordCount")
    error_records: Count | None = msgspec.field(default=None, name="errorRecordCount")
    input_tokens: Count | None = msgspec.field(default=None, name="inputTokenCount")
    output_tokens: Count | None = msgspec.field(default=None, name="outputTokenCount")
    cache_read_tokens: Count | None = msgspec.field(default=None, name="cacheReadInputTokenCount")
    cache_write_tokens: Count | None = msgspec.field(default=None, name="cacheWriteInputTokenCount")


def load_manifests(where: str | Path, *, profile: str = "", bucket_owner: str = "") -> pl.DataFrame:
    """Read the manifests of batch jobs.

    A job without a manifest, which failed in validation or still runs, has no row.

    Parameters
    ----------
    where
        A folder, an `s3://` prefix, a file or a glob, whatever program started the jobs.
    profile, bucket_owner
        AWS profile, for `s3://`, and the account that the bucket has to belong to; empty for any.

    Returns
    -------
    frame
        One row per job, by file. A count that the manifest does not have is missing.
        `error_message` says why a manifest cannot be read.

    Raises
    ------
    StorageError
        Nothing is there, or it cannot be read.
    """
    s3 = open_s3(where, profile=profile, bucket_owner=bucket_owner)
    files = [file for file in list_files(where, s3=s3) if PurePosixPath(file.name).name == MANIFEST]
    with TemporaryDirectory() as folder:
        paths = fetch_files(files, folder, s3=s3)
        rows = [read_manifest(file, path) for file, path in zip(files, paths, strict=True)]
    return pl.DataFrame(rows, schema=MANIFEST_SCHEMA, orient="row")


def read_manifest(file: StoredFile, path: Path) -> dict[str, Any]:
    """Read one manifest; an error becomes part of its row."""
    manifest, message = Manifest(), None
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        message = f"{file.name}: {error}"
    counts = msgspec.structs.asdict(manifest)
    return {"job_id": find_job_id(file), "file": file.name, **counts, "error_message": message}
