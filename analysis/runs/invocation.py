"""Invoking: the records of a run answered now, by one process on one machine."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING

import msgspec
from botocore.exceptions import ClientError

from analysis.aws.session import EMULATOR, make_client, open_session
from analysis.aws.storage import open_bucket
from analysis.display import count
from analysis.errors import RunError
from analysis.files import explain_file_errors
from analysis.jobs.batch import PlannedJob
from analysis.jobs.ledger import Ledger
from analysis.jobs.on_demand import AT_ONCE, invoke_file, make_invoke
from analysis.runs.accounts import open_sent
from analysis.runs.budget import check_cost, find_target
from analysis.runs.folder import Run, RunSource, open_run
from analysis.runs.inputs import restore_changed
from analysis.runs.place import RUN_FILE
from analysis.runs.regions import name_bucket
from analysis.runs.reuse import expect_taken, find_takeable, take_over
from analysis.runs.sending import lock_sending, write_sending
from analysis.runs.sharing import read_copy
from analysis.runs.state import RunState, read_state
from analysis.runs.status import count_lost_requests, name_on_demand_output

if TYPE_CHECKING:
    from types_boto3_bedrock_runtime import BedrockRuntimeClient
    from types_boto3_s3 import S3Client

BEAT_S = 60  # a process that answers writes to the ledger that it is alive
ALIVE_S = 3 * BEAT_S  # after which another machine takes it for dead


@explain_file_errors()
def invoke(
    run: RunSource,
    *,
    profile: str = EMULATOR,
    region: str = "",
    bucket: str = "",
    prefix: str = "batchbook",
    budget_usd: float | None = None,
    at_once: int = AT_ONCE,
    ask: Callable[[str], str] = input,
) -> None:
    """Answer the records of a run now, by InvokeModel or Converse, at twice the batch price.

    For runs below the batch minimum. A record that has an answer, in this run or in another one in the same folder of
    runs and the same account, is not sent again, so this can be repeated. What was
    asked for when a process was killed may have been paid for, and is asked again: a line says how many records that
    were, and both requests count against the budget.

    Parameters
    ----------
    run
        From `prepare` or `open_run`, or its folder or name.
    profile, region, budget_usd, ask
        As in `submit`; the estimate is at on-demand prices.
    bucket, prefix
        An S3 bucket, and a folder in it, by which another machine that has a copy of the run learns that this one
        answers it; later calls and repairs use it too. Without one only processes that share the run's folder know of
        each other.
    at_once
        How many requests are made at the same time.

    Raises
    ------
    BudgetError
        The estimate is above the budget, is not known, or was not confirmed.
    JobError
        Every record would be refused: no access, no such model, expired credentials.
    RunError
        Another process, machine or copy of the folder is answering this run, or it was sent to batch jobs or with
        another profile before; or its input, its calls and its prompts have all changed since it was prepared.
    """
    run = open_run(run, profile=profile, region=region)
    read_copy(run)
    state = read_state(run)
    target = find_target(run, "on_demand", profile, region)
    found = find_takeable(state, target["account"])
    check_cost(expect_taken(state, found), target, budget_usd=budget_usd, ask=ask)
    clients = open_clients(state.latest_jobs, profile, target["region"])
    with lock_sending(run, wait_s=0):
        state = state.read_on()
        before = state.sending.get("options", {})
        if run.place is not None:
            bucket, prefix = run.place.bucket, run.place.prefix
        bucket, prefix = (bucket, prefix) if bucket else (before.get("bucket", ""), before.get("prefix", prefix))
        write_sending(state, target, options={"bucket": bucket, "prefix": prefix} if bucket else {})
        if bucket:
            there = choose_claim_region(run, target["region"])
            s3 = make_client(open_session(profile, region=there), "s3")
            claim_run(run, s3, name_bucket(bucket, there, profile=profile), prefix)
        state = take_over(state, find_takeable(state, target["account"]), target["account"])
        answer_jobs(state, state.latest_jobs, clients, at_once)


def open_clients(jobs: Sequence[PlannedJob], profile: str, region: str) -> dict[str, BedrockRuntimeClient]:
    """Open a client in each Region of some jobs, by its name; by an empty one for prompts that name none."""
    regions = dict.fromkeys(job.region for job in jobs)
    return {name: make_client(open_session(profile, region=name or region), "bedrock-runtime") for name in regions}


def choose_claim_region(run: Run, region: str) -> str:
    """Return the Region whose bucket says who answers: the same one whichever Region a process takes for the run's."""
    return next(filter(None, run.read_regions().values()), region)


def answer_jobs(
    state: RunState, jobs: Sequence[PlannedJob], clients: Mapping[str, BedrockRuntimeClient], at_once: int = AT_ONCE
) -> None:
    """Answer the records of some planned jobs that have no answer on demand; the caller holds the sending lock."""
    report_lost_requests(state)
    restore_changed(state, jobs)
    with keep_alive(state):
        for job in jobs:
            ask_model = make_invoke(clients[job.region], job.model_id, job.invocation_type)
            # A repair asks anew what was taken over and is not as its prompt expects.
            taken = state.taken_ids if job.attempt == 1 else frozenset()
            for file in job.files:
                target_file = name_on_demand_output(state.run, job, file)
                with state.run.borrow(file) as here:
                    invoke_file(here, target_file, invoke=ask_model, at_once=at_once, taken=taken)


@contextmanager
def keep_alive(state: RunState) -> Iterator[None]:
    """Write to the ledger every minute that this machine is answering, and at the end that it has stopped.

    Raises
    ------
    RunError
        Another machine has written so in the last three minutes: a lock on a file does not reach it on every network
        drive.
    """
    check_alone(state)
    over = Event()
    thread = Thread(target=beat, args=(state.ledger, over), daemon=True)
    write_beat(state.ledger, ALIVE_S)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        write_beat(state.ledger, 0)


def beat(ledger: Ledger, over: Event) -> None:
    """Write every minute that this machine is answering, until it is over."""
    while not over.wait(BEAT_S):
        write_beat(ledger, ALIVE_S)


def write_beat(ledger: Ledger, seconds: float) -> None:
    """Write until when this machine has to be taken as answering."""
    until = datetime.now(UTC) + timedelta(seconds=seconds)
    with ledger.lock():
        ledger.append("answering", host=platform.node(), until=until.isoformat(timespec="seconds"))


def check_alone(state: RunState) -> None:
    """Raise where another machine is answering the run; on this one the sending lock has been taken."""
    last = state.ledger.last.get("answering", {})
    host, until = last.get("host", ""), last.get("until", "")
    if host and host != platform.node() and datetime.now(UTC) < datetime.fromisoformat(until):
        reason = f"the machine {host} is answering this run"
        raise RunError(state.run.folder, reason, f"wait for it; if it was stopped, do the same again after {until}")


class Claim(msgspec.Struct, frozen=True):
    """Who answers the records of a run on demand: a folder on a machine, and the inode of its run.json."""

    host: str
    folder: str
    at: str = ""
    inode: int = 0

    @property
    def place(self) -> str:
        """The folder, after the name of its machine."""
        return f"{self.host}:{self.folder}"

    def is_moved_to(self, other: Claim) -> bool:
        """Whether another claim is of the same folder, which has been moved or renamed since.

        Names of hosts repeat, as those of containers do: only a folder that was moved keeps the inodes of its files.
        """
        is_same = bool(self.inode) and (self.host, self.inode) == (other.host, other.inode)
        return is_same and not Path(self.folder).exists()


def claim_run(run: Run, s3: S3Client, bucket: str, prefix: str) -> None:
    """Put into the bucket that this folder answers the run, unless another one has put so.

    Raises
    ------
    RunError
        Another machine, or a copy of the folder, answers the run or has answered it.
    """
    key = "/".join(part for part in (prefix.strip("/"), run.name, "on-demand.json") if part)
    at, inode = datetime.now(UTC).isoformat(timespec="seconds"), (run.folder / RUN_FILE).stat().st_ino
    own = Claim(platform.node(), str(run.folder.resolve()), at, inode)
    try:
        s3.put_object(Bucket=bucket, Key=key, Body=msgspec.json.encode(own), IfNoneMatch="*")
    except ClientError as error:
        if error.response["Error"]["Code"] not in {"PreconditionFailed", "ConditionalRequestConflict"}:
            raise
        theirs = msgspec.json.decode(s3.get_object(Bucket=bucket, Key=key)["Body"].read(), type=Claim)
        if theirs.is_moved_to(own):
            s3.put_object(Bucket=bucket, Key=key, Body=msgspec.json.encode(own))
        elif theirs.place != own.place:
            reason = f"is answered on demand from {theirs.place} since {theirs.at}"
            cure = f"copy the answers from there; if that folder was moved here, delete s3://{bucket}/{key}"
            raise RunError(run.folder, reason, cure) from error


def claim_sent(state: RunState, profile: str, region: str) -> None:
    """Claim the run in the bucket that it was sent with, for the records that a repair answers on demand.

    Raises
    ------
    RunError
        As from `claim_run`.
    """
    sent = state.sending.get("options", {})
    if bucket := sent.get("bucket", ""):
        owner = str(state.sending.get("bucket_owner", ""))
        profile, region = state.find_account(profile, region)
        there = choose_claim_region(state.run, region)
        open_sent(state, profile, region)  # raises for another account
        session = open_session(profile, region=there)
        s3 = open_bucket(session, owner=owner, kms_key_id=sent.get("kms_key_id", ""))
        claim_run(state.run, s3, name_bucket(bucket, there, profile=profile), sent.get("prefix", ""))


def report_lost_requests(state: RunState) -> None:
    """Print how many requests were made whose answer was not read."""
    if lost := count_lost_requests(state):
        was, their = ("was", "its") if lost == 1 else ("were", "their")
        what = f"{count(lost, 'request')} {was} made before a process ended or the network broke off"
        print(f"{state.run.name}: {what}. {their.capitalize()} cost may be charged; what has no answer is asked again.")
