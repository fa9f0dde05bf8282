"""Means: the interval of a paired difference, clustered or not, and the ratio of two means.

Where calls are independent, the end of an interval on the side of the long tail is that of Hall (1992), "On the removal
of skewness by transformation", Journal of the Royal Statistical Society B 54, 221-228, where it lies further out than
that of Student's t: a sample with few of the rare dear calls lies too low, and shows too small a spread.
"""

from __future__ import annotations

from functools import partial
from math import cbrt, exp, inf, log, nan, sqrt
from typing import TYPE_CHECKING, Any

from analysis.comparison.clusters import find_error
from analysis.comparison.estimate import Estimate

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

POWER = 0.8
MOST_EXPONENT = 700
NOISE = 1e-12
LEAST_TAIL = 1e-6  # below, rounding is more than what it corrects


def estimate_mean(
    values: NDArray[np.float64], baseline: NDArray[np.float64], clusters: NDArray[np.int64] | None, alpha: float
) -> Estimate:
    """Estimate the difference of two means over the same calls, and their ratio.

    Notes
    -----
    The ratio has the interval of its logarithm by the delta method, whose error is that of the mean of
    value / mean(values) - baseline / mean(baseline). It is not known where a value is negative or a mean is 0.
    """
    means = float(values.mean()), float(baseline.mean())
    differences, noise = values - baseline, find_noise(*means)
    difference = float(differences.mean())
    error, freedom = find_error(differences, clusters)
    difference, error = (0.0 if abs(number) <= noise else number for number in (difference, error))
    tail = 0.0 if clusters is not None else find_tail(differences)
    below, above = find_reach(freedom, tail, alpha)
    has_ratio = min(means) > 0 and values.min() >= 0 and baseline.min() >= 0
    ratios = find_ratio(values, baseline, clusters, alpha) if has_ratio else (nan, nan, nan)
    p = find_p(difference, error, freedom, tail)
    detect = partial(find_detectable, error, freedom)
    method = "t and Hall" if clusters is None else "CR3"
    return Estimate(difference, difference - below * error, difference + above * error, p, method, detect, *ratios)


def find_ratio(
    values: NDArray[np.float64], baseline: NDArray[np.float64], clusters: NDArray[np.int64] | None, alpha: float
) -> tuple[float, float, float]:
    """Find the ratio of two means above 0 and its interval."""
    mean, baseline_mean = float(values.mean()), float(baseline.mean())
    relative = values / mean - baseline / baseline_mean
    error, freedom = find_error(relative, clusters)
    below, above = find_reach(freedom, 0.0 if clusters is not None else find_tail(relative), alpha)
    middle = log(mean / baseline_mean)
    # With a handful of clusters the quantile may be so large that exp would overflow.
    highest = middle + above * error
    high = inf if highest > MOST_EXPONENT else exp(highest)
    return mean / baseline_mean, exp(middle - below * error), high


def find_tail(values: NDArray[np.float64]) -> float:
    """Find the skewness of the mean of values, theirs / sqrt(n): above 0 where a few are far above the others."""
    deviations = values - values.mean()
    spread = sqrt(float((deviations * deviations).mean()))
    if spread == 0:
        return 0.0
    scaled = deviations / spread
    return float((scaled * scaled * scaled).mean()) / sqrt(len(values))


def find_reach(freedom: float, tail: float, alpha: float) -> tuple[float, float]:
    """Find how many standard errors below and above a mean its interval reaches: by t, or by Hall where it is more."""
    reach = find_quantile(freedom, 1 - alpha / 2)
    return max(reach, restore_skewness(reach, tail)), max(reach, -restore_skewness(-reach, tail))


def remove_skewness(t: float, tail: float) -> float:
    """Correct a mean in standard errors for the skewness of the mean: Hall's transformation, which always rises."""
    return t + tail * (t**2 / 3 + 1 / 6) + tail**2 * t**3 / 27


def restore_skewness(corrected: float, tail: float) -> float:
    """Find the mean in standard errors that Hall's transformation corrects to this."""
    if abs(tail) < LEAST_TAIL:
        return corrected
    return 3 / tail * (cbrt(1 + tail * (corrected - tail / 6)) - 1)


def find_noise(mean: float, baseline_mean: float) -> float:
    """Find below which size a difference of two values is no difference: sums in another order differ as much."""
    return NOISE * max(abs(mean), abs(baseline_mean))


def find_quantile(freedom: float, probability: float) -> float:
    """Find a quantile of Student's t; NaN without degrees of freedom."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, probability)) if freedom > 0 else nan


def find_p(difference: float, error: float, freedom: float, tail: float) -> float:
    """Find the two-sided p of a difference: the larger of those by t and by Hall, as of two ends the outer."""
    from scipy.special import stdtr

    if not freedom > 0:
        return nan
    if error == 0:
        return 1.0 if difference == 0 else 0.0
    t = difference / error
    return float(2 * stdtr(freedom, -min(abs(t), abs(remove_skewness(t, tail)))))


def find_detectable(error: float, freedom: float, alpha: float) -> float:
    """Find the smallest difference of means that is found with 80 %, at the error that was seen."""
    return error * (find_quantile(freedom, 1 - alpha / 2) + find_quantile(freedom, POWER))


def find_spread(differences: NDArray[Any]) -> float:
    """Find the standard deviation of differences; NaN of fewer than two."""
    return sqrt(float(differences.var(ddof=1))) if len(differences) > 1 else nan
