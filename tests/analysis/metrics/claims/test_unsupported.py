from itertools import pairwise

import pandas as pd
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from analysis import find_unsupported_claims, make_calls
from analysis.errors import ColumnError
from analysis.metrics.claims import checks

CALL = """Agent: Thanks for calling, this is Priya.
Customer: Hi, Maria Lopez here. I was charged forty five fifty on June fifth, and again on Monday.
Agent: Your code is K R 7 2 M P. We refund it in five business days, twenty percent now, by half past six."""
ANSWERS = {"call_id": pl.String, "variant": pl.String, "sample": pl.String, "text": pl.String, "transcript": pl.String}
CLAIMS = {"call_id": pl.String, "variant": pl.String, "sample": pl.String, "kind": pl.String, "mention": pl.String}
CLAIMS |= {"begin": pl.Int64, "end": pl.Int64, "nearest": pl.String}


def answers(*texts, call=CALL):
    return pl.DataFrame([(f"c{i}", "short", "1", text, call) for i, text in enumerate(texts)], ANSWERS, orient="row")


def find(text, call=CALL):
    """List kind, mention and nearest of what a call does not support in a text."""
    found = find_unsupported_claims(answers(text, call=call))
    assert all(text[begin:end] == mention for mention, begin, end in found.select("mention", "begin", "end").rows())
    return found.select("kind", "mention", "nearest").rows()


def test_each_claim_that_a_call_does_not_support_is_a_row_with_its_place(kind):
    some = answers("Maria paid $46.50.", None, "Nothing to see.", "On June 6 Maria left.")
    rows = [
        ("c0", "short", "1", "amount", "$46.50", 11, 17, "forty five fifty"),
        ("c3", "short", "1", "date", "June 6", 3, 9, "June fifth"),
    ]
    kind.check(find_unsupported_claims(kind.make(some)), rows, CLAIMS)


@pytest.mark.parametrize("some", [answers(), answers(None), answers("It was $5.", call=None), answers("")])
def test_without_a_text_and_a_transcript_there_is_no_claim(kind, some):
    kind.check(find_unsupported_claims(kind.make(some)), [], CLAIMS)


def test_a_missing_column_is_named(kind):
    with pytest.raises(ColumnError, match="answers: no column 'transcript'"):
        find_unsupported_claims(kind.make(answers("a").drop("transcript")))


@pytest.mark.parametrize(
    ("text", "unsupported"),
    [
        ("It was $45.50, or 45.50 dollars.", []),
        ("It was 4,550 dollars.", []),
        ("It was $45.05.", ["$45.05"]),
        ("It was $455.", ["$455"]),
        ("On June 5, June 5th, the 5th of June, 06/05.", []),
        ("On 5 June 2026.", ["5 June 2026"]),
        ("On July 5.", ["July 5"]),
        ("Not Tuesday but Monday.", ["Tuesday"]),
        ("Within 5 days, within five working days.", []),
        ("Within 5 weeks.", ["5 weeks"]),
        ("By 6:30, 6:30 pm, 18:30.", []),
        ("By 7:30.", ["7:30"]),
        ("By 51 pm, at 25:30.", ["51 pm", "25:30"]),
        ("Within 3 to 5 days, 3-6 days, five to six days.", ["3 to 5 days", "3-6 days", "five to six days"]),
        ("We are here 24/7.", []),
        ("It was 23/18/1949, 07/2021.", ["23/18/1949", "07/2021"]),
        ("A fifth is 20%, 20 percent.", []),
        ("It is 25%.", ["25%"]),
        ("Code KR72MP, kr72mp, K-R-7-2-M-P.", []),
        ("Code KR27MP.", ["KR27MP"]),
        ("Two problems, 3 calls and 1 refund.", []),
        ("1. Charged\n 12. Refunded\n13) Closed", []),
        ("Priya helped Maria Lopez.", []),
        ("Then Priya helped Maria Loppez.", []),
        ("Then Priya helped Walter Lopez.", ["Walter Lopez"]),
    ],
)
def test_digits_and_words_support_each_other(text, unsupported):
    assert [mention for _, mention, _ in find(text)] == unsupported


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("It is four seven two nine.", "The code is 4729."),
        ("It is five five five, oh one two three.", "Call 555-0123."),
        ("It is 555 01 23.", "Call 555-0123."),
        ("nineteen ninety nine", "In 1999, for $19.99."),
        ("double five three one", "Number 5531."),
        ("one hundred and five thousand two hundred", "It costs $105,200."),
        ("a hundred dollars and fifty cents", "It costs $100.50."),
        ("quarter to ten", "At 9:45."),
        ("at six", "At 6 pm."),
        ("between two and five p.m.", "2 pm, 5 pm"),
        ("in three to five business days", "in 3-5 days, 5 days, 3 days"),
        ("in 3 to 5 days", "in three days"),
        ("four hundred two hundred", "400, 200"),
        ("twenty four june", "June 24"),
        ("the 15 th june", "June 15"),
        ("eight out of ten", "8/10"),
        ("point five percent, and two and a half hours", "0.5 %, 2.5 hours"),
        ("one and a half thousand dollars, or 3 and a half", "$1.5, 3.5"),
        ("last june, in 2021", "06/2021"),
        ("in the first week or two of June", "two weeks, or June"),
        ("It is account 88124729.", "It ends in 4729."),
        ("4K dollars", "$4,000"),
        ("the twenty-first of March, twenty nineteen", "On March 21, 2019."),
        ("45,50 Euro am 3. März", "45.50 euros on March 3"),
        ("fünfundvierzig Euro", "45 Euro"),
        ("quarante-cinq euros", "45 euros"),
        ("cuarenta y cinco euros", "45 euros"),
        ("My name is Brandt, B, R, A, N, D, T. mr brant", "We called Brandt."),
        ("it is s m i t h", "We saw Smith twice."),
    ],
)
def test_what_is_said_in_other_words_is_supported(said, text):
    assert find(text, call=f"Customer: {said}") == []


def test_the_nearest_is_what_the_call_says_of_the_same_kind():
    assert find("In 6 days, to Walter Gomez, code KR73MP, 35%.") == [
        ("number", "6 days", "five business days"),
        ("name", "Walter Gomez", None),
        ("code", "KR73MP", "K R 7 2 M P"),
        ("percent", "35%", "twenty percent"),
    ]


@pytest.mark.parametrize(
    ("said", "text", "nearest"),
    [
        ("It takes 7 days, order 12345.", "You get $20.", None),
        ("It takes 7 days, order 12345.", "It is done in 24 hours.", "7 days"),
        ("It takes 7 days, order 12345.", "It was 53.", "12345"),
        ("You pay 20 euros.", "You pay $25.", "20 euros"),
        ("You pay 20.", "You pay $25.", "20"),
    ],
)
def test_the_nearest_is_no_number_of_something_else(said, text, nearest):
    ((_, _, found),) = find(text, call=f"Customer: {said}")
    assert found == nearest


def test_a_call_supports_itself_in_four_languages():
    calls = make_calls(400).with_columns(text="transcript", variant=pl.lit("a"), sample=1)
    assert set(calls["language"]) == {"en", "es", "de", "fr"}
    assert find_unsupported_claims(calls).is_empty()


HOSTILE = ["", "a", "1", "\x00", "مرحبا ١٢٣", "é5", "İ 5 İ $7", "1" * 1_000_000, "1 " * 500_000, "one " * 250_000]
HOSTILE += ["$" * 1_000_000, "A" * 1_000_000, "Ab " * 300_000, "a-" * 500_000, "1," * 500_000, "may " * 250_000]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: f"{text[:6]!r} {len(text)}")
def test_hostile_texts_are_read(text):
    assert find(text, call=text) == []
    find(text, call="Customer: 12 and $7, on June 5.")
    find("12 and $7, on June 5.", call=text)


@pytest.mark.parametrize("calls_at_once", [1, 3, 7])
def test_calls_that_are_checked_in_pieces_give_the_same(monkeypatch, calls_at_once):
    calls = make_calls(20).with_columns(text=pl.col("transcript").str.replace_all("[0-9]", "7"), variant=pl.lit("a"))
    some = pl.concat([calls.with_columns(sample=pl.lit(sample)) for sample in (2, 1)])
    whole = find_unsupported_claims(some)
    monkeypatch.setattr(checks, "CALLS_AT_ONCE", calls_at_once)
    assert len(whole) > 20
    assert find_unsupported_claims(some).equals(whole)


def test_a_mention_is_not_placed_within_a_word():
    found = find_unsupported_claims(answers("Of xeleven and mcBerta, eleven met Berta.", call="Agent: Hello."))
    assert found.select("mention", "begin", "end").rows() == [("eleven", 24, 30), ("Berta", 35, 40)]


def test_a_lone_surrogate_keeps_the_places_of_what_follows():
    frame = answers("x").to_pandas()
    frame["text"] = pd.Series(["\ud800 paid $8."], dtype=object)
    (found,) = find_unsupported_claims(frame)[["mention", "begin", "end"]].itertuples(index=False)
    assert tuple(found) == ("$8", 7, 9)


PIECES = """one two 21st twenty-first $45.50 45,50 June 5th the fifth of May 6:30 p.m. 51 pm K R 7 20% hundred thousand
Maria and to o'clock half past quarter seventy 24/7 99/99/9999 25:99 3-5 days minutes noon double triple oh - cent cents
dollars €5 5€ $ 1,2,3 1.2.3 555-0123 (555) 000 k 4k und vingt et mil 2026 th 1st İ é \u2013 or zehn y half
a 06/2021 point"""
LISTS = st.lists(st.sampled_from(PIECES.split()), max_size=12)
TEXTS = st.one_of(st.text(), LISTS.map(" ".join), LISTS.map("".join))


@settings(deadline=None)
@given(TEXTS)
def test_any_text_supports_itself(text):
    assert find(text, call=text) == []


@settings(deadline=None)
@example("¼AAa", "")
@given(TEXTS, TEXTS)
def test_places_are_those_of_the_mentions_and_never_overlap(text, call):
    found = find_unsupported_claims(answers(text, call=call))
    numbers = found.filter(pl.col("kind") != "name").select("begin", "end").rows()
    assert all(text[begin:end] == mention for mention, begin, end in found.select("mention", "begin", "end").rows())
    assert all(one[1] <= other[0] for one, other in pairwise(numbers))
