import polars as pl
import pytest

from analysis import Metric, advise, choose_metrics, compare_variants, count_more_calls, format_comparison
from analysis.errors import AnalysisError

ROW = {
    "metric": "kept_all",
    "variant": "short",
    "baseline": "long",
    "calls": 1000,
    "unpaired_calls": 0,
    "clusters": None,
    "value": 0.871,
    "baseline_value": 0.88,
    "difference": -0.009,
    "low": -0.015,
    "high": 0.003,
    "ratio": None,
    "ratio_low": None,
    "ratio_high": None,
    "margin": 0.02,
    "verdict": "equivalent",
    "detectable": 0.01,
    "method": "mean: t and Hall, 95 %",
    "few_calls": False,
}
PRICE = {"metric": "price_usd", "value": 0.0062, "baseline_value": 0.01, "difference": -0.0038, "low": -0.0041}
PRICE |= {"high": -0.0035, "ratio": 0.62, "ratio_low": 0.59, "ratio_high": 0.65, "margin": None, "verdict": "better"}
CUT = {"metric": "truncated", "value": 0.51, "baseline_value": 0.0, "difference": 0.51, "low": 0.45, "high": 0.57}
CUT |= {"verdict": "worse", "method": "share: Tango, 95 %"}
ANSWERED = {"metric": "answered", "value": 1.0, "baseline_value": 1.0, "difference": 0.0, "low": -0.01, "high": 0.01}
ANSWERED |= {"margin": None, "verdict": "undecided", "method": "share: Tango, 95 %"}
OPEN = {"verdict": "undecided", "difference": -0.01, "low": -0.03, "high": 0.01, "margin": None}


def table(*rows):
    return pl.DataFrame([ROW | row for row in rows], infer_schema_length=None)


def advice(*rows):
    return advise(table(*rows))


def test_a_variant_that_is_cheaper_and_not_worse_is_taken():
    found = advice(ANSWERED, {"verdict": "not_worse"}, PRICE)
    assert found.variant == "short"
    assert found.sentence == "Take `short`: it costs 38 % less than `long` and is otherwise not worse."
    assert found.reasons == [
        "`short` costs 38 % less than `long` (35 to 41), and is not worse in amounts, dates and codes kept (87.1 % "
        "against 88.0 %: -0.9 points, -1.5 to +0.3; margin 2 points). On 1,000 calls."
    ]


def test_what_else_is_better_is_named():
    found = advice(CUT | {"verdict": "better"}, PRICE)
    assert found.sentence == "Take `short`: it costs 38 % less than `long` and is better in answers cut off."
    assert advice({"verdict": "better"}, {"metric": "words"}).sentence == (
        "Take `short`: it is better than `long` in amounts, dates and codes kept and is otherwise not worse."
    )


def test_of_several_the_cheapest_is_taken_and_told_first():
    dear = PRICE | {"variant": "json", "value": 0.008}
    found = advice(dear, {"variant": "json"}, PRICE, {})
    assert found.variant == "short"
    assert [reason.split("`")[1] for reason in found.reasons] == ["short", "json"]


def test_without_a_price_the_one_that_is_better_in_the_most_is_taken():
    one, more = {"variant": "json", "verdict": "better"}, {"verdict": "better"}
    assert (
        advice(one, one | {"metric": "words", "verdict": "not_worse"}, more, more | {"metric": "words"}).variant
        == "short"
    )


@pytest.mark.parametrize(
    "row", [OPEN, ANSWERED | {"difference": -0.01}, ANSWERED | {"difference": -0.1, "verdict": "worse"}]
)
def test_what_is_open_or_worse_leaves_no_advice_to_take(row):
    assert advice(row, PRICE).variant is None


def test_equally_many_answers_need_no_margin():
    assert advice(ANSWERED, PRICE).variant == "short"


def test_a_gain_that_costs_something_else_is_a_choice():
    found = advice(CUT, PRICE)
    assert (found.variant, found.sentence) == (
        None,
        "You have to choose: against `long`, `short` is better in price and worse in answers cut off.",
    )


def test_what_is_undecided_says_how_many_more_calls_would_tell():
    found = advice(OPEN, PRICE)
    assert found.sentence == "There is no advice yet: these calls do not tell whether to leave `long`."
    # 1,000 calls find .01 with 80 %, so one more is all that the formula asks for.
    assert found.reasons[1] == "`short` is undecided in amounts, dates and codes kept: about 1 more call would tell."


def test_the_metric_that_takes_the_most_calls_counts():
    # Half of .01 takes 4,000 calls, so 3,000 more; .0001 more than a hundred times as many.
    far, farther = OPEN | {"difference": -0.005}, OPEN | {"metric": "coverage", "difference": -0.0001}
    assert advice(far, OPEN | {"metric": "words"}).reasons[-1].endswith("and words: about 3,000 more calls would tell.")
    assert advice(far, farther).reasons[-1] == (
        "`short` is undecided in amounts, dates and codes kept and key terms covered: about 3,000 more calls would "
        "tell of amounts, dates and codes kept."
    )
    assert advice(farther).reasons == [
        "`short` is undecided in key terms covered: it takes more than 100 times as many calls."
    ]


def test_the_baseline_is_kept_where_all_others_are_worse_or_better_in_nothing():
    found = advice(CUT, {"variant": "json"})
    assert (found.variant, found.sentence) == (
        "long",
        "Keep `long`: `short` is worse in answers cut off, and `json` is better in nothing.",
    )


def test_what_is_withheld_takes_no_further_calls():
    fewer = ANSWERED | {"difference": -0.1, "low": -0.12, "high": -0.08, "verdict": "worse"}
    found = advice(fewer, PRICE | {"verdict": "undecided"})
    assert found.sentence == "Keep `long`: `short` is worse in calls answered."
    assert len(found.reasons) == 1
    assert count_more_calls(table(fewer, PRICE | {"verdict": "undecided"}))["more_calls"].to_list() == [None]


def test_of_one_variant_there_is_nothing_to_advise(kind, measure):
    found = advise(compare_variants(kind.make(measure(a=[1.0])), Metric("score")))
    assert (found.variant, found.reasons) == (None, [])
    assert found.sentence.startswith("There is nothing to compare: that takes answers of two prompts")


def test_equally_many_answers_alone_decide_nothing():
    found = advice(ANSWERED, ANSWERED | {"variant": "json"})
    assert (found.variant, found.reasons) == (None, [])
    assert found.sentence.startswith("There is nothing to decide by: each prompt answers as many calls")


def test_several_baselines_are_refused():
    with pytest.raises(AnalysisError, match="there are several baselines; pass baseline="):
        advice({}, {"variant": "long", "baseline": "json"})


def test_where_no_call_has_both_nothing_is_advised():
    nothing = dict.fromkeys(("value", "baseline_value", "difference", "low", "high", "detectable"))
    found = advice(nothing | {"verdict": "undecided", "calls": 0})
    assert found.variant is None
    assert found.reasons == ["`short` is undecided in amounts, dates and codes kept: no call has a value of both."]


def test_further_calls_are_counted_with_their_price(kind):
    counted = count_more_calls(kind.make(table(OPEN | {"difference": -0.005}, PRICE, CUT)))
    # 3,000 calls at .0062 and .01 each.
    rows = [("kept_all", "short", "long", 1000, 3000, 48.6, "amounts, dates and codes kept")]
    schema = {"metric": pl.String, "variant": pl.String, "baseline": pl.String, "calls": pl.Int64}
    kind.check(counted, rows, {**schema, "more_calls": pl.Int64, "price_usd": pl.Float64, "measure": pl.String})


def test_without_a_price_further_calls_have_none():
    assert count_more_calls(table(OPEN | {"difference": -0.005}))["price_usd"].to_list() == [None]


def test_a_table_for_people_has_names_units_and_words(kind):
    names = ("prompt", "measure", "value", "against", "difference", "margin", "verdict")
    formatted = format_comparison(kind.make(table(CUT, PRICE, {"verdict": "not_worse"})))
    kept, usd = "amounts, dates and codes kept", "USD per 1,000 calls"
    rows = [
        (
            "short",
            "answers cut off",
            "51.0 %",
            "long: 0.0 %",
            "+51.0 points, +45.0 to +57.0",
            "2 points",
            "worse",
            1000,
        ),
        ("short", "price", f"6.2 {usd}", f"long: 10 {usd}", "38 % less, 35 to 41", None, "better", 1000),
        ("short", kept, "87.1 %", "long: 88.0 %", "-0.9 points, -1.5 to +0.3", "2 points", "not worse", 1000),
    ]
    kind.check(formatted, rows, {**dict.fromkeys(names, pl.String), "calls": pl.Int64})


def test_what_a_table_has_decides(kind):
    answers = pl.DataFrame(
        {
            "call_id": ["c"],
            "variant": ["a"],
            "error_kind": [None],
            "text": ["Yes."],
            "price_usd": [0.1],
            "kept_all": [0.5],
            "as_expected": [None],
            "words": [1],
        },
        schema_overrides={"as_expected": pl.Boolean},
    )
    assert choose_metrics(kind.make(answers), margin=0.03) == [
        Metric("answered", margin=0.03),
        Metric("kept_all", margin=0.03),
        Metric("price_usd", better="lower"),
    ]
    assert choose_metrics(kind.make(answers.select("call_id", "variant"))) == []
