"""Judging: who judged the answers of a run, at which price, and how far that can be believed, as sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from analysis.display import count, usd
from analysis.judging.agreement import JUDGE_AND_PEOPLE, PEOPLE, measure_agreement
from analysis.judging.position import measure_position
from analysis.judging.verdicts import SCORE
from analysis.reports.answering import is_emulated
from analysis.runs import Run, find_judges, load_ratings, load_verdicts, sum_run_costs
from analysis.runs.judges import compares_pairs, list_collected_judges


def describe_judging(run: Run, total: Mapping[str, Any]) -> list[list[str]]:
    """Describe who judged the answers of a run, at which price, and how that fits with people.

    Parameters
    ----------
    run
        The run that was judged.
    total
        `cost_usd`, what the run itself cost.

    Returns
    -------
    paragraphs
        Sentences of each judge that counts, of those in whose place a later one came, and of what all cost; empty
        where there is no judge. A name between backticks is that of a prompt or run.
    """
    judges = find_judges(run)
    counting = {judge.folder for judge in judges}
    replaced = [judge for judge in list_collected_judges(run) if judge.folder not in counting]
    paragraphs = [[*describe_judge(judge), *describe_said(run, judge)] for judge in judges]
    paragraphs += [[describe_replaced(judge)] for judge in replaced]
    return [*paragraphs, [describe_bill([*judges, *replaced], total)]] if judges else []


def describe_judge(judge: Run) -> Iterator[str]:
    """Yield who the judge was and what it did."""
    (prompt,) = judge.read_prompts()
    did = "compared pairs of answers" if compares_pairs(prompt) else "scored each answer by itself"
    yield f"`{prompt.name}` ({prompt.model_id}) {did} in a run of its own, `{judge.folder.name}`."
    if is_emulated(judge.read_sending()):
        yield "An emulator answered in place of that model: nothing here tells how it would judge."


def describe_said(run: Run, judge: Run) -> Iterator[str]:
    """Yield how its verdicts are, and how far they fit with people."""
    verdicts = load_verdicts(run, judge)
    yield from describe_verdicts(verdicts)
    yield from describe_people(run, verdicts)


def describe_replaced(judge: Run) -> str:
    """Describe a judge that no longer counts."""
    (prompt,) = judge.read_prompts()
    return f"`{prompt.name}` in `{judge.folder.name}` no longer counts: a later judge of its kind takes its place."


def describe_bill(judges: Sequence[Run], total: Mapping[str, Any]) -> str:
    """Describe what the judges cost, and what the decision cost with them."""
    costs, own = [sum_run_costs(judge).total["cost_usd"].item() for judge in judges], total["cost_usd"]
    who = "The judge" if len(costs) == 1 else f"The {len(costs)} judges"
    if None in costs:
        return f"{who} had an unknown price."
    both = "" if own is None else f": {usd(sum(costs) + own)} with the answers"
    return f"{who} cost {usd(sum(costs))}{both}."


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
