"""Tags of jobs.

Sources: Amazon Bedrock API Reference, TagResource and its companions; "Tag naming limits and requirements" of AWS.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from bedrock_local.batch import jobs
from bedrock_local.batch.jobs import Job
from bedrock_local.files import write_json
from bedrock_local.protocol.errors import ServiceError

MOST_TAGS = 50
Tags = list[dict[str, str]]


def check_tags(tags: Tags) -> None:
    """Refuse tags of the same key, and too many tags, which the shape of the request allows."""
    keys = [tag["key"] for tag in tags]
    for key in keys:
        if keys.count(key) > 1:
            raise ServiceError("ValidationException", f"Duplicate tag keys found: {key}")
    if len(keys) > MOST_TAGS:
        raise ServiceError("ValidationException", f"A resource can have {MOST_TAGS} tags, and not {len(keys)}.")


def read_tags(folder: Path, job: Job) -> Tags:
    """Return the tags of a job."""
    try:
        return msgspec.json.decode(tags_path(folder, job).read_bytes(), type=Tags)
    except FileNotFoundError:
        return job.request.get("tags") or []


def add_tags(folder: Path, job: Job, tags: Tags) -> None:
    """Add tags to a job; a tag of the same key gets the new value."""
    check_tags(tags)
    # Not the job's own lock, which is held as long as a process works on it.
    with jobs.lock_end(folder, job):
        found = {tag["key"]: tag for tag in [*read_tags(folder, job), *tags]}
        if len(found) > MOST_TAGS:
            reason = f"A resource can have {MOST_TAGS} tags, and not {len(found)}."
            raise ServiceError("TooManyTagsException", reason)
        write_json(tags_path(folder, job), list(found.values()))


def remove_tags(folder: Path, job: Job, keys: list[str]) -> None:
    """Remove tags by their keys; a key that the job does not have is not an error."""
    with jobs.lock_end(folder, job):
        write_json(tags_path(folder, job), [tag for tag in read_tags(folder, job) if tag["key"] not in keys])


def tags_path(folder: Path, job: Job) -> Path:
    """Return the path of a job's tags, which exists once they differ from those of the request."""
    return jobs.job_folder(folder, job) / "tags.json"
