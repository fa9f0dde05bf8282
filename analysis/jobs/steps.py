"""Steps: make the jobs on Amazon Bedrock match those that a run has planned, one step at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from analysis.aws import storage
from analysis.aws.session import is_busy
from analysis.errors import JobError
from analysis.facts.models import find_model
from analysis.jobs.batch import CURES, PlannedJob, adopt, bedrock_errors, fetch_job, list_jobs, refresh_jobs
from analysis.jobs.ledger import JobState, Ledger, apply_event
from analysis.jobs.statuses import INTENDED, PLANNED, REFUSED, STOPPED, SUBMITTED, UNFINISHED

if TYPE_CHECKING:
    from types_boto3_bedrock import BedrockClient
    from types_boto3_s3 import S3Client

THROTTLED = "ThrottlingException"
QUOTA_REACHED = "ServiceQuotaExceededException"  # no room for another job: no job was made


CostCheck = Callable[[Sequence[JobState], Sequence[tuple[PlannedJob, JobState]]], None]


def accept_any_cost(tries: Sequence[JobState], chosen: Sequence[tuple[PlannedJob, JobState]]) -> None:
    """Raise nothing, whatever the jobs cost."""


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
    check_cost
        Gets every try of the ledger and the jobs that are to be created next, each with its latest try; raises where
        these would cost more than was agreed to.
    elsewhere
        The same account in further Regions, by their names: jobs whose prompts name one of these are created there.
    """

    bedrock: BedrockClient
    s3: S3Client
    uri: str
    unfinished_jobs: Callable[[str], int]
    shared: Mapping[str, Any] = field(default_factory=dict)
    input: Mapping[str, Any] = field(default_factory=dict)
    output: Mapping[str, Any] = field(default_factory=dict)
    check_cost: CostCheck = accept_any_cost
    elsewhere: Mapping[str, Account] = field(default_factory=dict)

    def with_check(self, check_cost: CostCheck) -> Account:
        """Return the account with another check of what jobs cost, in each Region."""
        elsewhere = {region: replace(each, check_cost=check_cost) for region, each in self.elsewhere.items()}
        return replace(self, check_cost=check_cost, elsewhere=elsewhere)

    def split(self, planned: Sequence[PlannedJob]) -> Iterator[tuple[Account, list[PlannedJob]]]:
        """Yield the account in each Region of some jobs, with those that belong there."""
        groups: dict[str, list[PlannedJob]] = {}
        for job in planned:
            groups.setdefault(job.region if job.region in self.elsewhere else "", []).append(job)
        for region, jobs in groups.items():
            yield self.elsewhere.get(region, self), jobs


def take_step(
    planned: Sequence[PlannedJob], ledger: Ledger, account: Account, *, is_first: bool = True
) -> list[JobState]:
    """Update the state of unfinished jobs, and create missing ones as far as the quota allows.

    Can be repeated at any time: a job that exists is adopted, never created twice. A job that Bedrock refuses does not
    keep the others from being created.

    Parameters
    ----------
    planned, ledger, account
        The jobs that the run needs, what is known of them, and where they are created.
    is_first
        Whether this is the first step of a call: jobs that the ledger lost are looked for in the account. Later steps
        list it only where a request was sent and no response was read.

    Returns
    -------
    states
        The latest try of each planned job, in their order.

    Raises
    ------
    JobError
        The account's jobs cannot be read. Temporary errors are raised as botocore has them.
    InputError
        An input file is not as it was prepared: its job is not created.
    BudgetError
        The jobs that could be created may cost more than was agreed to: none is.
    """
    with ledger.lock():
        states = dict(zip(planned, refresh_jobs(planned, ledger, account.bedrock, is_first=is_first), strict=True))
        chosen = [(job, states[job]) for job in choose_jobs_to_create(states, account)]
        if chosen:
            account.check_cost(ledger.replay(), chosen)
        for job, state in chosen:
            states[job] = create_job(state, job, ledger, account)
            if states[job].message.startswith(THROTTLED):
                break  # after minutes of trying, which further jobs would only repeat
    return list(states.values())


def choose_jobs_to_create(states: Mapping[PlannedJob, JobState], account: Account) -> Iterator[PlannedJob]:
    """Yield the jobs to create now: those without an ARN, as many of each model as the quota allows."""
    room: dict[str, int] = {}
    unfinished: Counter[str] | None = None
    for job in [job for job, state in states.items() if not state.job_arn and not state.is_finished]:
        base = find_model(job.model_id).base
        unfinished = count_unfinished(account) if unfinished is None else unfinished
        if base not in room:
            room[base] = account.unfinished_jobs(base) - unfinished[base]
        if room[base] > 0:
            room[base] -= 1
            yield job


def count_unfinished(account: Account) -> Counter[str]:
    """Count all unfinished jobs in the account by base model id, not only those of this run."""
    running = (job for status in UNFINISHED for job in list_jobs(account.bedrock, statusEquals=status))
    return Counter(find_model(job["modelId"]).base for job in running)


def create_job(state: JobState, job: PlannedJob, ledger: Ledger, account: Account) -> JobState:
    """Upload the input files and create the job; the intent is in the ledger before the request is sent."""
    uri = input_uri(job, state, account)
    if uri == job.uri:
        job.check_objects(account.s3)
    elif state.input_uri != uri:  # else they were uploaded before, when the quota had no room
        job.check_files(state)
        for file in job.files_of(state):
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
        # The job may exist all the same: the next step finds it, or sends the same token again.
        return replace(state, message=f"{code}: {message}")
    adopted = adopt(state, job, list_jobs(account.bedrock, nameContains=job.prefix), ledger)
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


def input_uri(job: PlannedJob, state: JobState, account: Account) -> str:
    """Return the S3 folder of a try's input files; the name of one that is uploaded has a digest of their content."""
    if job.uri and not state.folder:
        return job.uri
    digest = (state.digest or job.digest_files(job.files_of(state))) if state.folder else job.digest
    return f"{account.uri}input/{state.folder or job.key}-{digest[:8]}/"


def output_uri(account: Account) -> str:
    """Return the S3 folder in which Bedrock makes one folder per job."""
    return f"{account.uri}output/"
