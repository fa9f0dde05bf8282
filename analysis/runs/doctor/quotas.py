"""Checks of the quotas: what a run assumes against what Service Quotas has, and how many jobs are unfinished."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import date
from typing import Any

import polars as pl

from analysis.display import count
from analysis.facts.aws_service_quotas import read_service_quotas
from analysis.facts.models import find_model
from analysis.facts.quotas import Quotas, find_quotas
from analysis.runs.doctor.findings import Finding, look, make_quick_client

# Which side of the account's value is refused: a job may have no fewer records than the minimum, and no more than
# the others.
LEAST = frozenset({"min_records"})
UNFINISHED = ("Submitted", "Validating", "Scheduled", "InProgress", "Stopping")
UPDATE = "run `batchbook facts update`, and prepare the run again: it will keep to the account's quotas"
INSTEAD = "see Service Quotas in the console, Amazon Bedrock, `batch inference`, for this region"


def check_quotas(session: Any, bedrock: Any, model_ids: Sequence[str], year: str, *, today: date) -> list[Finding]:
    """Compare the quotas that a run assumes with the account's, and count the unfinished jobs of each model."""
    bases = dict.fromkeys(find_model(model_id).base for model_id in model_ids)
    assumed = {base: find_quotas(base, year=year) for base in bases}
    quotas = look("quotas", lambda: compare_account(session, assumed, today), instead=INSTEAD)
    instead = "see `aws bedrock list-model-invocation-jobs`"
    return quotas + look("unfinished jobs", lambda: count_unfinished(bedrock, assumed), instead=instead)


def compare_account(session: Any, assumed: Mapping[str, Quotas], today: date) -> Iterator[Finding]:
    """Compare the quotas of each model with those of the account, which Service Quotas lists."""
    table, _ = read_service_quotas(make_quick_client(session, "service-quotas"), today=today)
    for base, quotas in assumed.items():
        rows = table.filter(pl.col("model") == base).to_dicts()
        yield compare_model(base, quotas, rows[0] if rows else {})


def compare_model(base: str, quotas: Quotas, account: Mapping[str, Any]) -> Finding:
    """Compare the quotas of one model; those that the account has not listed stay as assumed."""
    pairs = [(name, value, account[name]) for name, value in asdict(quotas).items() if account.get(name)]
    if not pairs:
        return Finding("quotas", "unknown", f"{base}: Service Quotas lists none for batch jobs", INSTEAD)
    differ = [(name, value, own) for name, value, own in pairs if value != own]
    refused = [pair for pair in differ if (pair[1] < pair[2] if pair[0] in LEAST else pair[1] > pair[2])]
    shown = "; ".join(f"{name} is {own:,}, and {value:,} is assumed" for name, value, own in refused or differ)
    if refused:
        return Finding("quotas", "error", f"{base}: {shown}", UPDATE)
    if differ:
        return Finding("quotas", "warning", f"{base}: {shown}: the account allows more", UPDATE)
    return Finding("quotas", "ok", f"{base}: as assumed")


def count_unfinished(bedrock: Any, assumed: Mapping[str, Quotas]) -> Iterator[Finding]:
    """Count the account's unfinished jobs of each model: new ones wait while there are as many as the quota."""
    pages = bedrock.get_paginator("list_model_invocation_jobs")
    listed = [
        find_model(job["modelId"]).base
        for status in UNFINISHED
        for page in pages.paginate(statusEquals=status)
        for job in page["invocationJobSummaries"]
    ]
    for base, quotas in assumed.items():
        number, most = listed.count(base), quotas.unfinished_jobs
        detail = f"{base}: {count(number, 'job')} of at most {most:,}"
        full = "wait for jobs to end, or stop them: new ones wait until there is room"
        yield Finding("unfinished jobs", "warning" if number >= most else "ok", detail, full if number >= most else "")
