"""What is told of jobs: one by Get, pages of them by List.

Source: Amazon Bedrock API Reference, GetModelInvocationJob and ListModelInvocationJobs.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from bedrock_local.batch import jobs
from bedrock_local.batch.jobs import Job, StateError
from bedrock_local.batch.lifecycle import look_at
from bedrock_local.emulator import Emulator
from bedrock_local.protocol.errors import ServiceError
from bedrock_local.protocol.job_status import UNFINISHED, VALIDATED
from bedrock_local.protocol.shapes import check_request
from bedrock_local.protocol.timestamps import iso_time, read_time

ECHOED = ("jobName", "roleArn", "clientRequestToken", "inputDataConfig", "outputDataConfig", "vpcConfig")
MESSAGE_LETTERS = 2048
Position = tuple[float, int]


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """Which jobs a list is to hold.

    Attributes
    ----------
    after, before
        Moments of submission, in seconds since 1970; both count in.
    size
        Jobs to a page.
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
        """Tells one query from another; pages of one query may differ in size."""
        fields = (self.region, self.status, self.name, self.after, self.before, self.is_ascending)
        return hashlib.sha256(repr(fields).encode()).hexdigest()[:16]


def describe(job: Job, emulator: Emulator) -> dict[str, Any]:
    """Say how a job stands, as Get and List do."""
    progress, stopped = look_at(job, emulator), jobs.stop_moment(emulator.folder, job)
    fields = {
        "jobArn": job.arn,
        "modelId": job.model_arn,
        "status": progress.end or ("Stopping" if stopped is not None else progress.status),
        "message": progress.message and progress.message[:MESSAGE_LETTERS],
        **{name: job.request.get(name) for name in ECHOED},
        "modelInvocationType": job.invocation_type,
        "timeoutDurationInHours": job.timeout_hours,
        "submitTime": iso_time(job.submitted),
        "lastModifiedTime": iso_time(max(progress.changed, stopped or 0.0)),
        "endTime": None if progress.ended is None else iso_time(progress.ended),
        "jobExpirationTime": iso_time(job.submitted + job.timeout_hours * 3600 / emulator.settings.factor),
        # The service says 0 as long as it validates.
        "totalRecordCount": progress.total if progress.end or progress.status in VALIDATED else 0,
        "processedRecordCount": progress.processed,
        "successRecordCount": progress.success,
        "errorRecordCount": progress.errors,
    }
    return {name: value for name, value in fields.items() if value is not None}


def list_page(query: Mapping[str, str], emulator: Emulator) -> dict[str, Any]:
    """Give a page of jobs, newest first unless asked otherwise, and the token of the next when there is one."""
    wanted = read_query(query, emulator)
    begin = read_token(query["nextToken"], wanted) if "nextToken" in query else None
    page: list[tuple[Job, dict[str, Any]]] = []
    for job, summary in find_wanted(wanted, begin, emulator):
        if len(page) == wanted.size:
            return {"invocationJobSummaries": texts(page), "nextToken": make_token(page[-1][0], wanted)}
        page.append((job, summary))
    return {"invocationJobSummaries": texts(page)}


def texts(page: list[tuple[Job, dict[str, Any]]]) -> list[dict[str, Any]]:
    """Give what is told of the jobs of a page."""
    return [summary for _, summary in page]


def find_wanted(query: Query, begin: Position | None, emulator: Emulator) -> Iterator[tuple[Job, dict[str, Any]]]:
    """Go through the jobs that a query wants, from beyond a position on; how a job stands is read only when needed."""
    is_open = query.status in UNFINISHED
    found = (jobs.list_unfinished if is_open else jobs.list_jobs)(emulator.folder)
    for job in found if query.is_ascending else reversed(found):
        is_beyond = begin is None or (job.position > begin if query.is_ascending else job.position < begin)
        if is_beyond and is_asked(job, query):
            summary = describe_readable(job, emulator)
            if summary and query.status in (None, summary["status"]):
                yield job, summary


def describe_readable(job: Job, emulator: Emulator) -> dict[str, Any] | None:
    """Say how a job stands, unless its state cannot be read: Get says so, and a list has the other jobs."""
    try:
        return describe(job, emulator)
    except StateError:
        return None


def is_asked(job: Job, query: Query) -> bool:
    """Tell whether a job passes the filters that it passes for ever or never."""
    return job.region == query.region and query.name in job.name and query.after <= job.submitted <= query.before


def read_query(query: Mapping[str, str], emulator: Emulator) -> Query:
    """Read the query of a list and hold it to its shape; everything in it is text at first."""
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
    """Make the token of the page behind a job: a job that is created meanwhile moves nothing."""
    content = msgspec.json.encode([*last.position, query.digest])
    return base64.urlsafe_b64encode(content).decode()


def read_token(token: str, query: Query) -> Position:
    """Give the position of the job behind which a page begins; a token belongs to its query."""
    try:
        content = base64.b64decode(token.encode(), altchars=b"-_", validate=True)
        submitted, number, digest = msgspec.json.decode(content, type=tuple[float, int, str])
    except (ValueError, msgspec.DecodeError):
        raise ServiceError("ValidationException", "The provided nextToken is invalid.") from None
    if digest != query.digest:
        reason = "The provided nextToken is invalid: it belongs to a list with other filters or another order."
        raise ServiceError("ValidationException", reason)
    return submitted, number
