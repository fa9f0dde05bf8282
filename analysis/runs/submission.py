"""Sending: the jobs of a run on Amazon Bedrock, or the same records answered now."""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

import polars as pl
from botocore.exceptions import ClientError

from analysis.aws.session import (
    EMULATOR,
    EMULATOR_BUCKET,
    EMULATOR_ROLE,
    NETWORK_ERRORS,
    default_pause_s,
    find_region,
    is_passing,
    make_client,
    open_session,
)
from analysis.errors import JobError, QuotaError, RunError, StorageError
from analysis.facts.models import find_model
from analysis.jobs import batch
from analysis.jobs.batch import Account, PlannedJob
from analysis.jobs.ledger import JobState
from analysis.jobs.on_demand import AT_ONCE, invoke_file, make_invoke
from analysis.jobs.statuses import PLANNED
from analysis.runs.budget import agree_to_cost, check_way
from analysis.runs.folder import Run
from analysis.runs.outcomes import check_ends, describe_ends, describe_errors
from analysis.runs.retries import count_left, renew
from analysis.runs.status import ON_DEMAND, load_jobs, plan_jobs


def submit(
    run: Run,
    *,
    bucket: str = "",
    role_arn: str = "",
    profile: str = EMULATOR,
    region: str = "",
    prefix: str = "batchbook",
    budget_usd: float | None = None,
    wait: bool = True,
    timeout_hours: int = 24,
    kms_key_id: str = "",
    bucket_owner: str = "",
    subnet_ids: Sequence[str] = (),
    security_group_ids: Sequence[str] = (),
    tags: Mapping[str, str] | None = None,
    pause_s: float | None = None,
    sleep: Callable[[float], None] = time.sleep,
    ask: Callable[[str], str] = input,
) -> pl.DataFrame:
    """Make the jobs on Amazon Bedrock match the run, and wait until they have ended.

    Can be called again at any time, also after the kernel was killed: jobs that exist are adopted, missing ones
    created, as many at once as the quota of unfinished jobs has room for. A job that ended Failed or Expired gets one
    more try per call, three in all: of the records that have no answer in what it left. Where these are fewer than a
    batch job takes, or no try is left, they stay without an answer, and a sentence says so.

    Parameters
    ----------
    run
        From `prepare` or `open_run`.
    bucket, role_arn
        S3 bucket for input and output, in the region of the job; the service role that Bedrock takes on.
    profile, region
        AWS profile (`emulator`: an account in a folder; empty: boto3's default) and region (empty: the profile's).
    prefix
        Folder in the bucket under which the run gets its own.
    budget_usd
        The most that the run may cost by the upper end of its estimate. Off the emulator, without one,
        the plan is printed and has to be agreed to.
    wait
        Whether to stay until all jobs have ended; otherwise one step is taken, for a scheduler that calls again.
    timeout_hours
        24 to 168: what is not processed by then is not processed.
    kms_key_id, bucket_owner, subnet_ids, security_group_ids, tags
        As CreateModelInvocationJob takes them; not sent when empty.
    pause_s, sleep, ask
        Seconds between two looks (30; 0.1 on the emulator), and how to wait and to ask.

    Returns
    -------
    frame
        One row per job, as `load_jobs`.

    Raises
    ------
    QuotaError
        A job has fewer records than Bedrock takes; the ways out are named.
    BudgetError
        The estimate is above the budget, is not known, or was not agreed to.
    JobError
        Bedrock refused a job, or one ended Failed or Expired; its message is given. Calling again tries again: a job
        that is not tried again raises nothing.
    RunError
        The run was answered on demand, or sent with another profile or region, before.
    """
    planned = plan_jobs(run)
    check_minimum(run, planned)
    bucket, role_arn = find_place(run, profile=profile, bucket=bucket, role_arn=role_arn)
    region = find_region(profile, region)
    agree_to_cost(run, profile=profile, region=region, budget_usd=budget_usd, ask=ask)
    shared = {
        "roleArn": role_arn,
        "timeoutDurationInHours": timeout_hours,
        "tags": [{"key": key, "value": value} for key, value in (tags or {}).items()],
        "vpcConfig": drop_empty({"subnetIds": [*subnet_ids], "securityGroupIds": [*security_group_ids]}),
    }
    owner = {"s3BucketOwner": bucket_owner}
    fields: dict[str, dict[str, Any]] = {
        "shared": shared,
        "input": owner,
        "output": owner | {"s3EncryptionKeyId": kms_key_id},
    }
    account = open_account(run, bucket=bucket, profile=profile, region=region, prefix=prefix, fields=fields)
    pause = default_pause_s(profile) if pause_s is None else pause_s
    with lock_sending(run, wait_s=-1), passing_errors(run):
        write_note(run, invocation="batch", profile=profile, region=region)
        renew(run, planned, account.s3)
        states = take_first_step(planned, run, account, wait_s=pause if wait else None, sleep=sleep)
    if wait:
        states = wait_for_jobs(run, planned, account, states, pause=pause, sleep=sleep)
    with passing_errors(run):
        count_left(run, planned, account.s3)
    for sentence in [*describe_ends(run), *describe_errors(run)]:
        print(sentence)
    check_ends(run, planned)
    return load_jobs(run)


def wait_for_jobs(
    run: Run,
    planned: Sequence[PlannedJob],
    account: Account,
    states: Sequence[JobState],
    *,
    pause: float,
    sleep: Callable[[float], None],
) -> Sequence[JobState]:
    """Take steps until every job has ended; the bar follows the records that Bedrock says it has processed."""
    from tqdm import tqdm

    total, told = sum(batch.count_sent(job, state) for job, state in zip(planned, states, strict=True)), set[str]()
    with tqdm(desc=run.name, total=total, unit="record", mininterval=1, file=sys.stdout) as bar:
        while True:
            for reason in {state.message for state in states if state.status == PLANNED} - {"", *told}:
                told.add(reason)
                tqdm.write(f"{run.name} waits for room in the account: {reason}", file=sys.stdout)
            bar.set_postfix_str(describe(states), refresh=False)
            bar.update(count_processed(planned, states) - bar.n)
            if all(state.is_finished for state in states):
                return states
            sleep(pause)
            states = take_step_if_possible(planned, run, account) or states


def take_first_step(
    planned: Sequence[PlannedJob], run: Run, account: Account, *, wait_s: float | None, sleep: Callable[[float], None]
) -> Sequence[JobState]:
    """Take a step, again while the service is busy, unless nobody waits; a network that is away may be a wrong region.

    The lock of sending is held meanwhile: until a job is intended, another process could answer the run on demand.
    """
    while True:
        try:
            return batch.take_step(planned, run.ledger, account)
        except (ClientError, StorageError) as error:
            cause = error.__cause__ if isinstance(error, StorageError) else error
            if wait_s is None or not isinstance(cause, ClientError) or not is_passing(cause):
                raise
            sleep(wait_s)


def take_step_if_possible(planned: Sequence[PlannedJob], run: Run, account: Account) -> Sequence[JobState]:
    """Take a step; nothing when a service is busy or the network is away, as when a laptop was closed.

    The clients say so when it lasts.
    """
    try:
        return batch.take_step(planned, run.ledger, account)
    except (*NETWORK_ERRORS, ClientError, StorageError) as error:
        if is_passing(error) or is_passing(error.__cause__):
            return []
        raise


def count_processed(planned: Sequence[PlannedJob], states: Sequence[JobState]) -> int:
    """Sum the records processed; older jobs have no counters and count when they have ended."""
    pairs = zip(planned, states, strict=True)
    return sum(
        state.counts.get("processed", batch.count_sent(job, state) if state.is_finished else 0) for job, state in pairs
    )


def describe(states: Sequence[JobState]) -> str:
    """Count the jobs by status: `2 InProgress, 1 planned`."""
    statuses = [state.status for state in states]
    return ", ".join(f"{statuses.count(status)} {status}" for status in dict.fromkeys(statuses))


def invoke(
    run: Run,
    *,
    profile: str = EMULATOR,
    region: str = "",
    budget_usd: float | None = None,
    at_once: int = AT_ONCE,
    ask: Callable[[str], str] = input,
) -> None:
    """Answer the records of a run now, by InvokeModel or Converse, at twice the batch price.

    For runs below the batch minimum. What has an answer is not asked again, so this can be repeated.

    Parameters
    ----------
    run
        From `prepare` or `open_run`.
    profile, region, budget_usd, ask
        As in `submit`; the estimate is at on-demand prices.
    at_once
        How many requests are under way together.

    Raises
    ------
    BudgetError
        The estimate is above the budget, is not known, or was not agreed to.
    JobError
        Every record would be refused: no access, no such model, credentials that have ended.
    RunError
        Another process is answering this run, or it was sent to batch jobs or with another profile before.
    """
    region = find_region(profile, region)
    agree_to_cost(run, invocation="on_demand", profile=profile, region=region, budget_usd=budget_usd, ask=ask)
    client = make_client(open_session(profile, region=region), "bedrock-runtime")
    with lock_sending(run, wait_s=0):
        write_note(run, invocation="on_demand", profile=profile, region=region)
        for job in plan_jobs(run):
            ask_model = make_invoke(client, job.model_id, job.invocation_type)
            for file in job.files:
                target = run.folder / "output" / ON_DEMAND / f"{job.key}-{file.name}.out"
                invoke_file(file, target, invoke=ask_model, at_once=at_once)


@contextmanager
def lock_sending(run: Run, *, wait_s: float) -> Iterator[None]:
    """Let one process at a time send a run, or it would be paid for twice."""
    from filelock import FileLock, Timeout

    try:
        with FileLock(run.folder / "sending.lock", timeout=wait_s):
            yield
    except Timeout as error:
        raise RunError(run.folder, "another process is sending this run", "wait for it, or end it") from error


@contextmanager
def passing_errors(run: Run) -> Iterator[None]:
    """Say that nothing is lost when the network is away, or Bedrock is too busy to answer for minutes."""
    try:
        yield
    except (*NETWORK_ERRORS, ClientError) as error:
        if not is_passing(error):
            raise
        where = "the service is busy" if isinstance(error, ClientError) else "look at the network and the region's name"
        raise JobError(run.name, str(error), f"{where}: do the same again later, nothing is sent twice") from error


def stop(run: Run, *, profile: str = "", region: str = "") -> pl.DataFrame:
    """Stop the jobs of a run that have not ended; what was processed until then is charged, and can be collected.

    Parameters
    ----------
    run
        A run that has been submitted.
    profile, region
        As in `submit`, which noted what it used; empty for that.

    Returns
    -------
    frame
        One row per job, as `load_jobs`.

    Raises
    ------
    RunError
        Nothing has been sent.
    """
    profile, region = run.find_account(profile, region)
    bedrock = make_client(open_session(profile, region=region), "bedrock")
    with passing_errors(run):
        batch.stop_jobs(plan_jobs(run), run.ledger, bedrock)
    return load_jobs(run)


def find_place(run: Run, *, profile: str, bucket: str, role_arn: str) -> tuple[str, str]:
    """Give bucket and role; the emulator has its own, AWS does not."""
    if profile == EMULATOR:
        return bucket or EMULATOR_BUCKET, role_arn or EMULATOR_ROLE
    if not bucket or not role_arn:
        raise JobError(run.name, "no bucket or no role_arn", "give both; docs/aws.md says what they need")
    return bucket, role_arn


def open_account(
    run: Run, *, bucket: str, profile: str, region: str, prefix: str, fields: Mapping[str, Mapping[str, Any]]
) -> Account:
    """Open the clients, name the run's folder in the bucket, and keep the fields of the request that say something."""
    session = open_session(profile, region=region)
    quotas = {find_model(model_id).base: quotas for model_id, quotas in run.read_quotas().items()}
    folder = "/".join(part for part in (bucket, prefix.strip("/"), run.name) if part)
    return Account(
        bedrock=make_client(session, "bedrock"),
        s3=make_client(session, "s3"),
        uri=f"s3://{folder}/",
        unfinished_jobs=lambda base: quotas[base].unfinished_jobs,
        **{kind: drop_empty(group) for kind, group in fields.items()},
    )


def drop_empty(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Keep the fields that say something."""
    return {name: value for name, value in fields.items() if value}


def check_minimum(run: Run, planned: Sequence[PlannedJob]) -> None:
    """Refuse a job with fewer records than Bedrock takes, and name the ways out."""
    for job in planned:
        least = run.read_quotas()[job.model_id].min_records
        if job.records < least:
            reason = f"{job.key} of {job.model_id} has {job.records} records, and a batch job takes at least {least}"
            cure = "add calls, let prompts share a model, ask several samples, or answer now with invoke(run)"
            raise QuotaError(run.name, reason, cure)


def write_note(run: Run, **way: str) -> None:
    """Note how, where and with what the run is sent, once per change, unless it has been sent otherwise."""
    check_way(run, way)
    versions = {name: version(name) for name in ("batchbook", "boto3")} | {"python": platform.python_version()}
    note: dict[str, Any] = {**way, "versions": versions}
    before = run.read_note()
    if any(before.get(name) != value for name, value in note.items()):
        run.ledger.append("sending", **note)
