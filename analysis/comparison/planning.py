"""Planning: how many calls it takes to find a difference."""

from __future__ import annotations

from math import ceil, isfinite, isnan, nan
from typing import TYPE_CHECKING, Any

from narwhals.typing import IntoDataFrameT

from analysis.columns import FRACTION, TEXT, WHOLE, read_columns
from analysis.comparison.call_values import CallValues, read_call_values
from analysis.comparison.clusters import find_design_effect
from analysis.comparison.means import find_noise, find_quantile, find_spread
from analysis.comparison.metric import Metric, find_metric, is_cost
from analysis.comparison.pairs import list_pairs
from analysis.comparison.rows import make_frame
from analysis.comparison.shares import plan_share
from analysis.errors import AnalysisError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PLAN = {
    "metric": TEXT,
    "variant": TEXT,
    "baseline": TEXT,
    "difference": FRACTION,
    "power": FRACTION,
    "pilot_calls": WHOLE,
    "spread": FRACTION,
    "calls": WHOLE,
    "more_calls": WHOLE,
}
# A pilot of 100 may show too small a spread; of costs it rather does, since it has few of the dear calls.
MORE_FOR_MEANS, MORE_FOR_COSTS = 1.05, 1.15


def plan_calls(
    measured: IntoDataFrameT,
    metric: str | Metric,
    difference: float,
    *,
    power: float = 0.8,
    baseline: str | None = None,
    cluster: str | None = None,
    confidence: float = 0.95,
) -> IntoDataFrameT:
    """Plan how many calls it takes to find a difference, from a pilot of some 100 calls.

    Parameters
    ----------
    measured
        The pilot, one row per answer: `call_id`, `variant`, the metric and the cluster are read.
    metric
        A column, or a `Metric`.
    difference
        That would matter, above 0, in the units of the metric: 0.02 is 2 points of a share.
    power
        The chance that a difference of this size gets the verdict `better` or `worse`, 0 to 1.
    baseline, cluster, confidence
        As they will be given to `compare_variants`.

    Returns
    -------
    frame
        One row per pair of variants, by name: `metric`, `variant`, `baseline`, `difference`, `power`; `pilot_calls`
        that have both; `spread` (of means the standard deviation of the difference of a call, of shares the share of
        calls that changed); `calls`, needed in all, and `more_calls` beyond the pilot. Missing where the pilot has
        fewer than two calls of both, or does not vary at all in a mean.

    Raises
    ------
    AnalysisError
        The difference, power or confidence is out of range, or there is no such baseline.

    Notes
    -----
    Means take ((t + t of the power) * spread / difference)² calls, with the degrees of freedom of the pilot, and 5 %
    more, 15 % for costs and tokens, whose spread a pilot shows too small. Shares take Connor's number (1987), which
    needs the share of calls that change: that of the pilot with one more call. With several pairs each is planned as
    one of as many tests. With clusters the number grows by what they did to the pilot: further calls have to come from
    further agents or customers.
    """
    check_plan(difference, power, confidence)
    found, frame = find_metric(metric), read_columns(measured, (), of="measured")
    values = read_call_values(measured, [found.name], cluster=cluster)
    pairs = list_pairs(values.variants, baseline)
    alpha = (1 - confidence) / max(1, len(pairs))
    rows = [plan_pair(values, found.name, pair, difference, power, alpha) for pair in pairs]
    return make_frame(rows, PLAN, like=frame)


def check_plan(difference: float, power: float, confidence: float) -> None:
    """Raise for a number of a plan that is out of range."""
    if not (isfinite(difference) and difference > 0):
        raise AnalysisError("difference", f"{difference} is not above 0", "give the smallest one that would matter")
    for name, chance in (("power", power), ("confidence", confidence)):
        if not 0 < chance < 1:
            raise AnalysisError(name, f"{chance} is not between 0 and 1", "0.8 and 0.95 are usual")


def plan_pair(
    values: CallValues, name: str, pair: tuple[str, str], difference: float, power: float, alpha: float
) -> dict[str, Any]:
    """Plan the calls for one pair of variants."""
    import numpy as np

    ours, theirs = (values.select(name, variant) for variant in pair)
    both = ~np.isnan(ours - theirs)
    differences = (ours - theirs)[both]
    if len(differences):
        differences[np.abs(differences) <= find_noise(ours[both].mean(), theirs[both].mean())] = 0
    is_share = name in values.shares and name not in values.sampled
    if is_share and difference >= 1:
        raise AnalysisError("difference", f"{difference} of a share is not below 1", "0.02 is 2 points")
    spread, calls = (plan_shares if is_share else plan_means)(differences, difference, power, alpha)
    if values.clusters is not None:
        calls *= find_design_effect(differences, values.clusters[both])
    if not is_share:
        calls *= MORE_FOR_COSTS if is_cost(name) else MORE_FOR_MEANS
    needed = nan if isnan(calls) else ceil(calls)
    return {
        "metric": name,
        "variant": pair[0],
        "baseline": pair[1],
        "difference": difference,
        "power": power,
        "pilot_calls": len(differences),
        "spread": spread,
        "calls": needed,
        "more_calls": nan if isnan(needed) else max(0, needed - len(differences)),
    }


def plan_means(differences: NDArray[np.float64], difference: float, power: float, alpha: float) -> tuple[float, float]:
    """Return the standard deviation of differences and the calls by which a mean difference is found."""
    spread, freedom = find_spread(differences), len(differences) - 1.0
    if not spread > 0:
        return spread, nan
    errors = find_quantile(freedom, 1 - alpha / 2) + find_quantile(freedom, power)
    return spread, (errors * spread / difference) ** 2


def plan_shares(differences: NDArray[np.float64], difference: float, power: float, alpha: float) -> tuple[float, float]:
    """Return the share of calls that changed and the calls by which a difference of shares is found."""
    if len(differences) < 2:
        return nan, nan
    changed = int((differences != 0).sum())
    # One more, since a pilot may have none of the rare calls that change.
    expected = (changed + 1) / (len(differences) + 1)
    return changed / len(differences), plan_share(expected, difference, alpha, power)
