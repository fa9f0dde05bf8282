"""Stop reasons: why answers ended, how many were truncated, and how many tokens they need."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import ceil, floor
from typing import Any

import narwhals as nw
import polars as pl
from narwhals.typing import IntoDataFrameT

from analysis.columns import FRACTION, TEXT, WHOLE, aggregate, count_where, finish_frame, list_keys, read_columns
from analysis.errors import AnalysisError

TRUNCATED = "length"
ROUNDING = 1e-9
WHOLE_ANSWERS = ("end", "stop_sequence", "tool")
COUNTS = {"answers": WHOLE, "share": FRACTION}
SHARES = {"answers": WHOLE, "truncated": WHOLE, "share": FRACTION, "share_low": FRACTION, "share_high": FRACTION}
BANDS = {"length_from": WHOLE, "length_to": WHOLE, "stop": TEXT, **COUNTS}
SUGGESTIONS = {
    "answers": WHOLE,
    "truncated": WHOLE,
    "max_tokens": WHOLE,
    "suggested_max_tokens": WHOLE,
    "wanted_share": FRACTION,
    "longest_tokens": WHOLE,
    "reason": TEXT,
}


def count_stop_reasons(answers: IntoDataFrameT, *, by: str | Sequence[str] = "variant") -> IntoDataFrameT:
    """Count how answers ended.

    Parameters
    ----------
    answers
        One row per answer, from `load_answers`; `stop` is read.
    by
        Columns that make the groups; none, `[]`, for all in one.

    Returns
    -------
    frame
        One row per group and stop, in that order: `answers` (count) and `share` (of the group's answers, 0 to 1).
        Failed and missing answers have no stop, and neither have answers that do not say how they ended: they are the
        row whose `stop` is missing, the last of its group.
    """
    keys = list_keys(by)
    frame = read_columns(answers, [*keys, "stop"], of="answers")
    counts = share_counts(aggregate(frame, [*keys, "stop"], nw.len().alias("answers")), keys)
    return finish_frame(counts, [*keys, "stop"], COUNTS)


def share_truncated(
    answers: IntoDataFrameT, *, by: str | Sequence[str] = "variant", confidence: float = 0.95
) -> IntoDataFrameT:
    """Find the share of answers that max_tokens cut off, with its interval.

    Parameters
    ----------
    answers
        One row per answer, from `load_answers`; `stop` is read.
    by
        Columns that make the groups; none, `[]`, for all in one row.
    confidence
        Of the interval.

    Returns
    -------
    frame
        One row per group, in the order of `by`: `answers` (that have a stop, so not the failed ones), `truncated`,
        `share` (0 to 1) with `share_low` and `share_high`, Wilson's interval. Missing where no answer came.
    """
    from scipy.stats import binomtest

    keys = list_keys(by)
    frame = read_columns(answers, [*keys, "stop"], of="answers")
    has_stop, is_truncated = ~nw.col("stop").is_null(), nw.col("stop") == TRUNCATED
    marked = frame.with_columns(answers=count_where(has_stop), truncated=count_where(is_truncated))
    sums = aggregate(marked, keys, nw.col("answers", "truncated").sum())
    intervals = [
        binomtest(truncated, answers).proportion_ci(confidence, method="wilson") if answers else None
        for truncated, answers in sums.select("truncated", "answers").iter_rows()
    ]
    share = nw.when(nw.col("answers") > 0).then(nw.col("truncated") / nw.col("answers"))
    shares = sums.with_columns(
        new_column(sums, "share_low", [ends and float(ends.low) for ends in intervals], FRACTION),
        new_column(sums, "share_high", [ends and float(ends.high) for ends in intervals], FRACTION),
        share=share,
    )
    return finish_frame(shares, keys, SHARES)


def count_stop_reasons_by_length(
    answers: IntoDataFrameT,
    *,
    length: str = "input_tokens",
    edges: Sequence[int] | None = None,
    by: str | Sequence[str] = "variant",
) -> IntoDataFrameT:
    """Count how the answers to short and to long calls ended.

    Parameters
    ----------
    answers
        One row per answer, from `load_answers`; `stop` and the column `length` are read.
    length
        The column with the length of a call: `input_tokens`, or one of the calls, `duration_s`.
    edges
        Where the bands begin, and where the last ends (it includes its end); without them four bands of equal count.
    by
        Columns that make the groups; none, `[]`, for all in one.

    Returns
    -------
    frame
        One row per group, band and stop, in that order: `length_from`, `length_to` (the last band includes it),
        `stop`, `answers` (count) and `share` (of the group's answers in the band, 0 to 1).
        Calls outside the edges or without a length, so failed answers by `input_tokens`, have missing bands, last.
    """
    keys = list_keys(by)
    frame = read_columns(answers, [*keys, "stop", length], of="answers")
    bands = ["length_from", "length_to"]
    limits = sorted(set(edges)) if edges is not None else find_quartiles(frame[length])
    banded = frame.with_columns(find_band(nw.col(length), limits, end).alias(name) for end, name in enumerate(bands))
    counts = aggregate(banded, [*keys, *bands, "stop"], nw.len().alias("answers"))
    return finish_frame(share_counts(counts, [*keys, *bands]), keys, BANDS)


def suggest_max_tokens(
    answers: IntoDataFrameT, *, share: float = 0.99, by: str | Sequence[str] = "variant"
) -> IntoDataFrameT:
    """Find the max_tokens with which a share of the answers would end by themselves.

    Parameters
    ----------
    answers
        One row per answer, from `load_answers`; `stop`, `output_tokens` and `max_tokens` are read.
    share
        Of the answers that shall not be truncated, above 0, below 1.
    by
        Columns that make the groups; none, `[]`, for all in one row.

    Returns
    -------
    frame
        One row per group, in the order of `by`: `answers` (used), `truncated`, `max_tokens` (largest asked),
        `suggested_max_tokens`, `wanted_share` (as given), `longest_tokens` (longest answer, whole or not) and `reason`.
        Where more answers were cut off than the share allows, all that is known is that `longest_tokens` is too low:
        the suggestion is twice that, to try and look again, and `reason` says so. `reason` also marks a suggestion
        that rests on few answers. A suggestion is missing without answers.

    Notes
    -----
    A truncated answer would have been longer than it is, by an unknown amount: it is right-censored.
    So the distribution of lengths is the Kaplan-Meier estimate (scipy.stats.ecdf), which taking truncated answers
    at their length, or leaving them out, would put too low.
    Answers that were filtered, that failed, or whose tokens are not known say nothing of the length and are left out.
    """
    if not 0 < share < 1:
        raise AnalysisError(
            "share", f"{share} is not between 0 and 1", "0.99 lets one answer in a hundred be truncated"
        )
    keys = list_keys(by)
    frame = read_columns(answers, [*keys, "stop", "output_tokens", "max_tokens"], of="answers")
    ended, is_truncated = nw.col("stop").is_in(WHOLE_ANSWERS), nw.col("stop") == TRUNCATED
    has_tokens = ~nw.col("output_tokens").is_null()
    marked = frame.with_columns(
        answers=count_where((ended | is_truncated) & has_tokens), truncated=count_where(is_truncated & has_tokens)
    )
    # Only answers whose length is known, whole or truncated, count as used.
    used = marked.with_columns(longest_tokens=nw.when(nw.col("answers") == 1).then(nw.col("output_tokens")))
    groups = aggregate(used, keys, nw.col("answers", "truncated").sum(), nw.col("max_tokens", "longest_tokens").max())
    suggestions = [suggest(*lengths, share) for lengths in list_lengths(used, keys)]
    suggested = groups.with_columns(
        new_column(groups, "suggested_max_tokens", [tokens for tokens, _ in suggestions], FRACTION),
        nw.lit(share).alias("wanted_share"),
        new_column(groups, "reason", [reason for _, reason in suggestions], TEXT),
    )
    return finish_frame(suggested, keys, SUGGESTIONS)


def share_counts(counts: nw.DataFrame[IntoDataFrameT], keys: Sequence[str]) -> nw.DataFrame[IntoDataFrameT]:
    """Add each count's share of its group."""
    total = nw.col("answers").sum()
    return counts.with_columns(share=nw.col("answers") / (total.over(*keys) if keys else total))


def new_column(frame: nw.DataFrame[Any], name: str, values: Sequence[Any], dtype: Any) -> nw.Series[Any]:
    """Make a column of the frame's kind; whole numbers go in as fractions, since pandas takes no missing ones."""
    return nw.new_series(name, values, dtype, backend=frame.implementation)


def find_quartiles(lengths: nw.Series[Any]) -> list[int]:
    """Find the edges of four bands of about equal count; fewer when many lengths are equal."""
    values = sorted(lengths.drop_nulls().to_list())
    if not values:
        return []
    inner = {floor(values[len(values) * quarter // 4]) for quarter in range(4)}
    return [*sorted(inner), max(ceil(values[-1]), *inner)]


def find_band(length: nw.Expr, edges: Sequence[int], end: int) -> nw.Expr:
    """Find the beginning (`end` 0) or the end (1) of the band that holds each length."""
    bands = [
        nw.when((length >= band[0]) & ((length < band[1]) | (length == edges[-1]))).then(nw.lit(band[end]))
        for band in pairwise(edges)
    ]
    return nw.coalesce(*reversed(bands)) if bands else nw.lit(None, dtype=FRACTION)


def list_lengths(used: nw.DataFrame[Any], keys: Sequence[str]) -> list[tuple[list[int], list[int]]]:
    """List the lengths of each group's answers and which of them are truncated, in the order of `aggregate`."""
    table = used.select(*keys, "answers", "output_tokens", "truncated").to_polars()
    columns = [pl.col(name).filter(pl.col("answers") == 1) for name in ("output_tokens", "truncated")]
    if not keys:
        return table.select(column.implode() for column in columns).rows()
    lists = table.group_by(*keys).agg(*columns).sort(*keys, nulls_last=True)
    return lists.select("output_tokens", "truncated").rows()


def suggest(lengths: list[int], truncated: list[int], share: float) -> tuple[int | None, str | None]:
    """Find the length that a share of the answers stays within, or what to try where it is not known, and why."""
    from scipy.stats import CensoredData, ecdf

    if not lengths:
        return None, "no answers"
    within = ecdf(CensoredData.right_censored(lengths, truncated)).cdf
    # 0.99 is not exact in binary, and neither are sums of probabilities.
    enough = within.quantiles[within.probabilities >= share - ROUNDING]
    if not len(enough):
        # The longest answer is then a truncated one; else the estimate would reach 1 there.
        longest, cut_off = int(max(lengths)), f"{sum(truncated)} of {len(lengths)} answers were cut off"
        ended = f"{within.probabilities[-1]:.1%} are known to end by themselves"
        return 2 * longest, f"{longest} is too low: {cut_off}, and {ended}; ask with {2 * longest} and look again"
    wanted = ceil(round(1 / (1 - share), 6))
    few = f"few answers: {len(lengths)}; a share of {share:g} wants {wanted} or more"
    return int(enough[0]), few if len(lengths) < wanted else None
