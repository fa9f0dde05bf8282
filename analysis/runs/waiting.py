"""Waiting: take steps towards the planned jobs until all have ended, through busy services and network outages."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from botocore.exceptions import ClientError

from analysis.aws.session import NETWORK_ERRORS, is_passing, print_beside_bars
from analysis.errors import InputError, JobError, StorageError, WaitError
from analysis.jobs import steps
from analysis.jobs.batch import PlannedJob, count_sent
from analysis.jobs.ledger import JobState
from analysis.jobs.statuses import INTENDED, PLANNED
from analysis.jobs.steps import Account
from analysis.runs.inputs import restore_input
from analysis.runs.sharing import keep_hold
from analysis.runs.state import RunState

REMIND_S = 60  # between two lines on what is waited for
GO_ON = "submit again to go on: nothing is sent twice"


@dataclass
class Limit:
    """How long a run is waited for, from now on.

    Attributes
    ----------
    run
        Name of the run.
    hours
        The longest time; infinite for no end.
    now, say
        Returns the time in seconds, and prints a line.
    """

    run: str
    hours: float = math.inf
    now: Callable[[], float] = time.monotonic
    say: Callable[[str], None] = lambda line: print_beside_bars(line)
    begun: float = field(init=False)
    reminded: float = field(init=False)

    def __post_init__(self) -> None:
        if not self.hours >= 0:  # false for NaN too
            raise JobError(self.run, f"wait_hours is {self.hours}", "give the hours to wait at most; 0 takes one step")
        self.begun = self.reminded = self.now()

    def check(self, why: str) -> None:
        """Raise when the time is over.

        Raises
        ------
        WaitError
            Says how to go on.
        """
        if self.now() - self.begun >= self.hours * 3600:
            raise WaitError(self.run, f"after {self.hours:g} h, {why}", f"{GO_ON}; wait_hours sets how long it waits")

    def remind(self, why: str) -> None:
        """Print, once a minute, what is waited for and how to give that an end."""
        now = self.now()
        if now - self.reminded >= REMIND_S:
            self.reminded = now
            until = "without end, unless wait_hours is given" if self.hours == math.inf else f"for {self.hours:g} h"
            self.say(f"{self.run} has waited {(now - self.begun) / 60:.0f} min, and waits {until}: {why}")

    def cut(self, pause: float) -> float:
        """Return a pause, or what is left of the time."""
        return min(pause, max(0.0, self.begun + self.hours * 3600 - self.now()))


def wait_for_jobs(
    state: RunState,
    account: Account,
    latest: Sequence[JobState],
    *,
    pause: float,
    sleep: Callable[[float], None],
    limit: Limit | None = None,
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
    limit
        How long to wait; by default without end.

    Raises
    ------
    WaitError
        The time is over.
    """
    from tqdm import tqdm

    planned, name = state.planned, state.run.name
    limit = limit or Limit(name)
    total = sum(count_sent(job, each) for job, each in zip(planned, latest, strict=True))
    reported = {""}
    with tqdm(desc=name, total=total, unit="record", mininterval=1, file=sys.stdout) as bar:
        while True:
            report_waiting(name, latest, reported)
            bar.set_postfix_str(count_statuses(latest), refresh=False)
            bar.update(count_processed(planned, latest) - bar.n)
            if all(each.is_finished for each in latest):
                return latest
            limit.check(count_unfinished(latest))
            sleep(limit.cut(pause))
            seen = take_step_if_possible(state, account)
            # While jobs run, the bar tells enough.
            if not seen or not any(each.job_arn and not each.is_finished for each in seen):
                limit.remind(count_unfinished(latest))
            latest = seen or latest


def check_created(run: str, states: Sequence[JobState]) -> None:
    """Raise for jobs whose request Bedrock has not answered: after one step, nobody goes on by itself.

    Raises
    ------
    WaitError
        Says how to go on.
    """
    unknown = [each for each in states if each.status == INTENDED]
    if unknown:
        reasons = "; ".join(dict.fromkeys(each.message for each in unknown if each.message)) or "no answer"
        what = f"Bedrock has not confirmed {len(unknown)} of {len(states)} jobs ({reasons})"
        raise WaitError(run, what, GO_ON)


def report_waiting(run: str, states: Sequence[JobState], reported: set[str]) -> None:
    """Print, once each, why jobs cannot be created yet."""
    for reason in {state.message for state in states if state.status == PLANNED} - reported:
        reported.add(reason)
        print_beside_bars(f"{run} is waiting until the account has room for another job: {reason}")


def take_first_step(
    state: RunState,
    account: Account,
    *,
    wait_s: float | None,
    sleep: Callable[[float], None],
    limit: Limit | None = None,
) -> Sequence[JobState]:
    """Take a step; with `wait_s`, again and again while the service is busy, up to the limit.

    A network error is raised at once, since its cause may be a wrong region.
    """
    limit = limit or Limit(state.run.name)
    while True:
        try:
            return take_step(state, account, is_first=True)
        except (ClientError, StorageError) as error:
            cause = error.__cause__ if isinstance(error, StorageError) else error
            if wait_s is None or not isinstance(cause, ClientError) or not is_passing(cause):
                raise
            why = f"the service is too busy for the first step ({cause})"
            limit.check(why)
            limit.remind(why)
            # The sending lock is held meanwhile: until a job is intended, another process could answer on demand.
            sleep(limit.cut(wait_s))


def take_step(state: RunState, account: Account, *, is_first: bool) -> Sequence[JobState]:
    """Take a step in each Region of the jobs; return the latest try of each planned job, in their order."""
    seen: dict[PlannedJob, JobState] = {}
    for here, jobs in account.split(state.planned):
        seen |= zip(jobs, take_step_there(state, jobs, here, is_first=is_first), strict=True)
    return [seen[job] for job in state.planned]


def take_step_there(
    state: RunState, jobs: Sequence[PlannedJob], account: Account, *, is_first: bool
) -> Sequence[JobState]:
    """Take a step in one Region; input files that are not as prepared are written anew, and it is taken again."""
    while True:
        try:
            latest = steps.take_step(jobs, state.ledger, account, is_first=is_first)
            keep_hold(state.run, state.ledger)
            return latest
        except InputError as error:
            restore_input(state, error.where)


def take_step_if_possible(state: RunState, account: Account) -> Sequence[JobState]:
    """Take a further step; return no states when a service is busy or the network is away, as with a closed laptop.

    Where one of several Regions cannot be reached, its jobs are as they were last seen.
    """
    seen: dict[PlannedJob, JobState] = {}
    for here, jobs in account.split(state.planned):
        try:
            seen |= zip(jobs, take_step_there(state, jobs, here, is_first=False), strict=True)
        except (*NETWORK_ERRORS, ClientError, StorageError) as error:
            # Nothing is printed here: the clients print a notice when an outage lasts.
            if not (is_passing(error) or is_passing(error.__cause__)):
                raise
    if not seen:
        return []
    latest = state.ledger.latest()
    return [seen.get(job) or latest.get(job.key, JobState(job.key)) for job in state.planned]


def count_processed(planned: Sequence[PlannedJob], states: Sequence[JobState]) -> int:
    """Sum the records processed; older jobs have no counters and count when they have ended."""
    return sum(
        state.counts.get("processed", count_sent(job, state) if state.is_finished else 0)
        for job, state in zip(planned, states, strict=True)
    )


def count_unfinished(states: Sequence[JobState]) -> str:
    """Say how many jobs have not ended, by status: `2 of 3 jobs have not ended (1 InProgress, 1 planned)`."""
    unfinished = [each for each in states if not each.is_finished]
    return f"{len(unfinished)} of {len(states)} jobs have not ended ({count_statuses(unfinished)})"


def count_statuses(states: Sequence[JobState]) -> str:
    """Count the jobs by status: `2 InProgress, 1 planned`."""
    statuses = [state.status for state in states]
    return ", ".join(f"{statuses.count(status)} {status}" for status in dict.fromkeys(statuses))
