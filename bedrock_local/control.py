"""Batch inference on the wire: create, get, list and stop jobs.

Source: Amazon Bedrock API Reference, CreateModelInvocationJob and its three companions.
"""

from __future__ import annotations

import base64
import re
import time
from typing import Any
from urllib.parse import unquote

import msgspec
from filelock import FileLock

from bedrock_local import jobs
from bedrock_local.emulator import Emulator
from bedrock_local.errors import ServiceError
from bedrock_local.jobs import Job
from bedrock_local.models import find_model, is_profile
from bedrock_local.shapes import check_request
from bedrock_local.times import iso_time, read_time
from bedrock_local.wire import Request, Response, read_all
from bedrock_local.work import look_at, work_on

BODY_BYTES = 1_000_000
PAGE_JOBS = 100
JOB_PATH = re.compile(r"/model-invocation-job/([^/]+)")
JOB_ID = re.compile(r"(?:arn:aws(?:-[^:]+)?:bedrock:[a-z0-9-]{1,20}:[0-9]{12}:model-invocation-job/)?([a-z0-9]{12})")
ECHOED = ("jobName", "roleArn", "clientRequestToken", "inputDataConfig", "outputDataConfig", "vpcConfig")


def handle(request: Request, emulator: Emulator) -> Response:
    """Answer a request to the control plane."""
    job = JOB_PATH.fullmatch(request.path)
    stop = JOB_PATH.fullmatch(request.path.removesuffix("/stop"))
    if (request.method, request.path) == ("POST", "/model-invocation-job"):
        return create_job(request, emulator)
    if (request.method, request.path) == ("GET", "/model-invocation-jobs"):
        return list_jobs(request, emulator)
    if request.method == "GET" and job:
        return get_job(unquote(job[1]), emulator)
    if request.method == "POST" and stop and not job:
        return stop_job(unquote(stop[1]), emulator)
    raise ServiceError("UnknownOperationException", f"The emulator has no {request.method} {request.path}")


def create_job(request: Request, emulator: Emulator) -> Response:
    """Keep a new job; whether its input can be read is a matter of validation, later."""
    wish = read_body(request)
    check_request("bedrock", "CreateModelInvocationJob", wish)
    model = find_model(wish["modelId"])
    if model is None or not model.takes_batch:
        raise ServiceError("ValidationException", "Batch inference is not supported for the requested model.")
    lock = emulator.folder / "state" / "locks" / "create-job.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(lock):
        job = find_twin(wish, emulator)
        if job is None:
            job_id = jobs.new_job_id()
            job = Job(
                job_id=job_id,
                arn=emulator.arn(f"model-invocation-job/{job_id}"),
                model_arn=model_arn(wish["modelId"], emulator),
                model=model.base,
                request=wish,
                submitted=emulator.now(),
            )
            jobs.save_job(emulator.folder, job)
    return json_response({"jobArn": job.arn})


def get_job(identifier: str, emulator: Emulator) -> Response:
    """Work on a job a little, then say how it stands."""
    job = find_job(identifier, emulator)
    work_on(job, emulator, time.monotonic() + emulator.settings.work_seconds)
    return json_response(describe(job, emulator))


def stop_job(identifier: str, emulator: Emulator) -> Response:
    """Keep that a job is to stop; what it has finished is written when somebody next asks for it."""
    job = find_job(identifier, emulator)
    progress = jobs.read_progress(emulator.folder, job)
    if progress.end:
        reason = f"The job cannot be stopped: its status is {progress.end}"
        raise ServiceError("ConflictException", reason)
    if jobs.stop_moment(emulator.folder, job) is None:
        jobs.ask_stop(emulator.folder, job, emulator.now())
    return json_response({})


def list_jobs(request: Request, emulator: Emulator) -> Response:
    """List jobs, newest first unless asked otherwise, and share the time for work among them."""
    query: dict[str, Any] = dict(request.query)
    check_query(query)
    found = jobs.list_jobs(emulator.folder)
    deadline = time.monotonic() + emulator.settings.work_seconds
    for job in found:
        if time.monotonic() < deadline:
            work_on(job, emulator, deadline)
    if query.get("sortOrder") != "Ascending":
        found.reverse()
    summaries = [summary for job in found if is_wanted(summary := describe(job, emulator), query)]
    start = read_token(query["nextToken"]) if "nextToken" in query else 0
    stop = start + int(query.get("maxResults", PAGE_JOBS))
    page = {"invocationJobSummaries": summaries[start:stop]}
    return json_response(page | ({"nextToken": make_token(stop)} if stop < len(summaries) else {}))


def find_twin(wish: dict[str, Any], emulator: Emulator) -> Job | None:
    """Find the job that the same token made before; refuse a name that is in use."""
    found = jobs.list_jobs(emulator.folder)
    token = wish.get("clientRequestToken")
    for job in found:
        if token is not None and job.request.get("clientRequestToken") == token:
            return job
    if any(job.request["jobName"] == wish["jobName"] for job in found):
        raise ServiceError("ConflictException", "The provided job name is currently in use.")
    return None


def find_job(identifier: str, emulator: Emulator) -> Job:
    """Find a job by ARN or id."""
    found = JOB_ID.fullmatch(identifier)
    if not found:
        raise ServiceError("ValidationException", "The provided job identifier is invalid.")
    job = jobs.find_job(emulator.folder, found[1])
    if job is None or identifier not in (job.arn, job.job_id):
        raise ServiceError("ResourceNotFoundException", "The requested job could not be found.")
    return job


def describe(job: Job, emulator: Emulator) -> dict[str, Any]:
    """Say how a job stands, as Get and List do."""
    settings = emulator.settings
    progress, stopped = look_at(job, emulator), jobs.stop_moment(emulator.folder, job)
    status = progress.end or ("Stopping" if stopped is not None else progress.status)
    fields = {
        "jobArn": job.arn,
        "modelId": job.model_arn,
        "status": status,
        "message": progress.message,
        **{name: job.request.get(name) for name in ECHOED},
        "modelInvocationType": job.invocation_type,
        "timeoutDurationInHours": job.timeout_hours,
        "submitTime": iso_time(job.submitted),
        "lastModifiedTime": iso_time(max(progress.changed, stopped or 0.0)),
        "endTime": None if progress.ended is None else iso_time(progress.ended),
        "jobExpirationTime": iso_time(job.submitted + job.timeout_hours * 3600 / settings.factor),
        # The service says 0 as long as it validates.
        "totalRecordCount": progress.total if progress.status in ("Scheduled", "InProgress") else 0,
        "processedRecordCount": progress.processed,
        "successRecordCount": progress.success,
        "errorRecordCount": progress.errors,
    }
    return {name: value for name, value in fields.items() if value is not None}


def model_arn(model_id: str, emulator: Emulator) -> str:
    """Give the ARN of a model or of a profile; the service answers with it whatever was asked."""
    if model_id.startswith("arn:"):
        return model_id
    if is_profile(model_id):
        return emulator.arn(f"inference-profile/{model_id}")
    return f"arn:aws:bedrock:{emulator.region}::foundation-model/{model_id}"


def check_query(query: dict[str, Any]) -> None:
    """Hold a list's query to its shape; everything in a query is text until it is read."""
    typed = dict(query)
    if "maxResults" in query and re.fullmatch(r"-?\d+", query["maxResults"]):
        typed["maxResults"] = int(query["maxResults"])
    check_request("bedrock", "ListModelInvocationJobs", typed)
    for name in ("submitTimeAfter", "submitTimeBefore"):
        if name in query:
            query[name] = read_moment(query[name], name)


def read_moment(text: str, name: str) -> float:
    """Read a timestamp of a query."""
    try:
        return read_time(text)
    except ValueError:
        raise ServiceError("ValidationException", f"Value '{text}' at '{name}' is not a timestamp") from None


def is_wanted(summary: dict[str, Any], query: dict[str, Any]) -> bool:
    """Tell whether a job passes the filters of a list."""
    submitted = read_time(summary["submitTime"])
    return (
        query.get("statusEquals") in (None, summary["status"])
        and query.get("nameContains", "") in summary["jobName"]
        and query.get("submitTimeAfter", submitted) <= submitted <= query.get("submitTimeBefore", submitted)
    )


def make_token(position: int) -> str:
    """Make the token of the page that begins at a position."""
    return base64.urlsafe_b64encode(str(position).encode()).decode()


def read_token(token: str) -> int:
    """Give the position at which the page of a token begins."""
    try:
        return int(
            base64.urlsafe_b64decode(
                token.encode(),
            ).decode()
        )
    except ValueError:
        raise ServiceError("ValidationException", "The provided nextToken is invalid.") from None


def read_body(request: Request) -> dict[str, Any]:
    """Read a small JSON body, which must be an object."""
    content = read_all(request.body, BODY_BYTES)
    try:
        return msgspec.json.decode(content or b"", type=dict[str, Any])
    except msgspec.DecodeError:
        raise ServiceError("ValidationException", "The request body is not a JSON object.") from None


def json_response(body: dict[str, Any]) -> Response:
    """Answer with a JSON document."""
    return Response(200, {"content-type": "application/json"}, msgspec.json.encode(body))
