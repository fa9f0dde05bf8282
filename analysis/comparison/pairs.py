"""Pairs: two variants by one metric on the calls that both have."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import nan
from typing import TYPE_CHECKING, Any

from analysis.comparison.call_values import CallValues
from analysis.comparison.clusters import FEW_CLUSTERS, count_clusters
from analysis.comparison.estimate import Estimate
from analysis.comparison.judged import FEW_RATED, Values, correct, count_rated
from analysis.comparison.means import estimate_mean, find_noise
from analysis.comparison.metric import Metric
from analysis.comparison.shares import estimate_share
from analysis.errors import AnalysisError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NOTHING = Estimate(nan, nan, nan, nan, "no calls", lambda _: nan)


@dataclass(frozen=True)
class Pair:
    """One metric of two variants: what was counted on their calls, by the name of its column, and estimated."""

    metric: Metric
    counts: dict[str, Any]
    estimate: Estimate


def list_pairs(variants: list[str], baseline: str | None) -> list[tuple[str, str]]:
    """List pairs of variant and baseline; without a baseline every pair once, the one that is first by name as it.

    Raises
    ------
    AnalysisError
        There are variants, and the baseline is none of them.
    """
    if baseline is None:
        return [(late, early) for place, early in enumerate(variants) for late in variants[place + 1 :]]
    if variants and baseline not in variants:
        raise AnalysisError("baseline", f"no variant {baseline!r}", f"there are {', '.join(variants)}")
    return [(variant, baseline) for variant in variants if variant != baseline]


def compare_pair(values: CallValues, metric: Metric, variant: str, baseline: str, alpha: float) -> Pair:
    """Compare two variants by one metric, on the calls that both have."""
    import numpy as np

    if metric.judged_by is not None:
        return compare_judged(values, metric, variant, baseline, alpha)
    ours, theirs = (values.select(metric.name, name) for name in (variant, baseline))
    has_ours, has_theirs = ~np.isnan(ours), ~np.isnan(theirs)
    both = has_ours & has_theirs
    clusters = None if values.clusters is None else values.clusters[both]
    ours, theirs = ours[both], theirs[both]
    calls, groups = len(ours), None if clusters is None else count_clusters(clusters)
    means = (float(ours.mean()), float(theirs.mean())) if calls else (nan, nan)
    gains, noise = metric.sign * (ours - theirs), find_noise(*means)
    counts = {
        "metric": metric.name,
        "variant": variant,
        "baseline": baseline,
        "calls": calls,
        "unpaired_calls": int((has_ours ^ has_theirs).sum()),
        "clusters": groups,
        "value": means[0],
        "baseline_value": means[1],
        "better_calls": int((gains > noise).sum()),
        "worse_calls": int((gains < -noise).sum()),
        "few_calls": calls < metric.enough_calls or (groups is not None and groups < FEW_CLUSTERS),
    }
    kind = "share" if metric.name in values.shares else "mean"
    is_whole = kind == "share" and metric.name not in values.sampled
    estimate = NOTHING
    if calls:
        estimate = estimate_difference(ours, theirs, clusters, alpha, kind=kind, is_whole=is_whole)
    return Pair(metric, counts, name_method(estimate, kind, values.cluster, alpha))


def name_method(estimate: Estimate, kind: str, cluster: str | None, alpha: float) -> Estimate:
    """Return an estimate whose method says what was estimated, and with which confidence."""
    by = f" by {cluster}" if cluster else ""
    return replace(estimate, method=f"{kind}: {estimate.method}{by}, {100 * (1 - alpha):.6g} %")


def compare_judged(values: CallValues, metric: Metric, variant: str, baseline: str, alpha: float) -> Pair:
    """Compare two variants by what people say of some calls and a judge of all; counts are of rated calls."""
    names = [(name, each) for name in metric.columns for each in (variant, baseline)]
    seen = Values(*(values.select(*name) for name in names))
    rated = seen.is_rated
    groups = None if values.clusters is None else count_clusters(values.clusters[rated])
    found, gains = correct(seen, values.clusters, alpha), metric.sign * (seen.ours - seen.theirs)[rated]
    calls = int(rated.sum())
    counts = count_rated(seen) | {
        "metric": metric.name,
        "variant": variant,
        "baseline": baseline,
        "clusters": groups,
        "value": found.value,
        "baseline_value": found.baseline_value,
        "better_calls": int((gains > 0).sum()),
        "worse_calls": int((gains < 0).sum()),
        "few_calls": calls < FEW_RATED or (groups is not None and groups < FEW_CLUSTERS),
    }
    return Pair(metric, counts, name_method(found.estimate, "mean", values.cluster, alpha))


def estimate_difference(
    ours: NDArray[np.float64],
    theirs: NDArray[np.float64],
    clusters: NDArray[np.int64] | None,
    alpha: float,
    *,
    kind: str,
    is_whole: bool,
) -> Estimate:
    """Choose the method by what the column is and how calls were drawn, never by what the values look like."""
    if kind == "mean":
        return estimate_mean(ours, theirs, clusters, alpha)
    gained, lost = float((ours - theirs).clip(min=0).sum()), float((theirs - ours).clip(min=0).sum())
    if is_whole and clusters is None:
        return estimate_share(gained, lost, len(ours), alpha)
    estimate = estimate_mean(ours, theirs, clusters, alpha)
    if estimate.low != estimate.high:  # or neither is known
        low, high = max(estimate.low, -1.0), min(estimate.high, 1.0)
        return replace(estimate, low=low, high=high, ratio=nan, ratio_low=nan, ratio_high=nan)
    # Shares that did not vary at all say little of those that will: the units are taken for calls of their own.
    units = len(ours) if clusters is None else count_clusters(clusters)
    return estimate_share(gained / len(ours) * units, lost / len(ours) * units, units, alpha)
