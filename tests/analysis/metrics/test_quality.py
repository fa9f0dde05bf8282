import math
from itertools import pairwise

import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis import Prompt, make_calls, measure_answers
from analysis.errors import ColumnError
from analysis.prompts import Expectations

ANSWERS = {"call_id": pl.String, "variant": pl.String, "text": pl.String, "transcript": pl.String}
MEASURES = {
    "words": pl.Int64,
    "compression": pl.Float64,
    "copied_share": pl.Float64,
    "longest_copied": pl.Int64,
    "repeated_share": pl.Float64,
    "coverage": pl.Float64,
    "claims": pl.Int64,
    "unsupported_claims": pl.Int64,
    "has_unsupported": pl.Boolean,
    "as_expected": pl.Boolean,
    "unmet": pl.String,
}
CALL = "Agent: We will send you a new card within five days. Customer: Thanks, and the fee of $20?"


def answers(*rows):
    return pl.DataFrame(rows, ANSWERS, orient="row")


def measure(text, call=CALL):
    return measure_answers(answers(("c", "a", text, call))).row(0, named=True)


def expecting(name, **expects):
    return Prompt(name=name, model_id="m", template="{{ transcript }}", expects=Expectations(**expects))


def test_every_answer_keeps_its_row_and_gets_its_measures(kind):
    # 18 words; "send you a new card within five" are 7 of the 10 words, "five days" is supported, $30 is not.
    rows = [
        ("c1", "a", "We send you a new card within five days, $30.", CALL),
        ("c1", "b", None, CALL),
        ("c2", "a", "Fine.", None),
        ("c2", "b", "", CALL),
    ]
    measured = [
        (10, 1.8, 0.8, 8, 0.0, None, 2, 1, True, None, None),
        (None,) * 11,
        (1, *(None,) * 10),
        (0, None, None, None, None, None, 0, 0, False, None, None),
    ]
    wanted = [row + more for row, more in zip(rows, measured, strict=True)]
    kind.check(measure_answers(kind.make(answers(*rows))), wanted, ANSWERS | MEASURES)


def test_no_rows_give_all_columns(kind):
    kind.check(measure_answers(kind.make(answers())), [], ANSWERS | MEASURES)


def test_the_frame_is_left_alone(kind):
    frame = kind.make(answers(("c", "a", "text", CALL)))
    before = frame.clone() if isinstance(frame, pl.DataFrame) else frame.copy(deep=True)
    measure_answers(frame)
    assert frame.equals(before)


@pytest.mark.parametrize("name", ["text", "transcript"])
def test_a_missing_column_is_named(kind, name):
    with pytest.raises(ColumnError, match=f"answers: no column '{name}'"):
        measure_answers(kind.make(answers().drop(name)))


def test_a_column_of_the_call_with_the_name_of_a_measure_is_kept_as_that_of_the_call(kind):
    frame = kind.make(answers(("c", "a", "one two", CALL)).with_columns(words=pl.lit(7)))
    measured = measure_answers(frame)
    assert (list(measured["words_call"]), list(measured["words"])) == ([7], [2])


def test_measuring_twice_is_refused(kind):
    with pytest.raises(ColumnError, match=r"has words, compression, .* already; drop these columns to measure"):
        measure_answers(measure_answers(kind.make(answers(("c", "a", "text", CALL)))))


def test_what_a_prompt_expects_is_checked_for_the_answers_to_it(kind):
    rows = [
        ("c", "a", "one two three", CALL),
        ("c", "b", "Sure: x", CALL),
        ("c", "c", "x", CALL),
        ("c", "a", None, CALL),
    ]
    prompts = [expecting("a", max_words=3), expecting("b", max_words=1, forbidden_openings=("sure",))]
    prompts.append(Prompt(name="c", model_id="m", template="{{ transcript }}"))
    measured = measure_answers(kind.make(answers(*rows)), prompts=prompts)
    texts = [None if pd.isna(text) else text for text in measured["unmet"]]
    assert texts == ["", "max_words; forbidden_openings: sure", None, None]
    assert [None if pd.isna(met) else met for met in measured["as_expected"]] == [True, False, None, None]


def test_a_copied_run_ends_where_the_words_differ():
    call = "a b c d e f g h i j k l"
    assert (measure("x b c d e f g y", call)["longest_copied"], measure("x b c d e f y", call)["longest_copied"]) == (
        6,
        0,
    )
    measured = measure("B, c: d. E f g h! Then, f g h i j k", call)
    assert (measured["longest_copied"], measured["copied_share"]) == (7, 13 / 14)


def test_words_that_are_copied_from_another_call_are_not_copied():
    frame = answers(("1", "a", "a b c d e f g", "x y z"), ("2", "a", "a b c d e f g", "a b c d e f g"))
    assert measure_answers(frame)["copied_share"].to_list() == [0, 1]


def test_a_run_that_stood_there_before_is_repeated():
    # The runs of four of "a b c d a b c d" are abcd, bcda, cdab, dabc and abcd again.
    assert measure("a b c d a b c d")["repeated_share"] == pytest.approx(1 / 5)
    assert measure("a b c")["repeated_share"] is None


def test_key_terms_are_what_few_calls_say_more_than_once():
    calls = [f"the bank word{i} word{i} the bank other{i} other{i} once{i}" for i in range(5)]
    frame = answers(*((str(i), "a", f"the bank word{i} once{i}", call) for i, call in enumerate(calls)))
    # Of six bytes: word0 and other0; the rest is said once, or by all.
    assert measure_answers(frame)["coverage"].to_list() == [0.5] * 5
    assert measure_answers(frame[:4])["coverage"].to_list() == [None] * 4


def test_a_key_term_is_met_in_another_form():
    calls = ["refund refund hello", *("hello there you",) * 4]
    frame = answers(*((str(i), "a", "It was refunded.", f"{call} {i}") for i, call in enumerate(calls)))
    assert measure_answers(frame)["coverage"].to_list() == [1, None, None, None, None]


def test_measures_do_not_depend_on_the_other_answers_but_for_key_terms_and_names():
    calls = make_calls(300, seed=2).select("call_id", "transcript")
    frame = calls.with_columns(text=pl.col("transcript").str.head(300), variant=pl.lit("a"))
    shuffled = frame.sample(fraction=1, shuffle=True, seed=1)
    one, two = (measure_answers(some).sort("call_id") for some in (frame, shuffled))
    assert one.equals(two)
    assert one["copied_share"].min() > 0.9


# Python divides at more control characters than Unicode calls white space.
NOT_CONTROL = st.characters(exclude_characters="\x1c\x1d\x1e\x1f", codec="utf-8")
WORDS = st.lists(st.sampled_from("abcde"), max_size=30)


def count_copied(words, said):
    """Count by looking at each run of six: which words stand in the call, and the longest chain of such runs."""
    runs = {tuple(said[i : i + 6]) for i in range(len(said) - 5)}
    found = [i for i in range(len(words) - 5) if tuple(words[i : i + 6]) in runs]
    copied = {place for i in found for place in range(i, i + 6)}
    longest = current = 0
    for before, i in pairwise([-2, *found]):
        current = current + 1 if i == before + 1 else 6
        longest = max(longest, current)
    return len(copied), longest


@settings(deadline=None)
@given(WORDS, WORDS)
def test_copying_and_repeating_are_what_counting_gives(words, said):
    measured = measure(" ".join(words), " ".join(said))
    copied, longest = count_copied(words, said)
    if len(words) >= 6:
        assert (measured["copied_share"], measured["longest_copied"]) == (pytest.approx(copied / len(words)), longest)
    fours = [tuple(words[i : i + 4]) for i in range(len(words) - 3)]
    share = 1 - len(set(fours)) / len(fours) if fours else math.nan
    assert measured["repeated_share"] == (pytest.approx(share) if fours else None)


@settings(deadline=None)
@given(st.text(NOT_CONTROL), st.text(NOT_CONTROL))
def test_any_text_has_measures_within_their_bounds(text, call):
    measured = measure(text, call)
    for name in ("copied_share", "repeated_share", "coverage"):
        assert measured[name] is None or 0 <= measured[name] <= 1
    assert 0 <= measured["unsupported_claims"] <= measured["claims"]
    assert measured["words"] == len(measured["text"].split())


HOSTILE = [
    "a",
    "\x00",
    "مرحبا بك يا صديقي العزيز جدا",
    "x" * 1_000_000,
    "x " * 500_000,
    "é" * 500_000,
    "\u2028 " * 300_000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: f"{text[:3]!r} {len(text)}")
def test_hostile_texts_are_measured(text):
    frame = answers(("1", "a", text, text), ("1", "b", "a b c d e f", text), ("2", "a", text, "short"))
    assert measure_answers(frame)["unsupported_claims"].to_list() == [0, 0, 0]


def test_a_lone_surrogate_is_measured_as_a_mark():
    frame = answers(("c", "a", "x", CALL)).to_pandas()
    frame["text"] = pd.Series(["one \ud800 two"], dtype=object)
    assert measure_answers(frame)["words"].tolist() == [3]
