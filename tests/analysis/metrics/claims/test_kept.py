import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis import make_calls, measure_kept
from analysis.errors import ColumnError

# Two amounts, a date and a code.
CALL = "Customer: I paid $45.50 and twenty dollars on June 5th. Agent: The code is KR72MP, and again: $45.50."
ANSWERS = {"text": pl.String, "transcript": pl.String, "fees": pl.List(pl.String), "city": pl.String}
KEPT = dict.fromkeys(["kept_amounts", "kept_dates", "kept_codes", "kept_all"], pl.Float64)


def answers(*rows):
    return pl.DataFrame(rows, ANSWERS, orient="row")


def measure(text, call=CALL):
    return measure_kept(answers((text, call, None, None))).select(*KEPT).row(0)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Paid $45.50 and $20 on 5 June, code KR72MP.", (1, 1, 1, 1)),
        ("Paid 45.50 dollars on July 5.", (0.5, 0, 0, 0.25)),
        ("Twenty.", (0.5, 0, 0, 0.25)),
        ("", (0, 0, 0, 0)),
        (None, (None, None, None, None)),
    ],
)
def test_the_share_of_different_amounts_dates_and_codes_is_measured(text, kept):
    assert measure(text) == kept


def test_where_a_call_has_nothing_of_a_kind_no_share_is_known():
    assert measure("$5", "Customer: Hello.") == (None, None, None, None)
    assert measure("$5", None) == (None, None, None, None)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Order 12345.", 1),
        ("Order 12-345.", 1),
        ("Order one two three four five.", 1),
        ('{"id": 1234567890}', 0),
        ("Order 9912345.", 0),
    ],
)
def test_digits_within_a_longer_code_do_not_keep_one(text, kept):
    assert measure(text, "Customer: My order number is 12345.")[2] == kept


@pytest.mark.parametrize(("text", "kept"), [("Ann called.", 1), ("ANN!", 1), ("The annual fee.", 0), ("Joanna", 0)])
def test_a_known_word_is_kept_as_a_whole_word(text, kept):
    some = answers((text, "Customer: Hello.", None, "Ann"))
    assert measure_kept(some, "city")["kept_city_known"].to_list() == [kept]


def test_known_values_are_measured_by_what_they_state_or_by_their_words(kind):
    rows = [
        ("Paid $45.50 in new york.", CALL, "New York"),
        ("Paid nothing.", CALL, "forty-five fifty"),
        ("It was 45.50.", CALL, "forty-five fifty"),
        ("Paid nothing.", CALL, None),
        (None, CALL, "Oslo"),
    ]
    schema = {name: ANSWERS[name] for name in ("text", "transcript", "city")}
    kept = [(0.5, 0, 0, 0.25, 1), (0, 0, 0, 0, 0), (0.5, 0, 0, 0.25, 1), (0, 0, 0, 0, None), (None,) * 5]
    wanted = [row + shares for row, shares in zip(rows, kept, strict=True)]
    measured = measure_kept(kind.make(pl.DataFrame(rows, schema, orient="row")), ["city"])
    kind.check(measured, wanted, {**schema, **KEPT, "kept_city_known": pl.Float64})


def test_lists_of_known_values_are_shares(kind):
    some = answers(
        ("$45.50", CALL, ["forty-five fifty", "$20"], None), ("$20", CALL, [], None), ("$20", CALL, None, None)
    )
    measured = measure_kept(kind.make(some), "fees")
    assert pl.Series(measured["kept_fees_known"]).to_list() == [0.5, None, None]


def test_an_answer_that_is_the_call_keeps_all_of_it():
    calls = make_calls(200).with_columns(text="transcript")
    kept = measure_kept(calls, ["amounts", "promised_actions"])
    shares = kept.select("^kept_.*$")
    assert set(shares.unpivot()["value"].drop_nulls()) == {1.0}
    assert kept["kept_amounts_known"].is_null().to_list() == (kept["amounts"].list.len() == 0).to_list()


def test_measuring_twice_is_refused(kind):
    with pytest.raises(
        ColumnError, match="has kept_amounts, kept_dates, kept_codes, kept_all already; drop these columns"
    ):
        measure_kept(measure_kept(kind.make(answers(("a", "b", [], "c")))), "city")


def test_a_missing_column_is_named(kind):
    with pytest.raises(ColumnError, match="answers: no column 'town'"):
        measure_kept(kind.make(answers()), "town")


@settings(deadline=None)
@given(st.text(), st.text())
def test_shares_are_from_0_to_1(text, call):
    assert all(share is None or 0 <= share <= 1 for share in measure(text, call))
