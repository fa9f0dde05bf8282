"""Traps of comparing prompts: each test is one in which a comparison may say something wrong and sound sure."""

import ast
import re
import tomllib
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import wilcoxon

from analysis import Metric, compare_variants, describe_comparison, drop_losers, list_flips
from analysis.comparison.pairs import estimate_difference
from analysis.errors import AnalysisError, ComparisonNotice

ROOT = Path(__file__).parents[3]
SCORE, KEPT, COST = Metric("score"), Metric("kept"), "price_usd"


def first_of(compared):
    return compared.row(0, named=True)


# 1. Wilcoxon's test for a mean.


def test_equal_mean_costs_are_not_called_different_since_few_calls_are_dear(measure):
    # 980 calls cost 1.1 in place of 1, and 20 cost 1 in place of 5.9: the sums are 1,098 and 1,098.
    some = measure(COST, usual=[1.0] * 980 + [5.9] * 20, other=[1.1] * 980 + [1.0] * 20)
    row = first_of(compare_variants(some, COST))
    assert (row["verdict"], row["difference"]) == ("undecided", pytest.approx(0, abs=1e-9))
    # What a test of ranks makes of it.
    differences = some.filter(variant="usual")["price_usd"] - some.filter(variant="other")["price_usd"]
    assert wilcoxon(differences.to_numpy()).pvalue < 1e-9


@given(st.lists(st.floats(-5, 5), min_size=3, max_size=40), st.sampled_from([0.1, 0.05, 0.01]))
def test_an_interval_and_its_p_never_contradict_each_other(differences, alpha):
    values = np.array(differences)
    estimate = estimate_difference(values, np.zeros(len(values)), None, alpha, kind="mean", is_whole=False)
    if min(abs(estimate.low), abs(estimate.high)) > 1e-9:  # not on the edge
        assert (estimate.p < alpha) == (estimate.low > 0 or estimate.high < 0)


# 2. Pairs that are lost silently.


def test_a_prompt_that_fails_on_hard_calls_is_not_better(measure):
    some = measure(a=[1.0] * 50 + [0.0] * 50 + [0.5, 0.6], b=[1.5] * 50 + [None] * 50 + [1.0, 1.2])
    some = some.with_columns(answered=pl.col("score").is_not_null())
    gate, row = compare_variants(some, SCORE).rows(named=True)
    assert (gate["metric"], gate["verdict"]) == ("answered", "worse")
    assert (row["low"] > 0, row["verdict"]) == (True, "undecided")
    assert (row["calls"], row["unpaired_calls"]) == (52, 50)
    assert any("`b` answers fewer calls" in line for line in describe_comparison(compare_variants(some, SCORE)))
    assert len(list_flips(some, "answered", ("b", "a"))) == 50


def test_a_baseline_that_fails_on_hard_calls_is_not_better_either(measure):
    some = measure(b=[1.0] * 50 + [0.0] * 50 + [0.5, 0.6], a=[1.5] * 50 + [None] * 50 + [1.0, 1.2])
    some = some.with_columns(answered=pl.col("score").is_not_null())
    gate, row = compare_variants(some, SCORE).rows(named=True)
    assert (gate["verdict"], row["verdict"], row["high"] < 0) == ("better", "undecided", True)


def test_rows_that_were_dropped_before_are_noticed(measure):
    some = measure(a=[1.0, 2.0, 3.0], b=[2.0, None, 4.0]).drop_nulls("score")
    with pytest.warns(ComparisonNotice, match=r"Calls without a row \(1 of b; 3 in all\) are left out"):
        row = first_of(compare_variants(some, SCORE))
    assert (row["calls"], row["unpaired_calls"]) == (2, 1)


def test_a_few_lost_answers_can_be_allowed_beforehand(measure):
    some = measure(a=[1.0, 1.2] * 500, b=[1.5, 1.6] * 493 + [None] * 14)
    some = some.with_columns(answered=pl.col("score").is_not_null())
    gate, row = compare_variants(some, SCORE, margins={"answered": 0.03}).rows(named=True)
    assert (gate["verdict"], row["verdict"]) == ("equivalent", "better")


# 3. Truncated answers look cheap and right.


def test_truncation_is_told_beside(measure):
    some = measure(a=[1.0, 2.0], b=[1.5, 2.0]).with_columns(stop=pl.Series(["length", "end", "end", "end"]))
    with pytest.warns(ComparisonNotice, match=r"cut off by max_tokens \(50\.0 % of a\)"):
        compare_variants(some, SCORE)


# 4. A look at the skewness of a small sample says nothing.


@pytest.mark.parametrize(("calls", "few"), [(99, True), (100, False)])
@pytest.mark.parametrize("skew", [0.1, 3])
def test_few_calls_go_by_their_number_alone(measure, random, calls, few, skew):
    some = measure(a=random.lognormal(0, skew, calls), b=random.lognormal(0, skew, calls))
    row = first_of(compare_variants(some, SCORE))
    assert (row["few_calls"], row["method"]) == (few, "mean: t and Hall, 95 %")


@pytest.mark.parametrize(("calls", "few"), [(299, True), (300, False)])
def test_costs_need_more_calls(measure, calls, few):
    some = measure(COST, a=[1.0, 1.1, *[1.0] * (calls - 2)], b=[1.0] * calls)
    assert first_of(compare_variants(some, COST))["few_calls"] is few


# 5. Not significant is not equal.


def test_no_difference_found_is_undecided_and_says_what_would_decide(measure):
    # 9 gained, 5 lost.
    some = measure("kept", a=[True] * 5 + [False] * 9 + [True] * 86, b=[False] * 5 + [True] * 95)
    compared = compare_variants(some, KEPT)
    assert first_of(compared)["verdict"] == "undecided"
    assert re.search(r"about [\d,]+ more calls would tell\.$", describe_comparison(compared)[0])


def test_equal_is_said_with_its_margin(measure):
    some = measure("kept", a=[True] * 990 + [False] * 10, b=[True] * 991 + [False] * 9)
    compared = compare_variants(some, KEPT, margins={"kept": 0.02})
    assert first_of(compared)["verdict"] == "equivalent"
    assert "margin 2 points" in describe_comparison(compared)[0]


# 6. A margin is chosen before looking.


def test_the_margin_stands_beside_the_verdict_and_there_is_none_by_default(measure):
    some = measure(a=[1.0, 2.0], b=[1.5, 2.0])
    assert first_of(compare_variants(some, SCORE))["margin"] is None
    assert first_of(compare_variants(some, SCORE, margins={"score": 0.5}))["margin"] == 0.5


# 7. Looking early is a look.


def test_a_difference_that_one_look_would_find_is_not_found_at_one_of_three(measure):
    # 5 lost and none gained: p = .0253.
    some = measure("kept", a=[True] * 100, b=[True] * 95 + [False] * 5)
    assert first_of(compare_variants(some, KEPT))["verdict"] == "worse"
    assert not drop_losers(some, KEPT, look=1, looks=3)["is_dropped"].any()


def test_more_looks_than_were_planned_are_refused(measure):
    with pytest.raises(AnalysisError, match="plan the number of looks before the first"):
        drop_losers(measure(a=[1.0], b=[2.0]), SCORE, look=4, looks=3)


# 8. What a job gives back first is no random sample.


@pytest.mark.parametrize("function", [compare_variants, lambda some, metric: drop_losers(some, metric, look=1)])
def test_answers_that_have_not_come_back_are_noticed(measure, function):
    some = measure(a=[1.0, None], b=[2.0, 1.0]).with_columns(error_kind=pl.Series([None, "missing", None, None]))
    with pytest.warns(ComparisonNotice, match="what came first is no random sample"):
        function(some, SCORE)


# 9. Clusters that nobody mentioned.


@pytest.mark.parametrize("name", ["agent", "customer_id"])
def test_a_column_that_looks_like_a_cluster_is_noticed(measure, name):
    some = measure(a=[1.0, 2.0, 3.0], b=[2.0, 1.0, 1.0]).with_columns(pl.Series(name, ["x", "x", "y"] * 2))
    with pytest.warns(ComparisonNotice, match=f"{name} looks like a cluster"):
        compare_variants(some, SCORE)


def test_calls_of_one_agent_are_not_so_many_calls(measure, random):
    agents = np.repeat(np.arange(10), 100)
    some = measure(a=[0.0] * 1000, b=0.3 + random.normal(size=10)[agents] + random.normal(size=1000))
    some = some.with_columns(agent=pl.Series([*agents, *agents]))
    alone = first_of(compare_variants(some.drop("agent"), SCORE))
    clustered = first_of(compare_variants(some, SCORE, cluster="agent"))
    assert clustered["high"] - clustered["low"] > 5 * (alone["high"] - alone["low"])


# 10. A judge prefers what stands first, and what is longer.


def test_a_judge_that_prefers_the_first_tells_no_prompts_apart_whose_order_is_random(measure, random):
    b_is_first = random.random(400) < 0.5
    always = measure("wins", a=[False] * 400, b=[True] * 400)
    drawn = measure("wins", a=~b_is_first, b=b_is_first)
    verdicts = [first_of(compare_variants(some, Metric("wins")))["verdict"] for some in (always, drawn)]
    assert verdicts == ["better", "undecided"]


def test_the_length_stands_beside_what_a_judge_says(measure):
    some = measure(a=[3.0, 3.5] * 60, b=[4.0, 4.2] * 60).with_columns(words=pl.Series([50, 52] * 60 + [80, 85] * 60))
    compared = compare_variants(some, [SCORE, Metric("words", better="lower")])
    assert describe_comparison(compared)[0].startswith("`b` is worse than `a` in words (82.5 against 51")


# 11. Calls on which variants disagree are no sample.


def test_calls_picked_for_disagreement_are_noticed(measure):
    some = measure(a=[1.0, 2.0], b=[2.0, 1.0]).with_columns(picked=pl.lit("disagreement"))
    with pytest.warns(ComparisonNotice, match="picked for disagreement: no random sample"):
        compare_variants(some, SCORE)


def test_a_difference_among_flips_is_larger_than_among_calls(measure):
    some = measure("kept", a=[True] * 90 + [False] * 10, b=[True] * 97 + [False] * 3)
    flips = list_flips(some, "kept", ("b", "a"))
    picked = some.filter(pl.col("call_id").is_in(flips["call_id"].implode()))
    differences = [first_of(compare_variants(frame, KEPT))["difference"] for frame in (some, picked)]
    assert differences == pytest.approx([0.07, 1])


# 12. Licences and pins.


def test_nothing_that_is_copyleft_or_pins_others_is_needed():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    listed = [
        *project["dependencies"],
        *(line for lines in project["optional-dependencies"].values() for line in lines),
    ]
    names = {re.split(r"[^\w-]", line)[0].lower() for line in listed}
    assert not names & {"krippendorff", "pingouin", "arena-rank", "irrcac"}
    assert "statsmodels" not in {re.split(r"[^\w-]", line)[0] for line in project["dependencies"]}


def test_comparisons_import_scipy_where_it_is_used_and_no_oracle():
    for file in (ROOT / "analysis/comparison").glob("*.py"):
        tree = ast.parse(file.read_bytes())
        imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert not any("statsmodels" in module for module in imported if module)
        top = {node.module for node in tree.body if isinstance(node, ast.ImportFrom)}
        assert not any(module.startswith("scipy") for module in top), file


# 13. What a call does not say is not an invention.


def test_no_sentence_and_no_page_speaks_of_inventions():
    files = [*(ROOT / "analysis/comparison").glob("*.py"), ROOT / "docs/comparing.md"]
    assert [file.name for file in files if "hallucinat" in file.read_text(encoding="utf-8").lower()] == []


# 14. Simulations are no answers of models.


def test_the_page_says_what_its_figures_rest_on():
    page = (ROOT / "docs/comparing.md").read_text(encoding="utf-8")
    assert "simulation" in page
    assert "no model's answer" in page
