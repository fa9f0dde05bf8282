"""Mentions: the places of a text that state an amount, number, date, time or code, found by one regular expression.

Polars' engine takes them out of all texts at once, and Python's says of each different one what it is. Both get the
same expression: explicit classes, no look-around, and a boundary that only letters and digits of ASCII make.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache

import polars as pl

from analysis.metrics.claims.vocabulary import (
    AMBIGUOUS_MONTHS,
    FRENCH,
    FRENCH_WITHIN,
    GERMAN,
    GERMAN_MONTHS,
    MONTH_NUMBERS,
    ONES,
    ORDINAL_TENS,
    ORDINALS,
    SCALES,
    SHORT_SCALES,
    SPANISH,
    SPANISH_WITHIN,
    TEENS,
    TENS,
    UNIT_NAMES,
    WEEKDAY_NUMBERS,
)

BOUNDARY = "<B>"  # stands for the boundary in the spelling of either engine
LONG_WHEN_SMALL = ("\u0130", "\u0131")  # the one letter (İ) that becomes two, and a small one in its place
SPACE = "[ \t\r\n\u00a0\u202f]"
APOSTROPHE = "['\u2019]"


def choose(words: Iterable[str]) -> str:
    """Return an expression for any of some words, the longest first."""
    return f"(?:{'|'.join(re.escape(word) for word in sorted(words, key=len, reverse=True))})"


def repeat_words(first: str, further: str, joint: str = "(?:, |[ -])") -> str:
    """Return an expression for a word and those with which the number goes on."""
    return f"(?:{first}(?:{joint}{further}{BOUNDARY})*)"


DIGITS = r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?|[0-9]+(?:[.,][0-9]+)*)"
SCALE = f"(?:{SPACE}?{choose([*SHORT_SCALES, *SCALES])})"
SMALL = choose([*ONES, *TEENS, *TENS, "zero"])
ORDINAL = f"(?:{choose(TENS)}[ -]{choose(ORDINALS[:9])}|{choose([*ORDINALS, *ORDINAL_TENS])})"
COMPOUND = f"(?:{choose(TENS)}[ -]{choose(ONES)}|{SMALL})"
CARDINAL = f"(?:{choose(TENS[:2])}[ -]{choose(ONES)}|{choose([*ONES, *TEENS, *TENS[:2]])})"
FIRST_WORDS = [*ONES, *TEENS, *TENS, *ORDINALS, *ORDINAL_TENS, "zero", "double", "triple"]
FURTHER_WORDS = [*FIRST_WORDS, "oh", "o", "point", "hundredth", "thousandth"]
# "And" goes on with a number behind a hundred or a thousand alone: "two and five pm" are two.
WITH_AND = f"{choose(SCALES)}(?: and {choose([*ONES, *TEENS, *TENS, *ORDINALS, *ORDINAL_TENS])}{BOUNDARY})?"
FIRST_WORD = f"(?:{WITH_AND}|{choose(FIRST_WORDS)}|point {choose([*ONES, 'zero'])})"
HALF = f"(?: and a half{BOUNDARY})"
ENGLISH = f"{repeat_words(FIRST_WORD, f'(?:{WITH_AND}|{choose(FURTHER_WORDS)})')}{HALF}?"
GERMAN_WORD = f"(?:{choose(GERMAN)}{choose([*GERMAN, 'und'])}*)"
OTHERS = (
    repeat_words(GERMAN_WORD, GERMAN_WORD),
    repeat_words(choose(FRENCH), choose([*FRENCH, *FRENCH_WITHIN])),
    repeat_words(choose(SPANISH), choose([*SPANISH, *SPANISH_WITHIN])),
)
WORKDAYS = "(?:(?:business|working|calendar|full) )?"
UNIT = f"(?:{SPACE}?[%€]|[ -]?{WORKDAYS}{choose([*UNIT_NAMES, 'per cent'])}{BOUNDARY})"
CENTS = f"(?: (?:and )?(?:{DIGITS}|{ENGLISH}) cents?{BOUNDARY})"
MONTH = f"{choose(MONTH_NUMBERS)}{BOUNDARY}"
LONE_MONTH = choose(MONTH_NUMBERS.keys() - AMBIGUOUS_MONTHS)
DAY = rf"(?:(?:the )?(?:[0-9]{{1,2}}(?: ?(?:st|nd|rd|th)|er)?|{ORDINAL}){BOUNDARY})"
YEAR = f"(?:,? [0-9]{{4}}{BOUNDARY})"
HALF_DAY = rf"(?:{SPACE}?[ap](?:\.{SPACE}?m{BOUNDARY}\.?|m{BOUNDARY}))"
HOUR = f"(?:{choose([*ONES, *TEENS[:3]])}(?:[ -](?:oh[ -])?{SMALL}(?:[ -]{choose(ONES)})?)?|[0-9]{{1,2}})"
# The first that fits wins, so the narrow ones come first. Within a kind, one expression each.
KINDS = {
    "date": (
        f"{BOUNDARY}[0-9]{{4}}-[0-9]{{1,2}}-[0-9]{{1,2}}{BOUNDARY}",
        f"{BOUNDARY}[0-9]{{1,2}}[/.][0-9]{{1,2}}[/.](?:[0-9]{{4}}|[0-9]{{2}}){BOUNDARY}",
        f"{BOUNDARY}[0-9]{{1,2}}/(?:[0-9]{{1,2}}|[0-9]{{4}}){BOUNDARY}",
        f"{BOUNDARY}{DAY}(?: of| de)? {MONTH}{YEAR}?",
        rf"{BOUNDARY}[0-9]{{1,2}}\. {choose(GERMAN_MONTHS)}{BOUNDARY}{YEAR}?",
        rf"{BOUNDARY}{MONTH}\.? {DAY}{YEAR}?",
        f"{BOUNDARY}{CARDINAL} {LONE_MONTH}{BOUNDARY}{YEAR}?",
    ),
    "time": (
        f"{BOUNDARY}[0-9]{{1,2}}:[0-9]{{2}}(?::[0-9]{{2}})?{BOUNDARY}{HALF_DAY}?",
        rf"{BOUNDARY}[0-9]{{1,2}}(?:\.[0-9]{{2}})?{HALF_DAY}",
        f"{BOUNDARY}(?:half past|quarter (?:past|to|after|of|till)) (?:{SMALL}|[0-9]{{1,2}}){BOUNDARY}",
        f"{BOUNDARY}{HOUR}(?: o{APOSTROPHE}?clock{BOUNDARY}|{HALF_DAY})",
        f"{BOUNDARY}(?:noon|midnight){BOUNDARY}",
    ),
    "item": (r"(?m:^)[ \t]*[0-9]{1,3}[.)][ \t]",),
    "money": (f"(?:us)?[$£€]{SPACE}?{DIGITS}(?:{SCALE}{BOUNDARY})?",),
    "spelled": (f"{BOUNDARY}[a-z0-9](?:[ -][a-z0-9]{BOUNDARY}){{3,40}}",),
    "groups": (
        rf"\(?{BOUNDARY}[0-9]{{3}}\)?[ .-]?[0-9]{{3}}[ .-][0-9]{{4}}{BOUNDARY}",
        f"{BOUNDARY}[0-9](?:[ -][0-9]{BOUNDARY}){{2,40}}",
        f"{BOUNDARY}[0-9]{{3,20}}(?:-[0-9]{{2,20}}){{1,8}}{BOUNDARY}",
        f"{BOUNDARY}[0-9]{{4}}(?: [0-9]{{4}}){{1,4}}{BOUNDARY}",
    ),
    "range": (
        f"{BOUNDARY}{DIGITS} ?[-\u2013] ?{DIGITS}{UNIT}",
        f"{BOUNDARY}(?:{DIGITS}|{COMPOUND}) (?:to|or|bis|à) (?:{DIGITS}|{COMPOUND}){UNIT}",
    ),
    "number": (f"{BOUNDARY}{DIGITS}(?:st|nd|rd|th|{SCALE}|{HALF})?(?:{UNIT}{CENTS}?|{BOUNDARY})",),
    "code": (f"{BOUNDARY}(?:[a-z]{{1,12}}-?)?[0-9][a-z0-9_-]*",),
    "words": (f"{BOUNDARY}(?:{'|'.join([ENGLISH, *OTHERS])}){BOUNDARY}(?:{UNIT}{CENTS}?)?",),
    "day": (f"{BOUNDARY}(?:{choose(WEEKDAY_NUMBERS)}s?|{LONE_MONTH}){BOUNDARY}",),
}
PATTERN = "|".join(f"(?P<{kind}>{'|'.join(bodies)})" for kind, bodies in KINDS.items())


def list_mentions(texts: pl.Series) -> pl.Series:
    """List the mentions of each text in small letters, in order; missing where the text is."""
    small = texts.str.replace_all(*LONG_WHEN_SMALL, literal=True).str.to_lowercase()
    return small.str.extract_all(PATTERN.replace(BOUNDARY, r"(?-u:\b)"))


def lower(text: str) -> str:
    """Convert to small letters as `list_mentions` does, without changing the length."""
    return text.replace(*LONG_WHEN_SMALL).lower()


def find_places(text: str, mentions: Sequence[str]) -> list[tuple[int, int]]:
    """Find the places of all mentions of a text, in small letters."""
    places, end, match = [], 0, compile_pattern().match
    for mention in mentions:
        begin = text.index(mention, end)
        while not ((found := match(text, begin)) and found[0] == mention):
            begin = text.index(mention, begin + 1)
        end = begin + len(mention)
        places.append((begin, end))
    return places


def name_kind(mention: str) -> str | None:
    """Name the kind of a mention, by the key of `KINDS`."""
    found = compile_pattern().fullmatch(mention)
    return found.lastgroup if found else None


@cache
def compile_pattern() -> re.Pattern[str]:
    """Compile the expression for Python, once per process."""
    return re.compile(PATTERN.replace(BOUNDARY, r"(?a:\b)"))
