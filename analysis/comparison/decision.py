"""Decision: which measures decide between prompts, which prompt to take, and what is missing for a decision."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Any

import narwhals as nw
from narwhals.typing import IntoDataFrame, IntoDataFrameT

from analysis.columns import FRACTION, TEXT, WHOLE, read_columns
from analysis.comparison.call_values import tells_answers
from analysis.comparison.judged import FEW_RATED, count_rated_calls
from analysis.comparison.metric import ANSWERED, JUDGED, SCORE_RANGE, Metric, find_metric, is_price, name_metric
from analysis.comparison.rows import make_frame
from analysis.comparison.sentences import (
    MOST_TIMES,
    count_calls_to_decide,
    describe_decided,
    describe_ratio,
    describe_undecided,
    find_answered,
    is_judged,
    is_told_as_price,
    is_withheld,
    join_clauses,
    join_phrases,
    read_pairs,
    says_nothing,
)
from analysis.comparison.verdicts import BETTER, UNDECIDED, WORSE
from analysis.display import count
from analysis.errors import AnalysisError

# Of measures that overlap, one: each further one makes it harder for all to be decided.
DECIDING = (ANSWERED, "truncated", "has_unsupported", "kept_all", "as_expected", *JUDGED, "price_usd")
MORE_CALLS = {"metric": TEXT, "variant": TEXT, "baseline": TEXT, "calls": WHOLE, "more_calls": WHOLE}
MORE_CALLS |= {"price_usd": FRACTION, "measure": TEXT}


@dataclass(frozen=True)
class Advice:
    """Which variant to take, and why.

    Attributes
    ----------
    variant
        The one to take, which may be the baseline; None where there is no advice.
    sentence
        The advice in one sentence, or why there is none.
    reasons
        Sentences: of each variant, the one to take first, what is decided and how many more calls would decide the
        rest. Names of variants stand between backticks, and nothing is escaped.
    """

    variant: str | None
    sentence: str
    reasons: list[str]


def choose_metrics(measured: IntoDataFrame, *, margin: float = 0.02) -> list[Metric]:
    """Choose what decides between prompts, as far as a table of answers has it.

    Parameters
    ----------
    measured
        One row per answer; its columns are read.
    margin
        Of all but the price, which are shares or numbers from 0 to 1; of a score as a part of its scale of 1 to 5.

    Returns
    -------
    metrics
        For `compare_variants`, in this order: `answered`, `truncated`, `has_unsupported`, `kept_all`, `as_expected`,
        `rated_score` and `rated_wins` (of `add_verdicts`, each with the judge; from 100 rated calls) and `price_usd`,
        without those that are no column or have no value, and `answered` where nothing tells which rows are answers.
    """
    frame = read_columns(measured, (), of="measured")
    known = [name for name in DECIDING if name in frame.columns and frame[name].null_count() < len(frame)]
    found = [name for name in DECIDING if name in known or (name == ANSWERED and tells_answers(frame.columns))]
    return [make_deciding(name, margin) for name in found if name not in JUDGED or is_rated_enough(frame, name)]


def is_rated_enough(frame: nw.DataFrame[Any], name: str) -> bool:
    """Return whether so many calls were rated, and judged, that an interval holds what it says."""
    return JUDGED[name] in frame.columns and count_rated_calls(frame, name) >= FEW_RATED


def make_deciding(name: str, margin: float) -> Metric:
    """Make the metric of a measure that decides; that of a score has its margin on the judge's scale."""
    own = None if is_price(name) else margin * (SCORE_RANGE if name == "rated_score" else 1)
    return Metric(name, find_metric(name).better, own, JUDGED.get(name))


def advise(comparisons: IntoDataFrame) -> Advice:
    """Advise which variant to take, where a comparison supports that.

    Parameters
    ----------
    comparisons
        One row per metric and variant, from `compare_variants` with a baseline. All of its metrics decide.

    Returns
    -------
    advice
        To take a variant that is better in one metric at least, and in all others better, equivalent or not worse; of
        several the cheapest or, where no price was compared, the one that is better in the most. To keep the baseline
        where each other variant is worse in something or decided in all, and better in nothing. Else there is none.

    Raises
    ------
    AnalysisError
        There are several baselines.

    Notes
    -----
    `answered` without a margin need not be decided where as many calls are answered.
    """
    pairs = read_pairs(comparisons)
    if not pairs:
        return Advice(None, "There is nothing to compare: that takes answers of two prompts to the same calls.", [])
    if len({rows[0]["baseline"] for rows in pairs}) > 1:
        raise AnalysisError("comparisons", "there are several baselines", "pass baseline= to compare_variants")
    if all(says_nothing(row) for rows in pairs for row in rows):
        return Advice(
            None, "There is nothing to decide by: each prompt answers as many calls, and no more is known.", []
        )
    if fit := [rows for rows in pairs if is_fit(rows)]:
        best = min(fit, key=lambda rows: (find_price(rows), -len(select(rows, BETTER))))
        others = [rows for rows in pairs if rows is not best]
        return Advice(best[0]["variant"], recommend(best), give_reasons([best, *others]))
    if all(map(is_no_gain, pairs)):
        return Advice(pairs[0][0]["baseline"], recommend_baseline(pairs), give_reasons(pairs))
    return Advice(None, say_why_not(pairs), give_reasons(pairs))


def count_more_calls(comparisons: IntoDataFrameT) -> IntoDataFrameT:
    """Count the calls that what is undecided would take, and what they would cost.

    Parameters
    ----------
    comparisons
        One row per metric and pair, from `compare_variants`.

    Returns
    -------
    frame
        One row per undecided metric and pair, in their order: `metric`, `variant`, `baseline`, `calls` so far,
        `more_calls` that would decide with 80 %, were the difference as large as it seems, and `price_usd` of both
        answers to as many calls in a batch job. Both are missing where it would take more than 100 times as many
        calls or something else than calls, the price where `price_usd` was not compared. `measure` is what people call
        the metric.
    """
    frame = read_columns(comparisons, (), of="comparisons")
    counted = [count_pair(rows, row) for rows in read_pairs(comparisons) for row in select(rows, UNDECIDED)]
    return make_frame(counted, MORE_CALLS, like=frame)


def count_pair(rows: list[dict[str, Any]], row: dict[str, Any]) -> dict[str, Any]:
    """Count the further calls of an undecided row, and price them."""
    more = count_more(rows, row)
    prices = [
        each["value"] + each["baseline_value"] for each in rows if each["metric"] == "price_usd" and each["calls"]
    ]
    price = more * prices[0] if more is not None and prices else None
    return {name: row[name] for name in ("metric", "variant", "baseline", "calls")} | {
        "more_calls": more,
        "price_usd": price,
        "measure": name_metric(row["metric"]),
    }


def count_more(rows: list[dict[str, Any]], row: dict[str, Any]) -> int | None:
    """Count the further calls that would decide a row; None where it takes something else than more calls."""
    is_known = row["low"] is not None and not is_withheld(row, find_answered(rows))
    return count_calls_to_decide(row) if is_known else None


def select(rows: list[dict[str, Any]], verdict: str) -> list[dict[str, Any]]:
    """Select the rows of a pair with a verdict, but for one that says nothing."""
    return [row for row in rows if row["verdict"] == verdict and not says_nothing(row)]


def is_fit(rows: list[dict[str, Any]]) -> bool:
    """Return whether a variant is better in something, and nothing speaks against it or is open."""
    return bool(select(rows, BETTER)) and not select(rows, WORSE) and not select(rows, UNDECIDED)


def is_no_gain(rows: list[dict[str, Any]]) -> bool:
    """Return whether a variant is better in nothing, and worse in something or decided in all."""
    return not select(rows, BETTER) and bool(select(rows, WORSE) or not select(rows, UNDECIDED))


def find_price(rows: list[dict[str, Any]]) -> float:
    """Find the price of a variant, for the order of several."""
    prices = [row["value"] for row in rows if is_price(row["metric"]) and row["value"] is not None]
    return float(prices[0]) if prices else inf


def recommend(rows: list[dict[str, Any]]) -> str:
    """Return the sentence that recommends a variant."""
    than, clauses = f" than `{rows[0]['baseline']}`", list[str]()
    better = select(rows, BETTER)
    for row in filter(is_told_as_price, better):
        clauses.append(f"costs {describe_ratio(row)[0]}{'' if clauses else than}")
    if others := [name_metric(row["metric"]) for row in better if not is_told_as_price(row)]:
        clauses.append(f"is better{'' if clauses else than} in {join_phrases(others)}")
    if len(better) < sum(not says_nothing(row) for row in rows):
        clauses.append("is otherwise not worse")
    return f"Take `{rows[0]['variant']}`: it {' and '.join(clauses) if len(clauses) < 3 else join_clauses(clauses)}."


def recommend_baseline(pairs: list[list[dict[str, Any]]]) -> str:
    """Return the sentence that recommends the baseline."""
    clauses = []
    for rows in pairs:
        worse = [name_metric(row["metric"]) for row in select(rows, WORSE)]
        what = f"is worse in {join_phrases(worse)}" if worse else "is better in nothing"
        clauses.append(f"`{rows[0]['variant']}` {what}")
    return f"Keep `{pairs[0][0]['baseline']}`: {join_clauses(clauses)}."


def say_why_not(pairs: list[list[dict[str, Any]]]) -> str:
    """Return the sentence that says why there is no advice: gains that cost something else, or too few calls."""
    mixed = [
        f"`{rows[0]['variant']}` is better in {list_names(select(rows, BETTER))} and worse in "
        f"{list_names(select(rows, WORSE))}"
        for rows in pairs
        if select(rows, BETTER) and select(rows, WORSE)
    ]
    if mixed:
        return f"You have to choose: against `{pairs[0][0]['baseline']}`, {join_clauses(mixed)}."
    return f"There is no advice yet: these calls do not tell whether to leave `{pairs[0][0]['baseline']}`."


def list_names(rows: list[dict[str, Any]]) -> str:
    """List the metrics of rows by the names that people call them."""
    return join_phrases([name_metric(row["metric"]) for row in rows])


def give_reasons(pairs: list[list[dict[str, Any]]]) -> list[str]:
    """Return the sentences on each variant: what is decided, and what more calls would decide."""
    return [sentence for rows in pairs for sentence in (*describe_decided(rows), *summarize_undecided(rows))]


def summarize_undecided(rows: list[dict[str, Any]]) -> list[str]:
    """Return a sentence on all that is undecided of a variant, with the calls that the last of it would take."""
    answered = find_answered(rows)
    open_rows = [row for row in select(rows, UNDECIDED) if row["low"] is None or not is_withheld(row, answered)]
    thin = [row for row in open_rows if row["low"] is None and is_judged(row)]
    undecided = [row for row in open_rows if row not in thin]
    told_apart = [describe_undecided(row, answered) for row in thin]
    return [*(summarize(rows, undecided) if undecided else []), *told_apart]


def summarize(rows: list[dict[str, Any]], undecided: list[dict[str, Any]]) -> list[str]:
    """Return the sentence on what more calls would decide."""
    more = [count_more(rows, row) for row in undecided]
    told = [row for row, calls in zip(undecided, more, strict=True) if calls is not None]
    tells = f"it takes more than {MOST_TIMES} times as many calls"
    if told:
        of = f" of {list_names(told)}" if len(told) < len(undecided) else ""
        unit = "more rated call" if all(map(is_judged, told)) else "more call"
        tells = f"about {count(max(calls for calls in more if calls is not None), unit)} would tell{of}"
    elif not any(row["calls"] for row in undecided):
        tells = "no call has a value of both"
    return [f"`{rows[0]['variant']}` is undecided in {list_names(undecided)}: {tells}."]
