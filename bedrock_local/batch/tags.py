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
    """Refuse what the shape of the tags allows and the service does not."""
    keys = [tag["key"] for tag in tags]
    for key in keys:
        if keys.count(key) > 1:
            raise ServiceError("ValidationException", f"Duplicate tag keys found: {key}")
    if len(keys) > MOST_TAGS:
        raise ServiceError("ValidationException", f"A resource can have {MOST_TAGS} tags, and not {len(keys)}.")


def read_tags(folder: Path, job: Job) -> Tags:
    """Give the tags of a job."""
    try:
        return msgspec.json.decode(tags_path(folder, job).read_bytes(), type=Tags)
    except FileNotFoundError:
        return job.request.get("tags") or []


def add_tags(folder: Path, job: Job, tags: Tags) -> None:
    """Give a job more tags, or tags of the same key other values."""
    check_tags(tags)
    with jobs.lock_end(folder, job):
        found = {tag["key"]: tag for tag in [*read_tags(folder, job), *tags]}
        if len(found) > MOST_TAGS:
            reason = f"A resource can have {MOST_TAGS} tags, and not {len(found)}."
            raise ServiceError("TooManyTagsException", reason)
        write_json(tags_path(folder, job), list(found.values()))


def remove_tags(folder: Path, job: Job, keys: list[str]) -> None:
    """Take tags away; one that is not there is no error."""
    with jobs.lock_end(folder, job):
        write_json(tags_path(folder, job), [tag for tag in read_tags(folder, job) if tag["key"] not in keys])


def tags_path(folder: Path, job: Job) -> Path:
    """Give the file of a job's tags, once they differ from those that it was created with."""
    return jobs.job_folder(folder, job) / "tags.json"
