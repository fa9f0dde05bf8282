"""Batch jobs: those that a run has planned, and what Amazon Bedrock reports of them, which goes to the ledger."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from analysis.aws.conditions import describe_object
from analysis.aws.cures import find_cure
from analysis.aws.session import CREDENTIAL_ERRORS, NETWORK_ERRORS, is_busy
from analysis.errors import InputError, JobError
from analysis.jobs.keys import read_attempt
from analysis.jobs.ledger import JobState, Ledger
from analysis.jobs.statuses import INTENDED

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
    sha256
        The SHA-256 of each file as hex digits, from when it was written; empty where it has to be taken now.
    region
        The AWS Region of the job, as its prompts name it; empty for the one that the run is sent to.
    uri
        The folder in S3 where the files are already; empty where the job uploads them.
    sizes
        The bytes of each file, by which those in S3 are known.
    """

    key: str
    run: str
    model_id: str
    invocation_type: str
    files: tuple[Path, ...]
    records: int
    sha256: tuple[str, ...] = ()
    region: str = ""
    uri: str = ""
    sizes: tuple[int, ...] = ()

    @property
    def attempt(self) -> int:
        """Which attempt of the run the job belongs to: 1, or more for a repair."""
        return read_attempt(self.key)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of run, model, invocation type and the contents of the files, as hex digits."""
        return self.digest_hashes(self.sha256) if self.sha256 else self.digest_files(self.files)

    def digest_files(self, files: Iterable[Path]) -> str:
        """Return the SHA-256 of run, model, invocation type and the contents of some files, as hex digits."""
        return self.digest_hashes(map(hash_file, files))

    def digest_hashes(self, hashes: Iterable[str]) -> str:
        """Return the SHA-256 of run, model, invocation type and the hashes of some files, as hex digits."""
        digest = hashlib.sha256(f"{self.run}\0{self.model_id}\0{self.invocation_type}".encode())
        for each in hashes:
            digest.update(bytes.fromhex(each))
        return digest.hexdigest()

    def token(self, job_try: int) -> str:
        """Make the client token: requests of equal content and try create one job, whichever process sends them.

        The content is that of the whole planned job, also where a further try sends a part of it.
        """
        # A repair may ask for exactly what a job before it asked for.
        of_attempt = f"\0{self.key}" if self.attempt > 1 else ""
        return hashlib.sha256(f"{self.digest}{of_attempt}\0{job_try}".encode()).hexdigest()

    def name(self, job_try: int) -> str:
        """Make the job's name, at most 63 characters; it begins with the run and the key, by which listing finds it."""
        return f"{self.prefix}{job_try}-{self.token(job_try)[:8]}"

    def files_of(self, state: JobState) -> tuple[Path, ...]:
        """List the input files of a try: all of the job, or those of the records that earlier tries left unanswered."""
        if not state.folder:
            return self.files
        return tuple(sorted((self.files[0].parents[1] / state.folder).glob("*.jsonl")))

    def check_files(self, state: JobState) -> None:
        """Compare the input files of a try with their digests from when they were written.

        Raises
        ------
        InputError
            A file is missing, or its content is another one.
        """
        try:
            hashes = [hash_file(file) for file in self.files_of(state)]
        except FileNotFoundError as error:
            raise InputError(self.key, f"its input file {error.filename} is missing") from error
        if state.folder:
            is_same = bool(hashes) and self.digest_hashes(hashes) == (state.digest or self.digest_hashes(hashes))
        else:
            is_same = not self.sha256 or tuple(hashes) == self.sha256
        if not is_same:
            raise InputError(self.key, f"its input in {state.folder or self.key} is not as it was prepared")

    def check_objects(self, s3: S3Client) -> None:
        """Compare the input files in S3 with size and SHA-256 from when they were written.

        Raises
        ------
        InputError
            An object is missing or another one. One that S3 has no SHA-256 of, as after another program copied it, is
            known by its size alone.
        """
        for file, size, sha256 in zip(self.files, self.sizes, self.sha256, strict=True):
            found = describe_object(f"{self.uri}{file.name}", s3=s3)
            if found is None:
                raise InputError(self.key, f"its input {self.uri}{file.name} is missing")
            if found.bytes != size or found.sha256 not in {"", sha256}:
                raise InputError(self.key, f"its input {self.uri}{file.name} is not as it was prepared")

    @property
    def prefix(self) -> str:
        """What the names of all tries of this job begin with."""
        return f"{self.run_prefix}{self.key}-"

    @property
    def run_prefix(self) -> str:
        """What the names of all jobs of the run begin with."""
        return f"{self.run[:24]}-"


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file's content as hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def refresh_jobs(
    planned: Sequence[PlannedJob], ledger: Ledger, bedrock: BedrockClient, *, is_first: bool = True
) -> list[JobState]:
    """Update the latest try of each job; jobs without an ARN are looked for in one listing.

    After the first step of a call the ledger has what the account had, so only a request without a response is a
    reason to list again.
    """
    latest = ledger.latest()
    states = [latest.get(job.key, JobState(job.key)) for job in planned]
    waiting = [state for state in states if not state.job_arn and not state.is_finished]
    is_lost = any(is_first or state.status == INTENDED for state in waiting)
    listed = index_by_prefix(list_jobs(bedrock, nameContains=planned[0].run_prefix)) if is_lost else {}
    return [
        refresh_job(state, job, listed.get(job.prefix, []), ledger, bedrock)
        for state, job in zip(states, planned, strict=True)
    ]


def index_by_prefix(listed: Iterable[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Group the jobs of a listing by what their names have before try and digest, so that each job finds its own."""
    # The digest of a name costs one of all input, so a waiting job is not compared with every job that is listed.
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for summary in listed:
        parts = summary["jobName"].rsplit("-", 2)
        groups.setdefault(f"{parts[0]}-", []).append(summary)
    return groups


def count_sent(job: PlannedJob, state: JobState) -> int:
    """Count the records that a try sends."""
    # Of a further try that the ledger lost, only Bedrock has the number, once it has counted the records.
    whole = job.records - state.taken if state.job_try == 1 else state.counts.get("total") or job.records
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
    """Append what Bedrock reports of a job to the ledger, if enough has changed."""
    news = replace(state, **read_job(job))
    if has_moved(state, news):
        facts = {name: getattr(news, name) for name in read_job(job)}
        ledger.append("ended" if news.is_finished else event, job_key=news.job_key, job_try=news.job_try, **facts)
    return news


def has_moved(before: JobState, now: JobState) -> bool:
    """Return whether anything but the counts has changed, or a count by a tenth of the job."""
    if replace(before, counts=now.counts) != now or before.counts.keys() != now.counts.keys():
        return True
    # A line for each look would make the ledger of a long run hundreds of megabytes.
    least = max(1, now.counts.get("total", 0) / 10)
    return any(abs(count - before.counts[name]) >= least for name, count in now.counts.items())


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
        cure = SIGN_IN if isinstance(error, CREDENTIAL_ERRORS) else find_cure(error)[1]
        raise JobError(where, str(error), cure or "see docs/aws.md") from error


def read_try(name: str, job: PlannedJob) -> int:
    """Read the number of the try from a job's name; 0 for a name that this job does not have in any try."""
    rest = name.removeprefix(job.prefix).split("-")[0]
    job_try = int(rest) if rest.isdecimal() else 0
    return job_try if job_try and name == job.name(job_try) else 0


def list_jobs(bedrock: BedrockClient, **filters: Any) -> Iterator[ModelInvocationJobSummaryTypeDef]:
    """List the account's jobs in the client's Region, page by page."""
    with bedrock_errors(f"the account's jobs in {bedrock.meta.region_name}"):
        for page in bedrock.get_paginator("list_model_invocation_jobs").paginate(**filters):
            yield from page["invocationJobSummaries"]
