"""Diagnosis: every check that costs nothing, one after another, as one frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

import polars as pl
from narwhals.typing import IntoDataFrame

from analysis.aws.policies import Place
from analysis.aws.session import EMULATOR, EMULATOR_BUCKET, EMULATOR_ROLE, find_region, open_session
from analysis.errors import JobError, StorageError
from analysis.facts.model_arns import find_partition
from analysis.facts.quotas import LATEST
from analysis.prompts import Prompt, PromptSource, read_prompts
from analysis.runs.doctor.account import check_credentials, check_region
from analysis.runs.doctor.bucket import check_bucket
from analysis.runs.doctor.calls import check_calls
from analysis.runs.doctor.findings import Finding, make_quick_client, tabulate_findings
from analysis.runs.doctor.models import check_models, check_prompts, list_concrete_arns
from analysis.runs.doctor.quotas import check_quotas
from analysis.runs.doctor.role import check_role
from analysis.runs.regions import list_regions, name_buckets


def diagnose(
    calls: IntoDataFrame | None = None,
    prompts: PromptSource | None = None,
    *,
    profile: str = EMULATOR,
    region: str = "",
    bucket: str = "",
    role_arn: str = "",
    bucket_owner: str = "",
    kms_key_id: str = "",
    prefix: str = "batchbook",
    quota_year: str = LATEST,
    today: date | None = None,
) -> pl.DataFrame:
    """Check what a run needs before it is sent: account, bucket, role, models, quotas and calls. Nothing is charged.

    Nothing is written to AWS. Where the caller may not ask, or the emulator has no such service, the finding is
    `unknown` and says what to look at. Calls are prepared as a run would be, in a temporary folder that is deleted.

    Parameters
    ----------
    calls
        One row per call, as `prepare` takes them; without them neither sizes nor cost are checked.
    prompts
        The variants, as `prepare` takes them; without them no model is checked.
    profile, region, bucket, role_arn, bucket_owner, kms_key_id, prefix
        As in `submit`. Without a bucket or a role these are not checked; the emulator has its own.
    quota_year
        As in `prepare`.
    today
        The day that models may have left Bedrock by; the present one when left out.

    Returns
    -------
    frame
        One row per finding, in the order of the checks: `check` (`credentials`, `region`, `bucket`, ...), `status`,
        `detail`, `cure` (what to do next; missing where nothing is to be done).
        `status` is `ok`; `warning`, where a run may be sent and something has to be known; `error`, where it would
        fail or be refused; `unknown`, where it cannot be seen.

    Raises
    ------
    PromptError
        A prompt file cannot be read.
    """
    variants = [] if prompts is None else read_prompts(prompts)
    place = {"bucket": bucket, "role_arn": role_arn, "bucket_owner": bucket_owner, "kms_key_id": kms_key_id}
    if profile == EMULATOR:
        place |= {"bucket": bucket or EMULATOR_BUCKET, "role_arn": role_arn or EMULATOR_ROLE}
    today = today or date.today()
    findings = [*check_account(profile, region, place | {"prefix": prefix}, variants, quota_year, today)]
    findings += check_prompts(variants)
    if calls is not None and not variants:
        findings.append(Finding("calls", "unknown", "not checked without prompts", "give --prompts"))
    elif calls is not None:
        findings += check_calls(calls, variants, region=choose_region(profile, region), quota_year=quota_year)
    return tabulate_findings(findings)


def check_account(
    profile: str, region: str, place: dict[str, str], prompts: Sequence[Prompt], quota_year: str, today: date
) -> Iterator[Finding]:
    """Check what the account has: without credentials or a Region nothing else in it can be seen."""
    named = {prompt.name: prompt.region for prompt in prompts} or {"": ""}
    try:
        home = find_region(profile, region)
        sessions = {each: open_session(profile, region=each) for each in list_regions(named, home)}
    except StorageError as error:
        yield Finding("credentials", "error", f"{error.where}: {error.reason}", error.cure)
        return
    found, account = check_credentials(next(iter(sessions.values())))
    found += map(check_region, sessions.values())
    yield from found
    if any(finding.status == "error" for finding in found):
        return
    try:
        buckets = name_buckets("bucket", place["bucket"], sessions, profile=profile)
    except JobError as error:
        yield Finding("bucket", "error", error.reason, error.cure)
        return
    for there, session in sessions.items():
        asked = [prompt for prompt in prompts if (prompt.region or home) == there]
        checked = check_place(session, account, place | {"bucket": buckets[there]}, asked, quota_year, today)
        # A bucket says where it is, and a model does not.
        begin = f"{there}: " if len(sessions) > 1 else ""
        yield from (finding._replace(detail=begin + finding.detail) for finding in checked)


def check_place(
    session: Any, account: str, place: dict[str, str], prompts: Sequence[Prompt], quota_year: str, today: date
) -> Iterator[Finding]:
    """Check what the account has in one Region, for the prompts that are asked there."""
    where = str(session.region_name)
    owner = place["bucket_owner"] or account
    asked = {"prefix": place["prefix"], "owner": owner, "kms_key_id": place["kms_key_id"]}
    yield from check_bucket(session, place["bucket"], **asked)
    models = list(dict.fromkeys(prompt.model_id for prompt in prompts))
    jobs = Place(region=where, account=account, partition=find_partition(where), **place)
    bedrock = make_quick_client(session, "bedrock")
    yield from check_role(session, jobs, list_concrete_arns(bedrock, models, where, account))
    yield from check_models(bedrock, models, where, today=today)
    if models:
        yield from check_quotas(session, bedrock, models, quota_year, today=today)


def choose_region(profile: str, region: str) -> str:
    """Return the Region whose prices count; as given where the profile cannot be opened, which has a finding."""
    try:
        return find_region(profile, region)
    except StorageError:
        return region
