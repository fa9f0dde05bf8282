"""Submitting: the jobs of a run on Amazon Bedrock, created, waited for and stopped."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import polars as pl

from analysis.aws.session import (
    EMULATOR,
    EMULATOR_BUCKET,
    EMULATOR_ROLE,
    default_pause_s,
    make_client,
    open_session,
    print_beside_bars,
)
from analysis.aws.storage import check_bucket, open_bucket, parse_s3_uri
from analysis.errors import JobError, QuotaError, RunError
from analysis.facts.models import find_model
from analysis.files import explain_file_errors
from analysis.jobs.batch import count_sent, refresh_jobs
from analysis.jobs.statuses import INTENDED, TAKEN
from analysis.jobs.steps import Account
from analysis.runs.budget import Budget, check_cost, check_target, find_target
from analysis.runs.folder import Run, RunSource, open_run
from analysis.runs.inputs import restore_changed
from analysis.runs.outcomes import check_outcomes, describe_errors, describe_outcomes
from analysis.runs.regions import PLACE, list_regions, name_buckets
from analysis.runs.retries import count_unanswered, describe_gone, plan_first_tries, plan_retries
from analysis.runs.reuse import can_take_over, expect_taken, find_takeable, take_over
from analysis.runs.sending import explain_outage, lock_sending, write_sending
from analysis.runs.sharing import hold_run, read_copy
from analysis.runs.state import RunState, read_state
from analysis.runs.status import tabulate_jobs
from analysis.runs.waiting import Limit, check_created, take_first_step, wait_for_jobs


@explain_file_errors()
def submit(
    run: RunSource,
    *,
    bucket: str = "",
    role_arn: str = "",
    profile: str = EMULATOR,
    region: str = "",
    prefix: str = "batchbook",
    budget_usd: float | None = None,
    wait: bool = True,
    wait_hours: float = math.inf,
    timeout_hours: int = 24,
    kms_key_id: str = "",
    bucket_owner: str = "",
    subnet_ids: Sequence[str] = (),
    security_group_ids: Sequence[str] = (),
    tags: Mapping[str, str] | None = None,
    pause_s: float | None = None,
    sleep: Callable[[float], None] = time.sleep,
    now: Callable[[], float] = time.monotonic,
    ask: Callable[[str], str] = input,
) -> pl.DataFrame:
    """Make the jobs on Amazon Bedrock match the run, and wait until they have ended.

    Can be called again at any time, also after the kernel was killed: jobs that exist are adopted, missing ones are
    created, as many at once as the quota of unfinished jobs allows. Records that another run in the same folder of runs
    has answered in the same account are taken over from there, and not sent. A job that ended Failed or Expired gets
    one more try per call, three in all, with the records that its output does not answer. Where these are fewer than a
    batch job needs, or no try is left, they stay without an answer, and a printed sentence says so.

    Parameters
    ----------
    run
        From `prepare` or `open_run`, or its folder or name.
    bucket, role_arn
        S3 bucket for input and output, in the region of the job; the service role that Bedrock assumes. Where prompts
        name several Regions, `calls-{region}` stands for one bucket in each. A run in S3 is read and written where it
        lies, without a bucket.
    profile, region
        AWS profile (`emulator`: an account in a folder; empty: boto3's default) and region (empty: the profile's) of
        the prompts that name none.
    prefix
        Folder in the bucket under which the run gets its own.
    budget_usd
        The most that the run may cost in all: what has been sent counts as well, at the upper end of its estimate where
        its cost is not known, and no job is created that could go over. Off the emulator, without a budget, the plan
        is printed and has to be confirmed.
    wait
        Whether to stay until all jobs have ended; otherwise one step is taken, for a scheduler that calls again.
    wait_hours
        How long to stay at most; 0 takes one step, as `wait=False` does. Without it there is no end, however long a
        service is busy or a quota full.
    timeout_hours
        24 to 168: what is not processed by then is not processed.
    kms_key_id
        KMS key that encrypts the input and the output; empty for the default of the bucket.
    bucket_owner
        Account that the bucket belongs to; empty for the caller's own. S3 refuses a bucket of another one.
    subnet_ids, security_group_ids, tags
        As CreateModelInvocationJob takes them; not sent when empty.
    pause_s, sleep, now, ask
        Seconds between two status checks (30; 0.1 on the emulator), and the functions that sleep, that return the time
        in seconds and that ask for a yes.

    Returns
    -------
    frame
        One row per job, as `load_jobs`.

    Raises
    ------
    QuotaError
        A job has fewer records than Bedrock takes; the message lists what can be done.
    BudgetError
        The estimate is above the budget, is not known, or was not confirmed.
    JobError
        Bedrock refused a job, or one ended Failed or Expired; its message is given. Calling again tries again: a job
        that is not tried again raises nothing. Or one bucket is given for several Regions.
    WaitError
        Jobs have not ended in `wait_hours`, or Bedrock was too busy to confirm one; both go on when called again.
    StorageError
        There is no such bucket, or it is in another region than the jobs.
    RunError
        The run was answered on demand, or sent with another profile or region, before; or it was prepared before the
        first release and has no job. Of such a run the jobs that its ledger names are waited for, and none is created.
    """
    run = open_run(run, profile=profile, region=region, bucket_owner=bucket_owner)
    limit = Limit(run.name, wait_hours, now)
    read_copy(run)
    state = read_state(run)
    bucket, prefix = choose_place(run, profile=profile, bucket=bucket, prefix=prefix)
    bucket_owner = bucket_owner or (run.place.bucket_owner if run.place else "")
    bucket, role_arn = choose_bucket_and_role(run, profile=profile, bucket=bucket, role_arn=role_arn)
    check_prefix(run, prefix)
    target = find_target(run, "batch", profile, region)
    name_buckets(run.name, bucket, list_regions(run.read_regions(), target["region"]), profile=profile)
    # Before the question about the cost, so that nobody confirms a run that cannot be sent.
    expected = expect_taken(state, find_takeable(state, target["account"]))
    check_min_records(keep_named_jobs(state) if run.is_early else expected)
    # Of an early run nothing more is paid for.
    budget = None if run.is_early else check_cost(expected, target, budget_usd=budget_usd, ask=ask)
    options: dict[str, Any] = {
        "role_arn": role_arn,
        "timeout_hours": timeout_hours,
        "kms_key_id": kms_key_id,
        "bucket_owner": bucket_owner,
        "subnet_ids": [*subnet_ids],
        "security_group_ids": [*security_group_ids],
        "tags": {**(tags or {})},
    }
    fields = build_fields(**options)
    account = open_account(run, target, bucket=bucket, prefix=prefix, fields=fields)
    pause = default_pause_s(profile) if pause_s is None else pause_s
    steps_on = pause if wait and wait_hours else None
    if budget is None:
        return tabulate_jobs(follow_jobs(state, account, target, pause=steps_on, sleep=sleep, limit=limit))
    options |= {"bucket": bucket, "prefix": prefix}
    with hold_run(run):
        sent = send_jobs(state, account, target, budget, options, pause=steps_on, sleep=sleep, limit=limit)
    return tabulate_jobs(sent)


def build_fields(
    *,
    role_arn: str,
    timeout_hours: int,
    kms_key_id: str,
    bucket_owner: str,
    subnet_ids: Sequence[str],
    security_group_ids: Sequence[str],
    tags: Mapping[str, str],
) -> dict[str, dict[str, Any]]:
    """Build the fields of CreateModelInvocationJob that all jobs share, by the attribute of `Account` they go into."""
    owner = {"s3BucketOwner": bucket_owner}
    shared = {
        "roleArn": role_arn,
        "timeoutDurationInHours": timeout_hours,
        "tags": [{"key": key, "value": value} for key, value in tags.items()],
        "vpcConfig": drop_empty({"subnetIds": [*subnet_ids], "securityGroupIds": [*security_group_ids]}),
    }
    return {"shared": shared, "input": owner, "output": owner | {"s3EncryptionKeyId": kms_key_id}}


def send_jobs(
    state: RunState,
    account: Account,
    target: Mapping[str, str],
    budget: Budget,
    options: Mapping[str, Any],
    *,
    pause: float | None,
    sleep: Callable[[float], None],
    limit: Limit,
) -> RunState:
    """Create the jobs, wait for them where there is a pause between two steps, and report how they ended."""
    with lock_sending(state.run, wait_s=-1), explain_outage(state.run):
        # Another process may have sent the run while this one waited for a yes or for the lock.
        state = state.read_on()
        check_target(state, target)
        for here, _ in account.split([job for job, latest in state.pairs if not latest.job_arn]):
            check_bucket(parse_s3_uri(here.uri)[0], s3=here.s3, region=here.bedrock.meta.region_name)
        write_sending(state, target, bucket_owner=account.input.get("s3BucketOwner", ""), options=options)
        state = take_answers(state, account, target["account"])
        restore_changed(state, [job for job, latest in state.pairs if latest.needs_first_input])
        state = plan_first_tries(state)
        for here, jobs in account.split(state.planned):
            plan_retries(replace(state, planned=tuple(jobs)), here.s3)
        state = state.read_on()
        budget.check_run(state)
        account = account.with_check(partial(budget.check_jobs, state))
        latest = take_first_step(state, account, wait_s=pause, sleep=sleep, limit=limit)
    if pause is None:
        check_created(state.run.name, latest)
    else:
        wait_for_jobs(state, account, latest, pause=pause, sleep=sleep, limit=limit)
    with explain_outage(state.run):
        state = state.read_on()
        for here, jobs in account.split(state.planned):
            of_region = replace(state, planned=tuple(jobs))
            count_unanswered(of_region, here.s3)
            for sentence in describe_gone(of_region, here.s3):
                print_beside_bars(sentence)
        state = state.read_on()
    print_outcomes(state)
    check_outcomes(state)
    return state


def take_answers(state: RunState, account: Account, name: str) -> RunState:
    """Take over what other runs have answered, if the account has no job of this run."""
    found = find_takeable(state, name)
    if found.is_empty():
        return state
    # A ledger may have lost its jobs, and they have the answers that are their run's own.
    with state.ledger.lock():
        for here, jobs in account.split(state.planned):
            refresh_jobs(jobs, state.ledger, here.bedrock)
    state = state.read_on()
    return take_over(state, found, name) if can_take_over(state) else state


def keep_named_jobs(state: RunState) -> RunState:
    """Keep the planned jobs whose latest try the ledger says Bedrock has, or may have.

    Raises
    ------
    RunError
        There is none.
    """
    named = tuple(job for job, latest in state.pairs if latest.job_arn or latest.status == INTENDED)
    if not named:
        reason = "was prepared before the first release, and no job of it was created"
        raise RunError(state.run.folder, reason, "prepare the calls again under another name")
    return replace(state, planned=named)


def follow_jobs(
    state: RunState,
    account: Account,
    target: Mapping[str, str],
    *,
    pause: float | None,
    sleep: Callable[[float], None],
    limit: Limit,
) -> RunState:
    """Go on with the jobs of a run that was prepared before the first release, and create none.

    Its records, and so its jobs, would be others today; whoever prepares its calls again pays for what is left.
    """
    run = state.run
    # An intended job that Bedrock does not list is not sent again where the account has no room.
    full = replace(account, unfinished_jobs=lambda _: 0)
    with lock_sending(run, wait_s=-1), explain_outage(run):
        state = state.read_on()
        write_sending(state, target, bucket_owner=account.input.get("s3BucketOwner", ""))
        named = keep_named_jobs(state)
        latest = take_first_step(named, full, wait_s=pause, sleep=sleep, limit=limit)
    created = {job: each for job, each in zip(named.planned, latest, strict=True) if each.job_arn}
    if pause is not None and created:
        waited = replace(named, planned=(*created,))
        wait_for_jobs(waited, full, [*created.values()], pause=pause, sleep=sleep, limit=limit)
    state = state.read_on()
    print_outcomes(state)
    left = sum(not each.job_arn or each.is_unproductive for _, each in state.pairs)
    if left:
        print(
            f"{run.name} was prepared before the first release: no job is created for {left} of its {len(state.pairs)}."
        )
    return state


def print_outcomes(state: RunState) -> None:
    """Print a sentence for each job that left records without an answer or has failed records."""
    for sentence in [*describe_outcomes(state), *describe_errors(state)]:
        print_beside_bars(sentence)


def choose_bucket_and_role(run: Run, *, profile: str, bucket: str, role_arn: str) -> tuple[str, str]:
    """Return bucket and role; the emulator has its own, on AWS both have to be given."""
    if profile == EMULATOR:
        return bucket or EMULATOR_BUCKET, role_arn or EMULATOR_ROLE
    if not bucket or not role_arn:
        raise JobError(run.name, "no bucket or no role_arn", "give both; docs/aws.md lists the permissions they need")
    return bucket, role_arn


def choose_place(run: Run, *, profile: str, bucket: str, prefix: str) -> tuple[str, str]:
    """Return bucket and prefix: of a run in S3 those where it lies, since its jobs read and write there.

    Raises
    ------
    JobError
        Another bucket is given, or the profile cannot be of the account that the run lies in.
    """
    place = run.place
    if place is None:
        return bucket, prefix
    if bucket not in {"", place.bucket}:
        raise JobError(run.name, f"lies in {place.uri}, and its jobs cannot use {bucket!r}", "leave the bucket out")
    if EMULATOR in {profile, place.profile} and profile != place.profile:
        raise JobError(run.name, f"lies in {place.uri} of another account", f"give profile={place.profile!r}")
    return place.bucket, place.prefix


def check_prefix(run: Run, prefix: str) -> None:
    """Raise for a prefix with a place for the Region: Bedrock takes no braces in it, and would refuse each job."""
    if PLACE in prefix:
        cure = f"write {PLACE} into the bucket's name alone: each Region has a bucket of its own"
        raise JobError(run.name, f"the prefix {prefix!r} has {PLACE}", cure)


def open_account(
    run: Run, target: Mapping[str, str], *, bucket: str, prefix: str, fields: Mapping[str, Mapping[str, Any]]
) -> Account:
    """Open the clients in each Region of the run, and put its folder in the bucket there and the fields beside them."""
    home = target["region"]
    buckets = name_buckets(run.name, bucket, list_regions(run.read_regions(), home), profile=target["profile"])
    accounts = {
        region: open_account_there(run, {**target, "region": region}, bucket=name, prefix=prefix, fields=fields)
        for region, name in buckets.items()
    }
    # Where every prompt names another Region, no job is looked for in this one.
    first = accounts.pop(home if home in accounts else next(iter(accounts)))
    return replace(first, elsewhere=accounts)


def open_account_there(
    run: Run, target: Mapping[str, str], *, bucket: str, prefix: str, fields: Mapping[str, Mapping[str, Any]]
) -> Account:
    """Open the clients, and put the run's folder in the bucket and the fields that are not empty beside them."""
    session = open_session(target["profile"], region=target["region"])
    quotas = {find_model(model_id).base: quotas for model_id, quotas in run.read_quotas().items()}
    folder = "/".join(part for part in (bucket, prefix.strip("/"), run.name) if part)
    given = fields.get("output", {})
    return Account(
        bedrock=make_client(session, "bedrock"),
        s3=open_bucket(session, owner=given.get("s3BucketOwner", ""), kms_key_id=given.get("s3EncryptionKeyId", "")),
        uri=f"s3://{folder}/",
        unfinished_jobs=lambda base: quotas[base].unfinished_jobs,
        shared=drop_empty(fields["shared"]),
        input=drop_empty(fields.get("input", {})),
        output=drop_empty(fields.get("output", {})),
    )


def drop_empty(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Drop the fields whose value is empty: CreateModelInvocationJob refuses some of these."""
    return {name: value for name, value in fields.items() if value}


def check_min_records(state: RunState) -> None:
    """Raise for a job with fewer records than Bedrock takes."""
    for job, latest in state.pairs:
        least, records = state.min_records[job.model_id], count_sent(job, latest)
        if latest.job_try == 1 and latest.status != TAKEN and records < least:
            left = " left" if latest.taken else ""
            reason = f"{job.key} of {job.model_id} has {records} records{left}, and a batch job takes at least {least}"
            cure = "add calls, use one model for several prompts, ask for several samples, or answer now by invoke(run)"
            raise QuotaError(state.run.name, reason, cure)
