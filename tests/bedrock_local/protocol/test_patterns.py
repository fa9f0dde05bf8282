"""Patterns of the service models: what they match is what `re` says, and no text makes them slow."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bedrock_local.protocol.patterns import is_match
from bedrock_local.protocol.shapes import input_shape

OPERATIONS = [
    ("bedrock", "CreateModelInvocationJob"),
    ("bedrock", "GetModelInvocationJob"),
    ("bedrock", "ListModelInvocationJobs"),
    ("bedrock-runtime", "Converse"),
    ("bedrock-runtime", "CountTokens"),
    ("bedrock-runtime", "InvokeModel"),
]
STARTS = ("", "a", "arn:aws", "s3://aaa", "arn:aws:iam::123456789012:role/")
JOB_NAME = r"[a-zA-Z0-9]{1,63}(-*[a-zA-Z0-9\+\-\.]){0,63}"


def shapes_within(shape, found):
    """Add a shape and all below it, by name."""
    if shape.name in found:
        return found
    found[shape.name] = shape
    below = {"list": ["member"], "map": ["key", "value"]}.get(shape.type_name, [])
    members = shape.members.values() if shape.type_name == "structure" else [getattr(shape, name) for name in below]
    for member in members:
        shapes_within(member, found)
    return found


SHAPES = [shape for operation in OPERATIONS for shape in shapes_within(input_shape(*operation), {}).values()]
LONGEST = {
    shape.metadata["pattern"]: shape.metadata.get("max", 2048) for shape in SHAPES if "pattern" in shape.metadata
}


@pytest.mark.parametrize("pattern", LONGEST)
@settings(derandomize=True, max_examples=20, database=None)
@given(data=st.data())
def test_a_pattern_matches_what_re_matches(pattern, data):
    likely = st.from_regex(re.compile(pattern, re.ASCII)).map(lambda text: text[:12])
    text = data.draw(likely | st.text("a1-_.:/s3A+ \n", max_size=10))
    assert is_match(pattern, text) == bool(re.fullmatch(pattern, text, re.ASCII))


# With `re` the job's name alone takes hours: these would hang, not fail.
@pytest.mark.parametrize("pattern", LONGEST)
def test_no_text_makes_a_pattern_slow(pattern):
    size = LONGEST[pattern]
    texts = [(start + again * size)[:size] for start in STARTS for again in ("-", "a", "a-", "-a", "_", ":", ".", "/a")]
    assert not any(is_match(pattern, text + "\0\n") for text in texts)


def test_a_job_name_of_dashes_ends_as_its_last_letter_says():
    assert is_match(JOB_NAME, "a" + "-" * 62)
    assert not is_match(JOB_NAME, "a" + "-" * 61 + "_")


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("a{2}", "aa", "aaa"),
        ("a{2,}", "aaaa", "a"),
        ("a{2,3}", "aaa", "aaaa"),
        ("(?:ab|c)*d?", "abcabd", "abdd"),
        ("^a$|b", "a", "ab"),
        (r"\d\.\s", "1. ", "1.\u00a0"),
        ("(|a)b", "b", "aab"),
        (r"[^:\]]+]", "a]", ":]"),
    ],
)
def test_each_form_of_a_pattern_is_read(pattern, yes, no):
    assert (is_match(pattern, yes), is_match(pattern, no)) == (True, False)
