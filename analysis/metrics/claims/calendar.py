"""Dates and times: what day, weekday or time of day a mention can stand for, as short texts that can be compared."""

from __future__ import annotations

import re

from analysis.metrics.claims.numerals import read_words
from analysis.metrics.claims.vocabulary import MONTH_NUMBERS, WEEKDAY_NUMBERS

NUMERIC = re.compile(r"([0-9]+)[-/.]([0-9]+)(?:[-/.]([0-9]+))?")
WORD = re.compile(r"[^\W\d_]+")
NUMBER = re.compile(r"[0-9]+")
CLOCK = re.compile(r"([0-9]{1,2})(?:[:.]([0-9]{2}))?")
HALF = re.compile(r"([ap])\.?\s?m\b\.?$")
PAST = {"half past": (0, 30), "quarter past": (0, 15), "quarter after": (0, 15)}
LAST_HOUR = 24
BEFORE = ("quarter to", "quarter of", "quarter till")


def read_date(mention: str) -> list[tuple[int, int, str]]:
    """List the dates that a mention can stand for, as month, day, and year or nothing; `06/05` can be two."""
    if numeric := NUMERIC.fullmatch(mention):
        return read_numeric_date(*numeric.groups())
    months = [MONTH_NUMBERS[word] for word in WORD.findall(mention) if word in MONTH_NUMBERS]
    numbers = NUMBER.findall(mention)
    year = next((number for number in numbers if len(number) == 4), "")
    days = [int(number) for number in numbers if len(number) < 4]
    if not days:
        words = " ".join(
            word for word in WORD.findall(mention) if word not in MONTH_NUMBERS and word not in {"the", "of"}
        )
        days = [int(group) for group in read_words(words) if group.isdigit()]
    return [(months[0], days[0], year)] if months and days and 1 <= days[0] <= 31 else []


def read_numeric_date(first: str, second: str, third: str | None) -> list[tuple[int, int, str]]:
    """List the readings of a date in digits: year first, or day and month in either order."""
    if len(first) == 4:
        orders = [(int(second), int(third or 0), first)]
    else:
        year = f"20{third}" if third and len(third) == 2 else third or ""
        orders = [(int(first), int(second), year), (int(second), int(first), year)]
    return [order for order in dict.fromkeys(orders) if 1 <= order[0] <= 12 and 1 <= order[1] <= 31]


def read_month(mention: str) -> int | None:
    """Return the number of a month that stands alone."""
    return MONTH_NUMBERS.get(mention)


def read_weekday(mention: str) -> int | None:
    """Return the number of a weekday, also of its plural."""
    return WEEKDAY_NUMBERS.get(mention) or WEEKDAY_NUMBERS.get(mention.removesuffix("s"))


def read_time(mention: str) -> tuple[int, int, str] | None:
    """Return hour (1 to 12), minute and half of the day (`a`, `p`, or `?` where it is not said)."""
    if mention in {"noon", "midnight"}:
        return 12, 0, "p" if mention == "noon" else "a"
    half = HALF.search(mention)
    rest = mention[: half.start()] if half else mention
    numbers = read_clock(rest.split(" o")[0] if "clock" in rest else rest)
    if numbers is None:
        return None
    return normalize_time(*numbers, half[1] if half else "?")


def read_clock(text: str) -> tuple[int, int] | None:
    """Read hour and minute from digits or words."""
    before = text.startswith(BEFORE)
    after = next((shift for words, shift in PAST.items() if text.startswith(words)), (0, 0))
    rest = " ".join(text.split(" ")[2:]) if before or after[1] else text
    if digits := CLOCK.match(rest.strip()):
        hour, minute = int(digits[1]), int(digits[2] or 0)
    else:
        groups = [int(group) for group in read_words(rest) if group.isdigit()]
        if not groups:
            return None
        hour, minute = groups[0], int("".join(map(str, groups[1:])) or 0)
    if before:
        return ((hour + 11) % 24, 45) if hour <= LAST_HOUR else None
    return hour, minute + after[1]


def normalize_time(hour: int, minute: int, half: str) -> tuple[int, int, str] | None:
    """Convert to twelve hours; None where there is no such time."""
    if hour > LAST_HOUR or minute > 59:
        return None
    if half == "?" and (hour > 12 or hour == 0):
        half = "p" if 12 <= hour < 24 else "a"
    return (hour - 1) % 12 + 1, minute, half
