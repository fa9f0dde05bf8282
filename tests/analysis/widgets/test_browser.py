import polars as pl
import pytest

from analysis import find_unsupported_claims, show_answers
from analysis.widgets import browse_answers

HOSTILE = "<script>alert(1)</script> $1 and $2 \x1b[31m \u202e"


@pytest.fixture(scope="module")
def answers():
    """Three calls with two answers each: one cut off, one failed, one with an amount that the call does not say."""
    rows = [
        ("c1", "short", "A refund of $20.", "end", None, None, "I want $20 back."),
        ("c1", "long", "A refund of $20, by", "length", None, None, "I want $20 back."),
        ("c2", "short", "A refund of $30.", "end", None, None, "I want $25 back."),
        ("c2", "long", None, None, "service", HOSTILE, "I want $25 back."),
        ("c3", "short", "", "end", None, None, None),
        ("c3", "long", HOSTILE, "end", None, None, None),
    ]
    names = ["call_id", "variant", "text", "stop", "error_kind", "error_message", "transcript"]
    return pl.DataFrame(rows, names, orient="row").with_columns(sample=pl.lit(1, pl.Int16))


@pytest.fixture
def browser(answers):
    return browse_answers(answers, find_unsupported_claims(answers))


def list_calls(browser):
    return list(browser.picked)


def test_the_first_call_is_shown_and_no_other_is_sent(browser):
    assert browser.told == "Call 1 of 3"
    assert "call c1" in browser.page
    sent = str(browser.get_state())
    assert "$25" not in sent


@pytest.mark.parametrize(
    ("filters", "calls"),
    [
        ({"stop": "length"}, ["c1"]),
        ({"variant": "short", "stop": "length"}, []),
        ({"error": "service"}, ["c2"]),
        ({"error": "none"}, ["c1", "c2", "c3"]),
        ({"words_low": 5}, ["c1", "c3"]),
        ({"words_high": 4, "variant": "short"}, ["c1", "c2", "c3"]),
        ({"words_high": 0}, ["c3"]),
        ({"unsupported": True}, ["c2"]),
        ({"search": "WANT $25"}, ["c2"]),
        ({"search": "$3"}, ["c2"]),
        ({"search": "."}, ["c1", "c2"]),
    ],
)
def test_calls_are_picked_by_what_an_answer_is_like(browser, filters, calls):
    for name, value in filters.items():
        setattr(browser, name, value)
    assert list_calls(browser) == calls
    assert browser.calls == len(calls)


def test_without_a_call_the_page_is_empty_until_there_is_one(browser):
    browser.search = "nobody said this"
    assert (browser.page, browser.told) == ("", "No answer is like that.")
    browser.search = ""
    assert browser.told == "Call 1 of 3"


def test_one_goes_from_call_to_call_and_no_further(browser):
    browser.position = 2
    assert "call c3" in browser.page
    browser.position = 3
    assert (browser.position, browser.told) == (2, "Call 3 of 3")
    browser.position = -1
    assert (browser.position, browser.told) == (0, "Call 1 of 3")


def test_a_choice_is_offered_where_answers_differ(browser, answers):
    assert browser.choices["stop"] == [("end", "end (4 answers)"), ("length", "length (1 answer)")]
    same = browse_answers(answers.filter(pl.col("stop") == "end"))
    assert (same.choices["stop"], same.choices["error"], same.choices["unsupported"]) == ([], [], False)


def test_a_claim_is_marked_in_the_answer_and_what_is_said_instead_in_the_call(browser):
    browser.position = 1
    assert 'title="not in the call">$30</mark>' in browser.page
    assert 'title="an answer says something else">$25</mark>' in browser.page


def test_the_answers_that_were_found_have_a_bar(browser):
    browser.stop = "length"
    short, long = browser.page.index("<strong>short"), browser.page.index("<strong>long")
    bar = browser.page.index("border-left")
    assert short < bar < long
    assert browser.page.count("border-left") == 1


def test_hostile_texts_are_escaped(browser):
    for browser.position in (1, 2):
        assert "<script" not in browser.page
        assert not set("\x1b\u202e") & set(browser.page)
        assert "&lt;script&gt;alert(1)" in browser.page


def test_on_paper_stands_what_the_browser_shows(answers, browser, kind):
    claims = find_unsupported_claims(answers)
    paper = show_answers(kind.make(answers), kind.make(claims)).pages
    browsed = []
    for browser.position in range(3):
        browsed.append(browser.page)
    assert paper == browsed


def test_a_long_frame_is_cut_on_paper_and_says_so(answers):
    many = pl.concat([answers.head(2).with_columns(call_id=pl.lit(f"c{number}")) for number in range(103)])
    shown = show_answers(many)
    assert len(shown.pages) == 100
    assert "and 3 other calls" in shown._repr_html_()


def test_without_answers_there_is_nothing_to_read(answers):
    empty = browse_answers(answers.head(0))
    assert (empty.calls, empty.page) == (0, "")
    assert show_answers(answers.head(0)).pages == []
