import warnings

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from analysis import Metric, compare_variants
from analysis.errors import AnalysisError, ColumnError, ComparisonNotice

WHOLE, FRACTION, TEXT = pl.Int64, pl.Float64, pl.String
COMPARISONS = {
    "metric": TEXT,
    "variant": TEXT,
    "baseline": TEXT,
    "calls": WHOLE,
    "unpaired_calls": WHOLE,
    "clusters": WHOLE,
    "value": FRACTION,
    "baseline_value": FRACTION,
    "difference": FRACTION,
    "low": FRACTION,
    "high": FRACTION,
    "ratio": FRACTION,
    "ratio_low": FRACTION,
    "ratio_high": FRACTION,
    "p": FRACTION,
    "p_holm": FRACTION,
    "better_calls": WHOLE,
    "worse_calls": WHOLE,
    "margin": FRACTION,
    "verdict": TEXT,
    "detectable": FRACTION,
    "method": TEXT,
    "few_calls": pl.Boolean,
}
KEPT, SCORE, COST = Metric("kept"), Metric("score"), "price_usd"
MEASURED = {"call_id": TEXT, "variant": TEXT, "kept": pl.Boolean, "price_usd": FRACTION}
Z, T = 1.959963984540054, 4.302652729911275  # of t with 2 degrees of freedom


def rows_of(comparisons, *names):
    return comparisons.select(names).rows() if len(names) > 1 else comparisons[names[0]].to_list()


def measured(*rows):
    return pl.DataFrame(rows, MEASURED, orient="row")


def answered(*rows):
    """One row per call, variant, error and text, all of them right where they are answers."""
    schema = {"call_id": TEXT, "variant": TEXT, "error_kind": TEXT, "text": TEXT}
    frame = pl.DataFrame(rows, schema, orient="row")
    return frame.with_columns(score=pl.when(pl.col("error_kind").is_null()).then(1.0))


def test_a_share_and_a_mean_by_hand(kind):
    some = measured(
        *[(f"c{call}", "long", call != 1, 2.0 * call) for call in (1, 2, 3)],
        *[(f"c{call}", "short", call != 1, 1.0 * call) for call in (1, 2, 3)],
        ("c4", "short", True, None),
        ("c4", "long", None, None),
    )
    end, half = Z**2 / (3 + Z**2), T / np.sqrt(3)
    share = ("kept", "short", "long", 3, 1, None, 2 / 3, 2 / 3, 0.0, -end, end, None, None, None, 1.0, 1.0, 0, 0, None)
    mean = ("price_usd", "short", "long", 3, 0, None, 2.0, 4.0, -2.0, -2 - half, -2 + half, 0.5, 0.5, 0.5)
    # t = 2 sqrt(3) with 2 degrees of freedom: p = 1 - t / sqrt(t² + 2) = 1 - sqrt(12 / 14).
    p = 1 - np.sqrt(12 / 14)
    # Two tests, so .025: t of .9875 is 6.205347, of .8 1.060660.
    detectable = (6.205347 + 1.060660) / np.sqrt(3)
    result = compare_variants(kind.make(some), [KEPT, COST])
    rows = [
        # Of 3 calls, z² = 5.02 at .025, no share but the whole can be found.
        (*share, "undecided", 1.0, "share: Tango, 95 %", True),
        (*mean, p, 2 * p, 3, 0, None, "undecided", detectable, "mean: t and Hall, 95 %", True),
    ]
    kind.check(result, rows, COMPARISONS)


@pytest.mark.parametrize("metrics", [[], [KEPT, COST]])
def test_of_no_rows_no_pairs_are_compared(kind, metrics):
    kind.check(compare_variants(kind.make(measured()), metrics, baseline="long"), [], COMPARISONS)


def test_one_variant_is_compared_with_none(kind):
    kind.check(compare_variants(kind.make(measured(("c1", "long", True, 1.0))), [KEPT, COST]), [], COMPARISONS)


def test_of_one_call_only_the_difference_is_known(kind):
    some = measured(("c1", "a", True, 1.0), ("c1", "b", True, 3.0))
    nothing = (None,) * 2
    mean = (COST, "b", "a", 1, 0, None, 3.0, 1.0, 2.0, *nothing, 3.0, *nothing, *nothing, 0, 1, None, "undecided")
    kind.check(compare_variants(kind.make(some), COST), [(*mean, None, "mean: t and Hall, 95 %", True)], COMPARISONS)


def test_where_all_failed_only_answered_is_known(kind):
    some = answered(*[(f"c{call}", variant, "service", None) for call in range(5) for variant in ("a", "b")])
    end = Z**2 / (5 + Z**2)
    nothing = (None,) * 3
    share = ("answered", "b", "a", 5, 0, None, 0.0, 0.0, 0.0, -end, end, *nothing, 1.0, 1.0, 0, 0, None, "undecided")
    # 5 d = (1.959964 + .841621 sqrt(1 - d))² = 4.69681 at d = .939362.
    rows = [
        (*share, 0.939362, "share: Tango, 95 %", True),
        ("score", "b", "a", 0, 0, None, *[None] * 10, 0, 0, None, "undecided", None, "mean: no calls, 95 %", True),
    ]
    kind.check(compare_variants(kind.make(some), SCORE), rows, COMPARISONS)


def test_where_all_are_equal_a_margin_makes_them_equivalent(measure):
    some = measure(a=[1.0] * 400, b=[1.0] * 400)
    assert rows_of(compare_variants(some, SCORE), "difference", "low", "high", "p", "verdict") == [
        (0, 0, 0, 1, "undecided")
    ]
    assert rows_of(compare_variants(some, SCORE, margins={"score": 0.1}), "verdict") == ["equivalent"]


def test_equal_shares_are_equivalent_only_on_many_calls(measure):
    few, many = (measure("kept", a=[True] * calls, b=[True] * calls) for calls in (30, 300))
    # 3.8415 / (n + 3.8415): .1135 of 30 calls, .0126 of 300.
    verdicts = [compare_variants(some, Metric("kept", margin=0.02))["verdict"][0] for some in (few, many)]
    assert verdicts == ["undecided", "equivalent"]


def test_rows_come_by_metric_then_by_names(measure):
    some = measure(c=[1.0, 2.0], a=[1.0, 3.0], b=[2.0, 2.0]).with_columns(kept=True, answered=True)
    compared = compare_variants(some, [SCORE, KEPT])
    pairs = [("b", "a"), ("c", "a"), ("c", "b")]
    metrics = ("answered", "score", "kept")
    assert rows_of(compared, "metric", "variant", "baseline") == [(name, *pair) for name in metrics for pair in pairs]


def test_with_a_baseline_each_other_variant_has_a_row(measure):
    some = measure(c=[1.0, 2.0], a=[1.0, 3.0], b=[2.0, 2.0])
    compared = compare_variants(some, SCORE, baseline="b")
    assert rows_of(compared, "variant", "baseline", "difference") == [("a", "b", 0.0), ("c", "b", -0.5)]


def test_the_order_of_the_rows_does_not_matter(measure, random):
    some = measure(a=random.normal(size=50), b=random.normal(size=50), c=random.normal(size=50))
    assert_frame_equal(
        compare_variants(some.sample(fraction=1, shuffle=True, seed=1), SCORE), compare_variants(some, SCORE)
    )


def test_the_frame_is_left_alone(kind, measure):
    some = kind.make(measure(a=[1.0, None], b=[2.0, 3.0]))
    before = some.copy() if hasattr(some, "copy") else some.clone()
    compare_variants(some, SCORE)
    assert before.equals(some)


def test_several_samples_of_a_call_are_one_unit(measure):
    once = measure(a=[1.0, 2.0, 6.0], b=[2.0, 5.0, 5.0])
    samples = [once.with_columns(sample=sample, score=pl.col("score") + shift) for sample, shift in ((1, 1), (2, -1))]
    compared = compare_variants(pl.concat(samples), SCORE)
    assert_frame_equal(compared, compare_variants(once, SCORE))


def test_samples_in_another_order_are_equal():
    # .1 + .2 + .3 is not .3 + .2 + .1 in binary.
    draws = [("a", 1, 0.1), ("a", 2, 0.2), ("a", 3, 0.3), ("b", 1, 0.3), ("b", 2, 0.2), ("b", 3, 0.1)]
    rows = [(f"c{call}", *draw) for call in range(50) for draw in draws]
    some = pl.DataFrame(rows, ["call_id", "variant", "sample", "score"], orient="row")
    names = ("difference", "low", "high", "p", "better_calls", "worse_calls", "verdict")
    assert rows_of(compare_variants(some, SCORE), *names) == [(0, 0, 0, 1, 0, 0, "undecided")]


def test_a_missing_sample_is_left_out_of_the_mean_of_its_call():
    rows = [("c1", "a", 1, 4.0), ("c1", "a", 2, None), ("c1", "b", 1, 1.0), ("c1", "b", 2, 3.0)]
    some = pl.DataFrame(rows, ["call_id", "variant", "sample", "score"], orient="row")
    assert rows_of(compare_variants(some, SCORE), "calls", "value", "baseline_value") == [(1, 2.0, 4.0)]


def test_shares_of_several_samples_are_compared_as_means(measure, random):
    draws = {variant: random.random(400) < 0.5 for variant in ("a", "b")}
    two = pl.concat([measure("kept", **draws), measure("kept", **{name: ~drawn for name, drawn in draws.items()})])
    row = compare_variants(pl.concat([two, measure("kept", **draws)]), KEPT).row(0, named=True)
    assert row["method"] == "share: t and Hall, 95 %"
    assert row["ratio"] is None
    assert row["value"] == pytest.approx((1 + draws["b"].mean()) / 3)


def test_shares_of_samples_that_never_vary_are_not_certain(measure):
    some = pl.concat([measure("kept", a=[True] * 30, b=[True] * 30)] * 2)
    low = compare_variants(some, KEPT)["low"][0]
    assert low == pytest.approx(-(Z**2) / (30 + Z**2))


def test_clusters_make_the_interval_wider_and_are_counted(measure, random):
    agents = np.repeat(np.arange(20), 20)
    shift = random.normal(size=20)[agents]
    some = measure(a=random.normal(size=400), b=random.normal(size=400) + shift)
    some = some.with_columns(team=pl.Series([*agents, *agents]))
    alone = compare_variants(some.drop("team"), SCORE).row(0, named=True)
    row = compare_variants(some, SCORE, cluster="team").row(0, named=True)
    assert (row["clusters"], row["method"], row["few_calls"]) == (20, "mean: CR3 by team, 95 %", False)
    assert row["high"] - row["low"] > 2 * (alone["high"] - alone["low"])
    assert row["difference"] == pytest.approx(alone["difference"])


def test_equal_shares_in_a_few_clusters_are_not_certain(measure):
    some = measure("kept", a=[True] * 400, b=[True] * 400).with_columns(team=pl.Series([0, 1, 2, 3] * 200))
    row = compare_variants(some, Metric("kept", margin=0.02), cluster="team").row(0, named=True)
    # As of 4 calls.
    assert row["high"] == pytest.approx(Z**2 / (4 + Z**2))
    assert (row["verdict"], row["few_calls"]) == ("undecided", True)


def test_all_pairs_and_metrics_given_are_adjusted_together(measure, random):
    some = measure(a=random.normal(size=40), b=random.normal(size=40), c=random.normal(size=40))
    some = some.with_columns(words=pl.Series(random.normal(size=120)))
    compared = compare_variants(some, [SCORE, Metric("words")])
    smallest = compared.sort("p").row(0, named=True)
    assert smallest["p_holm"] == pytest.approx(min(1, 6 * smallest["p"]))


def test_answered_is_no_metric_of_the_decision_unless_given(measure, random):
    some = measure(a=random.normal(size=40), b=random.normal(size=40)).with_columns(answered=True)
    gate, score = compare_variants(some, SCORE).rows(named=True)
    assert score["p_holm"] == score["p"]
    assert gate["metric"] == "answered"
    _, counted = compare_variants(some, [SCORE, "answered"]).rows(named=True)
    assert counted["p_holm"] == pytest.approx(min(1, 2 * score["p"]))


def test_what_is_answered_is_told_by_error_and_content(kind):
    some = answered(
        ("c1", "a", None, "Yes."), ("c1", "b", "service", None), ("c2", "a", None, ""), ("c2", "b", None, None),
        ("c3", "a", None, "No."), ("c3", "b", "missing", None),
    )  # fmt: skip
    with pytest.warns(ComparisonNotice, match="1 answer of 6 is missing"):
        row = next(read_rows(compare_variants(kind.make(some), SCORE)))
    assert (row["metric"], row["value"], row["baseline_value"]) == ("answered", 0, pytest.approx(2 / 3))


def read_rows(native):
    return (native if isinstance(native, pl.DataFrame) else pl.from_pandas(native)).iter_rows(named=True)


def test_a_column_of_the_calls_does_not_tell_what_a_prompt_answered():
    some = answered(*[(f"c{call}", "a", None, "Yes.") for call in range(50)])
    failed = answered(*[(f"c{call}", "b", "service", None) for call in range(50)])
    taken = pl.concat([some, failed]).with_columns(answered=pl.lit("by an agent"))
    assert rows_of(compare_variants(taken, []), "metric", "value", "verdict") == [("answered", 0, "worse")]


def test_a_call_of_a_tool_is_an_answer():
    tool = [{"name": "refund", "input": "{}"}]
    calls = {"call_id": ["c1", "c1"], "variant": ["a", "b"], "error_kind": [None, None], "tool_calls": [tool, []]}
    (row,) = compare_variants(pl.DataFrame(calls, schema_overrides={"error_kind": TEXT}), []).rows(named=True)
    assert (row["value"], row["baseline_value"]) == (0, 1)


def test_without_what_tells_each_row_is_an_answer(measure):
    assert rows_of(compare_variants(measure(a=[1.0], b=[2.0]), SCORE), "metric") == ["score"]


def test_a_baseline_that_is_no_variant_names_those_there_are(measure):
    with pytest.raises(AnalysisError, match="no variant 'long'; there are a, b"):
        compare_variants(measure(a=[1.0], b=[2.0]), SCORE, baseline="long")


@pytest.mark.parametrize("confidence", [0, 1, 95, float("nan")])
def test_a_confidence_lies_between_0_and_1(measure, confidence):
    with pytest.raises(AnalysisError, match="is not between 0 and 1"):
        compare_variants(measure(a=[1.0], b=[2.0]), SCORE, confidence=confidence)


@pytest.mark.parametrize("margins", [{"kept": 2}, {"answered": 1}])
def test_a_margin_of_a_share_is_no_percentage(measure, margins):
    some = measure("kept", a=[True], b=[False]).with_columns(answered=True)
    with pytest.raises(AnalysisError, match=r"of a share; 0\.02 is 2 points"):
        compare_variants(some, KEPT, margins=margins)


def test_a_margin_of_a_mean_has_its_own_units(measure):
    assert compare_variants(measure(a=[1.0], b=[2.0]), SCORE, margins={"score": 2})["margin"].to_list() == [2]


def test_a_margin_of_answered_needs_what_tells_answers(measure):
    with pytest.raises(AnalysisError, match="keep error_kind and text"):
        compare_variants(measure(a=[1.0], b=[2.0]), SCORE, margins={"answered": 0.01})


@pytest.mark.parametrize("name", ["call_id", "variant", "score"])
def test_a_missing_column_is_named(kind, measure, name):
    with pytest.raises(ColumnError, match=f"measured: no column '{name}'"):
        compare_variants(kind.make(measure(a=[1.0], b=[2.0]).drop(name)), SCORE)


def test_a_higher_confidence_makes_a_wider_interval_and_is_named(measure, random):
    some = measure(a=random.normal(size=40), b=random.normal(size=40))
    wide, narrow = (compare_variants(some, SCORE, confidence=level).row(0, named=True) for level in (0.99, 0.9))
    assert wide["low"] < narrow["low"] < narrow["high"] < wide["high"]
    assert (wide["method"], narrow["method"]) == ("mean: t and Hall, 99 %", "mean: t and Hall, 90 %")


def test_nothing_is_said_where_nothing_is_to_be_said(measure):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compare_variants(measure("price_usd", a=[1.0, 2.0], b=[2.0, 2.0]), "price_usd")
