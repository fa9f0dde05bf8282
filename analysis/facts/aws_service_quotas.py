"""Service Quotas: the limits of batch jobs of one account in one Region, read from AWS."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING, Any, Literal

import polars as pl
from botocore.exceptions import ClientError

from analysis.facts import read_facts
from analysis.facts.model_names import Unread, find_named
from analysis.facts.quotas import LATEST

if TYPE_CHECKING:
    from types_boto3_service_quotas import ServiceQuotasClient
    from types_boto3_service_quotas.paginator import ListAWSDefaultServiceQuotasPaginator, ListServiceQuotasPaginator
    from types_boto3_service_quotas.type_defs import ServiceQuotaTypeDef

SERVICE_CODE = "bedrock"
# Matched as a whole: "records per batch inference job" is also the end of the minimum's name.
NAMES = {
    "min_records": r"minimum number of records per batch inference job",
    "records_per_file": r"records per input file per batch inference job",
    "records_per_job": r"records per batch inference job",
    "file_bytes": r"batch inference input file size",
    "job_bytes": r"batch inference job size",
    "unfinished_jobs": r"sum of in-progress and submitted batch inference jobs using a base model",
}
GB = 10**9  # AWS does not document whether it means 10^9 or 2^30; the smaller is safe
NAME = re.compile(rf"({'|'.join(NAMES.values())})( \(in GB\))? for (.+?)( \(in GB\))?\.?", re.IGNORECASE)
ANY_BATCH = re.compile(r"\bbatch inference\b", re.IGNORECASE)
CUSTOM = re.compile(r"using a custom model", re.IGNORECASE)


def read_service_quotas(client: ServiceQuotasClient, *, today: date) -> tuple[pl.DataFrame, list[Unread]]:
    """Read the quotas of batch jobs: the account's values, and AWS's defaults where the account has none.

    Parameters
    ----------
    client
        boto3 client of `service-quotas`, made for the Region whose quotas are read.
    today
        The day that is written to `read_on`.

    Returns
    -------
    quotas
        The columns of `facts/quotas.csv`, one row per model. A quota that is not listed is missing.
    unread
        Quotas of batch jobs that cannot be read, and models that the package does not know.

    Notes
    -----
    The name of a quota ends in the display name of its model, in two spellings: `Batch inference job size (in GB) for
    Claude 3 Haiku` and `Batch inference job size for Qwen3 32B (in GB)`; some end in a dot. Quota codes change, so the
    names are matched.
    Source: Amazon Bedrock endpoints and quotas, AWS General Reference; lists of Service Quotas that users published.
    """
    listed = {quota["QuotaName"]: quota for quota in list_quotas(client)}
    rows: dict[str, dict[str, Any]] = {}
    unread = set()
    for quota in listed.values():
        name = NAME.fullmatch(quota["QuotaName"].strip())
        model = find_named(name[3]) if name else ""
        if name is None or not model:
            if ANY_BATCH.search(quota["QuotaName"]) and not CUSTOM.search(quota["QuotaName"]):
                what = name[3] if name else quota["QuotaName"]
                unread.add(Unread(what, "not a model that is known here" if name else "an unknown quota"))
            continue
        field = find_field(name[1])
        value = read_value(quota, field, is_gb=bool(name[2] or name[4]))
        if value is None:
            unread.add(Unread(quota["QuotaName"], f"the value is {quota.get('Value', 'missing')}"))
            continue
        row = rows.setdefault(model, {"quotas": int(LATEST), "model": model, "read_on": today})
        row[field] = value
        # The source with an account is the longer one, and a row with any value of the account is the account's.
        row["source"] = max(row.get("source", ""), format_source(quota), key=len)
    return pl.DataFrame(list(rows.values()), schema=read_facts("quotas").schema).sort("model"), sorted(unread)


def list_quotas(client: ServiceQuotasClient) -> Iterator[ServiceQuotaTypeDef]:
    """Yield AWS's defaults, then the values of this account, which replace them.

    ListServiceQuotas returns only quotas with an applied value. A caller without permission for the defaults still gets
    these.
    """
    try:
        yield from list_pages(client, "list_aws_default_service_quotas")
    except ClientError as error:
        if not is_refused(error):
            raise
    yield from list_pages(client, "list_service_quotas")


def list_pages(
    client: ServiceQuotasClient, operation: Literal["list_aws_default_service_quotas", "list_service_quotas"]
) -> Iterator[ServiceQuotaTypeDef]:
    """Yield the quotas of one operation, without those of a single resource and those that AWS could not read."""
    paginator: ListServiceQuotasPaginator | ListAWSDefaultServiceQuotasPaginator = client.get_paginator(operation)
    for page in paginator.paginate(ServiceCode=SERVICE_CODE):
        for quota in page["Quotas"]:
            if "ErrorReason" not in quota and quota.get("QuotaAppliedAtLevel") != "RESOURCE":
                yield quota


def is_refused(error: ClientError) -> bool:
    """Return whether AWS refused the call for lack of permission."""
    return error.response["Error"]["Code"] in {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"}


def find_field(text: str) -> str:
    """Find the field of `Quotas` that a quota's name stands for."""
    return next(field for field, pattern in NAMES.items() if re.fullmatch(pattern, text, re.IGNORECASE))


def read_value(quota: ServiceQuotaTypeDef, field: str, *, is_gb: bool) -> int | None:
    """Read a value as a count or as bytes; None if it is below 1 or its unit does not fit the field."""
    if field.endswith("_bytes") is not is_gb:
        return None
    value = int(quota.get("Value", 0) * (GB if is_gb else 1))
    return value if value >= 1 else None


def format_source(quota: ServiceQuotaTypeDef) -> str:
    """Format Region and account as the source of a value; the ARN of a default quota has no account."""
    parts = str(quota.get("QuotaArn", "")).split(":")
    region, account = parts[3:5] if len(parts) > 5 else ("", "")
    return ", ".join(filter(None, ["Service Quotas", region, account and f"account {account}"]))
