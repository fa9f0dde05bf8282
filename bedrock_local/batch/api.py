"""The API of batch inference: create, get, list and stop jobs.

Source: Amazon Bedrock API Reference, CreateModelInvocationJob and its companions.
"""

from __future__ import annotations

import time
from typing import Any

from bedrock_local.batch import jobs, quota_queue
from bedrock_local.batch.describe import describe, list_page
from bedrock_local.batch.inference_pool import cancel_job
from bedrock_local.batch.input_validation import InvalidInputError, check_input
from bedrock_local.batch.job_lookup import identify_job
from bedrock_local.batch.jobs import Job, OpenAIBatch
from bedrock_local.batch.lifecycle import advance_job, advance_jobs
from bedrock_local.emulator import Emulator
from bedrock_local.models import Model, is_profile
from bedrock_local.protocol.errors import ServiceError
from bedrock_local.protocol.job_status import EndStatus
from bedrock_local.protocol.json import json_response, read_object
from bedrock_local.protocol.messages import Response, read_all
from bedrock_local.protocol.resource_tags import check_tags
from bedrock_local.protocol.routing import ResolvedRequest
from bedrock_local.protocol.shapes import check_request, input_shape, keep_known
from bedrock_local.protocol.timestamps import iso_time, read_time

BODY_BYTES = 1_000_000


def create_job(request: ResolvedRequest, emulator: Emulator) -> Response:
    """Create a job, or find the one that the same token has created."""
    body = read_body(request)
    check_request("bedrock", "CreateModelInvocationJob", body)
    body = keep_known(body, input_shape("bedrock", "CreateModelInvocationJob"))
    # The service checks the role before the model: with a wrong role every model fails alike.
    check_role(body["roleArn"], emulator)
    model = emulator.find_model(body["modelId"])
    if model is None or not model.takes_batch:
        raise ServiceError("ValidationException", "Batch inference is not supported for the requested model.")
    check_tags(body.get("tags") or [])
    make_room(model, emulator)
    # Before the lock: reading the input may take minutes, and must not hold up others who create jobs.
    if emulator.settings.input_check == "create" and not find_twin(body, emulator):
        check_input_at_create(body, model, emulator)
    with quota_queue.lock_slots(emulator.folder):
        job = find_twin(body, emulator) or add_job(body, model, emulator)
    return json_response({"jobArn": job.arn})


def get_job(request: ResolvedRequest, emulator: Emulator) -> Response:
    """Advance a job for a moment, then describe it."""
    job = identify_job(request.identifier, emulator)
    advance_job(job, emulator, time.monotonic() + emulator.settings.work_seconds)
    return json_response(describe(job, emulator))


def stop_job(request: ResolvedRequest, emulator: Emulator) -> Response:
    """Request a stop; the answers that are ready are written when the job is advanced next."""
    if end := request_end(identify_job(request.identifier, emulator), emulator):
        raise ServiceError(emulator.settings.stop_error, f"The job cannot be stopped. State was: {end}")
    return json_response({})


def request_end(job: Job, emulator: Emulator) -> EndStatus | None:
    """Request that a job stops; return how it has ended where it has."""
    with jobs.lock_end(emulator.folder, job):
        if end := jobs.read_progress(emulator.folder, job).end:
            return end
        if jobs.stop_time(emulator.folder, job) is None:
            jobs.request_stop(emulator.folder, job, emulator.now())
    cancel_job(job.job_id)
    return None


def list_jobs(request: ResolvedRequest, emulator: Emulator) -> Response:
    """Advance the jobs that have not ended for a moment, then return a page."""
    deadline = time.monotonic() + emulator.settings.work_seconds
    advance_jobs(lambda: list_due(emulator), emulator, deadline)
    return json_response(list_page(request.query, emulator))


def list_due(emulator: Emulator) -> list[Job]:
    """List the jobs of the region that there may be something to do for."""
    due = quota_queue.list_due(emulator.folder, emulator.settings, emulator.now())
    return [job for job in due if job.region == emulator.region]


def check_role(role_arn: str, emulator: Emulator) -> None:
    """Refuse a role of another account, which the caller cannot pass, where the settings say so."""
    if role_arn.split(":")[4] != emulator.account and emulator.settings.choose_roles() == "own":
        user = f"arn:{emulator.partition}:iam::{emulator.account}:user/emulator"
        reason = f"User: {user} is not authorized to perform: iam:PassRole on resource: {role_arn}"
        raise ServiceError("AccessDeniedException", reason)


def make_room(model: Model, emulator: Emulator) -> None:
    """Advance the jobs of a model when a new one would be beyond the quota: some may be about to end."""
    folder, settings = emulator.folder, emulator.settings
    if quota_queue.is_full(folder, settings, model.base, emulator.region):
        deadline = time.monotonic() + settings.work_seconds
        advance_jobs(lambda: quota_queue.list_peers(folder, "running", model.base, emulator.region), emulator, deadline)


def find_twin(body: dict[str, Any], emulator: Emulator) -> Job | None:
    """Find the job that the same token has created; refuse a name, or by the settings a token, that is in use."""
    found = [job for job in jobs.list_jobs(emulator.folder) if job.region == emulator.region]
    token = body.get("clientRequestToken")
    for job in found:
        if token is not None and job.request.get("clientRequestToken") == token:
            reused = "first" if job.request == body else emulator.settings.choose_reused_token()
            if reused == "refuse":
                reason = "The provided client request token is in use with other parameters."
                raise ServiceError("ConflictException", reason)
            if reused == "first":
                return job
    if any(job.name == body["jobName"] for job in found):
        raise ServiceError(emulator.settings.name_error, "The provided job name is currently in use.")
    return None


def check_input_at_create(
    body: dict[str, Any], model: Model, emulator: Emulator, *, openai: OpenAIBatch | None = None
) -> None:
    """Refuse a job that could not run on its input."""
    arn = emulator.arn("model-invocation-job/")  # tells the region
    draft = Job(job_id="", arn=arn, model_arn="", model=model.base, request=body, submitted=0, openai=openai)
    try:
        check_input(emulator.folder, draft, emulator.settings)
    except InvalidInputError as error:
        raise ServiceError("ValidationException", str(error)) from error


def add_job(body: dict[str, Any], model: Model, emulator: Emulator, *, openai: OpenAIBatch | None = None) -> Job:
    """Save a new job, with a slot or queued, or refuse it, by quota and settings."""
    folder, settings = emulator.folder, emulator.settings
    is_full = quota_queue.is_full(folder, settings, model.base, emulator.region)
    if is_full and settings.over_quota == "refuse":
        limit = f"{quota_queue.QUOTA} for {model.base} in {emulator.region}: {settings.quota('max_unfinished_jobs')}"
        reason = f"The quota is reached: {limit}. Wait until a job has ended, or stop one."
        raise ServiceError("ServiceQuotaExceededException", reason)
    job_id = jobs.new_job_id()
    job = Job(
        job_id=job_id,
        arn=emulator.arn(f"model-invocation-job/{job_id}"),
        model_arn=model_arn(body["modelId"], emulator),
        model=model.base,
        request=body,
        # Rounded as clients see it, so that a filter by the time of a job that was described is exact.
        submitted=read_time(iso_time(emulator.now())),
        # Under the lock of the slots, so no two jobs have the same number.
        number=len(jobs.list_jobs(folder)),
        is_queued=is_full,
        openai=openai,
    )
    jobs.save_job(folder, job)
    return job


def model_arn(model_id: str, emulator: Emulator) -> str:
    """Return the ARN of a model or of a profile, which the service shows whatever form the request had."""
    if model_id.startswith("arn:"):
        return model_id
    if is_profile(model_id):
        return emulator.arn(f"inference-profile/{model_id}")
    return emulator.model_arn(model_id)


def read_body(request: ResolvedRequest) -> dict[str, Any]:
    """Read a small JSON body, which must be an object."""
    content = read_all(request.body, BODY_BYTES)
    return read_object(content or b"", "The request body is not a JSON object.")
