"""Checks before a run is sent: that it is sent to one account only, and to AWS only with a budget or a yes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from analysis.aws.session import EMULATOR, find_region
from analysis.errors import BudgetError, RunError
from analysis.runs.folder import Run
from analysis.runs.state import RunState, read_state
from analysis.runs.status import has_ended, has_job_output, has_on_demand_output


def confirm_cost(
    run: Run,
    *,
    invocation: str = "batch",
    profile: str,
    region: str = "",
    budget_usd: float | None = None,
    ask: Callable[[str], str] = input,
) -> None:
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
        The most that the upper end of the estimate may be; infinite to accept any cost.
    ask
        Prints a question and returns what was typed.

    Raises
    ------
    RunError
        The run has been sent by the other invocation, or with another profile or region: it would be paid for twice.
    BudgetError
        The estimate is above the budget, is not known, or was not confirmed.
    """
    check_cost(
        read_state(run),
        {"invocation": invocation, "profile": profile, "region": find_region(profile, region)},
        budget_usd=budget_usd,
        ask=ask,
    )


def check_cost(
    state: RunState, target: Mapping[str, str], *, budget_usd: float | None, ask: Callable[[str], str]
) -> None:
    """Do what `confirm_cost` does, by a state that has been read, for an invocation, a profile and a region."""
    check_target(state, target)
    run, invocation = state.run, target["invocation"]
    if budget_usd == math.inf or (budget_usd is None and target["profile"] == EMULATOR):
        return
    if is_fully_sent(state, invocation):
        return
    plan = run.plan(invocation=invocation, region=target["region"] or str(state.sending.get("region", "")))
    if budget_usd is None:
        is_begun = state.has_jobs or has_on_demand_output(run)
        which = "those of these records that have no answer" if is_begun else "these records"
        ask_for_yes(run, f"{plan}\n\nSend {which} to AWS? [y/N] ", ask)
    else:
        check_budget(run, plan.cost_usd_high, budget_usd)


def check_budget(run: Run, most_usd: float | None, budget_usd: float) -> None:
    """Raise for an estimate whose upper end is above the budget or not known."""
    if most_usd is None:
        reason = "no price is known for a model, so its cost cannot be checked against a budget"
        raise BudgetError(run.name, reason, "leave the budget out and confirm the plan instead")
    if not most_usd <= budget_usd:  # false for a budget of NaN too
        reason = f"may cost up to {most_usd:,.2f} USD, and the budget is {budget_usd:,.2f} USD"
        raise BudgetError(run.name, reason, "raise budget_usd, lower max_tokens, or send fewer calls")


def check_target(state: RunState, target: Mapping[str, str]) -> None:
    """Raise for a run that has been sent with another invocation, profile or region."""
    run, before = state.run, state.sending
    if not before and target["invocation"] == "on_demand" and has_job_output(run):
        cure = "put ledger.jsonl back, or submit the run as before, which finds its jobs"
        raise RunError(run.folder, "has the output of batch jobs but no ledger of them", cure)
    if not (state.has_jobs or has_on_demand_output(run)):
        return
    if not before and has_on_demand_output(run):
        cure = "put ledger.jsonl back, or move output/on-demand away"
        raise RunError(run.folder, "has answers on demand but no ledger that says with which profile", cure)
    changed = [
        f"{name} {before[name]!r}, not {value!r}" for name, value in target.items() if before.get(name, value) != value
    ]
    if changed:
        reason = f"has been sent with {' and '.join(changed)}"
        raise RunError(run.folder, reason, "send it as before, or prepare it under another name to pay for it again")


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
