"""What a job leaves in S3: an output file for each input file, and the manifest.

Source: "View the results of a batch inference job".
"""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from bedrock_local import objects
from bedrock_local.files import link_file, write_file
from bedrock_local.jobs import Job, Progress, output_path
from bedrock_local.objects import Facts


def publish_outputs(folder: Path, job: Job, progress: Progress) -> None:
    """Give every output file its key, and write the manifest last."""
    for number, file in enumerate(progress.files):
        path = output_path(folder, job, number)
        if path.exists():
            publish(folder, job, path, f"{file.name}.out")
    path = output_path(folder, job, 0).with_name("manifest")
    write_file(path, msgspec.json.encode(make_manifest(progress)) + b"\n")
    publish(folder, job, path, "manifest.json.out")


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


def publish(folder: Path, job: Job, path: Path, name: str) -> None:
    """Make a file an object of the output prefix; to do it twice does no harm."""
    uri = urlsplit(job.output_uri)
    prefix = uri.path.strip("/")
    key = "/".join(part for part in (prefix, job.job_id, name) if part)
    temporary = folder / "state" / "tmp" / secrets.token_hex(16)
    link_file(path, temporary)
    try:
        objects.store_object(folder, uri.netloc, key, temporary=temporary, facts=output_facts(temporary, key))
    finally:
        temporary.unlink(missing_ok=True)


def output_facts(path: Path, key: str) -> Facts:
    """Make up an ETag as of an object written in parts: the MD5 of a long file would take too long."""
    stat = path.stat()
    digest = hashlib.md5(f"{key} {stat.st_size} {stat.st_mtime_ns}".encode(), usedforsecurity=False).hexdigest()
    return Facts(size=stat.st_size, modified_ns=stat.st_mtime_ns, etag=f"{digest}-1")
