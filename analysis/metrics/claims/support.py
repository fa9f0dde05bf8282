"""Support: which mentions of an answer a call supports, and what it says that is nearest to one that it does not."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from itertools import accumulate

from analysis.metrics.claims.mentions import lower
from analysis.metrics.claims.readings import Reading, read_mention
from analysis.metrics.claims.vocabulary import DURATIONS, MONEY, ONES

LEAST_STREAM = 5  # digits; fewer would be found by chance in the row of all digits of a call
LONGEST_STREAM = 100_000  # characters in which codes are looked for, and
MOST_VALUES = 1_000  # of one unit among which the nearest is looked for: bounds for texts that are not calls
MOST_READINGS = 100_000  # kept at a time
NOT_ALNUM = re.compile(r"[\W_]+")
DIGIT_WORDS = {word: str(digit) for digit, word in enumerate(["zero", *ONES])} | {"oh": "0"}
DIGIT_WORD = re.compile(rf"\b(?:{'|'.join(DIGIT_WORDS)})\b")
SAME_UNIT, NO_UNIT = 80, 30  # of 100 that values are more alike where the units do not differ
NUMERIC = "number"  # stands for all kinds that are compared as numbers
DIGITS = "digits"  # of a code, which only a number without a unit may have been meant for
NUMERIC_KINDS = frozenset({"amount", "number", "percent"})


def squeeze(text: str) -> str:
    """Reduce a text to its letters and digits, in capitals, and single digits that are words to digits."""
    return "".join(split_words(text))


def split_words(text: str) -> list[str]:
    """Split a text into words of letters and digits, in capitals, and single digits that are words into digits."""
    digits = DIGIT_WORD.sub(lambda match: DIGIT_WORDS[match[0]], lower(text))
    return NOT_ALNUM.split(digits.upper())


def compare_units(one: str, other: str) -> int:
    """Return by how much two values are more alike for their units."""
    if one and other:
        return SAME_UNIT if one == other else 0
    return NO_UNIT


def is_comparable(one: str, other: str) -> bool:
    """Return whether one of two values may have been said for the other, by their units."""
    return not one or not other or one == other or any({one, other} <= units for units in (MONEY, DURATIONS))


class Readings(dict[str, Reading]):
    """The reading of each mention; each distinct one is read once, or again after a hundred thousand others."""

    def __missing__(self, mention: str) -> Reading:
        if len(self) >= MOST_READINGS:
            self.clear()
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
        return "".join(reading.digits for reading in self.said)[:LONGEST_STREAM]

    @cached_property
    def numbers(self) -> str:
        """The digits of each mention, apart: four of them may be the end of a longer number."""
        return "|".join(reading.digits for reading in self.said)[:LONGEST_STREAM]

    @cached_property
    def squeezed(self) -> str:
        """Letters and digits alone, for codes that were spelled."""
        return squeeze(self.transcript)[:LONGEST_STREAM]

    @cached_property
    def edges(self) -> set[int]:
        """Where words begin and end among the letters and digits."""
        return set(accumulate(map(len, split_words(self.transcript)), initial=0))

    @cached_property
    def small(self) -> str:
        """The call in small letters."""
        return lower(self.transcript)

    @cached_property
    def values(self) -> dict[tuple[str, str], dict[str, str]]:
        """What may be the nearest: by kind and unit, the mention of each value."""
        values: dict[tuple[str, str], dict[str, str]] = {}
        for said, mention in zip(self.said, self.mentions, strict=True):
            kinds = {NUMERIC} if said.kind in NUMERIC_KINDS else {said.kind}
            if said.kind == "code" and said.value.isdigit():
                kinds.add(DIGITS)
            for kind in kinds if said.options else ():
                group = values.setdefault((kind, said.unit), {})
                if len(group) < MOST_VALUES:
                    group.setdefault(said.value, mention)
        return values

    def supports(self, reading: Reading) -> bool:
        """Return whether the call says what a mention says; of a code it may say more than the mention does."""
        return self.states(reading) or (reading.kind == "code" and self.has_code(reading.value))

    def keeps(self, reading: Reading) -> bool:
        """Return whether an answer says what a mention of its call says; a code must be whole."""
        # Few have it at all, and to split an answer into words takes five times as long as all else.
        return self.states(reading) or (
            reading.kind == "code" and self.has_code(reading.value) and self.has_words(reading.value)
        )

    def states(self, reading: Reading) -> bool:
        """Return whether the text has what a mention says as an amount, number, date, time or code of its own."""
        lacks = self.keys.isdisjoint
        return any(not any(lacks(part) for part in option) for option in reading.options)

    def has_words(self, squeezed: str) -> bool:
        """Return whether letters and digits are whole words of the text, however they are parted."""
        edges, size = self.edges, len(squeezed)
        return any(edge + size in edges and self.squeezed.startswith(squeezed, edge) for edge in edges)

    def has_code(self, code: str) -> bool:
        """Return whether the characters of a code stand in the call in this order, however they are parted."""
        if code.isdigit():
            return code in (self.digits if len(code) >= LEAST_STREAM else self.numbers)
        return code in self.squeezed

    def find_nearest(self, reading: Reading) -> str | None:
        """Find what the call says of the same kind whose value is spelled most alike; None where it has nothing."""
        from rapidfuzz import fuzz, process

        wanted = {NUMERIC} if reading.kind in NUMERIC_KINDS else {reading.kind}
        if reading.kind in NUMERIC_KINDS and not reading.unit:
            wanted.add(DIGITS)
        best, nearest = -1.0, None
        for (kind, unit), mentions in self.values.items():
            if kind not in wanted or not is_comparable(unit, reading.unit):
                continue
            value, likeness, _ = process.extractOne(reading.value, mentions.keys(), scorer=fuzz.ratio)
            likeness += compare_units(unit, reading.unit)
            if likeness > best:
                best, nearest = likeness, mentions[value]
        return nearest and self.spell(nearest)

    def spell(self, mention: str) -> str:
        """Return a mention with the capitals that it has in the call."""
        place = self.small.find(mention)
        return self.transcript[place : place + len(mention)] if place >= 0 else mention
