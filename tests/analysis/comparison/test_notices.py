import warnings

import polars as pl
import pytest

from analysis import Metric, compare_variants
from analysis.comparison.call_values import read_call_values
from analysis.comparison.notices import find_notices
from analysis.errors import ComparisonNotice

SCORE = Metric("score")


def notices_of(frame, metrics=SCORE, cluster=None):
    return find_notices(frame, metrics, read_call_values(frame, ["score"], cluster=cluster))


@pytest.fixture
def scores(measure):
    return measure(a=[1.0, 2.0, 3.0, 4.0], b=[1.0, 3.0, 2.0, 4.0])


def test_a_direction_that_nobody_gave_is_noticed(scores):
    with pytest.warns(ComparisonNotice, match="Higher is taken to be better of score, words"):
        compare_variants(scores.with_columns(words=1), ["score", "words"])


def test_a_notice_points_to_the_caller(scores):
    with pytest.warns(ComparisonNotice) as caught:
        compare_variants(scores, "score")
    assert caught[0].filename == __file__


@pytest.mark.parametrize("metrics", ["cost_usd", "output_tokens", "answered", Metric("score", better="lower")])
def test_a_direction_that_is_known_is_not_noticed(scores, metrics):
    assert notices_of(scores, metrics) == []


@pytest.mark.parametrize("name", ["agent", "agent_id", "customer_id", "Customer", "sales_team", "store_id"])
def test_a_column_that_looks_like_a_cluster_and_is_not_used_is_noticed(kind, scores, name):
    some = kind.make(scores.with_columns(pl.Series(name, ["x", "x", "y", None] * 2)))
    (sentence,) = notices_of(some)
    assert f"{name} looks like a cluster: 2 of them have 4 calls" in sentence
    assert f"pass cluster={name!r}" in sentence


def test_a_cluster_that_is_used_is_not_noticed(scores):
    assert notices_of(scores.with_columns(agent=pl.Series(["x", "y"] * 4)), cluster="agent") == []


@pytest.mark.parametrize("name", ["model_id", "job_id", "topic", "reagent_note"])
def test_a_column_with_another_name_is_no_cluster(scores, name):
    assert notices_of(scores.with_columns(pl.Series(name, ["x", "y"] * 4))) == []


@pytest.mark.parametrize("values", [["x"] * 8, ["1", "2", "3", "4"] * 2])
def test_one_agent_or_one_for_each_call_is_no_cluster(scores, values):
    assert notices_of(scores.with_columns(agent=pl.Series(values))) == []


def test_calls_in_no_cluster_are_noticed(kind, scores):
    some = kind.make(scores.with_columns(agent=pl.Series(["x", "y", None, "y"] * 2)))
    assert notices_of(some, cluster="agent") == ["2 answers without agent are taken as one cluster."]


def test_answers_that_have_not_come_back_are_noticed(kind, scores):
    some = kind.make(scores.with_columns(error_kind=pl.Series(["missing", *[None] * 6, "service"])))
    (sentence,) = notices_of(some)
    assert sentence.startswith("1 answer of 8 is missing: where the job still runs, what came first is no random")


def test_calls_without_a_row_are_noticed_by_variant(kind, scores):
    (sentence,) = notices_of(kind.make(scores.filter((pl.col("call_id") != "c00001") | (pl.col("variant") == "a"))))
    assert sentence.startswith("Calls without a row (1 of b; 4 in all) are left out: where they failed, keep")


def test_truncated_answers_are_noticed_by_variant(kind, scores):
    some = kind.make(scores.with_columns(stop=pl.Series(["end", "length", None, "end", *["end"] * 4])))
    (sentence,) = notices_of(some)
    assert "(25.0 % of a)" in sentence


def test_truncation_that_is_compared_itself_is_not_noticed(scores):
    some = scores.with_columns(stop=pl.lit("length"), truncated=True)
    assert notices_of(some, [SCORE, Metric("truncated", better="lower")]) == []


def test_calls_picked_for_disagreement_are_noticed(kind, scores):
    some = kind.make(scores.with_columns(picked=pl.Series(["random", "disagreement"] * 4)))
    (sentence,) = notices_of(some)
    assert sentence.startswith("4 rows were picked for disagreement")


def test_what_the_run_paid_is_not_what_answers_are_worth(scores):
    (sentence,) = notices_of(scores.with_columns(price_usd=1.0, cost_usd=0.0), "cost_usd")
    assert sentence.endswith("compare price_usd.")


def test_no_rows_and_columns_of_no_dtype_are_not_noticed(scores):
    empty = scores.with_columns(error_kind=None, stop=None, agent=None, picked=None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert notices_of(empty.clear()) == []
        assert notices_of(empty.drop("agent").to_pandas()) == []
