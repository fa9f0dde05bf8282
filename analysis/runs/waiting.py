"""Waiting: take steps towards the planned jobs until all have ended, through busy services and network outages."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from botocore.exceptions import ClientError

from analysis.aws.session import NETWORK_ERRORS, is_passing
from analysis.errors import InputError, StorageError
from analysis.jobs import steps
from analysis.jobs.batch import PlannedJob, count_sent
from analysis.jobs.ledger import JobState
from analysis.jobs.statuses import PLANNED
from analysis.jobs.steps import Account
from analysis.runs.inputs import restore_input
from analysis.runs.state import RunState


def wait_for_jobs(
    state: RunState, account: Account, latest: Sequence[JobState], *, pause: float, sleep: Callable[[float], None]
) -> Sequence[JobState]:
    """Take steps until every job has ended; the bar shows the records that Bedrock reports as processed.

    Parameters
    ----------
    state
        Its planned jobs are waited for.
    account
        Where the jobs are.
    latest
        The latest try of each planned job, from the step before.
    pause, sleep
        Seconds between two steps, and the function that sleeps.
    """
    from tqdm import tqdm

    planned, name = state.planned, state.run.name
    total = sum(count_sent(job, each) for job, each in zip(planned, latest, strict=True))
    reported = {""}
    with tqdm(desc=name, total=total, unit="record", mininterval=1, file=sys.stdout) as bar:
        while True:
            report_waiting(name, latest, reported)
            bar.set_postfix_str(count_statuses(latest), refresh=False)
            bar.update(count_processed(planned, latest) - bar.n)
            if all(each.is_finished for each in latest):
                return latest
            sleep(pause)
            latest = take_step_if_possible(state, account) or latest


def report_waiting(run: str, states: Sequence[JobState], reported: set[str]) -> None:
    """Print, once each, why jobs cannot be created yet."""
    from tqdm import tqdm

    for reason in {state.message for state in states if state.status == PLANNED} - reported:
        reported.add(reason)
        tqdm.write(f"{run} is waiting until the account has room for another job: {reason}", file=sys.stdout)


def take_first_step(
    state: RunState, account: Account, *, wait_s: float | None, sleep: Callable[[float], None]
) -> Sequence[JobState]:
    """Take a step; with `wait_s`, again and again while the service is busy.

    A network error is raised at once, since its cause may be a wrong region.
    """
    while True:
        try:
            return take_step(state, account, is_first=True)
        except (ClientError, StorageError) as error:
            cause = error.__cause__ if isinstance(error, StorageError) else error
            if wait_s is None or not isinstance(cause, ClientError) or not is_passing(cause):
                raise
            # The sending lock is held meanwhile: until a job is intended, another process could answer on demand.
            sleep(wait_s)


def take_step(state: RunState, account: Account, *, is_first: bool) -> Sequence[JobState]:
    """Take a step; input files that are not as they were prepared are written anew, and it is taken again."""
    while True:
        try:
            return steps.take_step(state.planned, state.ledger, account, is_first=is_first)
        except InputError as error:
            restore_input(state, error.where)


def take_step_if_possible(state: RunState, account: Account) -> Sequence[JobState]:
    """Take a further step; return no states when a service is busy or the network is away, as with a closed laptop."""
    try:
        return take_step(state, account, is_first=False)
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
