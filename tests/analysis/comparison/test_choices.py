import polars as pl
import pytest

from analysis import decide, tabulate_places
from analysis.errors import ColumnError


@pytest.fixture
def measured():
    """300 calls: `long` costs twice as much as `short`, and both keep the same."""
    rows = [
        (f"c{number:03}", variant, True, price, f"agent {number % 30}")
        for number in range(300)
        for variant, price in (("long", 0.02), ("short", 0.01))
    ]
    return pl.DataFrame(rows, ["call_id", "variant", "kept_all", "price_usd", "agent"], orient="row")


def test_the_cheaper_of_two_that_keep_the_same_is_taken(measured):
    decision = decide(measured)
    assert (decision.baseline, decision.advice.variant) == ("long", "short")
    assert str(decision).startswith("Take `short`: it costs 50 % less than `long`")
    assert decision.sentences[0] in decision._repr_html_().replace("&#39;", "'")


def test_a_column_that_looks_like_a_cluster_is_a_remark_until_it_is_one(measured):
    assert "agent looks like a cluster" in decide(measured).remarks["notice"][0]
    clustered = decide(measured, cluster="agent")
    assert clustered.comparisons["clusters"].to_list() == [30, 30]
    assert not any("agent" in text for text in clustered.remarks["notice"])


def test_wordings_that_were_tuned_on_these_calls_are_a_remark(measured):
    tuned = "These wordings were tuned on these calls: confirm on fresh ones."
    assert decide(measured.drop("agent"), are_tuned=True).remarks["notice"].to_list() == [tuned]
    assert decide(measured.drop("agent")).remarks.is_empty()


def test_a_column_that_is_not_there_decides_nothing(measured):
    with pytest.raises(ColumnError, match="no column 'quality'"):
        decide(measured, decide_by=["quality"])


def test_a_frame_of_pandas_is_refused_in_words(measured):
    with pytest.raises(ColumnError, match="a pandas frame, where one of polars is read; pass what measure_run"):
        decide(measured.to_pandas())


def test_places_are_those_of_all_pairs(measured):
    places = tabulate_places(measured, decide(measured))
    assert places.columns == ["measure", "long", "short"]
    assert places.filter(measure="price").rows() == [("price", "2", "1")]
    assert places.row(0)[1:] == ("1 to 2", "1 to 2")


def test_one_prompt_has_nothing_to_be_compared_with(measured):
    alone = measured.filter(variant="long")
    decision = decide(alone)
    assert decision.sentences == ["There is nothing to compare: that takes answers of two prompts to the same calls."]
    assert tabulate_places(alone, decision).is_empty()
