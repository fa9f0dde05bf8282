import pytest

from analysis.comparison.metric import Metric, find_metric, find_metrics, is_cost, is_declared
from analysis.errors import AnalysisError


@pytest.mark.parametrize("name", ["price_usd", "cost_usd", "output_tokens", "input_tokens"])
def test_costs_and_tokens_are_better_low_by_their_names(name):
    assert is_cost(name)
    assert find_metric(name) == Metric(name, better="lower")


@pytest.mark.parametrize("name", ["has_unsupported", "unsupported_claims", "repeated_share", "truncated"])
def test_faults_are_better_low_by_their_names(name):
    assert find_metric(name) == Metric(name, better="lower")


@pytest.mark.parametrize(
    ("name", "is_known"),
    [("answered", True), ("coverage", True), ("kept_amounts", True), ("price_usd", True), ("words", False)],
)
def test_the_direction_of_some_names_is_known(name, is_known):
    assert is_declared(name) is is_known


def test_any_other_column_is_taken_to_be_better_high():
    assert find_metric("kept") == Metric("kept", better="higher")


def test_what_is_declared_stands_above_the_name():
    assert find_metric(Metric("saved_usd", better="higher")).sign == 1


def test_costs_need_more_calls_than_scores():
    assert (Metric("score").enough_calls, Metric("price_usd").enough_calls) == (100, 300)


def test_margins_are_given_by_name_and_the_order_is_kept():
    found = find_metrics(["kept", Metric("words", better="lower"), "cost_usd"], {"words": 5})
    assert found == [Metric("kept"), Metric("words", "lower", 5), Metric("cost_usd", "lower")]


def test_one_metric_needs_no_list():
    assert find_metrics("kept") == find_metrics(["kept"]) == find_metrics(Metric("kept"))


def test_another_word_for_a_direction_is_refused():
    with pytest.raises(AnalysisError, match="metric 'kept': better='more'; use 'higher' or 'lower'"):
        Metric("kept", better="more")


@pytest.mark.parametrize("margin", [0, -0.02, float("nan"), float("inf")])
def test_a_margin_is_above_0(margin):
    with pytest.raises(AnalysisError, match="give a difference above 0"):
        Metric("kept", margin=margin)


def test_a_margin_of_no_metric_names_those_there_are():
    with pytest.raises(AnalysisError, match="no metric 'keep'; there are kept, words"):
        find_metrics(["kept", "words"], {"keep": 0.02})


def test_margins_are_given_by_name():
    with pytest.raises(AnalysisError, match=r"0\.02 is of no metric; give them by name"):
        find_metrics("kept", 0.02)


@pytest.mark.parametrize("metrics", [3, None, [3], ["kept", None], [("kept", "higher")]])
def test_what_is_neither_a_name_nor_a_metric_is_refused(metrics):
    with pytest.raises(AnalysisError, match=r"is no metric; give names of columns, or Metric\(name\)"):
        find_metrics(metrics)


def test_a_metric_has_one_margin():
    with pytest.raises(AnalysisError, match="'kept' has a margin of its own"):
        find_metrics([Metric("kept", margin=0.01)], {"kept": 0.02})


def test_a_metric_is_given_once():
    with pytest.raises(AnalysisError, match="given twice; there are kept"):
        find_metrics(["kept", Metric("kept", better="lower")])
