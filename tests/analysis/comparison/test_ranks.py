import polars as pl
import pytest

from analysis import Metric, compare_variants, rank_variants
from analysis.errors import ColumnError

RANKS = {"metric": pl.String, "variant": pl.String, "value": pl.Float64, "rank_low": pl.Int64, "rank_high": pl.Int64}
ROWS = {
    "metric": pl.String,
    "variant": pl.String,
    "baseline": pl.String,
    "calls": pl.Int64,
    "value": pl.Float64,
    "baseline_value": pl.Float64,
    "verdict": pl.String,
}


def rows(*some):
    return pl.DataFrame(some, ROWS, orient="row")


def test_a_variant_that_beats_all_is_first_and_those_that_cannot_be_told_apart_are_tied(kind):
    some = rows(
        ("kept", "b", "a", 10, 0.5, 0.6, "undecided"),
        ("kept", "c", "a", 10, 0.9, 0.6, "better"),
        ("kept", "c", "b", 10, 0.9, 0.5, "better"),
    )
    wanted = [("kept", "c", 0.9, 1, 1), ("kept", "a", 0.6, 2, 3), ("kept", "b", 0.5, 2, 3)]
    kind.check(rank_variants(kind.make(some)), wanted, RANKS)


def test_ranks_may_overlap():
    # b beats c, and a cannot be told from either.
    some = rows(
        ("kept", "b", "a", 10, 0.7, 0.6, "not_worse"),
        ("kept", "c", "a", 10, 0.5, 0.6, "equivalent"),
        ("kept", "c", "b", 10, 0.5, 0.7, "worse"),
    )
    ranks = rank_variants(some).select("variant", "rank_low", "rank_high").rows()
    assert ranks == [("b", 1, 2), ("a", 1, 3), ("c", 2, 3)]


def test_metrics_keep_their_order_and_are_ranked_apart():
    some = rows(("words", "b", "a", 10, 0.7, 0.6, "worse"), ("kept", "b", "a", 10, 0.5, 0.6, "better"))
    ranks = rank_variants(some).select("metric", "variant", "rank_low").rows()
    assert ranks == [("words", "a", 1), ("words", "b", 2), ("kept", "b", 1), ("kept", "a", 2)]


def test_the_value_is_that_of_the_pair_with_the_most_calls():
    some = rows(("kept", "b", "a", 10, 0.7, 0.6, "worse"), ("kept", "c", "a", 12, 0.5, 0.65, "worse"))
    values = dict(rank_variants(some).select("variant", "value").iter_rows())
    assert values == {"a": 0.65, "b": 0.7, "c": 0.5}


def test_of_no_comparisons_there_are_no_ranks(kind):
    kind.check(rank_variants(kind.make(rows())), [], RANKS)


def test_what_was_compared_can_be_ranked(kind, measure):
    some = measure(a=[1.0] * 200, b=[2.0] * 200, c=[3.0] * 200)
    ranked = rank_variants(compare_variants(kind.make(some), Metric("score")))
    kind.check(ranked, [("score", "c", 3.0, 1, 1), ("score", "b", 2.0, 2, 2), ("score", "a", 1.0, 3, 3)], RANKS)


def test_a_missing_column_is_named():
    with pytest.raises(ColumnError, match="comparisons: no column 'verdict'"):
        rank_variants(rows().drop("verdict"))
