"""What a job leaves in S3: an output file for each input file, and the manifest, both growing while it runs.

Source: "View the results of a batch inference job"; "Monitor batch inference jobs" says that results may appear
while a job is in progress.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from bedrock_local.batch.fault_effects import damage_manifest
from bedrock_local.batch.jobs import Job, Progress, job_folder, output_path
from bedrock_local.files import link_file, write_file, write_json
from bedrock_local.protocol.errors import ServiceError
from bedrock_local.protocol.messages import CHUNK_BYTES
from bedrock_local.s3 import store
from bedrock_local.s3.key_paths import key_path
from bedrock_local.s3.store import Facts
from bedrock_local.settings import Settings

MakeFacts = Callable[[Path, str], Facts]


def show_outputs(folder: Path, job: Job, progress: Progress, settings: Settings, numbers: Iterable[int]) -> None:
    """Let the files that have grown be seen, as far as they will stay; a bucket that is gone fails the job later."""
    with suppress(ServiceError):
        for number in numbers:
            show_output(folder, job, progress, number)
        publish_manifest(folder, job, progress, settings)


def show_output(folder: Path, job: Job, progress: Progress, number: int) -> None:
    """Copy what is new in an output file to the object, in its place, then say so: what can be read never changes."""
    file, shown = progress.files[number], shown_path(folder, job, number)
    shown.parent.mkdir(exist_ok=True)
    is_new = not shown.exists()
    copy_rest(output_path(folder, job, number), shown, file.written)
    if is_new:
        publish(folder, job, shown, f"{file.name}.out", growing_facts)
    else:
        # An object that somebody deleted or replaced meanwhile is his, until the job ends.
        renew_facts(folder, job, shown, f"{file.name}.out", growing_facts)


def publish_output(folder: Path, job: Job, progress: Progress, number: int) -> None:
    """Make an output file that grows no more an object, unless all of it can be seen already: then it stays."""
    file, shown = progress.files[number], shown_path(folder, job, number)
    is_whole = shown.exists() and shown.stat().st_size == file.written
    if not (is_whole and renew_facts(folder, job, shown, f"{file.name}.out", output_facts)):
        publish(folder, job, output_path(folder, job, number), f"{file.name}.out", output_facts)


def shown_path(folder: Path, job: Job, number: int) -> Path:
    """Give the job's own name for an object that grows."""
    return job_folder(folder, job) / "shown" / f"{number}.jsonl.out"


def renew_facts(folder: Path, job: Job, shown: Path, name: str, make_facts: MakeFacts) -> bool:
    """Say anew what is known of an object; False when it is not the job's file any more."""
    bucket, key = object_of(job, name)
    with store.lock_bucket(folder, bucket):
        path = key_path(store.bucket_folder(folder, bucket), key)
        is_own = path.is_file() and path.samefile(shown)
        if is_own:
            write_json(store.facts_path(folder, bucket, key), [make_facts(path, key)])
        return is_own


def copy_rest(source: Path, target: Path, size: int) -> None:
    """Copy to the end of a file what it lacks of the first `size` bytes of another."""
    with source.open("rb") as content, target.open("ab") as copy:
        content.seek(copy.tell())
        while chunk := content.read(min(CHUNK_BYTES, size - copy.tell())):
            copy.write(chunk)


def publish_manifest(folder: Path, job: Job, progress: Progress, settings: Settings) -> None:
    """Write the manifest as it is by now, unless a fault has it missing."""
    manifest = damage_manifest(make_manifest(progress), settings, job.name)
    if manifest is not None:
        path = job_folder(folder, job) / "manifest"
        write_file(path, msgspec.json.encode(manifest) + b"\n")
        publish(folder, job, path, "manifest.json.out", manifest_facts)


def make_manifest(progress: Progress) -> dict[str, int]:
    """Add up the job; tokens are those of the records that were answered."""
    return {
        "totalRecordCount": progress.total,
        "processedRecordCount": progress.processed,
        "successRecordCount": progress.success,
        "errorRecordCount": progress.errors,
        "inputTokenCount": progress.input_tokens,
        "outputTokenCount": progress.output_tokens,
    }


def publish(folder: Path, job: Job, path: Path, name: str, make_facts: MakeFacts) -> None:
    """Make a file an object of the output prefix; to do it twice does no harm."""
    bucket, key = object_of(job, name)
    temporary = folder / "state" / "tmp" / secrets.token_hex(16)
    link_file(path, temporary)
    try:
        store.store_object(folder, bucket, key, temporary=temporary, facts=make_facts(temporary, key))
    finally:
        temporary.unlink(missing_ok=True)


def object_of(job: Job, name: str) -> tuple[str, str]:
    """Give bucket and key of a file that the job leaves."""
    uri = urlsplit(job.output_config["s3Uri"])
    prefix = uri.path.strip("/")
    return uri.netloc, "/".join(part for part in (prefix, job.job_id, name) if part)


def output_facts(path: Path, key: str) -> Facts:
    """Make up an ETag as of an object written in parts: the MD5 of a long file would take too long.

    A file that only grows is told from what it was by its size.
    """
    stat = path.stat()
    digest = hashlib.md5(f"{key} {stat.st_size}".encode(), usedforsecurity=False).hexdigest()
    return Facts(size=stat.st_size, modified_ns=stat.st_mtime_ns, etag=f"{digest}-1")


def growing_facts(path: Path, key: str) -> Facts:
    """Give the facts of an output file up to where it has grown."""
    return msgspec.structs.replace(output_facts(path, key), inode=path.stat().st_ino)


def manifest_facts(path: Path, _: str) -> Facts:
    """Give the facts of a manifest, which changes without getting longer."""
    stat, digest = path.stat(), hashlib.md5(path.read_bytes(), usedforsecurity=False)
    return Facts(size=stat.st_size, modified_ns=stat.st_mtime_ns, etag=digest.hexdigest())
