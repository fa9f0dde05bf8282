import math

import polars as pl
import pytest

from analysis.errors import AnalysisError, ColumnError
from analysis.metrics.stop_reasons import (
    count_stop_reasons,
    count_stop_reasons_by_length,
    share_truncated,
    suggest_max_tokens,
)

ANSWERS = {
    "variant": pl.String,
    "stop": pl.String,
    "input_tokens": pl.Int64,
    "output_tokens": pl.Int64,
    "max_tokens": pl.Int64,
}
COUNTS = {"variant": pl.String, "stop": pl.String, "answers": pl.Int64, "share": pl.Float64}
SHARES = {"variant": pl.String, "answers": pl.Int64, "truncated": pl.Int64}
SHARES |= dict.fromkeys(["share", "share_low", "share_high"], pl.Float64)
BANDS = {"variant": pl.String, "length_from": pl.Int64, "length_to": pl.Int64, **COUNTS}
SUGGESTIONS = {
    "variant": pl.String,
    "answers": pl.Int64,
    "truncated": pl.Int64,
    "max_tokens": pl.Int64,
    "suggested_max_tokens": pl.Int64,
    "wanted_share": pl.Float64,
    "longest_tokens": pl.Int64,
    "reason": pl.String,
}
FAILED = ("a", None, None, None, None)
NO_ROWS = pl.DataFrame(schema=ANSWERS)


def answers(*rows):
    return pl.DataFrame(rows, ANSWERS, orient="row")


def ended(*lengths, stop="end", variant="a", max_tokens=100):
    return [(variant, stop, 1000, length, max_tokens) for length in lengths]


def test_stops_are_counted_by_variant_and_the_missing_one_comes_last(kind):
    some = answers(FAILED, *ended(5, 6), *ended(100, stop="length"), *ended(5, variant="b"), (None, "end", 1, 1, 1))
    rows = [("a", "end", 2, 0.5), ("a", "length", 1, 0.25), ("a", None, 1, 0.25), ("b", "end", 1, 1.0)]
    kind.check(count_stop_reasons(kind.make(some)), [*rows, (None, "end", 1, 1.0)], COUNTS)


def test_without_groups_shares_are_of_all_answers(kind):
    some = answers(*ended(5), *ended(5, variant="b"), FAILED, *ended(9, stop="filtered"))
    schema = {name: dtype for name, dtype in COUNTS.items() if name != "variant"}
    rows = [("end", 2, 0.5), ("filtered", 1, 0.25), (None, 1, 0.25)]
    kind.check(count_stop_reasons(kind.make(some), by=[]), rows, schema)


def test_the_share_truncated_is_of_answers_that_came_with_wilsons_interval(kind):
    some = answers(*ended(100, stop="length"), *ended(*[10] * 9), FAILED)
    # Wilson for p = 1 / 10: (p + z²/2n ± z √(p (1 - p) / n + z²/4n²)) / (1 + z²/n), z = 1.959964.
    square, below = 1.959964**2, 1 + 1.959964**2 / 10
    centre, half = (0.1 + square / 20) / below, math.sqrt(square * (0.009 + square / 400)) / below
    kind.check(share_truncated(kind.make(some)), [("a", 10, 1, 0.1, centre - half, centre + half)], SHARES)


def test_where_no_answer_came_no_share_is_known(kind):
    kind.check(share_truncated(kind.make(answers(FAILED, FAILED))), [("a", 0, 0, None, None, None)], SHARES)


def test_a_lower_confidence_makes_a_narrower_interval(kind):
    some = kind.make(answers(*ended(100, stop="length"), *ended(10)))
    assert share_truncated(some, confidence=0.5)["share_low"][0] > share_truncated(some)["share_low"][0]


def test_bands_without_edges_hold_about_as_many_answers_each(kind):
    some = answers(*[("a", "end", tokens, 5, 100) for tokens in range(1, 8)], ("a", "length", 8, 100, 100), FAILED)
    rows = [
        ("a", 1, 3, "end", 2, 1.0),
        ("a", 3, 5, "end", 2, 1.0),
        ("a", 5, 7, "end", 2, 1.0),
        ("a", 7, 8, "end", 1, 0.5),
        ("a", 7, 8, "length", 1, 0.5),
        ("a", None, None, None, 1, 1.0),
    ]
    kind.check(count_stop_reasons_by_length(kind.make(some)), rows, BANDS)


def test_edges_include_where_a_band_begins_and_where_the_last_ends(kind):
    some = answers(*[("a", "end", tokens, 5, 100) for tokens in (0, 99, 100, 200, 201)])
    rows = [("a", 0, 100, "end", 2, 1.0), ("a", 100, 200, "end", 2, 1.0), ("a", None, None, "end", 1, 1.0)]
    kind.check(count_stop_reasons_by_length(kind.make(some), edges=[0, 100, 200]), rows, BANDS)


def test_calls_of_one_length_make_one_band(kind):
    rows = [("a", 1000, 1000, "end", 3, 1.0)]
    kind.check(count_stop_reasons_by_length(kind.make(answers(*ended(1, 2, 3)))), rows, BANDS)


def test_any_length_of_the_calls_makes_bands(kind):
    some = answers(*ended(1, 2)).with_columns(duration_s=pl.Series([10.5, 20.5]))
    rows = [("a", 10, 20, "end", 1, 1.0), ("a", 20, 21, "end", 1, 1.0)]
    kind.check(count_stop_reasons_by_length(kind.make(some), length="duration_s"), rows, BANDS)


def test_failed_answers_alone_have_no_band(kind):
    kind.check(count_stop_reasons_by_length(kind.make(answers(FAILED))), [("a", None, None, None, 1, 1.0)], BANDS)


def test_without_truncation_the_suggestion_is_the_quantile(kind):
    rows = [("a", 100, 0, 200, 99, 0.99, 100, None)]
    kind.check(suggest_max_tokens(kind.make(answers(*ended(*range(1, 101), max_tokens=200)))), rows, SUGGESTIONS)


def test_a_truncated_answer_counts_as_longer_than_it_is(kind):
    # Kaplan-Meier by hand: at 10, 3/4 are longer; one is truncated at 20; at 30, 3/4 x 1/2 are longer; at 40, none.
    some = kind.make(answers(*ended(10, 30, 40), *ended(20, stop="length", max_tokens=20)))
    for share, wanted in [(0.25, 10), (0.6, 30), (0.63, 40)]:
        assert suggest_max_tokens(some, share=share)["suggested_max_tokens"].to_list() == [wanted]


@pytest.mark.parametrize(
    ("whole", "cut_off", "ended_share"),
    [(30, 30, "30 of 60 answers were cut off, and 50.0%"), (55, 5, "5 of 60 answers were cut off, and 91.7%")],
)
def test_where_too_many_were_cut_off_twice_as_much_is_to_be_tried(kind, whole, cut_off, ended_share):
    some = answers(*ended(*range(10, 10 + whole)), *ended(*[100] * cut_off, stop="length"))
    reason = f"100 is too low: {ended_share} are known to end by themselves; ask with 200 and look again"
    rows = [("a", 60, cut_off, 100, 200, 0.99, 100, reason)]
    kind.check(suggest_max_tokens(kind.make(some)), rows, SUGGESTIONS)


def test_what_is_too_low_is_where_the_last_was_cut_off_not_the_largest_asked(kind):
    some = answers(*ended(10, 20, 30), *ended(50, stop="length", max_tokens=50))
    reason = "50 is too low: 1 of 4 answers were cut off, and 75.0% are known to end by themselves; "
    rows = [("a", 4, 1, 100, 100, 0.9, 50, f"{reason}ask with 100 and look again")]
    kind.check(suggest_max_tokens(kind.make(some), share=0.9), rows, SUGGESTIONS)


def test_a_suggestion_from_few_answers_says_so(kind):
    rows = [("a", 2, 0, 100, 20, 0.9, 20, "few answers: 2; a share of 0.9 wants 10 or more")]
    kind.check(suggest_max_tokens(kind.make(answers(*ended(10, 20))), share=0.9), rows, SUGGESTIONS)


def test_only_answers_whose_length_is_known_are_used(kind):
    some = answers(
        *ended(10), *ended(90, stop="filtered"), *ended(95, stop="other"), ("a", "end", 1, None, 100), FAILED
    )
    rows = [("a", 1, 0, 100, 10, 0.5, 10, "few answers: 1; a share of 0.5 wants 2 or more")]
    kind.check(suggest_max_tokens(kind.make(some), share=0.5), rows, SUGGESTIONS)


def test_a_variant_without_answers_gets_no_suggestion(kind):
    rows = [("a", 0, 0, None, None, 0.5, None, "no answers"), ("b", 2, 0, 100, 7, 0.5, 8, None)]
    kind.check(suggest_max_tokens(kind.make(answers(*ended(7, 8, variant="b"), FAILED)), share=0.5), rows, SUGGESTIONS)


@pytest.mark.parametrize("share", [0, 1, 99])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(AnalysisError, match=f"share: {share} is not between 0 and 1"):
        suggest_max_tokens(NO_ROWS, share=share)


def test_no_answers_give_the_columns_with_their_dtypes(kind):
    kind.check(count_stop_reasons(kind.make(NO_ROWS)), [], COUNTS)
    kind.check(share_truncated(kind.make(NO_ROWS)), [], SHARES)
    kind.check(count_stop_reasons_by_length(kind.make(NO_ROWS)), [], BANDS)
    kind.check(suggest_max_tokens(kind.make(NO_ROWS)), [], SUGGESTIONS)


def test_the_answers_are_left_alone(kind):
    some = kind.make(answers(*ended(1, 2), FAILED))
    before = some.copy() if hasattr(some, "copy") else some.clone()
    for count in (count_stop_reasons, share_truncated, count_stop_reasons_by_length, suggest_max_tokens):
        count(some)
    assert before.equals(some)


def test_a_missing_column_is_named(kind):
    with pytest.raises(ColumnError, match="answers: no column 'stop'; there are variant"):
        count_stop_reasons(kind.make(NO_ROWS.select("variant")))


def test_without_groups_there_is_one_row_even_of_nothing(kind):
    shares = {name: dtype for name, dtype in SHARES.items() if name != "variant"}
    suggestions = {name: dtype for name, dtype in SUGGESTIONS.items() if name != "variant"}
    kind.check(share_truncated(kind.make(NO_ROWS), by=[]), [(0, 0, None, None, None)], shares)
    kind.check(
        suggest_max_tokens(kind.make(NO_ROWS), by=[]), [(0, 0, None, None, 0.99, None, "no answers")], suggestions
    )
    some = kind.make(answers(*ended(1, 3), *ended(2, variant="b"), FAILED))
    rows = [(3, 0, 100, 2, 0.6, 3, None)]
    kind.check(suggest_max_tokens(some, share=0.6, by=[]), rows, suggestions)
