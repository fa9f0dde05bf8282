"""Correction: what a judge says of all answers beside what people say of some, and both together."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan
from typing import Any

import narwhals as nw
import polars as pl
from narwhals.typing import IntoDataFrame, IntoDataFrameT

from analysis.columns import FRACTION, TEXT, WHOLE, read_columns
from analysis.comparison.call_values import read_call_values
from analysis.comparison.judged import Values, correct
from analysis.comparison.means import find_quantile, find_spread
from analysis.comparison.metric import JUDGED
from analysis.comparison.pairs import list_pairs
from analysis.comparison.rows import make_frame
from analysis.comparison.variants import check_confidence
from analysis.errors import AnalysisError, show_names
from analysis.judging.verdicts import PAIR, SCORE, VERDICTS
from analysis.metrics.json_answers import append

RANDOM, TIE = "random", "tie"
KEYS = ["call_id", "variant", "sample"]
ADDED = ("judge_score", "judge_wins", "rated_score", "rated_wins")
OF_VERDICTS = ("call_id", "variant", "sample", "kind", "score", "other_variant", "wins", "judge")
OF_RATINGS = ("call_id", "variant", "sample", "rater", "kind", "score", "other_variant", "preferred", "picked")
TEXTS = ("call_id", "variant", "kind", "other_variant", "preferred", "judge", "rater")
NUMBERS = ("score", "wins")
CORRECTED = {
    "metric": TEXT,
    "variant": TEXT,
    "baseline": TEXT,
    "judged_calls": WHOLE,
    "rated_calls": WHOLE,
    "judge_difference": FRACTION,
    "rated_difference": FRACTION,
    "rated_low": FRACTION,
    "rated_high": FRACTION,
    "difference": FRACTION,
    "low": FRACTION,
    "high": FRACTION,
    "slope": FRACTION,
    "worth": WHOLE,
}


def add_verdicts(
    measured: IntoDataFrameT, verdicts: IntoDataFrame, ratings: IntoDataFrame | None = None, *, baseline: str = ""
) -> IntoDataFrameT:
    """Add what a judge and people say of answers, so that `compare_variants` takes both together.

    Parameters
    ----------
    measured
        One row per answer: `call_id`, `variant` and, where it is there, `sample` are read.
    verdicts
        From `read_verdicts`, of one judge, or of one for pairs and one for scores.
    ratings
        One row per rating, from `load_ratings`. Only those picked at random count: what was picked because variants
        disagree estimates nothing.
    baseline
        The variant that others were paired with, where several or none are in all pairs; of two, by default the first
        by name.

    Returns
    -------
    frame
        The rows of `measured` in their order, and last:

        - `judge_score`: the mean score by the judge;
        - `judge_wins`: the share of the judge's verdicts that prefer this answer to that of the baseline, a tie being
          half; the baseline's own answers have 0.5 where one was paired with them;
        - `rated_score`, `rated_wins`: the same by people, of the answers that they rated.

        Missing where nothing was said; with several verdicts or ratings of an answer their mean.

    Raises
    ------
    AnalysisError
        Verdicts of one kind are of several judges, or no variant is in all pairs.
    ColumnError
        A column is missing.

    Examples
    --------
    Compare scores by people and judge: `Metric("rated_score", judged_by="judge_score")`; `choose_metrics` does.
    """
    frame = read_columns(measured, ("call_id", "variant"), of="measured")
    said, rated = read_said(verdicts), read_rated(ratings)
    base = find_baseline(said, baseline)
    added = read_keys(frame)
    for name, table in (("judge", said), ("rated", rated)):
        scores = average(table.filter(kind=SCORE), "score", f"{name}_score")
        wins = average(orient(table.filter(kind=PAIR), base), "wins", f"{name}_wins")
        added = added.join(scores, on=KEYS, how="left", maintain_order="left")
        added = added.join(wins, on=KEYS, how="left", maintain_order="left")
    return append(frame.drop(*(name for name in ADDED if name in frame.columns)), added.select(ADDED))


def read_keys(frame: nw.DataFrame[Any]) -> pl.DataFrame:
    """Read whose answer each row is; without a column of samples, each is the first."""
    table = frame.select(*(name for name in KEYS if name in frame.columns)).to_polars()
    sample = pl.col("sample") if "sample" in table.columns else pl.lit(1)
    return table.with_columns(pl.col("call_id", "variant").cast(pl.String), sample.cast(pl.Int16).alias("sample"))


def read_said(verdicts: IntoDataFrame) -> pl.DataFrame:
    """Read the verdicts of one judge of each kind."""
    table = read_table(verdicts, OF_VERDICTS, "verdicts")
    of_kind = table.drop_nulls("judge").group_by("kind").agg(pl.col("judge").unique().sort()).sort("kind")
    several: list[list[str]] = of_kind.filter(pl.col("judge").list.len() > 1)["judge"].to_list()
    if several:
        judges = several[0]
        cure = f"take one: verdicts.filter(judge={judges[0]!r})"
        raise AnalysisError("verdicts", f"they are of {len(judges)} judges, {show_names(judges, most=5)}", cure)
    return table


def read_rated(ratings: IntoDataFrame | None) -> pl.DataFrame:
    """Read the ratings of answers that were picked at random, those of pairs as what each of the two wins."""
    if ratings is None:
        return pl.DataFrame(schema={name: dtype for name, dtype in VERDICTS.items() if name in OF_VERDICTS})
    table = read_table(ratings, OF_RATINGS, "ratings").filter(pl.col("picked") == RANDOM)
    won = pl.when(pl.col("preferred") == pl.col("variant")).then(1.0).when(pl.col("preferred") == TIE).then(0.5)
    won = won.when(pl.col("preferred") == pl.col("other_variant")).then(0.0)
    table = table.with_columns(won.alias("wins"))
    turned = table.filter(kind=PAIR).with_columns(
        variant=pl.col("other_variant"), other_variant=pl.col("variant"), wins=1 - pl.col("wins")
    )
    return pl.concat([table, turned])


def read_table(frame: IntoDataFrame, names: Sequence[str], of: str) -> pl.DataFrame:
    """Read columns of verdicts or ratings, with one type for keys."""
    table = read_columns(frame, names, of=of).select(*names).to_polars()
    texts = [
        name for name in ("call_id", "variant", "kind", "other_variant", "preferred", "judge", "rater") if name in names
    ]
    numbers = [name for name in ("score", "wins") if name in names]
    return table.with_columns(
        pl.col(texts).cast(pl.String), pl.col("sample").cast(pl.Int16), pl.col(numbers).cast(pl.Float64).fill_nan(None)
    )


def find_baseline(said: pl.DataFrame, baseline: str) -> str:
    """Find the variant that all others were paired with; empty without pairs."""
    pairs = {frozenset(names) for names in said.filter(kind=PAIR).select("variant", "other_variant").rows()}
    if not pairs:
        return ""
    common: list[str] = sorted(frozenset.intersection(*pairs))
    if common:
        return baseline if baseline in common else common[0]
    if any(baseline in pair for pair in pairs):
        return baseline
    cure = "give baseline, the variant that all others were paired with"
    raise AnalysisError("verdicts", "no variant is in all pairs", cure)


def orient(pairs: pl.DataFrame, baseline: str) -> pl.DataFrame:
    """Keep what each variant wins against the baseline, and give the baseline one half where it was compared."""
    against = pairs.filter(pl.col("other_variant") == baseline)
    own = against.filter(pl.col("wins").is_not_null()).with_columns(
        pl.lit(baseline, pl.String).alias("variant"), pl.lit(0.5).alias("wins")
    )
    return pl.concat([against, own])


def average(table: pl.DataFrame, name: str, added: str) -> pl.DataFrame:
    """Average the values of each answer."""
    known = table.filter(pl.col(name).is_not_null())
    return known.group_by(KEYS).agg(pl.col(name).mean().alias(added))


def correct_scores(
    verdicts: IntoDataFrameT, ratings: IntoDataFrame, *, baseline: str | None = None, confidence: float = 0.95
) -> IntoDataFrameT:
    """Correct what a judge says of all answers by what people say of some: what each adds to a difference.

    Parameters
    ----------
    verdicts
        From `read_verdicts`, of one judge, or of one for pairs and one for scores.
    ratings
        One row per rating, from `load_ratings`; only those picked at random count.
    baseline
        The variant that all others are compared with; every pair is where it is left out.
    confidence
        Of each interval.

    Returns
    -------
    frame
        One row per metric (`rated_score`, `rated_wins`) and pair that there are verdicts of:

        - `metric`, `variant`, `baseline`;
        - `judged_calls` that the judge said something of, `rated_calls` of these that people rated too;
        - `judge_difference`: by the judge alone, over all calls, which may be wrong by any amount;
        - `rated_difference`, `rated_low`, `rated_high`: by the ratings alone;
        - `difference`, `low`, `high`: by both, as `compare_variants` takes it;
        - `slope`: how much people's difference rises with the judge's, 0 where the judge is of no use;
        - `worth`: so many ratings alone would give as narrow an interval.

        Intervals and `worth` are missing below 100 rated calls; everything by people where they rated nothing.

    Raises
    ------
    AnalysisError
        Verdicts of one kind are of several judges, or there is no such baseline.
    """
    check_confidence(confidence)
    frame, said = read_columns(verdicts, OF_VERDICTS, of="verdicts"), read_said(verdicts)
    answers = said.select(KEYS).unique(maintain_order=True)
    measured = add_verdicts(answers, said, ratings, baseline=baseline or "")
    values = read_call_values(measured, ADDED)
    rows = []
    for metric, judged_by in JUDGED.items():
        for variant, base in list_pairs(values.variants, baseline):
            seen = Values(*(values.select(name, each) for name in (metric, judged_by) for each in (variant, base)))
            if seen.is_judged.any():
                names = {"metric": metric, "variant": variant, "baseline": base}
                rows.append(names | describe_correction(seen, round(1 - confidence, 12)))
    return make_frame(rows, CORRECTED, like=frame)


def describe_correction(seen: Values, alpha: float) -> dict[str, Any]:
    """Describe a difference by the judge, by people, and by both."""
    found = correct(seen, None, alpha)
    people, judge = (seen.ours - seen.theirs)[seen.is_rated], (seen.ours_judged - seen.theirs_judged)[seen.is_judged]
    estimate, calls = found.estimate, len(people)
    reach = find_quantile(calls - 1.0, 1 - alpha / 2) * find_spread(people) / calls**0.5 if calls > 1 else nan
    own = float(people.mean()) if calls else nan
    has_interval = estimate.high > estimate.low
    reach = reach if has_interval else nan
    return {
        "judged_calls": len(judge),
        "rated_calls": calls,
        "judge_difference": float(judge.mean()),
        "rated_difference": own,
        "rated_low": own - reach,
        "rated_high": own + reach,
        "difference": estimate.difference,
        "low": estimate.low,
        "high": estimate.high,
        "slope": found.slope,
        "worth": round((2 * reach / (estimate.high - estimate.low)) ** 2 * calls) if has_interval else nan,
    }
