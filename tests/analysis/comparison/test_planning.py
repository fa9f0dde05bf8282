import numpy as np
import polars as pl
import pytest
from scipy.stats import t

from analysis import Metric, plan_calls
from analysis.errors import AnalysisError

PLAN = {
    "metric": pl.String,
    "variant": pl.String,
    "baseline": pl.String,
    "difference": pl.Float64,
    "power": pl.Float64,
    "pilot_calls": pl.Int64,
    "spread": pl.Float64,
    "calls": pl.Int64,
    "more_calls": pl.Int64,
}


def test_a_mean_takes_the_square_of_quantiles_and_spread(kind, measure):
    some = measure(a=[0.0, 2.0] * 50, b=[1.0, 1.0] * 50)
    # Differences 1 and -1: spread sqrt(100 / 99). t with 99 degrees: (1.984217 + .845267)² 100 / 99 / .01 = 808.7,
    # and 5 % more.
    wanted = [("score", "b", "a", 0.1, 0.8, 100, np.sqrt(100 / 99), 850, 750)]
    kind.check(plan_calls(kind.make(some), "score", 0.1), wanted, PLAN)


def test_a_share_takes_connors_number(kind, measure):
    some = measure("kept", a=[True] * 99, b=[False] * 7 + [True] * 92)
    # See test_shares: 2 points where 8 of 100 calls change, one more than was seen.
    wanted = [("kept", "b", "a", 0.02, 0.8, 99, 7 / 99, 1568, 1469)]
    kind.check(plan_calls(kind.make(some), "kept", 0.02), wanted, PLAN)


def test_a_cost_takes_15_percent_more(measure):
    some = measure("price_usd", a=[0.0, 2.0] * 50, b=[1.0, 1.0] * 50)
    # 808.7 * 1.15 = 930.0
    assert plan_calls(some, "price_usd", 0.1)["calls"].to_list() == [930]


def test_several_pairs_are_planned_as_so_many_tests(measure):
    some = measure(a=[0.0, 2.0] * 50, b=[1.0, 1.0] * 50, c=[2.0, 0.0] * 50)
    plan = plan_calls(some, "score", 0.1)
    # Quantiles of t with 99 degrees at .05 / 3 and, with a baseline, .05 / 2 of chance.
    three, two = ((t(99).ppf(1 - 0.05 / tests / 2) + t(99).ppf(0.8)) ** 2 * 100 / 99 / 0.01 * 1.05 for tests in (3, 2))
    assert plan.select("variant", "calls").row(0) == ("b", np.ceil(three))
    assert len(plan) == 3
    assert plan_calls(some, "score", 0.1, baseline="b")["calls"].to_list() == [np.ceil(two)] * 2


def test_clusters_multiply_the_calls_by_what_they_did_to_the_pilot(measure):
    agents = np.repeat(np.arange(50), 4)
    some = measure(a=np.repeat([0.0, 2.0] * 25, 4), b=[1.0] * 200).with_columns(agent=pl.Series([*agents, *agents]))
    alone, clustered = (plan_calls(some, "score", 0.1, cluster=name)["calls"][0] for name in (None, "agent"))
    # All four calls of an agent are equal: 199 / 49 times as many.
    assert clustered == pytest.approx(alone * 199 / 49, abs=5)


def test_a_pilot_that_suffices_needs_no_more_calls(measure):
    assert plan_calls(measure(a=[0.0, 2.0] * 50, b=[1.0, 1.0] * 50), "score", 1)["more_calls"].to_list() == [0]


@pytest.mark.parametrize(("a", "b"), [([1.0], [2.0]), ([1.0, 2.0], [2.0, 3.0]), ([None, 1.0], [1.0, None])])
def test_without_spread_no_number_is_known(kind, measure, a, b):
    plan = plan_calls(kind.make(measure(a=a, b=b)), Metric("score"), 0.1)
    assert plan["calls"].isnull().all() if hasattr(plan, "iloc") else plan["calls"].null_count() == 1


def test_shares_of_which_none_changed_take_as_many_as_if_all_changed_one_way(measure):
    # One of 1,001 is less than the difference itself.
    plan = plan_calls(measure("kept", a=[True] * 1000, b=[True] * 1000), "kept", 0.02)
    # (1.959964 sqrt(.02) + .841621 sqrt(.02 - .0004))² / .0004 = .395008² / .0004 = 390.1
    assert plan["calls"].to_list() == [391]


def test_of_no_rows_nothing_is_planned(kind, measure):
    kind.check(plan_calls(kind.make(measure(a=[1.0]).clear()), "score", 0.1), [], PLAN)


@pytest.mark.parametrize("difference", [0, -1, float("nan"), float("inf")])
def test_a_difference_is_above_0(measure, difference):
    with pytest.raises(AnalysisError, match="is not above 0; give the smallest one that would matter"):
        plan_calls(measure(a=[1.0], b=[2.0]), "score", difference)


def test_a_difference_of_shares_is_below_1(measure):
    with pytest.raises(AnalysisError, match=r"2 of a share is not below 1; 0\.02 is 2 points"):
        plan_calls(measure("kept", a=[True, False], b=[True, True]), "kept", 2)


@pytest.mark.parametrize("name", ["power", "confidence"])
def test_a_chance_lies_between_0_and_1(measure, name):
    with pytest.raises(AnalysisError, match=f"{name}: 80 is not between 0 and 1"):
        plan_calls(measure(a=[1.0], b=[2.0]), "score", 0.1, **{name: 80})
