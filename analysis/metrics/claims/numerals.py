"""Numerals: the numbers that digits and number words can stand for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from analysis.metrics.claims.vocabulary import SCALES, SHORT_SCALES

THOUSANDS = re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?")
GROUP = re.compile(r"[0-9]+(?:[.,][0-9]+)?")
LANGUAGES = ("en", "de", "fr", "es")
REPEATED = re.compile(r"(double|triple)[ -](\w+)")
OH = re.compile(r"\boh?\b")
DIGIT_WORD = "(?:zero|oh|one|two|three|four|five|six|seven|eight|nine)"
SPELLED_HUNDRED = re.compile(rf"(hundred)(?= {DIGIT_WORD} (?:{DIGIT_WORD}|hundred)\b)")
MOST_DIGITS = 40  # of a number; a longer row of digits is nothing that is compared by value


def read_digits(text: str) -> list[str]:
    """List the numbers that digits with separators can stand for, the likeliest first: `1.299,50` is 1299.5."""
    if THOUSANDS.fullmatch(text):
        return [simplify(text.replace(",", ""))]
    *whole, last = re.split(r"[.,]", text)
    if not whole:
        return [simplify(last)]
    separators = re.findall(r"[.,]", text)
    as_decimal = simplify(f"{''.join(whole)}.{last}")
    as_whole = simplify("".join(whole) + last)
    if len(set(separators)) < len(separators):
        return [as_whole]
    if len(last) == 3 and len(separators) == 1:
        return [as_decimal, as_whole]
    return [as_decimal]


def simplify(number: str) -> str:
    """Write a number without zeros that mean nothing: `045.50` is `45.5`."""
    whole, _, fraction = number[:MOST_DIGITS].partition(".")
    fraction = fraction.rstrip("0")
    return (whole.lstrip("0") or "0") + (f".{fraction}" if fraction else "")


def multiply(number: str, scale: str) -> str:
    """Return a number of thousands, millions or billions as a whole: `1.5` and `k` make 1500."""
    factor = SCALES.get(scale) or SHORT_SCALES[scale]
    whole, _, fraction = number.partition(".")
    zeros = len(str(factor)) - 1
    digits = whole + fraction.ljust(zeros, "0")
    return simplify(f"{digits[: len(whole) + zeros]}.{digits[len(whole) + zeros :]}")


def divide_by_100(number: str) -> str:
    """Return a hundredth of a number: `50` cents are `0.5`."""
    whole, _, fraction = number.partition(".")
    padded = whole.zfill(3)
    return simplify(f"{padded[:-2]}.{padded[-2:]}{fraction}")


def read_words(words: str) -> list[str]:
    """Read number words as groups of digits: `four fifty` is `4` and `50`, `twenty-first` is `21`."""
    from text_to_num import alpha2digit

    if words.startswith("point "):
        words = f"zero {words}"
    said = REPEATED.sub(lambda match: " ".join([match[2]] * (2 if match[1] == "double" else 3)), words)
    # With a comma text2num keeps "five hundred" and "five five" apart, which a phone number needs.
    said = SPELLED_HUNDRED.sub(r"\1,", OH.sub("zero", said))
    # What is left of words after the right language is what is no number, such as "and".
    converted = min((alpha2digit(said, language, 0) for language in LANGUAGES), key=count_letters)
    return [group.replace(",", ".") for group in GROUP.findall(converted.replace(", ", " "))]


def count_letters(text: str) -> int:
    """Count the letters of a text, without the endings of ordinals."""
    return sum(map(str.isalpha, re.sub(r"(?<=[0-9])(st|nd|rd|th|er?|ème)\b", "", text)))


def combine(groups: list[str]) -> Iterator[str]:
    """Yield the single numbers that several groups together can stand for: `45` and `50` are 4550 and 45.50."""
    if not groups or not all(group.isdigit() for group in groups):
        return
    yield simplify("".join(groups))
    *before, last = groups
    if len(last) == 2:
        yield simplify(f"{''.join(before)}.{last}")
    # "one twenty-five fifty" is 125.50, and "three sixty-five" 365; "four hundred, fifty" is 450.
    for first, second in pairwise(groups):
        if first.endswith("0" * len(second)) and len(first) > len(second):
            yield simplify(str(int(first) + int(second)))
