from __future__ import annotations

import json

import pytest

from bedrock_local.protocol import surrogates


@pytest.mark.parametrize(
    ("text", "is_lone", "plain", "count", "encoded"),
    [
        ("a", False, "a", 1, b"a"),
        ("\N{GRINNING FACE}", False, "\N{GRINNING FACE}", 4, "\N{GRINNING FACE}".encode()),
        ("a\ud83d", True, "a\ufffd", 4, b"a?"),
        ("", False, "", 0, b""),
    ],
)
def test_a_lone_surrogate_in_text(text, is_lone, plain, count, encoded):
    assert surrogates.has_lone_surrogate(text) is is_lone
    assert surrogates.replace_surrogates(text) == plain
    assert (surrogates.count_bytes(text), surrogates.encode_text(text)) == (count, encoded)


@pytest.mark.parametrize(
    ("escaped", "text"),
    [
        (rb'"\ud83d\ude00"', "\N{GRINNING FACE}"),
        (rb'"\uD83D x"', "\ufffd x"),
        (rb'"\ude00\ud83d"', "\ufffd\ufffd"),
        (rb'"\\ud83d"', r"\ud83d"),
        (rb'"\n\u0041"', "\nA"),
    ],
)
def test_a_lone_surrogate_that_json_escapes(escaped, text):
    replaced = surrogates.replace_escaped_surrogates(escaped)
    assert (json.loads(replaced), len(replaced)) == (text, len(escaped))
