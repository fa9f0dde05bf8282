"""Shares: Tango's interval of the difference of two shares of the same calls, and the score test that it inverts.

Tango (1998), Statistics in Medicine 17, 891-908, equations 24 to 26; sample sizes by Connor (1987), Biometrics 43,
207-211. Only calls that changed count, `gained` and `lost`; of samples or clusters they may be fractions.
"""

from __future__ import annotations

from functools import partial
from math import sqrt
from typing import Any

from analysis.comparison.estimate import Estimate
from analysis.comparison.means import POWER

HALVINGS = 54  # of an interval of length 2, so to the last bit of a float


def estimate_share(gained: float, lost: float, calls: float, alpha: float) -> Estimate:
    """Estimate the difference of two shares of calls, of which the variant alone has `gained`, the baseline `lost`."""
    from scipy.special import ndtri

    low, high = find_limits(gained, lost, calls, float(ndtri(1 - alpha / 2)))
    detect = partial(find_detectable, (gained + lost) / calls, calls)
    return Estimate((gained - lost) / calls, float(low), float(high), find_p(gained, lost), "Tango", detect)


def find_limits(gained: Any, lost: Any, calls: Any, z: float) -> tuple[Any, Any]:
    """Find Tango's interval: all differences whose score lies within z; of numbers or of arrays."""
    import numpy as np

    # The upper limit is the lower one the other way round.
    low, turned = find_lower_limit(np.stack([gained, lost]), np.stack([lost, gained]), calls, z)
    return low, -turned


def find_lower_limit(gained: Any, lost: Any, calls: Any, z: float) -> Any:
    """Find the difference below the estimate at which the score is z; the score falls as the difference rises."""
    import numpy as np

    high = np.asarray((gained - lost) / calls, float)
    low = np.full_like(high, -1.0)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        is_below = find_score(gained, lost, calls, middle) > z
        low, high = np.where(is_below, middle, low), np.where(is_below, high, middle)
    return low


def find_score(gained: Any, lost: Any, calls: Any, difference: Any) -> Any:
    """Find the score of a difference that is not the true one: its distance from the estimate in standard errors."""
    import numpy as np

    # The share that the baseline alone has, most likely at this difference, is a root of a quadratic equation.
    linear = (2 * calls - gained + lost) * difference - gained - lost
    constant = -lost * difference * (1 - difference)
    root = np.sqrt(np.maximum(linear**2 - 8 * calls * constant, 0))
    # Of the two forms of the root, the one that does not take a number from one nearly equal.
    is_small = linear > 0
    only_baseline = np.where(is_small, -2 * constant, root - linear) / np.where(is_small, root + linear, 4 * calls)
    variance = calls * (2 * only_baseline + difference * (1 - difference))
    return (gained - lost - calls * difference) / np.sqrt(np.maximum(variance, np.finfo(float).tiny))


def find_p(gained: Any, lost: Any) -> Any:
    """Find the two-sided p of the score test, which is McNemar's without correction; 1 where no call changed."""
    import numpy as np
    from scipy.special import ndtr

    changed = np.asarray(gained + lost, float)
    score = np.abs(gained - lost) / np.sqrt(np.where(changed > 0, changed, 1))
    p = 2 * ndtr(-score)
    return float(p) if np.ndim(p) == 0 else p


def find_detectable(changed: float, calls: float, alpha: float) -> float:
    """Find the smallest difference of shares that is found with 80 %, where as many calls change as were seen to."""
    from scipy.special import ndtri

    z, z_power = float(ndtri(1 - alpha / 2)), float(ndtri(POWER))
    if calls <= z**2:
        return 1.0
    wanted = sqrt(changed) * (z * sqrt(calls) + z_power * sqrt(calls + z_power**2 - z**2)) / (calls + z_power**2)
    if 0 < wanted <= changed:
        return wanted
    # More calls must change than did: then all of them in one direction.
    discriminant = (z * z_power) ** 2 + (calls + z_power**2) * (calls - z**2)
    return 1 - ((sqrt(discriminant) - z * z_power) / (calls + z_power**2)) ** 2


def plan_share(changed: float, difference: float, alpha: float, power: float) -> float:
    """Find the calls by which a difference of shares is found, from the share of calls that change (Connor)."""
    from scipy.special import ndtri

    z, z_power, changed = float(ndtri(1 - alpha / 2)), float(ndtri(power)), max(changed, difference)
    return ((z * sqrt(changed) + z_power * sqrt(changed - difference**2)) / difference) ** 2
