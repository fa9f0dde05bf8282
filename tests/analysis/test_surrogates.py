import json

import pytest

from analysis.files import has_escaped_surrogates, has_lone_surrogates, replace_lone_surrogates

TEXTS = ["", "plain", "Grüße, 北京", "\U0001f600", "\ud83d", "a\udc00b", "\ud83d\ude00", "\ud7ff\ue000"]


def can_be_encoded(text):
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@pytest.mark.parametrize("text", TEXTS, ids=ascii)
def test_a_text_has_lone_surrogates_when_utf8_cannot_encode_it(text):
    assert has_lone_surrogates(text) is not can_be_encoded(text)


@pytest.mark.parametrize("text", TEXTS, ids=ascii)
def test_a_text_can_be_encoded_once_they_are_replaced(text):
    replaced = replace_lone_surrogates(text)
    assert can_be_encoded(replaced)
    assert len(replaced) == len(text)
    assert (replaced == text) is can_be_encoded(text)


def test_escapes_are_found_in_pairs_and_alone():
    assert has_escaped_surrogates(json.dumps("\U0001f600").encode())
    assert has_escaped_surrogates(b'"\\uD83d"')
    assert not has_escaped_surrogates(rb'"\ud7ff \ue000 ud800"')
