"""Batch inference on the wire: create, get, list, stop and tag jobs.

Source: Amazon Bedrock API Reference, CreateModelInvocationJob and its companions.
"""

from __future__ import annotations

import re
import time
from typing import Any

from bedrock_local.batch import jobs, quota_queue
from bedrock_local.batch.describe import describe, list_page
from bedrock_local.batch.inference_pool import cancel_job
from bedrock_local.batch.input_validation import InvalidInputError, check_input
from bedrock_local.batch.jobs import Job
from bedrock_local.batch.lifecycle import work_in_turns, work_on
from bedrock_local.batch.tags import add_tags, check_tags, read_tags, remove_tags
from bedrock_local.emulator import ACCOUNT, Emulator
from bedrock_local.models import Model, find_model, is_profile
from bedrock_local.protocol.errors import ServiceError
from bedrock_local.protocol.json import json_response, read_object
from bedrock_local.protocol.messages import Response, read_all
from bedrock_local.protocol.routing import ResolvedRequest
from bedrock_local.protocol.shapes import check_request, input_shape, keep_known
from bedrock_local.protocol.timestamps import iso_time, read_time

BODY_BYTES = 1_000_000
JOB_ID = re.compile(r"(?:arn:aws(?:-[^:]+)?:bedrock:[a-z0-9-]{1,20}:[0-9]{12}:model-invocation-job/)?([a-z0-9]{12})")


def create_job(request: ResolvedRequest, emulator: Emulator) -> Response:
    """Keep a new job, or find the one that the same token made."""
    wish = read_wish(request)
    check_request("bedrock", "CreateModelInvocationJob", wish)
    wish = keep_known(wish, input_shape("bedrock", "CreateModelInvocationJob"))
    # The service looks at the role first, then at the model: with a wrong role every model fails alike.
    check_role(wish["roleArn"], emulator)
    model = find_model(wish["modelId"])
    if model is None or not model.takes_batch:
        raise ServiceError("ValidationException", "Batch inference is not supported for the requested model.")
    check_tags(wish.get("tags") or [])
    make_room(model, emulator)
    # Reading the input may take minutes, for which nobody else who creates a job has to wait.
    if emulator.settings.input_check == "create" and not find_twin(wish, emulator):
        look_at_input(wish, model, emulator)
    with quota_queue.lock_slots(emulator.folder):
        job = find_twin(wish, emulator) or add_job(wish, model, emulator)
    return json_response({"jobArn": job.arn})


def get_job(request: ResolvedRequest, emulator: Emulator) -> Response:
    """Work on a job a little, then say how it stands."""
    job = identify_job(request.identifier, emulator)
    work_on(job, emulator, time.monotonic() + emulator.settings.work_seconds)
    return json_response(describe(job, emulator))


def stop_job(request: ResolvedRequest, emulator: Emulator) -> Response:
    """Keep that a job is to stop; what it has finished is written when somebody next asks for it."""
    job = identify_job(request.identifier, emulator)
    with jobs.lock_end(emulator.folder, job):
        end = jobs.read_progress(emulator.folder, job).end
        if end:
            reason = f"The job cannot be stopped: its status is {end}"
            raise ServiceError(emulator.settings.stop_error, reason)
        if jobs.stop_moment(emulator.folder, job) is None:
            jobs.ask_stop(emulator.folder, job, emulator.now())
    cancel_job(job.job_id)
    return json_response({})


def list_jobs(request: ResolvedRequest, emulator: Emulator) -> Response:
    """Share some time among the jobs that have not ended, then give a page."""
    deadline = time.monotonic() + emulator.settings.work_seconds
    work_in_turns(lambda: list_due(emulator), emulator, deadline)
    return json_response(list_page(request.query, emulator))


def list_due(emulator: Emulator) -> list[Job]:
    """List the jobs of the region that there may be something to do for."""
    due = quota_queue.list_due(emulator.folder, emulator.settings, emulator.now())
    return [job for job in due if job.region == emulator.region]


def list_tags(request: ResolvedRequest, emulator: Emulator) -> Response:
    """Give the tags of a job."""
    _, job = read_tagging(request, emulator)
    return json_response({"tags": read_tags(emulator.folder, job)})


def tag_job(request: ResolvedRequest, emulator: Emulator) -> Response:
    """Give a job more tags."""
    wish, job = read_tagging(request, emulator)
    add_tags(emulator.folder, job, wish["tags"])
    return json_response({})


def untag_job(request: ResolvedRequest, emulator: Emulator) -> Response:
    """Take tags away from a job."""
    wish, job = read_tagging(request, emulator)
    remove_tags(emulator.folder, job, wish["tagKeys"])
    return json_response({})


def read_tagging(request: ResolvedRequest, emulator: Emulator) -> tuple[dict[str, Any], Job]:
    """Read a request about tags, and find the job it names; nothing else has tags here."""
    wish = read_wish(request)
    check_request("bedrock", request.operation, wish)
    if ":model-invocation-job/" not in wish["resourceARN"]:
        raise ServiceError("ResourceNotFoundException", "The requested resource could not be found.")
    return wish, identify_job(wish["resourceARN"], emulator)


def check_role(role_arn: str, emulator: Emulator) -> None:
    """Refuse a role that the caller cannot pass: that of another account."""
    if role_arn.split(":")[4] != ACCOUNT:
        user = f"arn:{emulator.partition}:iam::{ACCOUNT}:user/emulator"
        reason = f"User: {user} is not authorized to perform: iam:PassRole on resource: {role_arn}"
        raise ServiceError("AccessDeniedException", reason)


def make_room(model: Model, emulator: Emulator) -> None:
    """Work a little on the jobs of a model when a new one would be beyond the quota: some may be at their end."""
    folder, settings = emulator.folder, emulator.settings
    if quota_queue.is_full(folder, settings, model.base, emulator.region):
        deadline = time.monotonic() + settings.work_seconds
        work_in_turns(
            lambda: quota_queue.list_peers(folder, "running", model.base, emulator.region), emulator, deadline
        )


def find_twin(wish: dict[str, Any], emulator: Emulator) -> Job | None:
    """Find the job that the same token made before; refuse a token or a name that is in use otherwise."""
    found = [job for job in jobs.list_jobs(emulator.folder) if job.region == emulator.region]
    token = wish.get("clientRequestToken")
    for job in found:
        if token is not None and job.request.get("clientRequestToken") == token:
            if job.request != wish:
                reason = "The provided client request token is in use with other parameters."
                raise ServiceError("ConflictException", reason)
            return job
    if any(job.name == wish["jobName"] for job in found):
        raise ServiceError(emulator.settings.name_error, "The provided job name is currently in use.")
    return None


def look_at_input(wish: dict[str, Any], model: Model, emulator: Emulator) -> None:
    """Refuse a job whose input it could not run on."""
    draft = Job(job_id="", arn="", model_arn="", model=model.base, request=wish, submitted=0)
    try:
        check_input(emulator.folder, draft, emulator.settings)
    except InvalidInputError as error:
        raise ServiceError("ValidationException", str(error)) from error


def add_job(wish: dict[str, Any], model: Model, emulator: Emulator) -> Job:
    """Keep a new job, queue it, or refuse it, as quota and settings have it."""
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
        model_arn=model_arn(wish["modelId"], emulator),
        model=model.base,
        request=wish,
        # As it is told, so that a filter by the time of another job's answer is exact.
        submitted=read_time(iso_time(emulator.now())),
        number=len(jobs.list_jobs(folder)),
        is_queued=is_full,
    )
    jobs.save_job(folder, job)
    return job


def identify_job(identifier: str, emulator: Emulator) -> Job:
    """Find a job of the region by ARN or id."""
    found = JOB_ID.fullmatch(identifier)
    if not found:
        raise ServiceError("ValidationException", "The provided job identifier is invalid.")
    job = jobs.find_job(emulator.folder, found[1])
    if job is None or identifier not in (job.arn, job.job_id) or job.region != emulator.region:
        raise ServiceError("ResourceNotFoundException", "The requested job could not be found.")
    return job


def model_arn(model_id: str, emulator: Emulator) -> str:
    """Give the ARN of a model or of a profile; the service answers with it whatever was asked."""
    if model_id.startswith("arn:"):
        return model_id
    if is_profile(model_id):
        return emulator.arn(f"inference-profile/{model_id}")
    return emulator.arn(f"foundation-model/{model_id}", account="")


def read_wish(request: ResolvedRequest) -> dict[str, Any]:
    """Read a small JSON body, which must be an object."""
    content = read_all(request.body, BODY_BYTES)
    return read_object(content or b"", "The request body is not a JSON object.")
