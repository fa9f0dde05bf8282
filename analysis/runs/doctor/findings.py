"""Findings: one sentence each on what was looked at, how it stands, and what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal, NamedTuple

import polars as pl
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError

from analysis.aws.cures import check_response, find_cure
from analysis.aws.session import configuration_errors
from analysis.errors import AnalysisError, StorageError
from analysis.jobs.batch import CURES

Status = Literal["ok", "warning", "error", "unknown"]
SCHEMA = dict.fromkeys(("check", "status", "detail", "cure"), pl.String)
DENIED = frozenset({"AccessDenied", "AccessDeniedException", "403", "Forbidden", "UnauthorizedOperation"})
# What botocore and AWS raise, and what a response that is not one of AWS is converted to.
REFUSALS = (BotoCoreError, ClientError, StorageError)


class Finding(NamedTuple):
    """What one check found: see `diagnose` for its columns."""

    check: str
    status: Status
    detail: str
    cure: str = ""


def tabulate_findings(findings: Iterable[Finding]) -> pl.DataFrame:
    """Put findings into a frame, a row each; an empty cure is missing."""
    rows = [finding._replace(cure=finding.cure or None) for finding in findings]  # type: ignore[arg-type]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def look(check: str, request: Callable[[], Iterable[Finding]], *, instead: str, of: str = "") -> list[Finding]:
    """Make requests that give findings; where AWS refuses one or cannot be reached, the finding is unknown.

    Parameters
    ----------
    check
        Name of the finding where nothing could be seen.
    request
        Makes the requests.
    instead
        What to look at where the caller may not ask.
    of
        What is looked at; empty where the check says it.
    """
    what = f"{of}: " if of else ""
    try:
        return [*request()]
    except REFUSALS as error:
        if is_not_served(error):
            return [Finding(check, "unknown", f"{what}not checked: the emulator does not serve this")]
        return [Finding(check, "unknown", f"{what}cannot be seen: {explain(error)[0]}", instead)]


def is_not_served(error: Exception) -> bool:
    """Whether the emulator lacks the operation, or the whole service: AWS has all that is asked for.

    In its own process the emulator has an error of its own for a service; over HTTP some get a status without a code.
    """
    return find_code(error) in {"UnknownOperationException", "404"} or type(error).__name__ == "NoSuchServiceError"


def explain(error: Exception) -> tuple[str, str]:
    """Return what an error of AWS, of botocore or of this package means, and what helps."""
    if isinstance(error, AnalysisError):
        return f"{error.where}: {error.reason}", error.cure
    reason, cure = find_cure(error)
    # The address says which service that is; the words of `find_cure` are those of S3.
    reason = str(error) if isinstance(error, EndpointConnectionError) else reason
    return reason, cure or CURES.get(find_code(error), "")


def find_code(error: Exception) -> str:
    """Return the code of a refusal by AWS; empty for other errors."""
    return str(error.response["Error"].get("Code", "")) if isinstance(error, ClientError) else ""


def make_quick_client(session: Any, service: str) -> Any:
    """Make a client that gives up after some seconds, as nobody waits minutes for a check."""
    config = Config(retries={"mode": "standard", "total_max_attempts": 3}, connect_timeout=5, read_timeout=30)
    with configuration_errors(session.profile_name):
        client = session.client(service, config=config)
    if service in ("s3", "bedrock"):
        client.meta.events.register("before-parse", check_response)
    return client
