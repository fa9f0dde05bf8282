from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest

from analysis.comparison.call_values import read_call_values
from analysis.errors import AnalysisError, ColumnError

NAN = float("nan")


def values_of(frame, name="score"):
    return read_call_values(frame, [name]).values[name].tolist()


@pytest.mark.parametrize(
    "scores",
    [
        pl.Series([1, None, 3, 4], dtype=pl.Int16),
        pl.Series([1, None, 3, 4], dtype=pl.UInt64),
        pl.Series([1, NAN, 3, 4], dtype=pl.Float32),
        pl.Series([Decimal("1.0"), None, Decimal("3.0"), Decimal("4.0")]),
    ],
)
def test_any_number_is_a_value_and_nan_is_none(measure, scores):
    some = measure(a=[0.0, 0.0], b=[0.0, 0.0]).with_columns(score=scores)
    np.testing.assert_array_equal(read_call_values(some, ["score"]).values["score"], [[1, NAN], [3, 4]])


@pytest.mark.parametrize("dtype", ["object", "boolean"])
def test_truths_of_pandas_with_missing_ones_are_shares(dtype):
    kept = pd.Series([True, None, False, True], dtype=dtype)
    some = pd.DataFrame({"call_id": ["c1", "c2"] * 2, "variant": ["a", "a", "b", "b"], "kept": kept})
    values = read_call_values(some, ["kept"])
    np.testing.assert_array_equal(values.values["kept"], [[1, NAN], [0, 1]])
    assert values.shares == {"kept"}


@pytest.mark.parametrize("dtype", ["object", "Int64", "float64"])
def test_numbers_of_pandas_with_missing_ones_are_means(dtype):
    scores = pd.Series([1, None, 3, 4], dtype=dtype)
    some = pd.DataFrame({"call_id": ["c1", "c2"] * 2, "variant": ["a", "a", "b", "b"], "score": scores})
    values = read_call_values(some, ["score"])
    np.testing.assert_array_equal(values.values["score"], [[1, NAN], [3, 4]])
    assert values.shares == set()


def test_a_column_without_any_value_is_all_missing():
    some = pd.DataFrame({"call_id": ["c1", "c1"], "variant": ["a", "b"], "score": pd.Series([None, None])})
    assert np.isnan(values_of(some)).all()


@pytest.mark.parametrize("dtype", [pl.Categorical, pl.Enum(["a", "b"])])
def test_variants_of_categories_are_sorted_by_name(measure, dtype):
    some = measure(b=[1.0], a=[2.0]).with_columns(pl.col("variant").cast(dtype))
    assert read_call_values(some, ["score"]).variants == ["a", "b"]


def test_ids_of_calls_may_be_numbers():
    some = pl.DataFrame({"call_id": [10, 2], "variant": ["a", "a"], "score": [1.0, 2.0]})
    assert values_of(some) == [[2.0, 1.0]]


def test_rows_of_no_call_or_no_variant_pair_with_nothing(kind):
    schema = {"call_id": pl.String, "variant": pl.String, "score": pl.Float64}
    rows = [("c1", "a", 1.0), (None, "a", 5.0), ("c1", None, 7.0)]
    assert values_of(kind.make(pl.DataFrame(rows, schema, orient="row"))) == [[1.0]]


def test_a_text_is_no_metric(kind, measure):
    some = kind.make(measure(a=[1.0], b=[2.0]).with_columns(score=pl.lit("good")))
    with pytest.raises(ColumnError, match="column 'score' is String; a metric is a Boolean column"):
        values_of(some)


def test_a_column_of_mixed_types_is_named_and_no_value_is_quoted():
    scores = pd.Series([1.0, "secret"], dtype="object")
    some = pd.DataFrame({"call_id": ["c1", "c2"], "variant": ["a", "a"], "score": scores})
    with pytest.raises(ColumnError, match="values of several types in 'score'; give each") as raised:
        values_of(some)
    assert "secret" not in str(raised.value)
    assert raised.value.__suppress_context__


def test_an_infinite_value_is_refused(measure):
    with pytest.raises(AnalysisError, match="column 'score': 1 value is infinite; make it missing"):
        values_of(measure(a=[1.0, float("inf")]))


def test_a_sample_that_occurs_twice_is_refused(kind, measure):
    some = measure(a=[1.0, 2.0], b=[1.0, 2.0]).with_columns(sample=1)
    with pytest.raises(AnalysisError, match="call 'c00001' has sample 1 of variant 'b' more than once"):
        values_of(kind.make(pl.concat([some, some.tail(1)])))


def test_a_call_in_two_clusters_is_refused(kind, measure):
    some = kind.make(measure(a=[1.0, 2.0], b=[1.0, 2.0]).with_columns(team=pl.Series(["x", "y", "x", "x"])))
    with pytest.raises(AnalysisError, match="cluster 'team': call 'c00001' is in more than one cluster"):
        read_call_values(some, ["score"], cluster="team")


def test_calls_without_a_cluster_are_one(kind, measure):
    some = measure(a=[1.0] * 4).with_columns(team=pl.Series(["y", None, "x", None]))
    assert read_call_values(kind.make(some), ["score"], cluster="team").clusters.tolist() == [1, 2, 0, 2]


def test_a_cluster_known_of_one_row_holds_for_its_call(measure):
    some = measure(a=[1.0, 2.0], b=[1.0, 2.0]).with_columns(team=pl.Series(["x", "y", None, None]))
    assert read_call_values(some, ["score"], cluster="team").clusters.tolist() == [0, 1]


def test_a_metric_may_be_a_cluster_or_a_key_too(measure):
    some = measure(a=[1.0, 2.0], b=[1.0, 2.0]).with_columns(sample=1)
    assert read_call_values(some, ["score", "sample"], cluster="score").clusters.tolist() == [0, 1]
