"""Verdicts: what an interval and a margin say of a difference, and Holm's correction for many of them."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan, nan

BETTER, WORSE, EQUIVALENT, NOT_WORSE, UNDECIDED = VERDICTS = ("better", "worse", "equivalent", "not_worse", "undecided")


def adjust_p(values: Sequence[float]) -> list[float]:
    """Adjust p values by Holm's method, in their order; NaN stays NaN and is not counted as a test."""
    known = sorted((p, place) for place, p in enumerate(values) if not isnan(p))
    adjusted, largest = [nan] * len(values), 0.0
    for rank, (p, place) in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - rank) * p))
        adjusted[place] = largest
    return adjusted


def find_verdict(low: float, high: float, p_holm: float, margin: float | None, alpha: float) -> str:
    """Find the verdict on a gain, the difference with the sign by which more is better.

    Parameters
    ----------
    low, high
        The interval of the gain.
    p_holm
        Its adjusted p: `better` and `worse` need one below alpha.
    margin
        The gain or loss that does not matter.
    """
    if isnan(low) or isnan(high):
        return UNDECIDED
    # First, since with many calls a difference that does not matter is certain all the same.
    if margin is not None and -margin < low and high < margin:
        return EQUIVALENT
    if p_holm < alpha:
        return BETTER if low > 0 else WORSE
    return NOT_WORSE if margin is not None and low > -margin else UNDECIDED


def hold_back(verdict: str, answered: str) -> str:
    """Withhold a verdict in favour of the variant that answers fewer calls: it may have failed on the hard ones."""
    favours_fewer = (verdict, answered) in ((BETTER, WORSE), (WORSE, BETTER))
    return UNDECIDED if favours_fewer else verdict
