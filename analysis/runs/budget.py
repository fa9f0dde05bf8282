"""Checks before a run is sent: that it is sent to one account only, and to AWS only with a budget or a yes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from analysis.aws.session import EMULATOR, name_account, open_session
from analysis.display import usd
from analysis.errors import BudgetError, RunError
from analysis.jobs.batch import PlannedJob, count_sent
from analysis.jobs.ledger import JobState
from analysis.runs.accounts import find_way_back
from analysis.runs.folder import Run
from analysis.runs.reuse import expect_taken, find_takeable
from analysis.runs.spending import (
    Spending,
    add_known,
    find_known_costs,
    find_on_demand_spending,
    find_spending,
    find_upper_ends,
    sum_tries,
)
from analysis.runs.state import RunState, read_state
from analysis.runs.status import has_ended, has_job_output, has_on_demand_output


@dataclass(frozen=True)
class Budget:
    """The most that a run may cost in all, whatever it has cost so far.

    Attributes
    ----------
    usd
        Infinite where any cost was accepted.
    region
        The AWS Region whose prices count.
    """

    usd: float
    region: str

    def check_run(self, state: RunState) -> None:
        """Raise where what the run has cost and what is left to send may cost more, both at the upper end."""
        if self.usd != math.inf:
            check_budget(state.run, find_spending(state, "batch", self.region), self.usd)

    def check_jobs(
        self, state: RunState, tries: Sequence[JobState], chosen: Sequence[tuple[PlannedJob, JobState]]
    ) -> None:
        """Raise where what the tries so far and the jobs that are created next may cost is more."""
        if self.usd == math.inf:
            return
        ends = find_upper_ends(state, "batch", self.region)
        spent = add_known(
            [
                sum_tries(state, tries, ends, find_known_costs(replace(state, tries=tuple(tries)), self.region)),
                find_on_demand_spending(state, state.on_demand, self.region).spent_usd,
            ]
        )
        left = add_known(ends[job.key].find_most(count_sent(job, latest)) for job, latest in chosen)
        check_budget(state.run, Spending(spent, left), self.usd)


def confirm_cost(
    run: Run,
    *,
    invocation: str = "batch",
    profile: str,
    region: str = "",
    budget_usd: float | None = None,
    ask: Callable[[str], str] = input,
) -> Budget:
    """Check the estimate against a budget, or ask for a yes to the plan, before anything is sent.

    Parameters
    ----------
    run
        A prepared run; one that has been sent completely costs nothing more.
    invocation
        `batch` or `on_demand`: how it will be sent.
    profile, region
        Where it will be sent. The emulator costs nothing, so without a budget no question is asked there.
    budget_usd
        The most that the run may cost in all, by the upper end of what is not known; infinite to accept any cost.
        Tries that failed, answers that were lost and requests without an answer count.
    ask
        Prints a question and returns what was typed.

    Returns
    -------
    budget
        What the run may cost from now on: `budget_usd`, or what the plan that was confirmed says.

    Raises
    ------
    RunError
        The run has been sent by the other invocation, or with another profile or region: it would be paid for twice.
    BudgetError
        The estimate is above the budget, is not known, or was not confirmed.
    """
    target = find_target(run, invocation, profile, region)
    state = read_state(run)
    expected = expect_taken(state, find_takeable(state, target["account"]))
    return check_cost(expected, target, budget_usd=budget_usd, ask=ask)


def find_target(run: Run, invocation: str, profile: str, region: str) -> dict[str, str]:
    """Find how and where a run is sent: the invocation, the profile, its Region, and its account where STS tells."""
    session = open_session(profile, region=region)
    home = region or str(session.region_name or "")
    if not home and (named := next(filter(None, run.read_regions().values()), "")):
        session = open_session(profile, region=named)  # else STS cannot be asked
    if profile != EMULATOR:
        for there in {*run.read_regions().values()} - {"", home}:
            open_session(profile, region=there)  # raises for a Region that AWS does not have, before anybody says yes
    return {"invocation": invocation, "profile": profile, "region": home, "account": name_account(session)}


def check_cost(
    state: RunState, target: Mapping[str, str], *, budget_usd: float | None, ask: Callable[[str], str]
) -> Budget:
    """Do what `confirm_cost` does, by a state that has been read, for an invocation, a profile and a region."""
    check_target(state, target)
    run, invocation = state.run, target["invocation"]
    region = target["region"] or str(state.sending.get("region", ""))
    if budget_usd == math.inf or (budget_usd is None and target["profile"] == EMULATOR):
        return Budget(math.inf, region)
    if is_fully_sent(state, invocation):
        return Budget(math.inf if budget_usd is None else budget_usd, region)
    spending = find_spending(state, invocation, region)
    if budget_usd is not None:
        check_budget(run, spending, budget_usd)
        return Budget(budget_usd, region)
    is_begun = state.has_jobs or has_on_demand_output(run)
    which = "those of these records that have no answer" if is_begun else "these records"
    plan = run.plan(invocation=invocation, region=region, account=target.get("account", ""))
    ask_for_yes(run, f"{plan}\n\nSend {which} to AWS? [y/N] ", ask)
    return Budget(math.inf if spending.most_usd is None else spending.most_usd, region)


def check_budget(run: Run, spending: Spending, budget_usd: float) -> None:
    """Raise where something is left to send, and the upper end of the run's cost is above the budget or not known."""
    most_usd = spending.most_usd
    if spending.left_usd == 0:
        return  # nothing more is sent, whatever has been spent
    if most_usd is None:
        reason = "no price is known for a model, so its cost cannot be checked against a budget"
        raise BudgetError(run.name, reason, "leave the budget out and confirm the plan instead")
    if not most_usd <= budget_usd:  # false for a budget of NaN too
        parts = f" ({usd(spending.spent_usd)} for what was sent, {usd(spending.left_usd)} for the rest)"
        reason = f"may cost up to {usd(most_usd)}{parts if spending.spent_usd else ''}"
        reason += f", and the budget is {usd(budget_usd)}"
        raise BudgetError(run.name, reason, "raise budget_usd, lower max_tokens, or send fewer calls")


def check_target(state: RunState, target: Mapping[str, str]) -> None:
    """Raise for a run that has been sent with another invocation, profile or region."""
    run, before = state.run, state.sending or state.run.read_sent()
    if not before and target["invocation"] == "on_demand" and has_job_output(run):
        cure = "put ledger.jsonl back, or submit the run as before, which finds its jobs"
        raise RunError(run.folder, "has the output of batch jobs but no ledger of them", cure)
    is_lost = bool(before) and not state.sending  # the ledger: jobs are found again where they were created
    if not (state.has_jobs or has_on_demand_output(run) or is_lost):
        return
    if not before and has_on_demand_output(run):
        cure = "put ledger.jsonl back, or move output/on-demand away"
        raise RunError(run.folder, "has answers on demand but no ledger that says with which profile", cure)
    if run.place and target["account"] and before.get("account") == target["account"]:
        before = {**before, "profile": target["profile"]}  # another machine may have another name for the account
    changed = {
        name: f"{name} {before[name]!r}, not {value!r}"
        for name, value in target.items()
        # An account that cannot be asked for its number may be the same.
        if before.get(name, value) != value and (name != "account" or (before[name] and value))
    }
    if changed:
        reason = f"has been sent with {' and '.join(changed.values())}"
        back = find_way_back(before) if {*changed} == {"account"} else "send it as before"
        raise RunError(run.folder, reason, f"{back}; or prepare it under another name to pay for it again")


def is_fully_sent(state: RunState, invocation: str) -> bool:
    """Whether nothing of the run is left to send by this invocation."""
    if invocation == "on_demand":
        return has_ended(state)
    return all(
        state.is_settled(job, latest) or (latest.job_arn and not latest.is_unproductive) for job, latest in state.pairs
    )


def ask_for_yes(run: Run, question: str, ask: Callable[[str], str]) -> None:
    """Ask a question, and raise for any answer but a yes, or where no answer can be typed."""
    try:
        answer = ask(question)
    # What a closed terminal, a pytest run and a kernel without a front end raise.
    except (EOFError, OSError, RuntimeError, NotImplementedError) as error:
        raise BudgetError(run.name, "the cost cannot be confirmed here: no input", "give budget_usd") from error
    if answer.strip().lower() not in {"y", "yes"}:
        raise BudgetError(run.name, "the plan was not confirmed", "nothing was sent")
