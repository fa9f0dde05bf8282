"""Early looks: variants that need no further calls, found at a few looks that were planned before."""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING, Any

from narwhals.typing import IntoDataFrameT

from analysis.columns import FRACTION, TEXT, TRUTH, WHOLE, read_columns
from analysis.comparison.call_values import read_call_values
from analysis.comparison.metric import Metric, find_metric
from analysis.comparison.notices import find_notices, warn
from analysis.comparison.rows import make_frame
from analysis.comparison.variants import check_confidence, compare_values, find_gate
from analysis.comparison.verdicts import BETTER, WORSE
from analysis.errors import AnalysisError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LOOKS = {
    "metric": TEXT,
    "variant": TEXT,
    "look": WHOLE,
    "looks": WHOLE,
    "calls": WHOLE,
    "value": FRACTION,
    "beaten_by": TEXT,
    "is_dropped": TRUTH,
}


def drop_losers(
    measured: IntoDataFrameT,
    metric: str | Metric,
    *,
    look: int,
    looks: int = 3,
    cluster: str | None = None,
    confidence: float = 0.95,
) -> IntoDataFrameT:
    """Find which variants another beats at one of a few planned looks, so that they need no further calls.

    Parameters
    ----------
    measured
        All answers so far, one row per answer, on calls that were picked at random (`pick_calls`).
    metric
        The column that decides, or a `Metric`.
    look
        The number of this look, from 1.
    looks
        How many there will be at most, planned before the first: of 10,000 calls at 500, 1,500 and all, say.
    cluster, confidence
        As for `compare_variants`; the confidence is that of all looks together.

    Returns
    -------
    frame
        One row per variant, by name: `metric`, `variant`, `look`, `looks`, `calls` (with a value), `value` (their mean
        or share), `beaten_by` (variants that are better, by name; missing for none) and `is_dropped`.

    Raises
    ------
    AnalysisError
        `look` is not one of the looks.

    Notes
    -----
    Each look has its share of the chance of error, (1 - confidence) / looks, and Holm's correction over its pairs. So
    as many looks as were planned may be taken, and no more. What a running job gave back first is no random sample,
    and rerunning a notebook on more calls is a look.
    """
    if not 1 <= look <= looks:
        cure = "plan the number of looks before the first"
        raise AnalysisError("look", f"{look} is not one of {looks} planned looks", cure)
    check_confidence(confidence)
    found, frame = find_metric(metric), read_columns(measured, (), of="measured")
    gate = find_gate([found], frame.columns)
    names = [name for each in (*gate, found) for name in each.columns]
    values = read_call_values(measured, names, cluster=cluster)
    warn(find_notices(measured, metric, values))
    rows = compare_values(values, gate, [found], None, (1 - confidence) / looks)
    beaten = collect_beaten([row for row in rows if row["metric"] == found.name])
    dropped = [
        {"metric": found.name, "variant": variant, "look": look, "looks": looks}
        | summarize(values.select(found.name, variant))
        | {"beaten_by": ", ".join(sorted(beaten.get(variant, ()))) or None, "is_dropped": variant in beaten}
        for variant in values.variants
    ]
    return make_frame(dropped, LOOKS, like=frame)


def collect_beaten(rows: list[dict[str, Any]]) -> dict[str, set[str]]:
    """Collect the variants that another beats, with those that beat them."""
    beaten: dict[str, set[str]] = {}
    for row in rows:
        if row["verdict"] == BETTER:
            beaten.setdefault(row["baseline"], set()).add(row["variant"])
        elif row["verdict"] == WORSE:
            beaten.setdefault(row["variant"], set()).add(row["baseline"])
    return beaten


def summarize(values: NDArray[np.float64]) -> dict[str, float]:
    """Count the calls with a value, and average them."""
    import numpy as np

    known = values[~np.isnan(values)]
    return {"calls": len(known), "value": float(known.mean()) if len(known) else nan}
