"""Judged metrics: what a judge says of all calls, corrected by what people say of some, picked at random.

The estimate is that of prediction-powered inference with power tuning (Angelopoulos, Duchi and Zrnic 2023, "PPI++"),
which is the regression estimator of double sampling (Cochran 1977, "Sampling Techniques", section 12.6): where the
judge follows people the interval is narrower than that of the ratings alone, and where it does not, it is as wide.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from math import nan, sqrt
from typing import TYPE_CHECKING, Any, NamedTuple

import narwhals as nw

from analysis.comparison.clusters import count_clusters
from analysis.comparison.estimate import Estimate
from analysis.comparison.means import find_detectable, find_noise, find_p, find_quantile
from analysis.comparison.shares import estimate_share

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FEW_RATED = 100  # calls; with fewer the interval of rare findings holds the truth in 81 to 88 % of cases
METHOD = "ratings and judge"


class Values(NamedTuple):
    """What people and the judge say of two variants, call by call; NaN where they say nothing."""

    ours: NDArray[np.float64]
    theirs: NDArray[np.float64]
    ours_judged: NDArray[np.float64]
    theirs_judged: NDArray[np.float64]

    @property
    def is_judged(self) -> NDArray[np.bool_]:
        """Whether the judge has said something of both."""
        import numpy as np

        known: NDArray[np.bool_] = ~np.isnan(self.ours_judged - self.theirs_judged)
        return known

    @property
    def is_rated(self) -> NDArray[np.bool_]:
        """Whether people and the judge have."""
        import numpy as np

        known: NDArray[np.bool_] = self.is_judged & ~np.isnan(self.ours - self.theirs)
        return known


class Correction(NamedTuple):
    """A difference by people and judge together: its estimate, both means, and the slope of people on the judge."""

    estimate: Estimate
    value: float
    baseline_value: float
    slope: float


def correct(values: Values, clusters: NDArray[np.int64] | None, alpha: float) -> Correction:
    """Correct the mean difference that a judge sees by that of the calls that people rated.

    Notes
    -----
    The slope is the covariance of both over the rated calls by the variance of the judge over all, and 0 where it would
    be negative: then the judge is not used. Student's t has two degrees of freedom fewer than there are rated calls.
    Below `FEW_RATED` of these there is a difference and no interval.
    """
    judged, rated = values.is_judged, values.is_rated
    clusters = None if clusters is None else clusters[judged]
    rated = rated[judged]
    ours, theirs, ours_judged, theirs_judged = (each[judged] for each in values)
    if not rated.any():
        return Correction(Estimate(nan, nan, nan, nan, METHOD, lambda _: nan), nan, nan, nan)
    people, judge = (ours - theirs)[rated], ours_judged - theirs_judged
    slope = find_slope(people, judge, rated)
    means = [
        slope * float(by_judge.mean()) + float((by_people - slope * by_judge)[rated].mean())
        for by_people, by_judge in ((ours, ours_judged), (theirs, theirs_judged))
    ]
    difference = means[0] - means[1]
    difference = 0.0 if abs(difference) <= find_noise(*means) else difference
    if len(people) < FEW_RATED:
        return Correction(Estimate(difference, nan, nan, nan, METHOD, lambda _: nan), means[0], means[1], slope)
    error, freedom = find_corrected_error(people, judge, rated, slope, clusters)
    if error <= find_noise(*means) and not rated.all():
        units = len(people) if clusters is None else count_clusters(clusters[rated])
        return Correction(estimate_constant(people, judge, units, alpha), means[0], means[1], slope)
    reach = find_quantile(freedom, 1 - alpha / 2) * error
    p, detect = find_p(difference, error, freedom, 0.0), partial(find_detectable, error, freedom)
    estimate = Estimate(difference, difference - reach, difference + reach, p, METHOD, detect)
    return Correction(estimate, means[0], means[1], slope)


def estimate_constant(people: NDArray[np.float64], judge: NDArray[np.float64], units: int, alpha: float) -> Estimate:
    """Estimate a difference that did not vary at all over the rated calls: the others may well differ.

    It is taken for a share of the largest difference that was seen, by people or judge, with Tango's interval.
    """
    largest, difference = float(max(abs(people).max(), abs(judge).max())), float(people.mean())
    if largest == 0:
        return Estimate(0.0, 0.0, 0.0, 1.0, METHOD, lambda _: 0.0)
    gained, lost = (units * max(0.0, sign * difference) / largest for sign in (1, -1))
    share = estimate_share(gained, lost, units, alpha)
    return replace(
        share,
        difference=difference,
        low=share.low * largest,
        high=share.high * largest,
        method=METHOD,
        find_detectable=lambda chance: largest * share.find_detectable(chance),
    )


def find_slope(people: NDArray[np.float64], judge: NDArray[np.float64], rated: NDArray[np.bool_]) -> float:
    """Find how much the difference by people rises with that by the judge; 0 where it does not."""
    spread = float(judge.var(ddof=1)) if len(judge) > 1 else 0.0
    if len(people) < 3 or not spread > 0:
        return 0.0
    own = judge[rated]
    covariance = float(((people - people.mean()) * (own - own.mean())).sum()) / (len(people) - 1)
    return max(0.0, covariance / spread)


def find_corrected_error(
    people: NDArray[np.float64],
    judge: NDArray[np.float64],
    rated: NDArray[np.bool_],
    slope: float,
    clusters: NDArray[np.int64] | None,
) -> tuple[float, float]:
    """Find the standard error of a corrected difference, and its degrees of freedom.

    Where calls are independent, it is that of double sampling: the ratings' own variance over all calls, and that of
    what the judge does not explain over the rated ones.
    """
    left = people - slope * judge[rated]
    left = left - left.mean()
    share, freedom = rated.mean(), len(people) - 2.0
    if clusters is None:
        unexplained = float((left * left).sum()) / freedom
        variance = unexplained / len(people) * (1 - share) + float(people.var(ddof=1)) / len(judge)
        return sqrt(variance), freedom
    return find_clustered_error(left, judge, rated, slope, clusters)


def find_clustered_error(
    left: NDArray[np.float64],
    judge: NDArray[np.float64],
    rated: NDArray[np.bool_],
    slope: float,
    clusters: NDArray[np.int64],
) -> tuple[float, float]:
    """Find the jackknife's error (CR3) of a corrected difference: each cluster is left out with its ratings.

    Degrees of freedom are those of the ratings, by their shares in clusters, as in `find_error`.
    """
    import numpy as np

    sizes = np.bincount(clusters)
    own = np.bincount(clusters[rated], minlength=len(sizes))
    known = sizes > 0
    if known.sum() < 2 or own.max() == len(left):
        return nan, 0.0
    by_judge = np.bincount(clusters, weights=judge - judge.mean()) / (len(judge) - sizes)
    by_people = np.bincount(clusters[rated], weights=left, minlength=len(sizes)) / (len(left) - own)
    shifts = (slope * by_judge + by_people)[known]
    variance = (len(shifts) - 1) / len(shifts) * float((shifts**2).sum())
    freedom = 1 / float(((own / len(left)) ** 2).sum()) - 1
    return sqrt(variance), min(freedom, len(left) - 2.0)


def count_rated(values: Values) -> dict[str, Any]:
    """Count the calls that are rated and judged, and those that people rated of one variant alone or nobody judged."""
    import numpy as np

    touched = ~np.isnan(values.ours) | ~np.isnan(values.theirs)
    rated = values.is_rated
    return {"calls": int(rated.sum()), "unpaired_calls": int((touched & ~rated).sum())}


def count_rated_calls(frame: nw.DataFrame[Any], name: str) -> int:
    """Count the calls that people rated, of one variant at least."""
    return int(frame.filter(~nw.col(name).is_null())["call_id"].n_unique())
