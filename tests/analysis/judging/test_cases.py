import polars as pl
import pytest
from polars.testing import assert_frame_equal

from analysis import as_pandas, pair_answers, present_answers
from analysis.errors import AnalysisError, ColumnError


def test_an_answer_is_presented_beside_its_call(make_answers):
    cases = present_answers(make_answers(a=["One.", None, "Three."]))
    assert cases.rows() == [
        ("c0/1/a", "Call 0.", "One.", "c0", 1, "a"),
        ("c2/1/a", "Call 2.", "Three.", "c2", 1, "a"),
    ]


def test_what_failed_is_not_judged(make_answers):
    answers = make_answers(a=["One.", "Two."]).with_columns(error_kind=pl.Series([None, "service"]))
    assert present_answers(answers)["judged_call"].to_list() == ["c0"]


def test_the_input_of_a_tool_is_what_is_judged(make_answers):
    answers = make_answers(a=[None]).with_columns(tool_calls=pl.Series([[{"name": "save", "input": '{"x": 1}'}]]))
    assert present_answers(answers)["answer"].to_list() == ['{"x": 1}']


def test_a_pair_needs_both_answers(make_answers):
    pairs = pair_answers(make_answers(a=["A0", "A1", None], b=["B0", None, "B2"]), ["a", "b"], both_orders=0)
    assert pairs["judged_call"].to_list() == ["c0"]


def test_texts_stand_where_their_variants_do(make_answers):
    pairs = pair_answers(make_answers(a=["a"] * 50, b=["b"] * 50), ["a", "b"])
    assert pairs.select("answer_1", "answer_2").rows() == pairs.select("first", "second").rows()


def test_the_order_is_at_random_and_some_pairs_are_in_both(make_answers):
    pairs = pair_answers(make_answers(a=["a"] * 2000, b=["b"] * 2000), ["a", "b"], both_orders=200)
    assert (len(pairs), pairs["call_id"].n_unique()) == (2200, 2200)
    once = pairs.filter(~pl.col("judged_call").is_duplicated())["first"].to_list()
    assert len(once) == 1800
    assert 816 < once.count("a") < 984  # 900 plus or minus four standard errors, sqrt(1800) / 2


def test_the_order_is_the_same_each_time_and_for_either_baseline(make_answers):
    answers = make_answers(a=["a"] * 50, b=["b"] * 50)
    pairs = pair_answers(answers, ["a", "b"])
    assert_frame_equal(pair_answers(answers.reverse(), ["b", "a"]).sort("call_id"), pairs.sort("call_id"))
    assert not pair_answers(answers, ["a", "b"], both_orders=0, seed=1)["first"].equals(
        pair_answers(answers, ["a", "b"], both_orders=0)["first"]
    )


def test_the_choice_of_both_orders_says_nothing_of_the_first_order(make_answers):
    pairs = pair_answers(make_answers(a=["a"] * 2000, b=["b"] * 2000), ["a", "b"], both_orders=1000)
    # The first of both rows is the order that was drawn.
    drawn = pairs.filter(pl.col("judged_call").is_duplicated()).unique("judged_call", keep="first")["first"]
    assert 437 < drawn.to_list().count("a") < 563  # 500 plus or minus four standard errors


def test_each_variant_is_paired_with_the_last(make_answers):
    pairs = pair_answers(make_answers(a=["a"], b=["b"], c=["c"]), ["b", "a", "c"], both_orders=0)
    assert [{*names} for names in pairs.select("first", "second").rows()] == [{"b", "c"}, {"a", "c"}]


@pytest.mark.parametrize("function", [present_answers, lambda answers: pair_answers(answers, ["a", "b"])])
def test_pandas_comes_back_as_pandas(make_answers, function):
    answers = make_answers(a=["One.", None], b=["Two.", "Three."])
    found, expected = function(as_pandas(answers)), function(answers)
    assert_frame_equal(pl.from_pandas(found), expected, check_dtypes=False)


def test_no_answers_have_no_cases(make_answers):
    answers = make_answers(a=["One."], b=["Two."]).with_columns(text=pl.lit(None, pl.String))
    assert present_answers(answers).columns == present_answers(make_answers(a=["One."])).columns
    with pytest.raises(AnalysisError, match="no answer of 'a'"):
        pair_answers(answers, ["a", "b"])


@pytest.mark.parametrize("variants", ["ab", ["a"], ["a", "a"], []])
def test_what_is_not_two_variants_is_refused(make_answers, variants):
    with pytest.raises(AnalysisError, match="is not two variants or more; name each once"):
        pair_answers(make_answers(a=["One."]), variants)


def test_a_sample_that_occurs_twice_is_refused(make_answers):
    answers = make_answers(a=["One."])
    with pytest.raises(AnalysisError, match="call 'c0' has sample 1 of variant 'a' more than once"):
        present_answers(pl.concat([answers, answers]))


def test_a_missing_column_is_named(make_answers):
    with pytest.raises(ColumnError, match="no column 'transcript'"):
        present_answers(make_answers(a=["One."]).drop("transcript"))
