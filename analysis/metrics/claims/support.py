"""Support: which mentions of an answer a call supports, and what it says that is nearest to one that it does not."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property

from analysis.metrics.claims.mentions import lower
from analysis.metrics.claims.readings import Reading, read_mention
from analysis.metrics.claims.vocabulary import ONES

LEAST_STREAM = 5  # digits; fewer would be found by chance in the row of all digits of a call
NOT_ALNUM = re.compile(r"[\W_]+")
DIGIT_WORDS = {word: str(digit) for digit, word in enumerate(["zero", *ONES])}
DIGIT_WORDS["oh"] = "0"
DIGIT_WORD = re.compile(rf"\b(?:{'|'.join(DIGIT_WORDS)})\b")
SAME_UNIT, NO_UNIT = 80, 30  # of 100 that values are more alike where the units do not differ
ALIKE = dict.fromkeys(("amount", "number", "percent"), frozenset({"amount", "number", "percent", "code"}))


def squeeze(text: str) -> str:
    """Reduce a text to its letters and digits, in capitals, and single digits that are words to digits."""
    digits = DIGIT_WORD.sub(lambda match: DIGIT_WORDS[match[0]], lower(text))
    return NOT_ALNUM.sub("", digits).upper()


def is_spelled_code(reading: Reading) -> bool:
    """Return whether a code has letters, so that no number is like it."""
    return reading.kind == "code" and not reading.value.isdigit()


def compare_units(one: Reading, other: Reading) -> int:
    """Return by how much two values are more alike for their units."""
    if one.unit and other.unit:
        return SAME_UNIT if one.unit == other.unit else 0
    return NO_UNIT


class Readings(dict[str, Reading]):
    """The reading of each mention; each distinct one is read once."""

    def __missing__(self, mention: str) -> Reading:
        reading = self[mention] = read_mention(mention)
        return reading


class CallValues:
    """What a call says, for looking up what answers say."""

    def __init__(self, transcript: str, mentions: Sequence[str], readings: Readings) -> None:
        self.transcript, self.mentions, self.readings = transcript, mentions, readings
        self.said = [readings[mention] for mention in mentions]
        self.keys: set[str] = set().union(*(reading.keys for reading in self.said))

    @cached_property
    def digits(self) -> str:
        """All digits in order, since a number may be said in parts."""
        return "".join(reading.digits for reading in self.said)

    @cached_property
    def numbers(self) -> str:
        """The digits of each mention, apart: four of them may be the end of a longer number."""
        return "|".join(reading.digits for reading in self.said)

    @cached_property
    def squeezed(self) -> str:
        """Letters and digits alone, for codes that were spelled."""
        return squeeze(self.transcript)

    def supports(self, reading: Reading) -> bool:
        """Return whether the call says what a mention says."""
        lacks = self.keys.isdisjoint
        if any(not any(lacks(part) for part in option) for option in reading.options):
            return True
        return reading.kind == "code" and self.has_code(reading.value)

    def has_code(self, code: str) -> bool:
        """Return whether the characters of a code stand in the call in this order, however they are parted."""
        if code.isdigit():
            return code in (self.digits if len(code) >= LEAST_STREAM else self.numbers)
        return code in self.squeezed

    def find_nearest(self, reading: Reading) -> str | None:
        """Find what the call says of the same kind whose value is spelled most alike; None where it has nothing."""
        from rapidfuzz import fuzz

        kinds = ALIKE.get(reading.kind, {reading.kind})
        alike = [
            (fuzz.ratio(reading.value, said.value) + compare_units(said, reading), -number)
            for number, said in enumerate(self.said)
            if said.options and said.kind in kinds and (reading.kind == "code" or not is_spelled_code(said))
        ]
        return self.spell(self.mentions[-max(alike)[1]]) if alike else None

    def spell(self, mention: str) -> str:
        """Return a mention with the capitals that it has in the call."""
        place = lower(self.transcript).find(mention)
        return self.transcript[place : place + len(mention)] if place >= 0 else mention
