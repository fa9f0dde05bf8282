"""Agreement: how far a judge and people say the same, and how far people do among themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations
from math import exp, log, nan, sqrt
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl
from narwhals.typing import IntoDataFrame, IntoDataFrameT

from analysis.columns import FRACTION, TEXT, WHOLE, read_columns
from analysis.comparison.means import MOST_EXPONENT, find_quantile
from analysis.comparison.rows import make_frame
from analysis.judging.correction import OF_VERDICTS, read_rated, read_said
from analysis.judging.verdicts import PAIR, SCORE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ALPHA = 0.05
AGREEMENT = {
    "kind": TEXT,
    "between": TEXT,
    "statistic": TEXT,
    "value": FRACTION,
    "low": FRACTION,
    "high": FRACTION,
    "same": FRACTION,
    "pairs": WHOLE,
    "calls": WHOLE,
    "raters": WHOLE,
}
JUDGE_AND_PEOPLE, PEOPLE = "judge and people", "people"
KAPPA, ALPHA_NAME = "weighted kappa", "Krippendorff's alpha"
ITEM = ["call_id", "sample", "variant", "other_variant"]
FEWEST_CALLS = 2


class Pairs(NamedTuple):
    """What two raters say of the same answers: two values each, the call, and the weight of the pair."""

    one: NDArray[np.float64]
    other: NDArray[np.float64]
    calls: NDArray[np.int64]
    weights: NDArray[np.float64]


def measure_agreement(verdicts: IntoDataFrameT, ratings: IntoDataFrame) -> IntoDataFrameT:
    """Measure how far a judge agrees with people, and people among themselves, which no judge can exceed by much.

    Parameters
    ----------
    verdicts
        From `read_verdicts`, of one judge, or of one for pairs and one for scores.
    ratings
        One row per rating, from `load_ratings`. Those picked for disagreement are left out: they are the hard ones.

    Returns
    -------
    frame
        Two rows for each kind of verdicts and ratings, `score` or `pair`, and each of `judge and people` and `people`
        (where an answer has ratings of two people):

        - `kind`, `between`, `statistic`: `weighted kappa`, with quadratic weights, or `Krippendorff's alpha`, of the
          interval metric. Both are 1 where all agree, and 0 where they agree as by chance;
        - `value` with `low` and `high`, its 95 % interval over calls;
        - `same`: the share of pairs that say just the same;
        - `pairs` of a verdict and a rating, or of two ratings of one answer; `calls` that these are of; `raters`.

        Of pairs of answers, what is compared is the preference: the one, a tie, the other. Missing: values where one
        side never varies, intervals of fewer than two calls or without any disagreement.

    Raises
    ------
    AnalysisError
        Verdicts of one kind are of several judges.
    ColumnError
        A column is missing.

    Notes
    -----
    Kappa with quadratic weights is 1 - E(x - y)² / (var x + var y + (mean x - mean y)²), and needs no categories
    (Cohen 1968, Psychological Bulletin 70, 213-220; Fleiss and Cohen 1973). Of several people, pairs of all of them are
    taken together. Intervals are by the jackknife over calls, on the logarithm of 1 - value.
    """
    frame = read_columns(verdicts, OF_VERDICTS, of="verdicts")
    said = to_values(read_said(verdicts)).group_by("kind", *ITEM).agg(pl.col("value").mean(), pl.lit("").alias("rater"))
    rated = to_values(read_rated(ratings)).group_by("kind", *ITEM, "rater").agg(pl.col("value").mean())
    rows = [row for kind in (SCORE, PAIR) for row in compare_kind(said.filter(kind=kind), rated.filter(kind=kind))]
    return make_frame(rows, AGREEMENT, like=frame)


def to_values(table: pl.DataFrame) -> pl.DataFrame:
    """Give scores and preferences one column of values; of a pair, which has two rows, that of the first by name."""
    is_turned = ((pl.col("kind") == PAIR) & (pl.col("variant") > pl.col("other_variant"))).fill_null(value=False)
    rater = [pl.col("rater")] if "rater" in table.columns else []
    value = pl.when(pl.col("kind") == PAIR).then("wins").otherwise("score")
    kept = table.select("kind", *ITEM, *rater, value.alias("value")).filter(pl.col("value").is_not_null())
    return kept.filter(~is_turned)


def compare_kind(said: pl.DataFrame, rated: pl.DataFrame) -> Iterator[dict[str, Any]]:
    """Yield the rows of one kind: judge and people, then people."""
    both = rated.join(said.drop("rater"), on=ITEM, nulls_equal=True, suffix="_judge", maintain_order="left")
    both = both.select(*ITEM, "rater", one="value_judge", other="value").with_columns(weight=1.0)
    yield from describe(both, JUDGE_AND_PEOPLE, both["rater"].n_unique())
    people = pair_people(rated)
    raters = {*people["rater"], *people["rater_other"]}
    yield from describe(people, PEOPLE, len(raters))


def pair_people(rated: pl.DataFrame) -> pl.DataFrame:
    """Pair the ratings of one answer by different people, each pair once; of many they weigh as much as raters - 1."""
    rows = []
    for item, group in rated.sort(*ITEM, "rater").group_by(ITEM, maintain_order=True):
        ratings = group.select("rater", "value").rows()
        weight = 1 / (len(ratings) - 1) if len(ratings) > 1 else nan
        rows += [(*item, a[0], b[0], a[1], b[1], weight) for a, b in combinations(ratings, 2)]
    schema = {name: rated.schema[name] for name in (*ITEM, "rater")} | {"rater_other": pl.String}
    return pl.DataFrame(rows, schema=schema | dict.fromkeys(("one", "other", "weight"), pl.Float64), orient="row")


def describe(table: pl.DataFrame, between: str, raters: int) -> Iterator[dict[str, Any]]:
    """Yield both statistics of pairs of ratings; nothing where there are none."""
    if table.is_empty():
        return
    calls = table["call_id"].rank("dense").cast(pl.Int64) - 1
    values = [table[name].to_numpy() for name in ("one", "other", "weight")]
    pairs = Pairs(values[0], values[1], calls.to_numpy(), values[2])
    shared = {
        "kind": SCORE if table["other_variant"].null_count() else PAIR,
        "between": between,
        "same": float((pairs.one == pairs.other).mean()),
        "pairs": len(table),
        "calls": int(pairs.calls.max()) + 1,
        "raters": raters,
    }
    for statistic, find in ((KAPPA, find_kappa_parts), (ALPHA_NAME, find_alpha_parts)):
        value, low, high = estimate(pairs, find)
        yield shared | {"statistic": statistic, "value": value, "low": low, "high": high}


def estimate(pairs: Pairs, find: Callable[[NDArray[np.float64]], tuple[Any, Any]]) -> tuple[float, float, float]:
    """Estimate 1 - disagreement / that by chance, and its interval by leaving out one call after another."""
    import numpy as np

    by_call = sum_by_call(pairs)
    total = by_call.sum(axis=0)
    seen, chance = (float(each) for each in find(total))
    if not chance > 0:
        return nan, nan, nan
    if seen <= 0 or len(by_call) < FEWEST_CALLS:
        return 1 - seen / chance, nan, nan
    parts, by_chance = find(total - by_call)
    if (parts <= 0).any() or (by_chance <= 0).any():  # all disagreement is of one call
        return 1 - seen / chance, nan, nan
    logs = np.log(parts / by_chance)
    error = sqrt((len(logs) - 1) / len(logs) * float(((logs - logs.mean()) ** 2).sum()))
    reach, middle = find_quantile(len(logs) - 1.0, 1 - ALPHA / 2) * error, log(seen / chance)
    return 1 - exp(middle), 1 - exp(min(middle + reach, MOST_EXPONENT)), 1 - exp(middle - reach)


def sum_by_call(pairs: Pairs) -> NDArray[np.float64]:
    """Sum what the statistics need for each call: weights, values, squares, and squared differences."""
    import numpy as np

    one, other, weights = pairs.one, pairs.other, pairs.weights
    parts = (1, one, other, one**2, other**2, (one - other) ** 2)
    return np.stack([np.bincount(pairs.calls, weights=weights * part) for part in parts], axis=1)


def find_kappa_parts(sums: NDArray[np.float64]) -> tuple[Any, Any]:
    """Find the mean squared difference, and the one to be expected of raters who know nothing of each other."""
    weight, one, other, squares, other_squares, differences = sums.T
    means = one / weight, other / weight
    spread = squares / weight - means[0] ** 2 + other_squares / weight - means[1] ** 2
    return differences / weight, spread + (means[0] - means[1]) ** 2


def find_alpha_parts(sums: NDArray[np.float64]) -> tuple[Any, Any]:
    """Find Krippendorff's observed and expected disagreement, of the interval metric."""
    weight, one, other, squares, other_squares, differences = sums.T
    values = 2 * weight
    mean = (one + other) / values
    return differences / weight, 2 * ((squares + other_squares) / values - mean**2) * values / (values - 1)
