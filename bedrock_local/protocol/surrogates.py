"""Lone surrogates: halves of a pair, which JSON escapes and Python's text can hold, and UTF-8 cannot.

Requests, recorded answers, replies of functions and names of files may all bring some.
"""

from __future__ import annotations

import re

LONE = re.compile("[\ud800-\udfff]")
# A pair of escaped surrogates, one that stands alone, or any other escape.
ESCAPE = re.compile(rb"\\u[dD][89abAB]..\\u[dD][c-fC-F]..|\\u[dD][89a-fA-F]..|\\.", re.DOTALL)


def has_lone_surrogate(text: str) -> bool:
    """Return whether a text holds a surrogate; Python joins whole pairs, so each one stands alone."""
    return not text.isascii() and LONE.search(text) is not None


def replace_surrogates(text: str) -> str:
    """Put the replacement character in place of each lone surrogate."""
    return LONE.sub("\ufffd", text)


def replace_escaped_surrogates(content: bytes) -> bytes:
    """Put the replacement character in place of each lone surrogate that JSON escapes; the length stays the same."""
    return ESCAPE.sub(lambda found: rb"\ufffd" if len(found[0]) == 6 else found[0], content)


def count_bytes(text: str) -> int:
    """Return the length in UTF-8, three bytes for a lone surrogate."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def encode_text(text: str) -> bytes:
    """Encode as UTF-8, with a question mark for each lone surrogate."""
    return text.encode("utf-8", "replace")
