"""Means: the paired t interval of a difference, clustered or not, and the ratio of two means."""

from __future__ import annotations

from functools import partial
from math import exp, inf, log, nan, sqrt
from typing import TYPE_CHECKING, Any

from analysis.comparison.clusters import find_error
from analysis.comparison.estimate import Estimate

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

POWER = 0.8
MOST_EXPONENT = 700
NOISE = 1e-12


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
    half = find_quantile(freedom, 1 - alpha / 2) * error
    has_ratio = min(means) > 0 and values.min() >= 0 and baseline.min() >= 0
    ratios = find_ratio(values, baseline, clusters, alpha) if has_ratio else (nan, nan, nan)
    p = find_p(difference, error, freedom)
    detect = partial(find_detectable, error, freedom)
    method = "t" if clusters is None else "CR3"
    return Estimate(difference, difference - half, difference + half, p, method, detect, *ratios)


def find_ratio(
    values: NDArray[np.float64], baseline: NDArray[np.float64], clusters: NDArray[np.int64] | None, alpha: float
) -> tuple[float, float, float]:
    """Find the ratio of two means above 0 and its interval."""
    mean, baseline_mean = float(values.mean()), float(baseline.mean())
    error, freedom = find_error(values / mean - baseline / baseline_mean, clusters)
    half = find_quantile(freedom, 1 - alpha / 2) * error
    middle = log(mean / baseline_mean)
    # With a handful of clusters the quantile may be so large that exp would overflow.
    high = inf if middle + half > MOST_EXPONENT else exp(middle + half)
    return mean / baseline_mean, exp(middle - half), high


def find_noise(mean: float, baseline_mean: float) -> float:
    """Find below which size a difference of two values is no difference: sums in another order differ as much."""
    return NOISE * max(abs(mean), abs(baseline_mean))


def find_quantile(freedom: float, probability: float) -> float:
    """Find a quantile of Student's t; NaN without degrees of freedom."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, probability)) if freedom > 0 else nan


def find_p(difference: float, error: float, freedom: float) -> float:
    """Find the two-sided p of a difference."""
    from scipy.special import stdtr

    if not freedom > 0:
        return nan
    if error == 0:
        return 1.0 if difference == 0 else 0.0
    return float(2 * stdtr(freedom, -abs(difference / error)))


def find_detectable(error: float, freedom: float, alpha: float) -> float:
    """Find the smallest difference of means that is found with 80 %, at the error that was seen."""
    return error * (find_quantile(freedom, 1 - alpha / 2) + find_quantile(freedom, POWER))


def find_spread(differences: NDArray[Any]) -> float:
    """Find the standard deviation of differences; NaN of fewer than two."""
    return sqrt(float(differences.var(ddof=1))) if len(differences) > 1 else nan
