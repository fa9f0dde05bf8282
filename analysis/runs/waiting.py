"""Waiting: take steps towards the planned jobs until all have ended, through busy services and network outages."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from botocore.exceptions import ClientError

from analysis.aws.session import NETWORK_ERRORS, is_passing
from analysis.errors import StorageError
from analysis.jobs import steps
from analysis.jobs.batch import PlannedJob, count_sent
from analysis.jobs.ledger import JobState
from analysis.jobs.statuses import PLANNED
from analysis.jobs.steps import Account
from analysis.runs.folder import Run


def wait_for_jobs(
    run: Run,
    planned: Sequence[PlannedJob],
    account: Account,
    states: Sequence[JobState],
    *,
    pause: float,
    sleep: Callable[[float], None],
) -> Sequence[JobState]:
    """Take steps until every job has ended; the bar shows the records that Bedrock reports as processed."""
    from tqdm import tqdm

    total = sum(count_sent(job, state) for job, state in zip(planned, states, strict=True))
    reported = {""}
    with tqdm(desc=run.name, total=total, unit="record", mininterval=1, file=sys.stdout) as bar:
        while True:
            report_waiting(run, states, reported)
            bar.set_postfix_str(count_statuses(states), refresh=False)
            bar.update(count_processed(planned, states) - bar.n)
            if all(state.is_finished for state in states):
                return states
            sleep(pause)
            states = take_step_if_possible(planned, run, account) or states


def report_waiting(run: Run, states: Sequence[JobState], reported: set[str]) -> None:
    """Print, once each, why jobs cannot be created yet."""
    from tqdm import tqdm

    for reason in {state.message for state in states if state.status == PLANNED} - reported:
        reported.add(reason)
        tqdm.write(f"{run.name} is waiting until the account has room for another job: {reason}", file=sys.stdout)


def take_first_step(
    planned: Sequence[PlannedJob], run: Run, account: Account, *, wait_s: float | None, sleep: Callable[[float], None]
) -> Sequence[JobState]:
    """Take a step; with `wait_s`, again and again while the service is busy.

    A network error is raised at once, since its cause may be a wrong region.
    """
    while True:
        try:
            return steps.take_step(planned, run.ledger, account)
        except (ClientError, StorageError) as error:
            cause = error.__cause__ if isinstance(error, StorageError) else error
            if wait_s is None or not isinstance(cause, ClientError) or not is_passing(cause):
                raise
            # The sending lock is held meanwhile: until a job is intended, another process could answer on demand.
            sleep(wait_s)


def take_step_if_possible(planned: Sequence[PlannedJob], run: Run, account: Account) -> Sequence[JobState]:
    """Take a further step; return no states when a service is busy or the network is away, as with a closed laptop."""
    try:
        return steps.take_step(planned, run.ledger, account, is_first=False)
    except (*NETWORK_ERRORS, ClientError, StorageError) as error:
        # Nothing is printed here: the clients print a notice when an outage lasts.
        if is_passing(error) or is_passing(error.__cause__):
            return []
        raise


def count_processed(planned: Sequence[PlannedJob], states: Sequence[JobState]) -> int:
    """Sum the records processed; older jobs have no counters and count when they have ended."""
    return sum(
        state.counts.get("processed", count_sent(job, state) if state.is_finished else 0)
        for job, state in zip(planned, states, strict=True)
    )


def count_statuses(states: Sequence[JobState]) -> str:
    """Count the jobs by status: `2 InProgress, 1 planned`."""
    statuses = [state.status for state in states]
    return ", ".join(f"{statuses.count(status)} {status}" for status in dict.fromkeys(statuses))
