"""Requests about tags, of jobs and of the account's inference profiles.

Source: Amazon Bedrock API Reference, TagResource and its companions.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from bedrock_local.batch import jobs
from bedrock_local.batch.job_lookup import identify_job
from bedrock_local.batch.jobs import Job
from bedrock_local.emulator import Emulator
from bedrock_local.files import write_json
from bedrock_local.profiles import Profile, change_profile, find_profile
from bedrock_local.protocol.errors import ServiceError
from bedrock_local.protocol.json import json_response, read_object
from bedrock_local.protocol.messages import Response, read_all
from bedrock_local.protocol.resource_tags import Tags, drop_tags, merge_tags
from bedrock_local.protocol.routing import ResolvedRequest
from bedrock_local.protocol.shapes import check_request

BODY_BYTES = 1_000_000


def list_tags(request: ResolvedRequest, emulator: Emulator) -> Response:
    """Return the tags of a resource; a strict emulator does not find those of a stopped job, as a client reported."""
    _, resource = read_tagging(request, emulator)
    if isinstance(resource, Profile):
        return json_response({"tags": resource.tags})
    if emulator.settings.strict and jobs.stop_time(emulator.folder, resource) is not None:
        raise not_found()
    return json_response({"tags": read_tags(emulator.folder, resource)})


def tag_resource(request: ResolvedRequest, emulator: Emulator) -> Response:
    """Add tags to a resource."""
    body, resource = read_tagging(request, emulator)
    change_tags(emulator.folder, resource, lambda old: merge_tags(old, body["tags"]))
    return json_response({})


def untag_resource(request: ResolvedRequest, emulator: Emulator) -> Response:
    """Remove tags from a resource."""
    body, resource = read_tagging(request, emulator)
    change_tags(emulator.folder, resource, lambda old: drop_tags(old, body["tagKeys"]))
    return json_response({})


def read_tagging(request: ResolvedRequest, emulator: Emulator) -> tuple[dict[str, Any], Job | Profile]:
    """Read a request about tags, and find what it names; the emulator has no tags of anything else."""
    body = read_object(read_all(request.body, BODY_BYTES) or b"", "The request body is not a JSON object.")
    check_request("bedrock", request.operation, body)
    arn = body["resourceARN"]
    if ":model-invocation-job/" in arn:
        return body, identify_job(arn, emulator)
    profile = find_profile(emulator.folder, arn, emulator.region)
    if profile is None:
        raise not_found()
    return body, profile


def not_found() -> ServiceError:
    """Return the error for a resource that does not exist."""
    return ServiceError("ResourceNotFoundException", "The requested resource could not be found.")


def read_tags(folder: Path, job: Job) -> Tags:
    """Return the tags of a job."""
    try:
        return msgspec.json.decode(tags_path(folder, job).read_bytes(), type=Tags)
    except FileNotFoundError:
        return job.request.get("tags") or []


def change_tags(folder: Path, resource: Job | Profile, change: Callable[[Tags], Tags]) -> None:
    """Replace the tags of a resource by what a function makes of them; nobody else changes them meanwhile."""
    if isinstance(resource, Profile):
        change_profile(folder, resource, lambda found: msgspec.structs.replace(found, tags=change(found.tags)))
        return
    # Not the job's own lock, which is held as long as a process works on it.
    with jobs.lock_end(folder, resource):
        write_json(tags_path(folder, resource), change(read_tags(folder, resource)))


def tags_path(folder: Path, job: Job) -> Path:
    """Return the path of a job's tags, which exists once they differ from those of the request."""
    return jobs.job_folder(folder, job) / "tags.json"
