"""Batch jobs: make the jobs on Amazon Bedrock match those that a run has planned, one step at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from analysis.aws import storage
from analysis.aws.session import CREDENTIAL_ERRORS, NETWORK_ERRORS, is_busy
from analysis.errors import JobError
from analysis.facts.models import find_model
from analysis.jobs.ledger import JobState, Ledger, apply_event
from analysis.jobs.statuses import INTENDED, PLANNED, REFUSED, STOPPED, SUBMITTED, UNFINISHED

if TYPE_CHECKING:
    from types_boto3_bedrock import BedrockClient
    from types_boto3_bedrock.type_defs import ModelInvocationJobSummaryTypeDef
    from types_boto3_s3 import S3Client

MOST_TRIES = 3
COUNTS = {
    "total": "totalRecordCount",
    "processed": "processedRecordCount",
    "success": "successRecordCount",
    "error": "errorRecordCount",
}
QUOTA_REACHED = "ServiceQuotaExceededException"  # no room for another job: no job was made
SIGN_IN = "sign in to AWS again (`aws sso login`, `aws configure`)"
CURES = {
    "AccessDeniedException": "allow the caller this action, and iam:PassRole on the role: see docs/aws.md",
    "ExpiredTokenException": SIGN_IN,
    "ExpiredToken": SIGN_IN,
    "UnrecognizedClientException": SIGN_IN,
    "InvalidClientTokenId": SIGN_IN,
    "InvalidSignatureException": "check this machine's clock, and sign in to AWS again",
    "ValidationException": "correct what the message names: model, role or bucket; docs/aws.md has the usual causes",
    "ResourceNotFoundException": "check model id, profile and region",
    "ConflictException": "a job with other input or output has this name: use its bucket, or another run name",
}


@dataclass(frozen=True)
class PlannedJob:
    """One job that the run needs.

    Attributes
    ----------
    key
        Name of the job within the run, and of its folder of input files.
    run
        Name of the run.
    model_id, invocation_type
        As Bedrock takes them.
    files
        The local input files.
    records
        How many lines the files have.
    """

    key: str
    run: str
    model_id: str
    invocation_type: str
    files: tuple[Path, ...]
    records: int

    @cached_property
    def digest(self) -> str:
        """SHA-256 of run, model, invocation type and the contents of the files, as hex digits."""
        return self.digest_files(self.files)

    def digest_files(self, files: Iterable[Path]) -> str:
        """Return the SHA-256 of run, model, invocation type and the contents of some files, as hex digits."""
        digest = hashlib.sha256(f"{self.run}\0{self.model_id}\0{self.invocation_type}".encode())
        for path in files:
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()

    def token(self, job_try: int) -> str:
        """Make the client token: requests of equal content and try create one job, whichever process sends them.

        The content is that of the whole planned job, also where a further try sends a part of it.
        """
        return hashlib.sha256(f"{self.digest}\0{job_try}".encode()).hexdigest()

    def name(self, job_try: int) -> str:
        """Make the job's name, at most 63 characters; it begins with the run and the key, by which listing finds it."""
        return f"{self.prefix}{job_try}-{self.token(job_try)[:8]}"

    def files_of(self, state: JobState) -> tuple[Path, ...]:
        """List the input files of a try: all of the job, or those of the records that earlier tries left unanswered."""
        if not state.folder:
            return self.files
        return tuple(sorted((self.files[0].parents[1] / state.folder).glob("*.jsonl")))

    @property
    def prefix(self) -> str:
        """What the names of all tries of this job begin with."""
        return f"{self.run_prefix}{self.key}-"

    @property
    def run_prefix(self) -> str:
        """What the names of all jobs of the run begin with."""
        return f"{self.run[:24]}-"


@dataclass(frozen=True)
class Account:
    """Where jobs are created: two clients, a folder in S3, and the fields that every request shares.

    Attributes
    ----------
    bedrock, s3
        boto3 clients.
    uri
        `s3://` folder that gets the input and output of the run.
    unfinished_jobs
        Returns the quota of unfinished jobs of a base model id.
    shared
        Fields of CreateModelInvocationJob that all jobs have alike: `roleArn`, `tags`, `vpcConfig`, ...
    input, output
        Further fields of `s3InputDataConfig` and `s3OutputDataConfig`: the owner of the bucket, the KMS key.
    """

    bedrock: BedrockClient
    s3: S3Client
    uri: str
    unfinished_jobs: Callable[[str], int]
    shared: Mapping[str, Any] = field(default_factory=dict)
    input: Mapping[str, Any] = field(default_factory=dict)
    output: Mapping[str, Any] = field(default_factory=dict)


def take_step(planned: Sequence[PlannedJob], ledger: Ledger, account: Account) -> list[JobState]:
    """Update the state of unfinished jobs, and create missing ones as far as the quota allows.

    Can be repeated at any time: a job that exists is adopted, never created twice. A job that Bedrock refuses does not
    keep the others from being created.

    Returns
    -------
    states
        The latest try of each planned job, in their order.

    Raises
    ------
    JobError
        The account's jobs cannot be read. Temporary errors are raised as botocore has them.
    """
    with ledger.lock():
        states = dict(zip(planned, refresh_jobs(planned, ledger, account.bedrock), strict=True))
        for job in choose_jobs_to_create(states, account):
            states[job] = create_job(states[job], job, ledger, account)
    return list(states.values())


def refresh_jobs(planned: Sequence[PlannedJob], ledger: Ledger, bedrock: BedrockClient) -> list[JobState]:
    """Update the latest try of each job; jobs without an ARN are looked for in one listing."""
    latest = ledger.latest()
    states = [latest.get(job.key, JobState(job.key)) for job in planned]
    is_lost = any(not state.job_arn and not state.is_finished for state in states)
    listed = list(list_jobs(bedrock, nameContains=planned[0].run_prefix)) if is_lost else []
    return [refresh_job(state, job, listed, ledger, bedrock) for state, job in zip(states, planned, strict=True)]


def count_sent(job: PlannedJob, state: JobState) -> int:
    """Count the records that a try sends."""
    # Of a further try that the ledger lost, only Bedrock has the number, once it has counted the records.
    whole = job.records if state.job_try == 1 else state.counts.get("total") or job.records
    return whole if state.records is None else state.records


def refresh_job(
    state: JobState, job: PlannedJob, listed: Sequence[Mapping[str, Any]], ledger: Ledger, bedrock: BedrockClient
) -> JobState:
    """Update the state of one job; a job that the ledger lost is found by its name among those listed."""
    if state.is_finished:
        return state
    if state.job_arn:
        return fetch_job(state, ledger, bedrock)
    return adopt(state, job, listed, ledger) or state


def adopt(state: JobState, job: PlannedJob, listed: Iterable[Mapping[str, Any]], ledger: Ledger) -> JobState | None:
    """Add all tries of a job that the account has, from `state`'s on, to the ledger: each has answers of its own.

    The name of a job ends in a digest of its model and input, so a job of this name is ours whatever its folder in S3.

    Returns
    -------
    state
        The highest try; None where there is none.
    """
    tries = {read_try(summary["jobName"], job): summary for summary in listed}
    adopted = None
    for job_try in sorted(each for each in tries if each >= state.job_try):
        known = state if job_try == state.job_try else JobState(job.key, job_try)
        adopted = record_status(known, tries[job_try], ledger, event="created")
    return adopted


def record_status(state: JobState, job: Mapping[str, Any], ledger: Ledger, event: str = "seen") -> JobState:
    """Append what Bedrock reports of a job to the ledger, if anything has changed."""
    news = replace(state, **read_job(job))
    if news != state:
        facts = {name: getattr(news, name) for name in read_job(job)}
        ledger.append("ended" if news.is_finished else event, job_key=news.job_key, job_try=news.job_try, **facts)
    return news


def read_job(job: Mapping[str, Any]) -> dict[str, Any]:
    """Read the fields that the ledger keeps from a response of GetModelInvocationJob or an entry of a listing."""
    times = {"submitted_at": job.get("submitTime"), "ended_at": job.get("endTime")}
    return {
        "status": job["status"],
        "job_arn": job["jobArn"],
        "job_name": job.get("jobName", ""),
        "message": job.get("message", ""),
        "input_uri": job["inputDataConfig"]["s3InputDataConfig"]["s3Uri"],
        "output_uri": job["outputDataConfig"]["s3OutputDataConfig"]["s3Uri"],
        "counts": {name: job[field] for name, field in COUNTS.items() if job.get(field) is not None},
        **{name: time.isoformat() if time else "" for name, time in times.items()},
    }


def fetch_job(state: JobState, ledger: Ledger, bedrock: BedrockClient) -> JobState:
    """Update a job whose ARN is known; while the service is busy its state stays, until the next step."""
    with bedrock_errors(state.job_arn):
        try:
            job = bedrock.get_model_invocation_job(jobIdentifier=state.job_arn)
        except ClientError as error:
            if is_busy(error.response):
                return state
            raise
    return record_status(state, job, ledger)


@contextmanager
def bedrock_errors(where: str) -> Iterator[None]:
    """Convert errors of botocore to a JobError with a cure; temporary ones are raised unchanged."""
    try:
        yield
    except NETWORK_ERRORS:
        raise
    except ClientError as error:
        if is_busy(error.response):
            raise
        code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
        raise JobError(where, f"{code}: {message}", CURES.get(code, "see docs/aws.md")) from error
    except BotoCoreError as error:
        cure = SIGN_IN if isinstance(error, CREDENTIAL_ERRORS) else "see docs/aws.md"
        raise JobError(where, str(error), cure) from error


def read_try(name: str, job: PlannedJob) -> int:
    """Read the number of the try from a job's name; 0 for a name that this job does not have in any try."""
    rest = name.removeprefix(job.prefix).split("-")[0]
    job_try = int(rest) if rest.isdecimal() else 0
    return job_try if job_try and name == job.name(job_try) else 0


def list_jobs(bedrock: BedrockClient, **filters: Any) -> Iterator[ModelInvocationJobSummaryTypeDef]:
    """List the account's jobs, page by page."""
    with bedrock_errors("the account's jobs"):
        for page in bedrock.get_paginator("list_model_invocation_jobs").paginate(**filters):
            yield from page["invocationJobSummaries"]


def choose_jobs_to_create(states: Mapping[PlannedJob, JobState], account: Account) -> Iterator[PlannedJob]:
    """Yield the jobs to create now: those without an ARN, as many of each model as the quota allows."""
    room: dict[str, int] = {}
    for job in [job for job, state in states.items() if not state.job_arn and not state.is_finished]:
        base = find_model(job.model_id).base
        if base not in room:
            room[base] = account.unfinished_jobs(base) - count_unfinished(base, account)
        if room[base] > 0:
            room[base] -= 1
            yield job


def count_unfinished(base: str, account: Account) -> int:
    """Count all unfinished jobs of a model in the account, not only those of this run."""
    running = (job for status in UNFINISHED for job in list_jobs(account.bedrock, statusEquals=status))
    return sum(find_model(job["modelId"]).base == base for job in running)


def create_job(state: JobState, job: PlannedJob, ledger: Ledger, account: Account) -> JobState:
    """Upload the input files and create the job; the intent is in the ledger before the request is sent."""
    files = job.files_of(state)
    if not files:
        cure = "prepare what is left as a run of its own; docs/unanswered.md says how"
        raise JobError(job.key, f"the input folder {state.folder} of try {state.job_try} is gone", cure)
    uri = input_uri(job, state, files, account)
    if state.input_uri != uri:  # else they were uploaded before, when the quota had no room
        for file in files:
            storage.put_file(file, f"{uri}{file.name}", s3=account.s3)
    request = create_request(job, state.job_try, uri, account)
    intent = {"job_name": request["jobName"], "token": request["clientRequestToken"]}
    places = {"input_uri": uri, "output_uri": output_uri(account)}
    facts = {"status": INTENDED, **intent, **places}
    ledger.append("intended", job_key=job.key, job_try=state.job_try, **facts)
    state = apply_event(state, facts)
    with bedrock_errors(state.job_name):
        try:
            arn = account.bedrock.create_model_invocation_job(**request)["jobArn"]
        except ClientError as error:
            return handle_refusal(state, job, error, ledger, account)
    ledger.append("created", job_key=job.key, job_try=state.job_try, status=SUBMITTED, job_arn=arn)
    return replace(state, status=SUBMITTED, job_arn=arn)


def handle_refusal(state: JobState, job: PlannedJob, error: ClientError, ledger: Ledger, account: Account) -> JobState:
    """Decide what follows an error of CreateModelInvocationJob: wait, adopt the job of that name, or give up."""
    code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
    key = {"job_key": job.key, "job_try": state.job_try}
    if code == QUOTA_REACHED:
        ledger.append("planned", **key, status=PLANNED, message=message)
        return replace(state, status=PLANNED, message=message)
    if is_busy(error.response):
        return state  # the job may exist all the same: the next step finds it, or sends the same token again
    adopted = adopt(state, job, list_jobs(account.bedrock, nameContains=job.run_prefix), ledger)
    if adopted is not None:
        return adopted
    facts = {"status": REFUSED, "message": f"{code}: {message}; {CURES.get(code, 'see docs/aws.md')}"}
    ledger.append("refused", **key, **facts)
    return apply_event(state, facts)


def create_request(job: PlannedJob, job_try: int, uri: str, account: Account) -> dict[str, Any]:
    """Write the request of CreateModelInvocationJob for the input files at `uri`."""
    source = {"s3Uri": uri, "s3InputFormat": "JSONL", **account.input}
    return {
        "jobName": job.name(job_try),
        "clientRequestToken": job.token(job_try),
        "modelId": job.model_id,
        "modelInvocationType": job.invocation_type,
        "inputDataConfig": {"s3InputDataConfig": source},
        "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": output_uri(account), **account.output}},
        **account.shared,
    }


def stop_jobs(planned: Sequence[PlannedJob], ledger: Ledger, bedrock: BedrockClient) -> None:
    """Stop running jobs, and end those that were not created; Bedrock charges for the tokens processed until then.

    Raises
    ------
    JobError
        A job could not be stopped; the others have been.
    """
    errors = []
    with ledger.lock():
        for state in refresh_jobs(planned, ledger, bedrock):
            try:
                stop_job(state, ledger, bedrock)
            except JobError as error:
                errors.append(error)
    if errors:
        raise errors[0]


def stop_job(state: JobState, ledger: Ledger, bedrock: BedrockClient) -> None:
    """Stop one job; one that has ended in the meantime stays as it is."""
    if state.is_finished:
        return
    if state.status == INTENDED:
        cure = "look again in a minute, or submit and stop the run again"
        raise JobError(state.job_name, "Bedrock may have received this job but does not list it yet", cure)
    if not state.job_arn:
        facts = {"status": STOPPED, "message": "stopped before it was sent"}
        ledger.append("ended", job_key=state.job_key, job_try=state.job_try, **facts)
        return
    with bedrock_errors(state.job_arn):
        try:
            bedrock.stop_model_invocation_job(jobIdentifier=state.job_arn)
        except ClientError as error:
            # Either code means that the job has ended by itself.
            if error.response["Error"]["Code"] not in {"ConflictException", "ValidationException"}:
                raise
    fetch_job(state, ledger, bedrock)


def input_uri(job: PlannedJob, state: JobState, files: Sequence[Path], account: Account) -> str:
    """Return the S3 folder of a try's input files; its name has a digest of their content."""
    digest = job.digest_files(files) if state.folder else job.digest
    return f"{account.uri}input/{state.folder or job.key}-{digest[:8]}/"


def output_uri(account: Account) -> str:
    """Return the S3 folder in which Bedrock makes one folder per job."""
    return f"{account.uri}output/"
