"""Sentences: what a comparison says, for those who read no table."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, log10
from typing import Any

from narwhals.typing import IntoDataFrame, IntoDataFrameT

from analysis.columns import TEXT, WHOLE, read_columns
from analysis.comparison.judged import FEW_RATED, METHOD
from analysis.comparison.metric import ANSWERED, is_cost, is_fraction, is_price, name_metric
from analysis.comparison.rows import make_frame
from analysis.comparison.verdicts import BETTER, EQUIVALENT, NOT_WORSE, UNDECIDED, WORSE
from analysis.display import count

NEEDED = (
    *("metric", "variant", "baseline", "calls", "unpaired_calls", "clusters", "value", "baseline_value"),
    *("difference", "low", "high", "ratio", "ratio_low", "ratio_high", "margin", "verdict", "detectable"),
    *("method", "few_calls"),
)
# In the order in which they are told: what speaks against a variant first.
PHRASES = {
    WORSE: ("is worse", "than"),
    BETTER: ("is better", "than"),
    NOT_WORSE: ("is not worse", "than"),
    EQUIVALENT: ("is equivalent", "to"),
}
PRICED_CALLS = 1000
FORMATTED = {
    **dict.fromkeys(("prompt", "measure", "value", "against", "difference", "margin", "verdict"), TEXT),
    "calls": WHOLE,
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
    return [sentence for rows in read_pairs(comparisons) for sentence in describe_pair(rows)]


def format_comparison(comparisons: IntoDataFrameT) -> IntoDataFrameT:
    """Format a comparison as a table of texts, in the words and units of `describe_comparison`.

    Parameters
    ----------
    comparisons
        One row per metric and pair, from `compare_variants`.

    Returns
    -------
    frame
        The same rows: `prompt`, `measure`, `value`, `against` (the other prompt and its value), `difference` with its
        interval, `margin`, `verdict` and `calls`. Missing where it is not known.
    """
    frame = read_columns(comparisons, NEEDED, of="comparisons")
    rows = [format_row(row) for row in frame.select(*NEEDED).to_polars().iter_rows(named=True)]
    return make_frame(rows, FORMATTED, like=frame)


def format_row(row: dict[str, Any]) -> dict[str, Any]:
    """Format one row of a comparison."""
    values = [
        None if row[name] is None else format_value(row[name], row) + format_unit(row)
        for name in ("value", "baseline_value")
    ]
    return {
        "prompt": row["variant"],
        "measure": name_metric(row["metric"]),
        "value": values[0],
        "against": row["baseline"] if values[1] is None else f"{row['baseline']}: {values[1]}",
        "difference": None if row["low"] is None else format_difference(row),
        "margin": None if row["margin"] is None else format_size(row["margin"], row),
        "verdict": row["verdict"].replace("_", " "),
        "calls": row["calls"],
    }


def format_difference(row: dict[str, Any]) -> str:
    """Format a difference with its interval, without the values."""
    return ", ".join(describe_ratio(row)) if has_ratio(row) else describe_size(row)


def read_pairs(comparisons: IntoDataFrame) -> list[list[dict[str, Any]]]:
    """Read the rows of each pair of variants, in the order of the rows."""
    frame = read_columns(comparisons, NEEDED, of="comparisons").select(*NEEDED).to_polars()
    pairs: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in frame.iter_rows(named=True):
        pairs.setdefault((row["variant"], row["baseline"]), []).append(row)
    return list(pairs.values())


def describe_pair(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the sentences on one pair."""
    yield from describe_decided(rows)
    answered = find_answered(rows)
    for row in rows:
        if row["verdict"] == UNDECIDED and not says_nothing(row):
            yield describe_undecided(row, answered)
    yield from describe_weakness(rows)


def describe_decided(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Yield a sentence on what is decided of a pair; none where nothing is."""
    baseline, clauses = rows[0]["baseline"], list[str]()
    for verdict, (phrase, than) in PHRASES.items():
        decided = [row for row in rows if row["verdict"] == verdict]
        for row in filter(is_told_as_price, decided):
            size, ends = describe_ratio(row)
            clauses.append(f"costs {size}{'' if clauses else f' than `{baseline}`'} ({ends})")
        if others := [describe_row(row) for row in decided if not is_told_as_price(row)]:
            clauses.append(f"{phrase}{'' if clauses else f' {than} `{baseline}`'} in {join_phrases(others)}")
    if clauses:
        yield f"`{rows[0]['variant']}` {join_clauses(clauses)}. On {describe_calls(rows)}."


def is_told_as_price(row: dict[str, Any]) -> bool:
    """Return whether a row is told as "costs 38 % less"."""
    return is_price(row["metric"]) and row["verdict"] in (BETTER, WORSE) and has_ratio(row)


def says_nothing(row: dict[str, Any]) -> bool:
    """Return whether a row only says that both variants answered the same number of calls."""
    return bool(row["metric"] == ANSWERED and row["difference"] == 0)


def describe_row(row: dict[str, Any]) -> str:
    """Describe the difference of one metric as a phrase."""
    margin = ""
    if row["verdict"] in (EQUIVALENT, NOT_WORSE):
        margin = f"; margin {format_size(row['margin'], row)}"
    if is_judged(row):
        margin = f"; {count(row['calls'], 'call')} rated{margin}"
    return f"{name_metric(row['metric'])} ({describe_difference(row)}{margin})"


def describe_difference(row: dict[str, Any]) -> str:
    """Describe a difference with its interval: a share in points, a cost in percent, others in their own units."""
    if has_ratio(row):
        return ", ".join(describe_ratio(row))
    ours, theirs = (format_value(row[name], row) for name in ("value", "baseline_value"))
    calls = " of calls" if is_share(row) else ""
    if ours == theirs:
        return f"{ours}{calls}{format_unit(row)} by both: {describe_size(row)}"
    return f"{ours}{calls} against {theirs}{format_unit(row)}: {describe_size(row)}"


def describe_size(row: dict[str, Any]) -> str:
    """Describe by how much the values of a row differ, with the interval."""
    points = " points" if is_percent(row) else ""
    return f"{format_signed(row, 'difference')}{points}, {format_interval(row)}"


def has_ratio(row: dict[str, Any]) -> bool:
    """Return whether a difference is told in percent: of costs, where its ratio says the same as the difference."""
    return bool(is_cost(row["metric"]) and row["ratio_low"] is not None and agrees_with_ratio(row))


def describe_ratio(row: dict[str, Any]) -> tuple[str, str]:
    """Describe by how many percent a cost is more or less, and its interval, with signs where that has both."""
    low, middle, high = (100 * (row[name] - 1) for name in ("ratio_low", "ratio", "ratio_high"))
    digits = 0 if abs(middle) >= 10 else 1 if abs(middle) >= 1 else 2
    if low < 0 < high:
        return f"{middle:+,.{digits}f} %", f"{low:+,.{digits}f} to {high:+,.{digits}f}"
    word, ends = ("less", (-high, -low)) if middle < 0 else ("more", (low, high))
    return f"{abs(middle):,.{digits}f} % {word}", f"{ends[0]:,.{digits}f} to {ends[1]:,.{digits}f}"


def describe_undecided(row: dict[str, Any], answered: dict[str, Any]) -> str:
    """Return a sentence on a difference that is not decided, and what would decide it."""
    start = f"`{row['variant']}` and `{row['baseline']}` are undecided in {name_metric(row['metric'])}"
    if row["difference"] is None:
        return f"{start}: no call has a value of both."
    if row["low"] is None and is_judged(row):
        return f"{start}: that takes {FEW_RATED} calls that people rated, and there are {row['calls']:,}."
    if row["low"] is None:
        return f"{start}: how much it varies cannot be seen on {describe_calls([row])}."
    start = f"{start} ({describe_difference(row)})"
    if is_withheld(row, answered):
        fewer = row["variant"] if answered["verdict"] == WORSE else row["baseline"]
        return f"{start}: `{fewer}` answers fewer calls, and may have failed on those that are hard."
    more = count_calls_to_decide(row)
    if more is None:
        cure = "" if row["margin"] is not None else "; a margin would say whether it matters"
        return f"{start}: so small a difference takes more than {MOST_TIMES} times as many calls{cure}."
    chance = "one of so many comparisons may show as much by chance; " if is_decided(row) else ""
    return f"{start}: {chance}about {count(more, 'more rated call' if is_judged(row) else 'more call')} would tell."


def find_answered(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Find the row of a pair on the calls that were answered; empty where there is none."""
    return {row["metric"]: row for row in rows}.get(ANSWERED, {})


def is_withheld(row: dict[str, Any], answered: dict[str, Any]) -> bool:
    """Return whether an undecided row would be decided if the variant in its favour answered as many calls."""
    return bool(row["metric"] != ANSWERED and answered.get("verdict") in (BETTER, WORSE) and is_decided(row))


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
    known = [row for row in rows if row["low"] is not None and not says_nothing(row)]
    few = [name_metric(row["metric"]) for row in known if row["few_calls"]]
    if few:
        yield f"Few calls for {join_phrases(few)}: the intervals may be too narrow."
    unpaired: dict[int, list[str]] = {}
    for row in rows:
        unpaired.setdefault(row["unpaired_calls"], []).append(name_metric(row["metric"]))
    for calls, metrics in unpaired.items():
        if calls:
            has, which = ("has", "is") if calls == 1 else ("have", "are")
            alone = f"a value of `{rows[0]['variant']}` or `{rows[0]['baseline']}` alone"
            yield f"{count(calls, 'call')} {has} {alone}, and {which} left out of {join_phrases(metrics)}."


def describe_calls(rows: list[dict[str, Any]]) -> str:
    """Describe on how many calls, of how many clusters, the rows of a pair rest; of rated calls each row says so."""
    rows = [row for row in rows if not is_judged(row)] or rows
    fewest, most = min(row["calls"] for row in rows), max(row["calls"] for row in rows)
    calls = count(most, "call") if fewest == most else f"{fewest:,} to {most:,} calls"
    clusters = rows[0]["clusters"]
    return calls if clusters is None else f"{calls} in {count(clusters, 'cluster')}"


def is_share(row: dict[str, Any]) -> bool:
    """Return whether a row compares shares; the method says so."""
    return bool(row["method"].startswith("share"))


def is_judged(row: dict[str, Any]) -> bool:
    """Return whether a row rests on calls that people rated; the method says so."""
    return METHOD in row["method"]


def is_percent(row: dict[str, Any]) -> bool:
    """Return whether the values of a row are read in percent: shares of calls, and means of shares."""
    return is_share(row) or is_fraction(row["metric"])


def format_size(value: float, row: dict[str, Any]) -> str:
    """Format a size in the units of a row."""
    return f"{100 * value:.3g} points" if is_percent(row) else f"{format_value(value, row)}{format_unit(row)}"


def format_value(value: float, row: dict[str, Any], *, sign: str = "") -> str:
    """Format a value: shares in percent, an amount of USD for 1,000 calls, others in their own units."""
    if is_percent(row):
        return f"{100 * value:{sign}.1f} %"
    return format_number(value * (PRICED_CALLS if is_price(row["metric"]) else 1), sign=sign)


def format_unit(row: dict[str, Any]) -> str:
    """Name the unit of the values of a row, where it has one beside percent."""
    return f" USD per {PRICED_CALLS:,} calls" if is_price(row["metric"]) else ""


def format_interval(row: dict[str, Any]) -> str:
    """Format the interval of a difference."""
    return f"{format_signed(row, 'low')} to {format_signed(row, 'high')}"


def format_signed(row: dict[str, Any], name: str) -> str:
    """Format a difference with its sign; of shares in points."""
    return format_value(row[name], row, sign="+").removesuffix(" %")


def format_number(value: float, *, sign: str = "") -> str:
    """Format a number with three digits, and all digits of a large one."""
    return f"{value:{sign},.0f}" if abs(value) >= 1000 else f"{value:{sign}.3g}"


def join_clauses(clauses: list[str]) -> str:
    """Join clauses that may be lists themselves."""
    return clauses[0] if len(clauses) == 1 else f"{', '.join(clauses[:-1])}, and {clauses[-1]}"


def join_phrases(phrases: list[str]) -> str:
    """Join phrases as a list in a sentence."""
    return phrases[0] if len(phrases) == 1 else f"{', '.join(phrases[:-1])} and {phrases[-1]}"
