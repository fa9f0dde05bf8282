"""Agreement: a run is sent once, one way, to one account, and to AWS only with a budget or a yes."""

from __future__ import annotations

import math
from collections.abc import Callable

from analysis.aws.session import EMULATOR, find_region
from analysis.errors import BudgetError, RunError
from analysis.runs.folder import Run
from analysis.runs.status import (
    has_answers,
    has_job_output,
    has_jobs,
    is_finished,
    is_settled,
    list_latest,
    plan_jobs,
)


def agree_to_cost(
    run: Run,
    *,
    invocation: str = "batch",
    profile: str,
    region: str = "",
    budget_usd: float | None = None,
    ask: Callable[[str], str] = input,
) -> None:
    """Hold the estimate against a budget, or have the plan agreed to, before anything is sent.

    Parameters
    ----------
    run
        A prepared run; one that has been sent to the end costs nothing more.
    invocation
        `batch` or `on_demand`: the way to send it.
    profile, region
        Where to. On the emulator nothing costs anything, so without a budget nothing is asked.
    budget_usd
        The most that the upper end of the estimate may be; infinite to agree to whatever it costs.
    ask
        Prints a question and gives the answer.

    Raises
    ------
    RunError
        The run has been sent another way, or with another profile or region: it would be paid for twice.
    BudgetError
        The estimate is above the budget, is not known, or was not agreed to.
    """
    region = find_region(profile, region)
    check_way(run, {"invocation": invocation, "profile": profile, "region": region})
    if budget_usd == math.inf or (budget_usd is None and profile == EMULATOR) or costs_nothing_more(run, invocation):
        return
    plan = run.plan(invocation=invocation, region=region)
    most = plan.cost_usd_high
    if budget_usd is None:
        which = "those of these records that have no answer" if has_jobs(run) or has_answers(run) else "these records"
        confirm(run, f"{plan}\n\nSend {which} to AWS? [y/N] ", ask)
    elif most is None:
        raise BudgetError(run.name, "no price is known for a model, so no budget holds", "agree to the plan instead")
    elif not most <= budget_usd:
        reason = f"may cost up to {most:,.2f} USD, and the budget is {budget_usd:,.2f} USD"
        raise BudgetError(run.name, reason, "raise budget_usd, lower max_tokens, or send fewer calls")


def check_way(run: Run, way: dict[str, str]) -> None:
    """Refuse to send again what has been sent otherwise; before anything was sent every way is open."""
    before = run.read_note()
    if not before and way["invocation"] == "on_demand" and has_job_output(run):
        cure = "put ledger.jsonl back, or submit the run as before, which finds its jobs"
        raise RunError(run.folder, "has the output of batch jobs, and no ledger of them", cure)
    if not (has_jobs(run) or has_answers(run)):
        return
    if not before and has_answers(run):
        cure = "put ledger.jsonl back, or move output/on-demand away"
        raise RunError(run.folder, "has answers on demand, but not how they were asked for", cure)
    changed = [
        f"{name} {before[name]!r}, not {value!r}" for name, value in way.items() if before.get(name, value) != value
    ]
    if changed:
        reason = f"has been sent with {' and '.join(changed)}"
        raise RunError(run.folder, reason, "send it as before, or prepare it under another name to pay for it again")


def costs_nothing_more(run: Run, invocation: str) -> bool:
    """Whether all of the run has been sent this way."""
    if invocation == "on_demand":
        return is_finished(run)
    planned = plan_jobs(run)
    pairs = zip(planned, list_latest(run, planned), strict=True)
    return all(is_settled(run, job, state) or (state.job_arn and not state.is_unproductive) for job, state in pairs)


def confirm(run: Run, question: str, ask: Callable[[str], str]) -> None:
    """Ask, and take anything but a yes as a no; a kernel that nobody sits at cannot be asked."""
    try:
        answer = ask(question)
    except (EOFError, OSError, RuntimeError, NotImplementedError) as error:
        raise BudgetError(run.name, "nobody is there to agree to the cost", "give budget_usd") from error
    if answer.strip().lower() not in {"y", "yes"}:
        raise BudgetError(run.name, "the plan was not agreed to", "nothing was sent")
