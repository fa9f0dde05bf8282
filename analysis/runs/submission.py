"""Sending: the jobs of a run on Amazon Bedrock, or the same records answered now."""

from __future__ import annotations

import hashlib
import math
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import polars as pl
from tqdm import tqdm

from analysis import jobs
from analysis.aws import EMULATOR, EMULATOR_BUCKET, EMULATOR_ROLE, default_pause_s, make_client, open_session
from analysis.errors import BudgetError, JobError, QuotaError
from analysis.invocations import AT_ONCE, invoke_file, make_invoke
from analysis.jobs import Account, PlannedJob
from analysis.ledger import JobState
from analysis.models import find_model
from analysis.runs.folder import Run

ON_DEMAND = "on-demand"

JOB_SCHEMA = {
    "job_key": pl.String,
    "job_try": pl.Int64,
    "status": pl.String,
    "message": pl.String,
    "model_id": pl.String,
    "records": pl.Int64,
    "processed_records": pl.Int64,
    "success_records": pl.Int64,
    "error_records": pl.Int64,
    "submitted_at": pl.String,
    "ended_at": pl.String,
    "job_name": pl.String,
    "job_arn": pl.String,
}


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
    created, as many at once as the quota of unfinished jobs has room for. A job that ended without output gets one more
    try per call, three in all.

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
        Bedrock refused a job, or one ended Failed or Expired; its message is given. Calling again tries again.
    """
    planned = plan_jobs(run)
    check_minimum(run, planned)
    role_arn = role_arn or (EMULATOR_ROLE if profile == EMULATOR else "")
    if not role_arn:
        raise JobError(run.name, "no role_arn", "give the role that Bedrock takes on; docs/aws.md says what it needs")
    agree_to_cost(run, profile=profile, budget_usd=budget_usd, ask=ask)
    shared = {
        "roleArn": role_arn,
        "timeoutDurationInHours": timeout_hours,
        "tags": [{"key": key, "value": value} for key, value in (tags or {}).items()],
        "vpcConfig": {"subnetIds": list(subnet_ids), "securityGroupIds": list(security_group_ids)}
        if subnet_ids
        else {},
    }
    owner = {"s3BucketOwner": bucket_owner}
    account = open_account(
        run,
        bucket=bucket,
        profile=profile,
        region=region,
        prefix=prefix,
        fields={"shared": shared, "input": owner, "output": owner | {"s3EncryptionKeyId": kms_key_id}},
    )
    write_versions(run, profile=profile, region=region)
    jobs.renew(planned, run.ledger)
    states: Sequence[JobState] = jobs.take_step(planned, run.ledger, account)
    if wait:
        pause = default_pause_s(profile) if pause_s is None else pause_s
        states = wait_for_jobs(run, planned, account, states, pause=pause, sleep=sleep)
    check_ends(states)
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
    total = sum(job.records for job in planned)
    with tqdm(desc=run.name, total=total, unit="record", mininterval=1, file=sys.stdout) as bar:
        while True:
            bar.set_postfix_str(describe(states), refresh=False)
            bar.update(count_processed(planned, states) - bar.n)
            if all(state.is_finished for state in states):
                return states
            sleep(pause)
            states = jobs.take_step(planned, run.ledger, account)


def count_processed(planned: Sequence[PlannedJob], states: Sequence[JobState]) -> int:
    """Sum the records processed; older jobs have no counters and count when they have ended."""
    pairs = zip(planned, states, strict=True)
    return sum(state.counts.get("processed", job.records if state.is_finished else 0) for job, state in pairs)


def describe(states: Sequence[JobState]) -> str:
    """Count the jobs by status: `2 InProgress, 1 planned`."""
    statuses = [state.status for state in states]
    return ", ".join(f"{statuses.count(status)} {status}" for status in dict.fromkeys(statuses))


def check_ends(states: Sequence[JobState]) -> None:
    """Raise for jobs that ended without output."""
    bad = [state for state in states if state.is_unproductive]
    if bad:
        reason = "; ".join(f"{state.status}: {state.message or 'no message'}" for state in bad)
        cure = "mend the cause and submit again: only what is missing is sent"
        raise JobError(", ".join(state.job_name for state in bad), reason, cure)


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
    """
    agree_to_cost(run, profile=profile, budget_usd=budget_usd, ask=ask)
    client = make_client(open_session(profile, region=region), "bedrock-runtime")
    write_versions(run, profile=profile, region=region)
    for job in plan_jobs(run):
        ask_model = make_invoke(client, job.model_id, job.invocation_type)
        for file in job.files:
            target = run.folder / "output" / ON_DEMAND / f"{job.key}-{file.name}.out"
            invoke_file(file, target, invoke=ask_model, at_once=at_once)


def stop(
    run: Run, *, bucket: str = "", profile: str = EMULATOR, region: str = "", prefix: str = "batchbook"
) -> pl.DataFrame:
    """Stop the jobs of a run that have not ended; what was processed until then is charged, and can be collected.

    Returns
    -------
    frame
        One row per job, as `load_jobs`.
    """
    account = open_account(run, bucket=bucket, profile=profile, region=region, prefix=prefix)
    jobs.stop_jobs(plan_jobs(run), run.ledger, account)
    return load_jobs(run)


def load_jobs(run: Run) -> pl.DataFrame:
    """Say how the jobs of a run stand, as the ledger last saw them.

    Returns
    -------
    frame
        One row per job and try: `job_key`, `job_try`, `status` (`planned`, `intended`, one of Bedrock's ten,
        `refused`), `message`, `model_id`, `records` (sent), `processed_records`, `success_records`, `error_records`
        (missing where Bedrock did not say), `submitted_at`, `ended_at` (ISO 8601, UTC), `job_name`, `job_arn`.
    """
    planned = {job.key: job for job in plan_jobs(run)}
    states = run.ledger.replay()
    states += [JobState(key) for key in planned if key not in {state.job_key for state in states}]
    rows = [describe_job(state, planned[state.job_key]) for state in states]
    return pl.DataFrame(rows, schema=JOB_SCHEMA).sort("job_key", "job_try")


def describe_job(state: JobState, job: PlannedJob) -> dict[str, Any]:
    """Make the row of `load_jobs`; what is not known is missing."""
    texts = ("message", "submitted_at", "ended_at", "job_name", "job_arn")
    return {
        "job_key": state.job_key,
        "job_try": state.job_try,
        "status": state.status,
        "model_id": job.model_id,
        "records": job.records,
        **{f"{name}_records": state.counts.get(name) for name in ("processed", "success", "error")},
        **{name: getattr(state, name) or None for name in texts},
    }


def plan_jobs(run: Run) -> list[PlannedJob]:
    """Read from the records which jobs the run needs."""
    records = run.read_records()
    groups = records.group_by("job_key", "model_id", "invocation_type", maintain_order=True)
    planned = []
    for key, model_id, invocation_type, count, names in groups.agg(pl.len(), pl.col("file").unique().sort()).rows():
        files = tuple(run.folder / "input" / key / name for name in names)
        digest = digest_files(f"{run.name}\0{model_id}\0{invocation_type}", files)
        planned.append(PlannedJob(key, run.name, model_id, invocation_type, files, digest, count))
    return planned


def digest_files(heading: str, files: Sequence[Path]) -> str:
    """Digest a heading and the contents of files."""
    digest = hashlib.sha256(heading.encode())
    for path in files:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def latest(run: Run, planned: Sequence[PlannedJob]) -> list[JobState]:
    """Give the latest try of each job as the ledger knows it."""
    states = run.ledger.latest()
    return [states.get(job.key, JobState(job.key)) for job in planned]


def open_account(
    run: Run,
    *,
    bucket: str,
    profile: str,
    region: str,
    prefix: str,
    fields: Mapping[str, Mapping[str, Any]] | None = None,
) -> Account:
    """Open the clients, name the run's folder in the bucket, and keep the fields of the request that say something."""
    bucket = bucket or (EMULATOR_BUCKET if profile == EMULATOR else "")
    if not bucket:
        raise JobError(run.name, "no bucket", "give one in the region of the job; docs/aws.md says what it needs")
    session = open_session(profile, region=region)
    quotas = {find_model(model_id).base: quotas for model_id, quotas in run.read_quotas().items()}
    folder = "/".join(part for part in (bucket, prefix.strip("/"), run.name) if part)
    given = {kind: {name: value for name, value in group.items() if value} for kind, group in (fields or {}).items()}
    return Account(
        bedrock=make_client(session, "bedrock"),
        s3=make_client(session, "s3"),
        uri=f"s3://{folder}/",
        unfinished_jobs=lambda base: quotas[base].unfinished_jobs,
        **given,
    )


def check_minimum(run: Run, planned: Sequence[PlannedJob]) -> None:
    """Refuse a job with fewer records than Bedrock takes, and name the ways out."""
    for job in planned:
        least = run.read_quotas()[job.model_id].min_records
        if job.records < least:
            reason = f"{job.key} of {job.model_id} has {job.records} records, and a batch job takes at least {least}"
            cure = "add calls, let prompts share a model, ask several samples, or answer now with invoke(run)"
            raise QuotaError(run.name, reason, cure)


def agree_to_cost(
    run: Run, *, profile: str, budget_usd: float | None = None, ask: Callable[[str], str] = input
) -> None:
    """Hold the estimate against a budget, or have the plan agreed to, before anything is sent.

    Parameters
    ----------
    run
        A prepared run; one that has been sent costs nothing more.
    profile
        On the emulator nothing costs anything, so without a budget nothing is asked.
    budget_usd
        The most that the upper end of the estimate may be; infinite to agree to whatever it costs.
    ask
        Prints a question and gives the answer.

    Raises
    ------
    BudgetError
        The estimate is above the budget, is not known, or was not agreed to.
    """
    if budget_usd == math.inf or (budget_usd is None and profile == EMULATOR) or has_been_sent(run):
        return
    plan = run.plan()
    most = plan.cost_usd_high
    if budget_usd is None:
        confirm(run, f"{plan}\n\nSend these records to AWS? [y/N] ", ask)
    elif most is None:
        raise BudgetError(
            run.name, "no price is known for a model, so no budget can be held", "agree to the plan instead"
        )
    elif most > budget_usd:
        reason = f"may cost up to {most:,.2f} USD, and the budget is {budget_usd:,.2f} USD"
        raise BudgetError(run.name, reason, "raise budget_usd, lower max_tokens, or send fewer calls")


def has_been_sent(run: Run) -> bool:
    """Whether Bedrock has a job for everything that is planned, and none has to be tried again."""
    states = latest(run, plan_jobs(run))
    return all(state.job_arn and not state.is_unproductive for state in states)


def confirm(run: Run, question: str, ask: Callable[[str], str]) -> None:
    """Ask, and take anything but a yes as a no; a kernel that nobody sits at cannot be asked."""
    try:
        answer = ask(question)
    except (EOFError, OSError, RuntimeError, NotImplementedError) as error:
        raise BudgetError(run.name, "nobody is there to agree to the cost", "give budget_usd") from error
    if answer.strip().lower() not in {"y", "yes"}:
        raise BudgetError(run.name, "the plan was not agreed to", "nothing was sent")


def write_versions(run: Run, *, profile: str, region: str) -> None:
    """Note with what and where the run is sent, once per change."""
    facts = {name: version(name) for name in ("batchbook", "boto3")} | {"python": platform.python_version()}
    note = {"profile": profile, "region": region, "versions": facts}
    before = run.read_note()
    if any(before.get(name) != value for name, value in note.items()):
        run.ledger.append("versions", **note)
