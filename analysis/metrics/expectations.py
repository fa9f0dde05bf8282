"""Expectations: whether a text is as the header of its prompt says, and in what it is not."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from analysis.metrics.json_answers import describe_invalid
from analysis.prompts import Expectations

# A model that has ended may have left the fence open.
FENCED = re.compile(r"\s*```\w*\n(.*?)\s*(?:```\s*)?", re.DOTALL)
AROUND_HEADING = r"[ \t]*(?:#{1,6}[ \t]*|[-*•][ \t]+|[0-9]{1,2}[.)][ \t]*)?[*_]{0,3}"


def list_unmet(text: str, expected: Expectations) -> list[str]:
    """List what a text does not meet, such as `max_words`, `headings: Outcome`, `json_keys: reason`.

    Nothing of the text itself is in the list.
    """
    finders = (find_length, find_headings, find_keys, find_opening)
    return [unmet for find in finders for unmet in find(text, expected)]


def list_invalid(body: str, schema: Mapping[str, Any] | None) -> list[str]:
    """List in which way an answer is not valid by the schema of its prompt, such as `schema: no valid JSON object`."""
    invalid = describe_invalid(body, schema) if schema is not None else ""
    return [f"schema: {invalid}"] if invalid else []


def find_length(text: str, expected: Expectations) -> Iterator[str]:
    """Yield `max_words` for a text with more words, divided at white space."""
    if expected.max_words is not None and len(text.split()) > expected.max_words:
        yield "max_words"


def find_headings(text: str, expected: Expectations) -> Iterator[str]:
    """Yield the headings that begin no line; marks of Markdown and case do not count, a colon may follow."""
    for heading in expected.headings:
        line = rf"^{AROUND_HEADING}{re.escape(heading)}[*_]{{0,3}}[ \t]*(?::|$)"
        if not re.search(line, text, re.MULTILINE | re.IGNORECASE):
            yield f"headings: {heading}"


def find_keys(text: str, expected: Expectations) -> Iterator[str]:
    """Yield the keys that the JSON object of an answer lacks: all of them where it is no JSON object."""
    if not expected.json_keys:
        return
    fenced = FENCED.fullmatch(text)
    try:
        content = msgspec.json.decode(fenced[1] if fenced else text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        content = None
    keys = content.keys() if isinstance(content, Mapping) else ()
    yield from (f"json_keys: {key}" for key in expected.json_keys if key not in keys)


def find_opening(text: str, expected: Expectations) -> Iterator[str]:
    """Yield the forbidden openings with which a text begins, in any case."""
    start = text.lstrip().casefold()
    yield from (f"forbidden_openings: {one}" for one in expected.forbidden_openings if start.startswith(one.casefold()))
