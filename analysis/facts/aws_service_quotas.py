"""Service Quotas: what one account may send of each model in one Region."""

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
# Anchored: "Records per batch inference job" is also the end of the minimum's name.
NAMES = {
    "min_records": r"minimum number of records per batch inference job",
    "records_per_file": r"records per input file per batch inference job",
    "records_per_job": r"records per batch inference job",
    "file_bytes": r"batch inference input file size",
    "job_bytes": r"batch inference job size",
    "unfinished_jobs": r"sum of in-progress and submitted batch inference jobs using a base model",
}
GB = 10**9  # whether AWS means 2^30 nobody says; the smaller reading is the safe one
NAME = re.compile(rf"({'|'.join(NAMES.values())})( \(in GB\))? for (.+?)( \(in GB\))?\.?", re.IGNORECASE)
ANY_BATCH = re.compile(r"\bbatch inference\b", re.IGNORECASE)
CUSTOM = re.compile(r"using a custom model", re.IGNORECASE)


def read_service_quotas(client: ServiceQuotasClient, *, today: date) -> tuple[pl.DataFrame, list[Unread]]:
    """Read the quotas of batch jobs: the account's own, and AWS's defaults where the account has none.

    Parameters
    ----------
    client
        boto3 client of `service-quotas`, made for the Region whose quotas are asked for.
    today
        The day that the rows get.

    Returns
    -------
    quotas
        The columns of `facts/quotas.csv`, one row per model. A quota that is not listed is missing.
    unread
        Quotas of batch jobs that were not understood, and models that are not known here.

    Notes
    -----
    A quota names its model by a display name, in two spellings: `Batch inference job size (in GB) for Claude 3 Haiku`
    and `Batch inference job size for Qwen3 32B (in GB)`; some end in a dot. Codes change, so the names are matched.
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
                unread.add(Unread(what, "no model that is known here" if name else "a quota that is new"))
            continue
        field = find_field(name[1])
        value = read_value(quota, field, is_gb=bool(name[2] or name[4]))
        if value is None:
            unread.add(Unread(quota["QuotaName"], f"its value is {quota.get('Value', 'missing')}"))
            continue
        row = rows.setdefault(model, {"quotas": int(LATEST), "model": model, "read_on": today})
        row[field] = value
        row["source"] = max(row.get("source", ""), name_source(quota), key=len)  # the account's is the longer one
    return pl.DataFrame(list(rows.values()), schema=read_facts("quotas").schema).sort("model"), sorted(unread)


def list_quotas(client: ServiceQuotasClient) -> Iterator[ServiceQuotaTypeDef]:
    """List AWS's defaults, then the values of this account, so that these come last.

    An account lists a quota only where a value was applied; the defaults may be refused to a caller who may list these.
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
    """List the quotas that one operation gives; those of a single resource, or that AWS could not read, apart."""
    paginator: ListServiceQuotasPaginator | ListAWSDefaultServiceQuotasPaginator = client.get_paginator(operation)
    for page in paginator.paginate(ServiceCode=SERVICE_CODE):
        for quota in page["Quotas"]:
            if "ErrorReason" not in quota and quota.get("QuotaAppliedAtLevel") != "RESOURCE":
                yield quota


def is_refused(error: ClientError) -> bool:
    """Tell whether the caller may not do this."""
    return error.response["Error"]["Code"] in {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"}


def find_field(text: str) -> str:
    """Find which of our quotas a name begins with."""
    return next(field for field, pattern in NAMES.items() if re.fullmatch(pattern, text, re.IGNORECASE))


def read_value(quota: ServiceQuotaTypeDef, field: str, *, is_gb: bool) -> int | None:
    """Read a value as a count or as bytes; None when it is none that could be kept to."""
    if field.endswith("_bytes") is not is_gb:
        return None
    value = int(quota.get("Value", 0) * (GB if is_gb else 1))
    return value if value >= 1 else None


def name_source(quota: ServiceQuotaTypeDef) -> str:
    """Say whose value it is: an ARN of an account's quota has the account, that of a default has none."""
    parts = str(quota.get("QuotaArn", "")).split(":")
    region, account = parts[3:5] if len(parts) > 5 else ("", "")
    return ", ".join(filter(None, ["Service Quotas", region, account and f"account {account}"]))
