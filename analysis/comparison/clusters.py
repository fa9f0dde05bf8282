"""Clusters: the standard error of a mean over calls that are alike within an agent or customer."""

from __future__ import annotations

from math import nan, sqrt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FEW_CLUSTERS = 5


def find_error(values: NDArray[np.float64], clusters: NDArray[np.int64] | None = None) -> tuple[float, float]:
    """Find the standard error of a mean and its degrees of freedom.

    Returns
    -------
    error, freedom
        NaN and 0 of a single value or cluster, whose spread is not known.

    Notes
    -----
    With clusters the error is that of the jackknife over them, CR3 (Bell and McCaffrey 2002; CV3 in MacKinnon, Nielsen
    and Webb 2023), with 1 / sum(w²) - 1 degrees of freedom, w the share of calls in a cluster. Of clusters of one call
    each, both are those of the paired t test.
    """
    count = len(values)
    if clusters is None:
        return (sqrt(float(values.var(ddof=1)) / count), count - 1.0) if count > 1 else (nan, 0.0)
    sizes, excesses = sum_clusters(values, clusters)
    if len(sizes) < 2:
        return nan, 0.0
    # What leaving out a cluster changes the mean by.
    shifts = excesses / (count - sizes)
    variance = (len(sizes) - 1) / len(sizes) * float((shifts**2).sum())
    return sqrt(variance), 1 / float(((sizes / count) ** 2).sum()) - 1


def sum_clusters(
    values: NDArray[np.float64], clusters: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Count the calls of each cluster, and sum by how much their values exceed the mean."""
    import numpy as np

    sizes = np.bincount(clusters)
    excesses = np.bincount(clusters, weights=values - values.mean())
    return sizes[sizes > 0].astype(np.float64), excesses[sizes > 0].astype(np.float64)


def count_clusters(clusters: NDArray[np.int64]) -> int:
    """Count the distinct clusters."""
    import numpy as np

    return int((np.bincount(clusters) > 0).sum())


def find_design_effect(values: NDArray[np.float64], clusters: NDArray[np.int64] | None) -> float:
    """Find how many times as many clustered calls are needed as independent ones; 1 where it is not known."""
    if clusters is None:
        return 1.0
    clustered, alone = find_error(values, clusters)[0], find_error(values)[0]
    return (clustered / alone) ** 2 if clustered > 0 and alone > 0 else 1.0
