import polars as pl
import pytest

from analysis import Metric, compare_variants, describe_comparison
from analysis.comparison.sentences import count_calls_to_decide
from analysis.errors import ColumnError

ROW = {
    "metric": "kept",
    "variant": "short",
    "baseline": "long",
    "calls": 1000,
    "unpaired_calls": 0,
    "clusters": None,
    "value": 0.029,
    "baseline_value": 0.031,
    "difference": -0.002,
    "low": -0.007,
    "high": 0.003,
    "ratio": None,
    "ratio_low": None,
    "ratio_high": None,
    "margin": 0.02,
    "verdict": "equivalent",
    "detectable": 0.01,
    "method": "share: Tango, 95 %",
    "few_calls": False,
}
COST = {
    "metric": "price_usd",
    "value": 0.0062,
    "baseline_value": 0.01,
    "difference": -0.0038,
    "low": -0.0041,
    "high": -0.0035,
    "ratio": 0.62,
    "ratio_low": 0.59,
    "ratio_high": 0.65,
    "margin": None,
    "verdict": "better",
    "method": "mean: t and Hall, 95 %",
}
ANSWERED = {"metric": "answered", "value": 1.0, "baseline_value": 1.0, "difference": 0.0, "low": -0.004, "high": 0.004}
ANSWERED |= {"margin": None, "verdict": "undecided"}


def describe(*rows):
    return describe_comparison(pl.DataFrame([ROW | row for row in rows], infer_schema_length=None))


def test_what_is_decided_stands_in_one_sentence_what_speaks_against_first():
    some = {"metric": "words", "value": 80.0, "baseline_value": 75.0, "difference": 5.0, "low": 4.0, "high": 6.0}
    some |= {"verdict": "worse", "method": "mean: t and Hall, 95 %", "margin": None}
    assert describe(ANSWERED, COST, {}, some) == [
        "`short` is worse than `long` in words (80 against 75: +5, +4 to +6), costs 38 % less (35 to 41), and is "
        "equivalent in kept (2.9 % of calls against 3.1 %: -0.2 points, -0.7 to +0.3; margin 2 points). On 1,000 calls."
    ]


def test_a_cost_that_rose_is_so_much_more():
    (sentence,) = describe(COST | {"ratio": 1.5, "ratio_low": 1.2, "ratio_high": 1.9, "verdict": "worse"})
    assert sentence == "`short` costs 50 % more than `long` (20 to 90). On 1,000 calls."


@pytest.mark.parametrize(
    ("ratios", "text"),
    [
        ((0.996, 0.9969, 0.9972), "costs 0.31 % less than `long` (0.28 to 0.40)"),
        ((1.031, 1.035, 1.042), "costs 3.5 % more than `long` (3.1 to 4.2)"),
        ((0.964, 1.3, 1.76), "is not worse than `long` in price (+30 %, -4 to +76; margin 2 USD per 1,000 calls)"),
        ((12.0, 15.0, 19.0), "costs 1,400 % more than `long` (1,100 to 1,800)"),
    ],
)
def test_a_ratio_has_the_digits_and_signs_that_it_needs(ratios, text):
    ends = {"low": -1.0, "high": 1.0, "verdict": "not_worse", "margin": 0.002} if ratios[0] < 1 < ratios[2] else {}
    (sentence,) = describe(COST | ends | dict(zip(("ratio_low", "ratio", "ratio_high"), ratios, strict=True)))
    assert text in sentence


def test_a_ratio_whose_interval_says_something_else_than_the_verdict_is_not_given():
    (sentence,) = describe(COST | {"high": 0.0001, "verdict": "undecided"})
    assert "in price (6.2 against 10 USD per 1,000 calls: -3.8, -4.1 to +0.1)" in sentence


def test_what_holm_takes_back_says_why():
    (sentence,) = describe(COST | {"verdict": "undecided"})
    assert "(38 % less, 35 to 41): one of so many comparisons may show as much by chance; about" in sentence


def test_equal_values_are_said_once():
    assert (
        "in kept (3.1 % of calls by both: +0.0 points, -0.7 to +0.3" in describe({"value": 0.031, "difference": 0.0})[0]
    )


@pytest.mark.parametrize("metric", ["kept_all", "coverage", "repeated_share"])
def test_means_of_shares_are_told_in_percent(metric):
    (sentence,) = describe({"metric": metric, "method": "mean: t and Hall, 95 %"})
    assert "(2.9 % against 3.1 %: -0.2 points, -0.7 to +0.3; margin 2 points)" in sentence


def test_clusters_are_counted():
    assert describe({"clusters": 48})[0].endswith(" On 1,000 calls in 48 clusters.")


def test_what_is_undecided_says_how_many_more_calls_would_tell():
    # 1,000 calls find .01; half of that takes 4,000.
    row = {"verdict": "undecided", "difference": -0.005, "margin": None}
    assert describe(row) == [
        "`short` and `long` are undecided in kept (2.9 % of calls against 3.1 %: -0.5 points, -0.7 to +0.3): "
        "about 3,000 more calls would tell."
    ]


def test_a_margin_may_be_easier_to_find_than_the_difference():
    # From -.001 to the margin of .005 it is .004: (.01 / .004)² = 6.25 times 1,000 calls.
    row = ROW | {"difference": -0.001, "margin": 0.005}
    assert count_calls_to_decide(row) == 5_300


def test_no_number_of_calls_shows_that_there_is_no_difference():
    (sentence,) = describe({"verdict": "undecided", "difference": 0.0, "margin": None})
    assert sentence.endswith("more than 100 times as many calls; a margin would say whether it matters.")


def test_a_verdict_that_is_withheld_says_who_answers_fewer():
    fewer = ANSWERED | {"value": 0.9, "difference": -0.1, "low": -0.12, "high": -0.08, "verdict": "worse"}
    worse, withheld = describe(fewer, COST | {"verdict": "undecided"})
    assert worse.startswith(
        "`short` is worse than `long` in calls answered (90.0 % of calls against 100.0 %: -10.0 points"
    )
    assert withheld == (
        "`short` and `long` are undecided in price (38 % less, 35 to 41): `short` answers fewer calls, and may "
        "have failed on those that are hard."
    )


def test_what_no_call_has_of_both_is_said():
    row = dict.fromkeys(("value", "baseline_value", "difference", "low", "high", "detectable"))
    assert describe(row | {"verdict": "undecided", "calls": 0})[0].endswith("in kept: no call has a value of both.")


def test_few_calls_are_not_blamed_where_there_is_no_interval():
    row = dict.fromkeys(("value", "baseline_value", "difference", "low", "high", "detectable"))
    assert len(describe(row | {"verdict": "undecided", "calls": 0, "few_calls": True})) == 1


def test_one_call_shows_no_spread():
    row = {"calls": 1, "low": None, "high": None, "detectable": None, "verdict": "undecided"}
    assert describe(row)[0] == "`short` and `long` are undecided in kept: how much it varies cannot be seen on 1 call."


def test_few_calls_and_calls_of_one_alone_are_said():
    lines = describe(ANSWERED, {"few_calls": True, "unpaired_calls": 1}, COST | {"unpaired_calls": 12})
    assert lines[-3:] == [
        "Few calls for kept: the intervals may be too narrow.",
        "1 call has a value of `short` or `long` alone, and is left out of kept.",
        "12 calls have a value of `short` or `long` alone, and are left out of price.",
    ]


def test_each_pair_has_its_sentences_in_the_order_of_the_rows():
    lines = describe({"variant": "b", "baseline": "a"}, {"variant": "c", "baseline": "a"}, {"verdict": "better"})
    assert [line.split("`")[1] for line in lines] == ["b", "c", "short"]


def test_of_no_rows_there_is_nothing_to_say(kind, measure):
    assert describe_comparison(compare_variants(kind.make(measure(a=[1.0])), Metric("score"))) == []


def test_a_comparison_is_described_as_pandas_and_as_polars(kind, measure):
    some = kind.make(measure("price_usd", a=[1.0, 2.0], b=[2.0, 4.5]))
    lines = describe_comparison(compare_variants(some, "price_usd"))
    assert lines[0].startswith("`b` and `a` are undecided in price (3,250 against 1,500 USD per 1,000 calls: ")


def test_a_missing_column_is_named():
    with pytest.raises(ColumnError, match="comparisons: no column 'verdict'"):
        describe_comparison(pl.DataFrame([ROW]).drop("verdict"))
