"""The outputs of a job in S3: a file for each input file, and the manifest; both grow while the job runs.

Source: "View the results of a batch inference job"; "Monitor batch inference jobs" says that results may appear
while a job is in progress.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from bedrock_local.batch.fault_effects import apply_manifest_fault
from bedrock_local.batch.jobs import Job, Progress, job_folder, output_path
from bedrock_local.batch.openai_lines import is_failure
from bedrock_local.files import link_or_copy, write_file, write_json
from bedrock_local.protocol.errors import ServiceError
from bedrock_local.protocol.messages import CHUNK_BYTES
from bedrock_local.s3 import store
from bedrock_local.s3.encryption import ALGORITHM, KEY
from bedrock_local.s3.key_paths import key_path
from bedrock_local.s3.store import ObjectMetadata
from bedrock_local.settings import Settings

MakeMetadata = Callable[[Path, str], ObjectMetadata]


def publish_partial_outputs(
    folder: Path, job: Job, progress: Progress, settings: Settings, numbers: Iterable[int]
) -> None:
    """Publish files that have grown, up to what counts, and the manifest; without a bucket the job fails later.

    A batch of OpenAI's API has its files at its end.
    """
    if job.openai:
        return
    with suppress(ServiceError):
        for number in numbers:
            publish_partial_output(folder, job, progress, number)
        publish_manifest(folder, job, progress, settings)


def publish_partial_output(folder: Path, job: Job, progress: Progress, number: int) -> None:
    """Append the new part of an output file to its object: bytes that a client can read never change."""
    file, partial = progress.files[number], partial_path(folder, job, number)
    partial.parent.mkdir(exist_ok=True)
    is_new = not partial.exists()
    append_missing(output_path(folder, job, number), partial, file.written)
    if is_new:
        publish(folder, job, partial, f"{file.name}.out", growing_metadata)
    else:
        # Not published again: an object that a user has deleted or replaced stays so until the job ends.
        update_metadata(folder, job, partial, f"{file.name}.out", growing_metadata)


def publish_final_output(folder: Path, job: Job, progress: Progress, number: int) -> None:
    """Publish an output file that is complete; where its object has all of it already, update the metadata alone."""
    if job.openai:
        publish_results(folder, job, progress, number)
        return
    file, partial = progress.files[number], partial_path(folder, job, number)
    is_whole = partial.exists() and partial.stat().st_size == file.written
    if not (is_whole and update_metadata(folder, job, partial, f"{file.name}.out", output_metadata)):
        publish(folder, job, output_path(folder, job, number), f"{file.name}.out", output_metadata)


def publish_results(folder: Path, job: Job, progress: Progress, number: int) -> None:
    """Publish the answers and the errors of one of OpenAI's batches, a file each, where there are any."""
    source, name = output_path(folder, job, number), progress.files[number].name
    answers, errors = source.with_suffix(".answers"), source.with_suffix(".errors")
    with source.open("rb") as lines, answers.open("wb") as good, errors.open("wb") as bad:
        for line in lines:
            (bad if is_failure(line) else good).write(line)
    for path, ending, count in (
        (answers, "out", progress.success),
        (errors, "err", progress.errors + progress.unprocessed),
    ):
        if count:
            publish(folder, job, path, f"{name}.{ending}", output_metadata)


def partial_path(folder: Path, job: Job, number: int) -> Path:
    """Return the path of the job's second name for the file of an object that grows."""
    return job_folder(folder, job) / "shown" / f"{number}.jsonl.out"


def update_metadata(folder: Path, job: Job, partial: Path, name: str, make_metadata: MakeMetadata) -> bool:
    """Write the present metadata of an object; return False when the object is not the job's file any more."""
    bucket, key = output_object(job, name)
    with store.lock_bucket(folder, bucket):
        path = key_path(store.bucket_folder(folder, bucket), key)
        is_own = path.is_file() and path.samefile(partial)
        if is_own:
            write_json(
                store.metadata_path(folder, bucket, key), [add_encryption(job, make_metadata(path, key))], flush=False
            )
        return is_own


def append_missing(source: Path, target: Path, size: int) -> None:
    """Append to a file what it lacks of the first `size` bytes of another."""
    with source.open("rb") as content, target.open("ab") as copy:
        content.seek(copy.tell())
        while chunk := content.read(min(CHUNK_BYTES, size - copy.tell())):
            copy.write(chunk)


def publish_manifest(folder: Path, job: Job, progress: Progress, settings: Settings) -> None:
    """Publish the manifest with the counts of now, unless a fault makes it missing; OpenAI's batches have none."""
    if job.openai:
        return
    manifest = apply_manifest_fault(make_manifest(progress), settings, job.name)
    if manifest is not None:
        path = job_folder(folder, job) / "manifest"
        write_file(path, msgspec.json.encode(manifest) + b"\n", flush=False)
        publish(folder, job, path, "manifest.json.out", manifest_metadata)


def make_manifest(progress: Progress) -> dict[str, int]:
    """Return the counts of a job; the tokens are those of successful records."""
    return {
        "totalRecordCount": progress.total,
        "processedRecordCount": progress.processed,
        "successRecordCount": progress.success,
        "errorRecordCount": progress.errors,
        "inputTokenCount": progress.input_tokens,
        "outputTokenCount": progress.output_tokens,
    }


def publish(folder: Path, job: Job, path: Path, name: str, make_metadata: MakeMetadata) -> None:
    """Store a file as an object below the output prefix, over the object that may be there."""
    bucket, key = output_object(job, name)
    with store.temporary_object(folder) as temporary:
        link_or_copy(path, temporary)
        metadata = add_encryption(job, make_metadata(temporary, key))
        store.store_object(folder, bucket, key, temporary=temporary, metadata=metadata)


def add_encryption(job: Job, metadata: ObjectMetadata) -> ObjectMetadata:
    """Add the KMS key that the job's request names to the metadata of an output, whose ETag is then no MD5."""
    key_id = job.output_config.get("s3EncryptionKeyId")
    if not key_id:
        return metadata
    etag = hashlib.md5(f"{key_id} {metadata.etag}".encode(), usedforsecurity=False).hexdigest()
    return msgspec.structs.replace(metadata, etag=etag, encryption={ALGORITHM: "aws:kms", KEY: key_id})


def output_object(job: Job, name: str) -> tuple[str, str]:
    """Return bucket and key of an output."""
    uri = urlsplit(job.output_config["s3Uri"])
    prefix = uri.path.strip("/")
    return uri.netloc, "/".join(part for part in (prefix, job.output_name, name) if part)


def output_metadata(path: Path, key: str) -> ObjectMetadata:
    """Return the metadata of an output file, with an ETag from key and size in the form of a multipart upload.

    The MD5 of a long file would take too long; a file that only grows has another size after each change.
    """
    stat = path.stat()
    digest = hashlib.md5(f"{key} {stat.st_size}".encode(), usedforsecurity=False).hexdigest()
    return ObjectMetadata(size=stat.st_size, modified_ns=stat.st_mtime_ns, etag=f"{digest}-1")


def growing_metadata(path: Path, key: str) -> ObjectMetadata:
    """Return the metadata of a growing output file; with the inode they hold although the file gets longer."""
    return msgspec.structs.replace(output_metadata(path, key), inode=path.stat().st_ino)


def manifest_metadata(path: Path, _: str) -> ObjectMetadata:
    """Return the metadata of a manifest, which can change and keep its size, so the ETag is its MD5."""
    stat, digest = path.stat(), hashlib.md5(path.read_bytes(), usedforsecurity=False)
    return ObjectMetadata(size=stat.st_size, modified_ns=stat.st_mtime_ns, etag=digest.hexdigest())
