"""Tuning: rounds of the same calls with edited prompts, of which only what changed is asked."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from narwhals.typing import IntoDataFrame

from analysis.aws.session import EMULATOR, name_account, open_session
from analysis.display import count
from analysis.errors import CallsError, WaitError
from analysis.prompts import PromptSource, read_prompts
from analysis.runs import Run, collect, invoke, is_finished, prepare, submit
from analysis.runs.folder import RunSource, open_run
from analysis.runs.plan import Plan
from analysis.transcripts.frames import check_frame, read_frame
from analysis.transcripts.picking import pick_calls

CONFIRM = "confirm"  # in the names of rounds on calls that no round has seen
DIGITS = 3


def prepare_round(
    calls: IntoDataFrame,
    prompts: PromptSource,
    *,
    into: str | Path = "runs",
    name: str = "tune",
    calls_per_round: int = 300,
    seed: int = 0,
) -> Run:
    """Prepare the next round of tuning: the same calls as before, with the prompts as they are now.

    Rounds are runs, `tune-001`, `tune-002` and so on. Where neither the prompts nor the texts of the calls have changed
    since the latest round, that one is opened.

    Parameters
    ----------
    calls
        All calls to choose from, one row each: `call_id`, `transcript` and whatever the templates use.
    prompts
        The wordings: prompts, their files, or folders of these.
    into
        The folder of runs.
    name
        What the names of the rounds begin with.
    calls_per_round
        How many calls a round has; all where there are fewer. The first round picks them at random, and later ones keep
        them by their ids, also when `calls` has grown. A larger number picks further ones, a smaller one fewer of them.
    seed
        The seed of the random choice.

    Returns
    -------
    run
        Printing it shows the plan; `send_round` sends what no round has answered yet.

    Raises
    ------
    CallsError
        A call of the round before is not among `calls` any more.
    """
    rounds = list_rounds(into, name)
    frame = check_frame(read_frame(calls))
    known = rounds[-1].read_calls()["call_id"] if rounds else None
    return prepare_next(pick_again(frame, known, calls_per_round, seed), prompts, rounds, into=into, name=name)


def prepare_confirmation(
    calls: IntoDataFrame,
    prompts: PromptSource,
    *,
    into: str | Path = "runs",
    name: str = "tune",
    calls_per_round: int = 300,
    seed: int = 0,
) -> Run:
    """Prepare a round on calls that no round has seen: wordings that were tuned on some calls fit these best.

    The rounds are `tune-confirm-001` and so on. With prompts that have not changed since, the latest one is opened.

    Parameters
    ----------
    calls, prompts, into, name, calls_per_round, seed
        As in `prepare_round`.

    Raises
    ------
    CallsError
        There is no call left that no round has seen.
    """
    frame, fresh_name = check_frame(read_frame(calls)), f"{name}-{CONFIRM}"
    rounds = list_rounds(into, fresh_name)
    if rounds and is_same(rounds[-1], read_prompts(prompts)):
        return rounds[-1]
    seen = {call_id for run in [*list_rounds(into, name), *rounds] for call_id in run.read_calls()["call_id"]}
    fresh = frame.filter(~pl.col("call_id").is_in(list(seen)))
    if fresh.is_empty():
        reason = f"all {len(frame):,} calls have been in a round"
        raise CallsError("prepare_confirmation", reason, "give more calls: only fresh ones confirm a wording")
    picked = pick_calls(fresh, min(calls_per_round, len(fresh)), seed=seed)
    return prepare_next(picked, prompts, rounds, into=into, name=fresh_name)


def list_rounds(folder: str | Path, name: str = "tune") -> list[Run]:
    """List the rounds of a name in a folder of runs, the first one first."""
    numbered = re.compile(rf"{re.escape(name)}-(\d{{{DIGITS},}})")
    found = {int(match[1]): path for path in Path(folder).glob(f"{name}-*") if (match := numbered.fullmatch(path.name))}
    return [open_run(found[number]) for number in sorted(found)]


def pick_again(calls: pl.DataFrame, known: pl.Series | None, n: int, seed: int) -> pl.DataFrame:
    """Pick calls, those of the round before first, in the order of `calls`."""
    if known is None:
        return pick_calls(calls, min(n, len(calls)), seed=seed)
    is_known = pl.col("call_id").is_in(known.implode())
    before, others = calls.filter(is_known), calls.filter(~is_known)
    if len(before) < len(known):
        lost = known.filter(~known.is_in(calls["call_id"].implode()))
        reason = f"{count(len(lost), 'call')} of the round before missing here, such as {lost[0]!r}"
        raise CallsError("prepare_round", reason, "give them again, or begin other rounds with another name")
    if n <= len(before):
        return pick_calls(before, n, seed=seed)
    more = pick_calls(others, min(n - len(before), len(others)), seed=seed) if len(others) else others
    chosen = pl.concat([before, more])["call_id"].implode()
    return calls.filter(pl.col("call_id").is_in(chosen))


def prepare_next(
    calls: pl.DataFrame, prompts: PromptSource, rounds: Sequence[Run], *, into: str | Path, name: str
) -> Run:
    """Prepare a round after others, or return the latest one where nothing has changed since."""
    wordings = read_prompts(prompts)
    if rounds and is_same(rounds[-1], wordings) and calls.equals(rounds[-1].read_calls()):
        return rounds[-1]
    number = 1 + max((int(run.folder.name.rpartition("-")[2]) for run in rounds), default=0)
    return prepare(calls, wordings, into=into, name=f"{name}-{number:0{DIGITS}}")


def is_same(run: Run, prompts: Sequence[object]) -> bool:
    """Whether a run was prepared with these prompts, in this order."""
    return [*run.read_prompts()] == [*prompts]


def plan_round(run: RunSource, *, profile: str = EMULATOR, region: str = "") -> Plan:
    """Plan what sending a round would cost: only records that no run beside it has answered in that account.

    Parameters
    ----------
    run
        From `prepare_round` or `prepare_confirmation`, or its folder or name.
    profile, region
        Of the account.
    """
    return open_run(run).plan(region=region, account=name_account(open_session(profile, region=region)))


def send_round(
    run: RunSource,
    *,
    profile: str = EMULATOR,
    region: str = "",
    bucket: str = "",
    role_arn: str = "",
    budget_usd: float | None = None,
    wait_hours: float = math.inf,
    ask: Callable[[str], str] = input,
) -> None:
    """Send what no run beside a round has answered, and collect the answers: in a batch job, or now where too few.

    Can be called again at any time, and sends nothing of a round that has been answered.

    Parameters
    ----------
    run
        From `prepare_round` or `prepare_confirmation`, or its folder or name.
    profile, region, bucket, role_arn, budget_usd, wait_hours, ask
        As in `submit`; the budget is for this round.

    Raises
    ------
    WaitError
        Jobs are running; an early look at some of their answers could mislead.
    BudgetError, JobError, RunError
        As from `submit` and `invoke`.
    """
    run = open_run(run)
    account: dict[str, Any] = {"profile": profile, "region": region, "bucket": bucket}
    account |= {"budget_usd": budget_usd, "ask": ask}
    if not run.read_sending() or not is_finished(run):
        if choose_invocation(run, profile=profile, region=region) == "on_demand":
            invoke(run, **account)
        else:
            submit(run, **account, role_arn=role_arn, wait_hours=wait_hours)
            if not is_finished(run):
                raise WaitError(run.name, "its jobs have not ended", "do the same again later: nothing is sent twice")
    collect(run)


def choose_invocation(run: Run, *, profile: str, region: str = "") -> str:
    """Choose `on_demand` where fewer records are left than a job takes, else `batch`; as before where it was sent."""
    sent = run.read_sending().get("invocation")
    if sent:
        return str(sent)
    return "on_demand" if plan_round(run, profile=profile, region=region).is_too_small else "batch"
