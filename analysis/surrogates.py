"""Lone surrogates: halves of a UTF-16 pair, which JSON can escape and Python's text can hold, but not UTF-8."""

from __future__ import annotations

import re

LONE = re.compile("[\ud800-\udfff]")  # in Python a pair is one character, so what is found is alone
ESCAPED = re.compile(rb"\\u[dD][89a-fA-F]")
CURE = "write U+FFFD (\\ufffd) in its place"


def has_lone_surrogates(text: str) -> bool:
    """Return whether a text cannot be encoded as UTF-8."""
    return not text.isascii() and LONE.search(text) is not None


def replace_lone_surrogates(text: str) -> str:
    """Replace each lone surrogate by U+FFFD."""
    return LONE.sub("\ufffd", text)


def has_escaped_surrogates(json: bytes) -> bool:
    """Return whether JSON has an escaped surrogate, alone or as part of a pair."""
    return ESCAPED.search(json) is not None
