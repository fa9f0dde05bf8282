import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.metrics.expectations import list_unmet
from analysis.prompts import Expectations

NOTE = "Reason: a fee.\n## Outcome\nRefunded.\n**Follow-up:** none"


@pytest.mark.parametrize(
    ("text", "expected", "unmet"),
    [
        ("one two  three", {"max_words": 3}, []),
        ("one two three four", {"max_words": 3}, ["max_words"]),
        (NOTE, {"headings": ("Reason", "outcome", "Follow-up")}, []),
        (NOTE, {"headings": ("Reason", "Actions")}, ["headings: Actions"]),
        ("The reason: a fee", {"headings": ("Reason",)}, ["headings: Reason"]),
        ("Reasons: many", {"headings": ("Reason",)}, ["headings: Reason"]),
        ("1. Reason (why)\nText", {"headings": ("Reason (why)",)}, []),
        ('{"reason": 1, "more": 2}', {"json_keys": ("reason",)}, []),
        ('```json\n{"reason": 1}\n```', {"json_keys": ("reason",)}, []),
        ('```json\n{"reason": 1}\n', {"json_keys": ("reason", "outcome")}, ["json_keys: outcome"]),
        ('```\n{"reason": 1}```', {"json_keys": ("reason",)}, []),
        ('{"reason": 1}', {"json_keys": ("reason", "outcome")}, ["json_keys: outcome"]),
        ('Here it is: {"reason": 1}', {"json_keys": ("reason",)}, ["json_keys: reason"]),
        ('{"reason": 1', {"json_keys": ("reason", "b")}, ["json_keys: reason", "json_keys: b"]),
        ('["reason"]', {"json_keys": ("reason",)}, ["json_keys: reason"]),
        (" SURE, here is", {"forbidden_openings": ("Here is", "Sure")}, ["forbidden_openings: Sure"]),
        ("Ensure", {"forbidden_openings": ("Sure",)}, []),
        ("", {"max_words": 1, "forbidden_openings": ("Sure",)}, []),
        ("", {"headings": ("Reason",), "json_keys": ("a",)}, ["headings: Reason", "json_keys: a"]),
        ("سبب: رسوم", {"headings": ("سبب",)}, []),
        ("\x00\ud800", {"json_keys": ("a",), "headings": ("b",)}, ["headings: b", "json_keys: a"]),
    ],
)
def test_what_a_text_does_not_meet_is_named(text, expected, unmet):
    assert list_unmet(text, Expectations(**expected)) == unmet


def test_json_that_is_nested_too_deep_is_no_object():
    assert list_unmet('{"a":' * 100_000, Expectations(json_keys=("a",))) == ["json_keys: a"]


@settings(deadline=None)
@given(st.text())
def test_a_text_that_expects_nothing_meets_it(text):
    assert list_unmet(text, Expectations()) == []
