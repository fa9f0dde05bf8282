"""The description of a job, for Get, and pages of descriptions, for List.

Source: Amazon Bedrock API Reference, GetModelInvocationJob and ListModelInvocationJobs.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import msgspec

from bedrock_local.batch import jobs
from bedrock_local.batch.jobs import Job, StateError
from bedrock_local.batch.lifecycle import refresh_status
from bedrock_local.emulator import Emulator
from bedrock_local.protocol.errors import ServiceError
from bedrock_local.protocol.job_status import UNFINISHED, VALIDATED
from bedrock_local.protocol.shapes import check_request
from bedrock_local.protocol.timestamps import iso_time, read_time

ECHOED = ("jobName", "roleArn", "vpcConfig")
CONFIGS = {"inputDataConfig": "s3InputDataConfig", "outputDataConfig": "s3OutputDataConfig"}
MODIFIED_SECONDS = 1  # after its end a job changes once more: 0.4 to 1.3 s later in a listing of the service
MESSAGE_LETTERS = 2048  # the longest `message` that the shape of the response allows
Position = tuple[float, int]


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """The filters and the order of a list of jobs.

    Attributes
    ----------
    after, before
        Moments of submission, in seconds since 1970, both inclusive.
    size
        Jobs on a page.
    """

    region: str
    status: str | None
    name: str
    after: float
    before: float
    is_ascending: bool
    size: int

    @property
    def digest(self) -> str:
        """A digest of everything but the size, in which pages of one query may differ."""
        fields = (self.region, self.status, self.name, self.after, self.before, self.is_ascending)
        return hashlib.sha256(repr(fields).encode()).hexdigest()[:16]


def describe(job: Job, emulator: Emulator) -> dict[str, Any]:
    """Return the description of a job, as Get and List have it."""
    progress, stopped = refresh_status(job, emulator), jobs.stop_time(emulator.folder, job)
    # Not the settings': a job stays in the account that it was created in.
    owner = job.arn.split(":")[4]
    fields = {
        "jobArn": job.arn,
        "modelId": job.model_arn,
        "status": progress.end or ("Stopping" if stopped is not None else progress.status),
        "message": progress.message and progress.message[:MESSAGE_LETTERS],
        **{name: job.request.get(name) for name in ECHOED},
        **{name: fill_owner(job.request[name], member, owner) for name, member in CONFIGS.items()},
        "modelInvocationType": job.invocation_type,
        "timeoutDurationInHours": job.timeout_hours,
        "submitTime": iso_time(job.submitted),
        "lastModifiedTime": iso_time(max(progress.changed, stopped or 0.0, (progress.ended or 0.0) + MODIFIED_SECONDS)),
        "endTime": None if progress.ended is None else iso_time(progress.ended),
        "jobExpirationTime": iso_time(job.submitted + job.timeout_hours * 3600 / emulator.settings.speed),
        # The service says 0 until the job is validated.
        "totalRecordCount": progress.total if progress.end or progress.status in VALIDATED else 0,
        "processedRecordCount": progress.processed,
        "successRecordCount": progress.success,
        "errorRecordCount": progress.errors,
    }
    return {name: value for name, value in fields.items() if value is not None}


def fill_owner(config: Mapping[str, Any], member: str, owner: str) -> dict[str, Any]:
    """Return a data config with the owner of the bucket, which the service fills in where the request had none."""
    return {**config, member: {"s3BucketOwner": owner, **config[member]}}


def list_page(query: Mapping[str, str], emulator: Emulator) -> dict[str, Any]:
    """Return a page of jobs, newest first unless the query says otherwise, and the token of the next page if any."""
    wanted = read_query(query, emulator)
    is_strict = emulator.settings.strict
    begin = read_token(query["nextToken"], wanted, is_strict=is_strict) if "nextToken" in query else None
    # One more than fits on the page shows whether there is a next one.
    found = list(islice(find_matching(wanted, begin, emulator), wanted.size + 1))
    page = found[: wanted.size]
    token = {"nextToken": make_token(page[-1][0], wanted)} if len(found) > len(page) else {}
    return {"invocationJobSummaries": [summary for _, summary in page], **token}


def find_matching(query: Query, begin: Position | None, emulator: Emulator) -> Iterator[tuple[Job, dict[str, Any]]]:
    """Yield the jobs that match a query, after a position, with their descriptions."""
    list_found = jobs.list_unfinished if query.status in UNFINISHED else jobs.list_jobs
    found = list_found(emulator.folder)
    for job in found if query.is_ascending else reversed(found):
        # The filters that need no description come first, as it reads files and may save a new status.
        is_beyond = begin is None or (job.position > begin if query.is_ascending else job.position < begin)
        if is_beyond and matches_filters(job, query):
            summary = describe_readable(job, emulator)
            if summary and query.status in (None, summary["status"]):
                yield job, summary


def describe_readable(job: Job, emulator: Emulator) -> dict[str, Any] | None:
    """Return the description of a job; None if its state cannot be read: Get reports that, and a list skips the job."""
    try:
        return describe(job, emulator)
    except StateError:
        return None


def matches_filters(job: Job, query: Query) -> bool:
    """Return whether a job passes the filters by what never changes: region, name and time of submission."""
    is_own = job.region == query.region and job.openai is None
    return is_own and query.name in job.name and query.after <= job.submitted <= query.before


def read_query(query: Mapping[str, str], emulator: Emulator) -> Query:
    """Read the query of a list and check it against its shape; all of its values are texts at first."""
    typed: dict[str, Any] = dict(query)
    if "maxResults" in query and re.fullmatch(r"-?\d{1,9}", query["maxResults"]):
        typed["maxResults"] = int(query["maxResults"])
    check_request("bedrock", "ListModelInvocationJobs", typed)
    return Query(
        region=emulator.region,
        status=query.get("statusEquals"),
        name=query.get("nameContains", ""),
        after=read_moment(query, "submitTimeAfter", float("-inf")),
        before=read_moment(query, "submitTimeBefore", float("inf")),
        is_ascending=query.get("sortOrder") == "Ascending",
        size=typed.get("maxResults", emulator.settings.page_jobs),
    )


def read_moment(query: Mapping[str, str], name: str, default: float) -> float:
    """Read a timestamp of a query."""
    try:
        return read_time(query[name]) if name in query else default
    except ValueError:
        raise ServiceError("ValidationException", f"Value '{query[name]}' at '{name}' is not a timestamp") from None


def make_token(last: Job, query: Query) -> str:
    """Return the token of the page after a job, by the job's position, so that new jobs do not shift the pages."""
    content = msgspec.json.encode([*last.position, query.digest])
    return base64.urlsafe_b64encode(content).decode()


def read_token(token: str, query: Query, *, is_strict: bool) -> Position:
    """Return the position after which a page begins; where `is_strict`, a token is valid for its own query alone."""
    try:
        content = base64.b64decode(token.encode(), altchars=b"-_", validate=True)
        submitted, number, digest = msgspec.json.decode(content, type=tuple[float, int, str])
    except (ValueError, msgspec.DecodeError):
        raise ServiceError("ValidationException", "The provided nextToken is invalid.") from None
    if is_strict and digest != query.digest:
        reason = "The provided nextToken is invalid: it belongs to a list with other filters or another order."
        raise ServiceError("ValidationException", reason)
    return submitted, number
