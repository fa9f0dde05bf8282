"""Judging: what a judge of a run was, what it cost, and how far it can be believed, as sentences of the first page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from analysis.display import count, usd
from analysis.judging.agreement import JUDGE_AND_PEOPLE, PEOPLE, measure_agreement
from analysis.judging.position import measure_position
from analysis.judging.verdicts import SCORE
from analysis.reports.answering import is_emulated
from analysis.runs import Run, find_judge, load_ratings, load_verdicts, sum_run_costs


def describe_judging(run: Run, total: Mapping[str, Any]) -> list[str]:
    """Describe in sentences who judged the answers of a run, at which price, and how that fits with people.

    Parameters
    ----------
    run
        The run that was judged.
    total
        `cost_usd`, what the run itself cost.

    Returns
    -------
    sentences
        Empty where there is no judge. A name between backticks is that of a prompt or run.
    """
    judge = find_judge(run)
    if judge is None:
        return []
    verdicts = load_verdicts(run, judge)
    return [*describe_bill(judge, total), *describe_verdicts(verdicts), *describe_people(run, verdicts)]


def describe_bill(judge: Run, total: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the judge was and cost, and what the decision cost with it."""
    (prompt,) = judge.read_prompts()
    cost, own = sum_run_costs(judge).total["cost_usd"].item(), total["cost_usd"]
    sent = "at an unknown price" if cost is None else f"for {usd(cost)}"
    both = "" if cost is None or own is None else f": {usd(cost + own)} with the answers"
    who = f"`{prompt.name}` ({prompt.model_id})"
    yield f"{who} judged the answers in a run of its own, `{judge.folder.name}`, {sent}{both}."
    if is_emulated(judge.read_sending()):
        yield "An emulator answered in place of that model: nothing here tells how it would judge."


def describe_verdicts(verdicts: pl.DataFrame) -> Iterator[str]:
    """Yield how many verdicts are missing, and how much the judge prefers what stands first."""
    if lost := verdicts["error_kind"].count():
        share = f"{100 * lost / len(verdicts):.1f} %"
        yield f"{share} of its verdicts are missing or cannot be read{describe_lost(verdicts)}, and none was guessed."
    for row in measure_position(verdicts).iter_rows(named=True):
        changed = ""
        if row["changed"] is not None:
            pairs = count(row["both_orders"], "pair")
            changed = f"; {100 * row['changed']:.0f} % of {pairs} in both orders changed with the order"
        yield f"It preferred the answer that stood first in {100 * row['first_wins']:.0f} % of pairs{changed}."


def describe_lost(verdicts: pl.DataFrame) -> str:
    """Describe of which variants verdicts are missing, where it can be another share of each; else empty."""
    scores = verdicts.filter(kind=SCORE).group_by("variant", maintain_order=True)
    shares = scores.agg(pl.col("error_kind").is_not_null().mean().alias("share")).rows()
    return f" ({', '.join(f'{100 * share:.1f} % of `{name}`' for name, share in shares)})" if shares else ""


def describe_people(run: Run, verdicts: pl.DataFrame) -> Iterator[str]:
    """Yield how far the judge and people agree, and people among themselves."""
    agreement = measure_agreement(verdicts, load_ratings(run)).filter(pl.col("statistic") == "weighted kappa")
    rows = {row["between"]: row for row in agreement.sort("pairs").iter_rows(named=True)}
    if not rows:
        yield "Nobody has rated what it judged, so it decides nothing: people have to rate 100 calls."
        return
    told = [
        f"{'judge and people' if name == JUDGE_AND_PEOPLE else 'two people'} {format_kappa(rows[name])}"
        for name in (JUDGE_AND_PEOPLE, PEOPLE)
        if name in rows
    ]
    calls = rows.get(JUDGE_AND_PEOPLE, {"calls": 0})["calls"]
    yield f"People rated {count(calls, 'call')} of those it judged. Agreement (weighted kappa): {', '.join(told)}."


def format_kappa(row: Mapping[str, Any]) -> str:
    """Format a kappa with its interval."""
    if row["value"] is None:
        return "unknown"
    ends = "" if row["low"] is None else f" ({row['low']:.2f} to {row['high']:.2f})"
    return f"{row['value']:.2f}{ends}"
