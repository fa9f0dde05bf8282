"""Agreement: nothing is sent to AWS without a budget or a yes."""

from __future__ import annotations

import math
from collections.abc import Callable

from analysis.aws import EMULATOR
from analysis.errors import BudgetError
from analysis.runs.folder import Run
from analysis.runs.standing import is_finished, latest, plan_jobs


def agree_to_cost(
    run: Run, *, profile: str, budget_usd: float | None = None, ask: Callable[[str], str] = input
) -> None:
    """Hold the estimate against a budget, or have the plan agreed to, before anything is sent.

    Parameters
    ----------
    run
        A prepared run; one that has been sent costs nothing more.
    profile
        On the emulator nothing costs anything, so without a budget nothing is asked.
    budget_usd
        The most that the upper end of the estimate may be; infinite to agree to whatever it costs.
    ask
        Prints a question and gives the answer.

    Raises
    ------
    BudgetError
        The estimate is above the budget, is not known, or was not agreed to.
    """
    if budget_usd == math.inf or (budget_usd is None and profile == EMULATOR) or has_been_sent(run) or is_finished(run):
        return
    plan = run.plan()
    most = plan.cost_usd_high
    if budget_usd is None:
        confirm(run, f"{plan}\n\nSend these records to AWS? [y/N] ", ask)
    elif most is None:
        raise BudgetError(
            run.name, "no price is known for a model, so no budget can be held", "agree to the plan instead"
        )
    elif most > budget_usd:
        reason = f"may cost up to {most:,.2f} USD, and the budget is {budget_usd:,.2f} USD"
        raise BudgetError(run.name, reason, "raise budget_usd, lower max_tokens, or send fewer calls")


def has_been_sent(run: Run) -> bool:
    """Whether Bedrock has a job for everything that is planned, and none has to be tried again."""
    states = latest(run, plan_jobs(run))
    return all(state.job_arn and not state.is_unproductive for state in states)


def confirm(run: Run, question: str, ask: Callable[[str], str]) -> None:
    """Ask, and take anything but a yes as a no; a kernel that nobody sits at cannot be asked."""
    try:
        answer = ask(question)
    except (EOFError, OSError, RuntimeError, NotImplementedError) as error:
        raise BudgetError(run.name, "nobody is there to agree to the cost", "give budget_usd") from error
    if answer.strip().lower() not in {"y", "yes"}:
        raise BudgetError(run.name, "the plan was not agreed to", "nothing was sent")
