"""OpenAI's Batch API on bedrock-runtime: create, retrieve, list and cancel batches, whose files are in S3.

Sources: Amazon Bedrock User Guide, "Submit a batch of prompts with the OpenAI Batch API"; OpenAI API Reference,
"Batch". What neither says is marked as unconfirmed in docs/emulator/service.md.
"""

from __future__ import annotations

import re
import time
from typing import Any

import msgspec

from bedrock_local.batch import jobs, quota_queue
from bedrock_local.batch.api import (
    add_job,
    check_input_at_create,
    check_role,
    list_due,
    make_room,
    read_body,
    request_end,
)
from bedrock_local.batch.jobs import Job, OpenAIBatch, Progress
from bedrock_local.batch.lifecycle import advance_job, advance_jobs, refresh_status
from bedrock_local.batch.openai_lines import URL
from bedrock_local.emulator import Emulator
from bedrock_local.families import find_family
from bedrock_local.models import Model
from bedrock_local.protocol.errors import ServiceError
from bedrock_local.protocol.job_status import JobStatus
from bedrock_local.protocol.json import json_response
from bedrock_local.protocol.messages import Response
from bedrock_local.protocol.resource_tags import check_tags
from bedrock_local.protocol.routing import ResolvedRequest
from bedrock_local.protocol.shapes import check_request

WINDOW = re.compile(r"(\d{1,3})h")
FILE = re.compile(r"s3://.+\.jsonl")
ROLE, MODEL, KEY, TAGS = (f"x-amzn-bedrock-{name}" for name in ("rolearn", "modelid", "outputencryptionkeyid", "tags"))
PAGE_BATCHES, MOST_BATCHES = 20, 100
STATUSES: dict[JobStatus, str] = {
    "Submitted": "validating",
    "Validating": "validating",
    "Scheduled": "in_progress",
    "InProgress": "in_progress",
    "Stopping": "cancelling",
    "Completed": "completed",
    "PartiallyCompleted": "expired",
    "Expired": "expired",
    "Failed": "failed",
    "Stopped": "cancelled",
}
ENDS = ("completed", "failed", "expired", "cancelled")


def create_batch(request: ResolvedRequest, emulator: Emulator) -> Response:
    """Create a batch, which is a job whose role and model are in headers and whose output lies beside its input."""
    body = read_body(request)
    for name in (ROLE, MODEL):
        if not request.headers.get(name):
            raise ServiceError("ValidationException", f"{name}: header is required")
    job_body = make_job_body(request, body)
    check_request("bedrock", "CreateModelInvocationJob", job_body)
    check_role(job_body["roleArn"], emulator)
    check_tags(job_body.get("tags", []))
    model = find_model(job_body["modelId"], emulator)
    batch = OpenAIBatch(completion_window=body["completion_window"], metadata=body.get("metadata"))
    make_room(model, emulator)
    if emulator.settings.input_check == "create":
        check_input_at_create(job_body, model, emulator, openai=batch)
    with quota_queue.lock_slots(emulator.folder):
        job = add_job(job_body, model, emulator, openai=batch)
    return json_response(describe_batch(job, emulator))


def retrieve_batch(request: ResolvedRequest, emulator: Emulator) -> Response:
    """Advance a batch for a moment, then describe it."""
    job = find_batch(request.identifier, emulator)
    advance_job(job, emulator, time.monotonic() + emulator.settings.work_seconds)
    return json_response(describe_batch(job, emulator))


def list_batches(request: ResolvedRequest, emulator: Emulator) -> Response:
    """List a page of batches, newest first."""
    limit, after = request.query.get("limit", str(PAGE_BATCHES)), request.query.get("after")
    if not re.fullmatch(r"\d{1,3}", limit) or not 1 <= int(limit) <= MOST_BATCHES:
        raise ServiceError("ValidationException", f"limit: expected 1 to {MOST_BATCHES}, and not {limit[:20]}")
    advance_jobs(lambda: list_due(emulator), emulator, time.monotonic() + emulator.settings.work_seconds)
    found = [job for job in reversed(jobs.list_jobs(emulator.folder)) if job.openai and job.region == emulator.region]
    if after is not None:
        last = find_batch(after, emulator)
        found = [job for job in found if job.position < last.position]
    page = [describe_batch(job, emulator) for job in found[: int(limit)]]
    ends = {"first_id": page[0]["id"], "last_id": page[-1]["id"]} if page else {"first_id": None, "last_id": None}
    return json_response({"object": "list", "data": page, **ends, "has_more": len(found) > len(page)})


def cancel_batch(request: ResolvedRequest, emulator: Emulator) -> Response:
    """Request that a batch stops; the answers that are ready are written."""
    job = find_batch(request.identifier, emulator)
    if end := request_end(job, emulator):
        raise ServiceError("ValidationException", f"Cannot cancel a batch with status '{STATUSES[end]}'.")
    return json_response(describe_batch(job, emulator))


def make_job_body(request: ResolvedRequest, body: dict[str, Any]) -> dict[str, Any]:
    """Make the body of CreateModelInvocationJob that a request for a batch stands for."""
    uri, window, metadata = body.get("input_file_id"), body.get("completion_window"), body.get("metadata")
    if not isinstance(uri, str) or not FILE.fullmatch(uri):
        raise ServiceError("ValidationException", "input_file_id: expected the S3 URI of a .jsonl file")
    if body.get("endpoint") not in (URL, URL.removeprefix("/")):
        raise ServiceError("ValidationException", f"endpoint: expected {URL}")
    hours = WINDOW.fullmatch(window) if isinstance(window, str) else None
    if hours is None:
        raise ServiceError("ValidationException", "completion_window: expected hours, such as 24h")
    if not isinstance(metadata, dict | None):
        raise ServiceError("ValidationException", "metadata: expected an object")
    key = {"s3EncryptionKeyId": request.headers[KEY]} if request.headers.get(KEY) else {}
    return {
        "jobName": f"openai-batch-{jobs.new_job_id()}",
        "roleArn": request.headers[ROLE],
        "modelId": request.headers[MODEL],
        "inputDataConfig": {"s3InputDataConfig": {"s3Uri": uri}},
        "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": uri[: uri.rindex("/") + 1], **key}},
        "timeoutDurationInHours": int(hours[1]),
        **({"tags": read_tags(request.headers[TAGS])} if request.headers.get(TAGS) else {}),
    }


def read_tags(text: str) -> list[dict[str, str]]:
    """Read a header that has an object of tags."""
    try:
        found = msgspec.json.decode(text, type=dict[str, str])
    except (msgspec.DecodeError, RecursionError):
        raise ServiceError("ValidationException", f"{TAGS}: expected an object of keys and values") from None
    return [{"key": key, "value": value} for key, value in found.items()]


def find_model(model_id: str, emulator: Emulator) -> Model:
    """Find a model that answers chat completions in batches."""
    model = emulator.find_model(model_id)
    if model is None or not model.takes_batch or find_family(model).name != "openai":
        raise ServiceError("ValidationException", f"The model {model_id} is not supported by this API")
    return model


def find_batch(batch_id: str, emulator: Emulator) -> Job:
    """Find a batch of the region by its id."""
    job = jobs.find_job(emulator.folder, batch_id.removeprefix("batch_")) if batch_id.isidentifier() else None
    if job is None or job.openai is None or job.output_name != batch_id or job.region != emulator.region:
        raise ServiceError("ResourceNotFoundException", f"No batch found with id '{batch_id[:100]}'.")
    return job


def describe_batch(job: Job, emulator: Emulator) -> dict[str, Any]:
    """Return the description of a batch, as OpenAI's API has it; its files are addresses in S3."""
    progress, stopped = refresh_status(job, emulator), jobs.stop_time(emulator.folder, job)
    status = STATUSES[progress.end or ("Stopping" if stopped is not None else progress.status)]
    batch = job.openai or OpenAIBatch(completion_window="")
    expires = job.submitted + job.timeout_hours * 3600 / emulator.settings.speed
    return {
        "id": job.output_name,
        "object": "batch",
        "endpoint": URL,
        "model": job.request["modelId"],
        "errors": describe_errors(progress),
        "input_file_id": job.input_config["s3Uri"],
        "completion_window": batch.completion_window,
        "status": status,
        "output_file_id": name_result(job, progress, "out", progress.success),
        "error_file_id": name_result(job, progress, "err", progress.errors + progress.unprocessed),
        "created_at": int(job.submitted),
        "expires_at": int(expires),
        "in_progress_at": None,
        "finalizing_at": None,
        "cancelling_at": None if stopped is None else int(stopped),
        **{f"{end}_at": int(progress.ended) if progress.ended and status == end else None for end in ENDS},
        "request_counts": {
            "total": progress.total,
            "completed": progress.success,
            "failed": progress.errors + progress.unprocessed,
        },
        "metadata": batch.metadata,
    }


def describe_errors(progress: Progress) -> dict[str, Any] | None:
    """Return why a batch failed; None where it has not."""
    if progress.end != "Failed":
        return None
    error = {"code": "invalid_input", "message": progress.message, "param": None, "line": None}
    return {"object": "list", "data": [error]}


def name_result(job: Job, progress: Progress, ending: str, count: int) -> str | None:
    """Return the address of a file of results; None while there is none."""
    if not progress.ended or not count or progress.status != "InProgress":
        return None
    return f"{job.output_config['s3Uri']}{job.output_name}/{progress.files[0].name}.{ending}"
