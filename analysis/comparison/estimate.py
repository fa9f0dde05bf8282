"""The estimate of a difference: what is known of one metric of one pair of variants."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import nan


@dataclass(frozen=True)
class Estimate:
    """A difference with its interval and test; NaN where it is not known.

    Attributes
    ----------
    difference
        Variant minus baseline.
    low, high
        The ends of its interval.
    p
        Of the test that the interval inverts: below 1 - confidence where the interval leaves out 0, and only there.
    method
        What it was worked out by.
    find_detectable
        Finds the smallest difference that is found with 80 % at a chance of error.
    ratio, ratio_low, ratio_high
        Variant / baseline, of means.
    """

    difference: float
    low: float
    high: float
    p: float
    method: str
    find_detectable: Callable[[float], float]
    ratio: float = nan
    ratio_low: float = nan
    ratio_high: float = nan
