"""Sentences: what a comparison says, for those who read no table."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, log10
from typing import Any

from narwhals.typing import IntoDataFrame

from analysis.columns import read_columns
from analysis.comparison.metric import ANSWERED, is_cost
from analysis.comparison.verdicts import BETTER, EQUIVALENT, NOT_WORSE, UNDECIDED, WORSE
from analysis.display import count

NEEDED = (
    *("metric", "variant", "baseline", "calls", "unpaired_calls", "clusters", "value", "baseline_value"),
    *("difference", "low", "high", "ratio", "ratio_low", "ratio_high", "margin", "verdict", "detectable"),
    *("method", "few_calls"),
)
# In the order in which they are told: what speaks against a variant first.
PHRASES = {
    WORSE: "is worse than",
    BETTER: "is better than",
    NOT_WORSE: "is not worse than",
    EQUIVALENT: "is equivalent to",
}
MOST_TIMES = 100  # as many calls, beyond which no number is named


def describe_comparison(comparisons: IntoDataFrame) -> list[str]:
    """Describe in sentences which variant is better, by how much, and what is not known.

    Parameters
    ----------
    comparisons
        One row per metric and pair, from `compare_variants`.

    Returns
    -------
    sentences
        For each pair, in the order of the rows: what is decided, with the interval of each difference and the margin;
        then what is undecided, with the number of calls that would decide it with 80 %, were the difference as large
        as it seems; then what weakens the numbers: few calls, and calls with an answer of one variant only.
        Empty where nothing was compared.
    """
    frame = read_columns(comparisons, NEEDED, of="comparisons").select(*NEEDED).to_polars()
    pairs: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in frame.iter_rows(named=True):
        pairs.setdefault((row["variant"], row["baseline"]), []).append(row)
    return [sentence for rows in pairs.values() for sentence in describe_pair(rows)]


def describe_pair(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the sentences on one pair."""
    decided = {verdict: [row for row in rows if row["verdict"] == verdict] for verdict in PHRASES}
    clauses = [
        f"{phrase} `{rows[0]['baseline']}` in {join_phrases([describe_row(row) for row in decided[verdict]])}"
        for verdict, phrase in PHRASES.items()
        if decided[verdict]
    ]
    if clauses:
        yield f"`{rows[0]['variant']}` {join_phrases(clauses)}, on {describe_calls(rows)}."
    answered = {row["metric"]: row for row in rows}.get(ANSWERED, {})
    for row in rows:
        if row["verdict"] == UNDECIDED and not says_nothing(row):
            yield describe_undecided(row, answered)
    yield from describe_weakness(rows)


def says_nothing(row: dict[str, Any]) -> bool:
    """Return whether a row only says that both variants answered the same number of calls."""
    return bool(row["metric"] == ANSWERED and row["difference"] == 0)


def describe_row(row: dict[str, Any]) -> str:
    """Describe the difference of one metric as a phrase."""
    margin = ""
    if row["verdict"] in (EQUIVALENT, NOT_WORSE):
        margin = f"; margin {format_size(row['margin'], row)}"
    return f"{row['metric']} ({describe_difference(row)}{margin})"


def describe_difference(row: dict[str, Any]) -> str:
    """Describe a difference with its interval: a share in points, a cost in percent, others in their own units."""
    if is_share(row):
        shares = f"{100 * row['value']:.1f} % of calls against {100 * row['baseline_value']:.1f} %"
        return f"{shares}: {format_signed(row, 'difference')} points, {format_interval(row)}"
    if is_cost(row["metric"]) and row["ratio_low"] is not None and agrees_with_ratio(row):
        return describe_ratio(*(100 * (row[name] - 1) for name in ("ratio_low", "ratio", "ratio_high")))
    means = f"{format_number(row['value'])} against {format_number(row['baseline_value'])}"
    return f"{means}: {format_signed(row, 'difference')}, {format_interval(row)}"


def describe_ratio(low: float, middle: float, high: float) -> str:
    """Describe by how many percent a cost is more or less, with signs where the interval has both."""
    digits = 0 if abs(middle) >= 10 else 1 if abs(middle) >= 1 else 2
    if low < 0 < high:
        return f"{middle:+,.{digits}f} %, {low:+,.{digits}f} to {high:+,.{digits}f}"
    word, ends = ("less", (-high, -low)) if middle < 0 else ("more", (low, high))
    return f"{abs(middle):,.{digits}f} % {word}, {ends[0]:,.{digits}f} to {ends[1]:,.{digits}f}"


def describe_undecided(row: dict[str, Any], answered: dict[str, Any]) -> str:
    """Return a sentence on a difference that is not decided, and what would decide it."""
    start = f"`{row['variant']}` and `{row['baseline']}` are undecided in {row['metric']}"
    if row["difference"] is None:
        return f"{start}: no call has a value of both."
    if row["low"] is None:
        return f"{start}: how much it varies cannot be seen on {describe_calls([row])}."
    start = f"{start} ({describe_difference(row)})"
    if (row["metric"] != ANSWERED) and answered.get("verdict") in (BETTER, WORSE) and is_decided(row):
        fewer = row["variant"] if answered["verdict"] == WORSE else row["baseline"]
        return f"{start}: `{fewer}` answers fewer calls, and may have failed on those that are hard."
    more = count_calls_to_decide(row)
    if more is None:
        cure = "" if row["margin"] is not None else "; a margin would say whether it matters"
        return f"{start}: so small a difference takes more than {MOST_TIMES} times as many calls{cure}."
    chance = "one of so many comparisons may show as much by chance; " if is_decided(row) else ""
    return f"{start}: {chance}about {more:,} more calls would tell."


def is_decided(row: dict[str, Any]) -> bool:
    """Return whether an interval leaves out 0."""
    return bool(row["low"] > 0 or row["high"] < 0)


def agrees_with_ratio(row: dict[str, Any]) -> bool:
    """Return whether the interval of the ratio leaves out 1 just where that of the difference leaves out 0."""
    return is_decided(row) is bool(row["ratio_low"] > 1 or row["ratio_high"] < 1)


def count_calls_to_decide(row: dict[str, Any]) -> int | None:
    """Count the further calls that would lead to a verdict with 80 %, were the difference what it seems to be.

    The smallest difference that is found shrinks with the square root of the calls. What must be found is the distance
    from 0 or, where it is larger, from the margin on the side of the estimate that is farther from it.
    """
    distances = [abs(row["difference"])]
    if row["margin"] is not None:
        distances.append(row["margin"] - abs(row["difference"]))
    wanted = max(distances)
    if not wanted > 0 or (row["detectable"] / wanted) ** 2 > MOST_TIMES:
        return None
    more = max(1, ceil(row["calls"] * ((row["detectable"] / wanted) ** 2 - 1)))
    # Two digits: the estimate is no better than that.
    step = 10 ** max(0, int(log10(more)) - 1)
    return int(ceil(more / step) * step)


def describe_weakness(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Yield a sentence on metrics with few calls, and on calls that only one variant has."""
    few = [row["metric"] for row in rows if row["few_calls"] and not says_nothing(row)]
    if few:
        yield f"Few calls for {join_phrases(few)}: the intervals may be too narrow."
    unpaired: dict[int, list[str]] = {}
    for row in rows:
        unpaired.setdefault(row["unpaired_calls"], []).append(row["metric"])
    for calls, metrics in unpaired.items():
        if calls:
            has, which = ("has", "is") if calls == 1 else ("have", "are")
            names = f"`{rows[0]['variant']}` or `{rows[0]['baseline']}`"
            yield f"{count(calls, 'call')} {has} {join_phrases(metrics)} of {names} alone, and {which} left out."


def describe_calls(rows: list[dict[str, Any]]) -> str:
    """Describe on how many calls, of how many clusters, the rows of a pair rest."""
    fewest, most = min(row["calls"] for row in rows), max(row["calls"] for row in rows)
    calls = count(most, "call") if fewest == most else f"{fewest:,} to {most:,} calls"
    clusters = rows[0]["clusters"]
    return calls if clusters is None else f"{calls} in {count(clusters, 'cluster')}"


def is_share(row: dict[str, Any]) -> bool:
    """Return whether a row compares shares; the method says so."""
    return bool(row["method"].startswith("share"))


def format_size(value: float, row: dict[str, Any]) -> str:
    """Format a size in the units of a row."""
    return f"{100 * value:.3g} points" if is_share(row) else format_number(value)


def format_interval(row: dict[str, Any]) -> str:
    """Format the interval of a difference."""
    return f"{format_signed(row, 'low')} to {format_signed(row, 'high')}"


def format_signed(row: dict[str, Any], name: str) -> str:
    """Format a difference with its sign; of shares in points."""
    return f"{100 * row[name]:+.1f}" if is_share(row) else format_number(row[name], sign="+")


def format_number(value: float, *, sign: str = "") -> str:
    """Format a number with three digits, and all digits of a large one."""
    return f"{value:{sign},.0f}" if abs(value) >= 1000 else f"{value:{sign}.3g}"


def join_phrases(phrases: list[str]) -> str:
    """Join phrases as a list in a sentence."""
    return phrases[0] if len(phrases) == 1 else f"{', '.join(phrases[:-1])} and {phrases[-1]}"
