"""The checks of a job's input before any record runs: files, sizes, counts and the outer form of each line.

Sources: "Monitor batch inference jobs" and "Amazon Bedrock endpoints and quotas"; the message about access is from a
runbook of 2026, the other messages are the emulator's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from bedrock_local.batch.jobs import InputFile, Job, Progress, input_path
from bedrock_local.batch.records import read_record
from bedrock_local.files import link_file
from bedrock_local.protocol.errors import ServiceError
from bedrock_local.s3 import store
from bedrock_local.settings import Settings

# The longest body that InvokeModel takes. AWS states no limit for a line in batch, but a line has to fit into memory.
LINE_BYTES = 25_000_000


class InvalidInputError(Exception):
    """A job cannot run on its input; the text becomes the job's message."""


def snapshot_input(folder: Path, job: Job, progress: Progress) -> Path:
    """Return the job's copy of the current input file, made at its first line, before the object can change."""
    kept = input_path(folder, job, progress.file)
    if progress.offset == 0:
        link_file(find_path(folder, job, progress.files[progress.file]), kept)
    return kept


def check_input(folder: Path, job: Job, settings: Settings) -> None:
    """Check the whole input at once, and keep no copy of it."""
    progress = Progress(files=find_inputs(folder, job, settings))
    for number, file in enumerate(progress.files):
        progress.file, progress.line = number, 0
        with find_path(folder, job, file).open("rb") as lines:
            for line in read_lines(lines):
                check_line(line, job, progress, settings)
    check_counts(job, progress, settings)


def find_path(folder: Path, job: Job, file: InputFile) -> Path:
    """Return the path of an input file that was listed; an InvalidInputError says that it was deleted since."""
    uri = job.input_config["s3Uri"]
    try:
        return store.find_path(folder, urlsplit(uri).netloc, file.key)
    except ServiceError as error:
        raise InvalidInputError(access_message(uri, "GetObject", f"{file.key}: {error.message}")) from None


def find_inputs(folder: Path, job: Job, settings: Settings) -> list[InputFile]:
    """Find the input files; check that there are any, that quotas allow them, and that the output has a bucket."""
    check_access(folder, job.input_config, "GetObject", job.region, settings.account)
    check_access(folder, job.output_config, "PutObject", job.region, settings.account)
    uri = job.input_config["s3Uri"]
    files = list_files(folder, *split_uri(uri))
    if not files and not settings.strict:
        files = list_beginning(folder, *split_uri(uri))
    if not files and uri.endswith(".jsonl"):
        raise InvalidInputError(access_message(uri, "GetObject", "the object does not exist"))
    if not files:
        raise InvalidInputError(f"No .jsonl file was found at {uri}")
    check_sizes(job, files, settings)
    return files


def check_access(folder: Path, config: dict[str, str], action: str, region: str, account: str) -> None:
    """Refuse a bucket that does not exist, is in another region than the job, or is said to be of another account."""
    uri, owner = config["s3Uri"], config.get("s3BucketOwner") or account
    if owner != account:
        raise InvalidInputError(access_message(uri, action, f"the bucket does not belong to account {owner}"))
    try:
        found = store.read_bucket(folder, split_uri(uri)[0]).region
    except ServiceError:
        raise InvalidInputError(access_message(uri, action, "the bucket does not exist")) from None
    # Not documented, but assumed by every text on batch jobs: none promises a bucket of another region.
    if found != region:
        raise InvalidInputError(access_message(uri, action, f"the bucket is in {found}, and the job in {region}"))


def access_message(uri: str, action: str, reason: str) -> str:
    """Return the message of the service for a bucket that cannot be used, and the reason."""
    bucket, key = split_uri(uri)
    # A job's message holds 2,048 characters: a long address must not push the reason out.
    what = f"Could not validate {action} permissions to access Amazon S3 bucket: {bucket} at key {key}."
    return f"{what} {uri[:500]}: {reason}"


def list_files(folder: Path, bucket: str, key: str) -> list[InputFile]:
    """List the `.jsonl` file that the key names, or else all of them below it as a folder."""
    root = store.bucket_folder(folder, bucket)
    is_folder = not key or key.endswith("/")
    prefix = key if is_folder else f"{key}/"
    # Keys that only begin with the key are walked too: `in/calls.jsonl.bak` beside `in/calls.jsonl`.
    single = [] if is_folder else [item for item in store.walk_keys(root, prefix=key) if item[0] == key]
    # The name of an output: that of the file, or its path below the folder.
    start = key.rfind("/") + 1 if single else len(prefix)
    return [
        InputFile(key=found, name=found[start:], size=path.stat().st_size)
        for found, path in single or store.walk_keys(root, prefix=prefix)
        if found.endswith(".jsonl")
    ]


def list_beginning(folder: Path, bucket: str, key: str) -> list[InputFile]:
    """List the `.jsonl` files whose keys begin with a key that is no folder: `in/part-` may be meant as a prefix."""
    start = key.rfind("/") + 1
    return [
        InputFile(key=found, name=found[start:], size=path.stat().st_size)
        for found, path in store.walk_keys(store.bucket_folder(folder, bucket), prefix=key)
        if found.endswith(".jsonl")
    ]


def split_uri(uri: str) -> tuple[str, str]:
    """Return bucket and key of an `s3://` address."""
    parts = urlsplit(uri)
    return parts.netloc, parts.path.removeprefix("/")


def check_sizes(job: Job, files: list[InputFile], settings: Settings) -> None:
    """Check the bytes of each file, and of all together, against the quotas."""
    for file in files:
        if file.size > (most := settings.quota("max_file_bytes")):
            limit = f"the limit of a file is {most} bytes"
            raise InvalidInputError(f"Input file {file.key} has {file.size} bytes; {limit}")
    total = sum(file.size for file in files)
    if total > (most := settings.quota("max_job_bytes")):
        limit = f"the limit of a job is {most} bytes"
        raise InvalidInputError(f"The input files at {job.input_config['s3Uri']} have {total} bytes together; {limit}")


def read_lines(lines: BinaryIO) -> Iterator[bytes]:
    """Yield the lines; of a line that is too long as many bytes as show it, so that it never fills the memory."""
    return iter(partial(lines.readline, LINE_BYTES + 1), b"")


def check_line(line: bytes, job: Job, progress: Progress, settings: Settings) -> None:
    """Count a line of the current file and check its outer form; a blank line is not a record."""
    file = progress.files[progress.file]
    progress.offset += len(line)
    progress.line += 1
    if len(line) > LINE_BYTES:
        limit = f"the limit of a line is {LINE_BYTES} bytes"
        raise InvalidInputError(f"Input file {file.key}, line {progress.line}: {limit}")
    if not line.strip():
        return
    file.records += 1
    if file.records > (most := settings.quota("max_file_records")):
        limit = f"the limit of a file is {most} records"
        raise InvalidInputError(f"Input file {file.key}, line {progress.line}: {limit}")
    try:
        read_record(line, job.form)
    except ValueError as error:
        raise InvalidInputError(f"Input file {file.key}, line {progress.line}: {error}") from None


def check_counts(job: Job, progress: Progress, settings: Settings) -> None:
    """Check the records of all files together against the quotas of a job."""
    total = sum(file.records for file in progress.files)
    where = job.input_config["s3Uri"]
    if total < max(least := settings.quota("min_records"), 1):
        limit = f"the minimum number of records per batch inference job is {least}"
        raise InvalidInputError(f"The input at {where} has {total} records; {limit}")
    if total > (most := settings.quota("max_job_records")):
        limit = f"the limit of a job is {most} records"
        raise InvalidInputError(f"The input at {where} has {total} records; {limit}")
