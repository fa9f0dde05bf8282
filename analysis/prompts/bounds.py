"""Bounds of what a template makes: how large a value is, and how large what it is about to make will be."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

MOST_CHARS = 10_000_000  # of one value, and of the whole text; a million tokens are about four million
STEP = 100  # what a loop's turn, a call or an item counts, in characters
MOST_BITS = 20_000  # of a whole number
MOST_PARTS = 100_000  # lists that a list is divided into
MOST_DIGITS = 300  # of a rounded number
MOST_INDENT = 16  # of JSON
MOST_LOOKING = 10**9  # characters that are passed over again and again, for tags and for the ends of words
WIDTH = re.compile(r"\d+")


class TemplateLimitError(Exception):
    """A template asks for more than a rendering may use, or writes what is no text; it never quotes a call."""


def check_written(value: Any) -> None:
    """Raise for a value whose text is an address in memory, different on every machine, or Python's word for bytes."""
    inside = [] if isinstance(value, str) else [value]
    while inside:
        each = inside.pop()
        kind = type(each)
        if isinstance(each, dict):
            inside += [*each, *each.values()]
        elif isinstance(each, list | tuple):
            inside += each
        elif isinstance(each, bytes):
            raise TemplateLimitError("bytes are no text")
        elif callable(each) or hasattr(kind, "__next__") or getattr(kind, "__repr__", None) is object.__repr__:
            raise TemplateLimitError(f"a {kind.__name__} is no text; call a method with (), read a generator by |list")


def measure(value: Any) -> int:
    """Return the size of a value in characters, with all that its lists hold as often as they hold it."""
    if isinstance(value, str):
        return check_size(len(value))
    size, inside = 0, [value]
    while inside:
        each = inside.pop()
        if isinstance(each, str | bytes):
            size += len(each)
        elif isinstance(each, int) and each.bit_length() > MOST_BITS:
            raise TemplateLimitError("a number is too large")
        elif isinstance(each, dict):
            inside += [*each, *each.values()]
        elif isinstance(each, list | tuple | set):
            inside += each
        size = check_size(size + STEP)
    return size


def check_size(chars: int) -> int:
    """Return a number of characters; raise for more than a text may have."""
    if chars > MOST_CHARS:
        raise TemplateLimitError(f"it makes more than {MOST_CHARS:,} characters")
    return chars


def check_numbers(*values: Any) -> None:
    """Raise for a number that would be a width, or another size, beyond all bounds."""
    for value in values:
        if isinstance(value, int):
            check_size(value)


def check_widths(spec: str) -> None:
    """Raise for a width in a format that is longer than a text may be."""
    for width in WIDTH.findall(spec):
        # By its digits where there are many: of very many Python would make no number.
        check_size(int(width) if len(width) <= len(str(MOST_CHARS)) else MOST_CHARS + 1)


def check_percent(left: Any, right: Any) -> None:
    """Check a text that `%` formats, whose every field may be as wide as the widest."""
    if isinstance(left, str | bytes):
        text = left if isinstance(left, str) else repr(left)
        check_widths(text)
        check_written(right)
        widest = max((int(width) for width in WIDTH.findall(text)), default=0)
        check_size(len(text) + text.count("%") * (widest + measure(right)))
        if "*" in text:
            raise TemplateLimitError("a width given by * is not read")


def check_product(left: Any, right: Any) -> None:
    """Check a text or list that is repeated; the product of two numbers is measured afterwards."""
    for one, number in ((left, right), (right, left)):
        if isinstance(one, str | bytes | list | tuple) and isinstance(number, int):
            check_size(measure(one) * max(number, 0))


def check_power(left: Any, right: Any) -> None:
    """Check a power of whole numbers."""
    if isinstance(left, int) and isinstance(right, int) and left.bit_length() * abs(right) > MOST_BITS:
        raise TemplateLimitError("a number is too large")


def accept(*_: Any) -> None:
    """Accept what makes nothing larger than what it is given."""


def check_replacement(text: Any, old: Any, new: Any, *_: Any, **__: Any) -> None:
    """Check the length of a text after a replacement."""
    texts = [one if isinstance(one, str | bytes) else str(one) for one in (text, old, new)]
    check_size(len(texts[0]) + texts[0].count(texts[1]) * len(texts[2]))  # type: ignore[arg-type]


def check_join(separator: Any, values: Sequence[Any]) -> None:
    """Check the length of joined texts."""
    check_written(values)
    check_size(measure(values) + len(separator) * len(values))


def check_tabs(text: Any, tabsize: int = 8) -> None:
    """Check the length of a text in which tabs become spaces."""
    check_size(len(text) + text.count("\t" if isinstance(text, str) else b"\t") * tabsize)


def check_center(_: Any, width: Any = 80) -> None:
    """Check the width of a centred text."""
    check_numbers(width)


def check_indent(text: Any, width: Any = 4, *_: Any, **__: Any) -> None:
    """Check the length of a text whose lines are indented."""
    indent = len(width) if isinstance(width, str) else width
    check_size(len(text) + (text.count("\n") + 1) * indent)


def check_wordwrap(text: Any, width: int = 79, _: Any = None, wrapstring: str | None = None, **__: Any) -> None:
    """Check the length of a wrapped text, and how often the rest of its longest word is copied."""
    check_size(len(text) * len(wrapstring or "\n"))
    check_looking(max(map(len, text.split()), default=0) ** 2 // max(width, 1))


def check_parts(_: Any, *args: Any, **kwargs: Any) -> None:
    """Check the number of parts that a list is divided into."""
    if any(isinstance(each, int) and each > MOST_PARTS for each in (*args, *kwargs.values())):
        raise TemplateLimitError(f"a list has at most {MOST_PARTS:,} parts")


def check_json(value: Any, indent: int | None = None) -> None:
    """Check the length of JSON."""
    measure(value)
    if indent is not None and indent > MOST_INDENT:
        raise TemplateLimitError(f"JSON is indented by {MOST_INDENT} at most")


def check_round(_: Any, precision: int = 0, *__: Any) -> None:
    """Check the digits that a number is rounded to."""
    if abs(precision) > MOST_DIGITS:
        raise TemplateLimitError(f"a number is rounded to {MOST_DIGITS} digits at most")


def check_format(text: Any, *args: Any, **kwargs: Any) -> None:
    """Check a text that the filter `format` fills in by `%`."""
    check_percent(str(text), args or kwargs)


def check_tags(value: Any) -> None:
    """Check how often a text is searched for the end of a tag."""
    text = str(value)
    check_looking(text.count("<") * len(text))


def check_looking(chars: int) -> None:
    """Raise for a text that would be passed over too often."""
    if chars > MOST_LOOKING:
        raise TemplateLimitError("the text is too long for this filter")
