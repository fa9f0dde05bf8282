"""The phrases of one language, and texts made of them.

In a phrase, `[this|that]` is a choice and `{amount}` a slot. Phrases are data, in the TOML files beside this module.
"""

from __future__ import annotations

import random
import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

CHOICE = re.compile(r"\[([^\[\]]*)\]")
SLOT = re.compile(r"\{(\w+)\}")
SENTENCE_START = re.compile(r"(^|(?<!\.)[.?!] )([a-zà-ÿ])")
STOPS = re.compile(r"([?!])[.,]")
# Said anew in every exchange: a reference is not the account number.
PASSING = frozenset({"digits"})
# Said anew where a sentence has nothing to do with the matter before it.
APART = frozenset({"digits", "weekday", "days", "time", "date"})
PEOPLE = ("first", "last", "name", "company", "agent", "agent2", "phone", "spelled")
ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"


@dataclass(frozen=True)
class Phrases:
    """What calls in a language are made of; `texts` as in its TOML file."""

    texts: dict[str, Any]
    words_at_most: int

    def exchanges(self, name: str) -> list[str]:
        """List the exchanges of a kind, such as `hold`."""
        return exchanges_of(self.texts[name])


@cache
def read_phrases(language: str) -> Phrases:
    """Read the phrases of a language once."""
    texts = tomllib.loads((files("analysis.synthetic") / f"{language}.toml").read_text(encoding="utf-8"))
    return Phrases(texts, texts["words_at_most"])


def exchanges_of(text: str) -> list[str]:
    """Part a text at its blank lines."""
    return [part.strip() for part in text.split("\n\n")]


class Matter:
    """One thing a call is about: its reason, and the names, amounts and dates that go with it.

    Slots are drawn when they are first said and stay what they are.
    """

    def __init__(self, rng: random.Random, phrases: Phrases, reason: dict[str, Any], known: dict[str, str]) -> None:
        self.rng, self.phrases, self.reason = rng, phrases, reason
        self.values = dict(known)
        if "name" not in self.values:
            self.values |= self.draw_people()

    def draw_people(self) -> dict[str, str]:
        """Draw who speaks."""
        slots, rng = self.phrases.texts["slots"], self.rng
        first, last = rng.choice(slots["first"]), rng.choice(slots["last"])
        company = rng.choice(self.phrases.texts["companies"][self.reason["industry"]])
        people = {"first": first, "last": last, "name": f"{first} {last}", "company": company}
        people |= {name: rng.choice(slots[name]) for name in ("agent", "agent2")}
        return people | {"phone": f"555-01{rng.randrange(100):02d}", "spelled": ", ".join(last.upper())}

    def about(self, reason: dict[str, Any]) -> Matter:
        """Bring up something else between the same people."""
        return Matter(self.rng, self.phrases, reason, {name: self.values[name] for name in PEOPLE})

    def say(self, phrase: str, apart: frozenset[str] = PASSING) -> str:
        """Make the choices of a phrase and fill its slots; those of `apart` are drawn for this phrase alone."""
        own: dict[str, str] = {}
        while "[" in phrase:
            phrase = CHOICE.sub(lambda match: self.rng.choice(match[1].split("|")), phrase)
        return SLOT.sub(lambda match: self.value(match[1], own if match[1] in apart else self.values), phrase)

    def value(self, name: str, values: dict[str, str]) -> str:
        """Give a slot its value, drawn at its first use."""
        if name == "say":
            return self.say(self.reason["say"])
        if name not in values:
            values[name] = self.draw(name)
        return values[name]

    def draw(self, name: str) -> str:
        """Draw what a slot says."""
        slots, rng = self.phrases.texts["slots"], self.rng
        if name in {"amount", "amount2"}:
            return self.draw_amount(name)
        if name == "date":
            return self.draw_date()
        if name == "digits":
            return " ".join(rng.choice(slots["digit"]) for _ in range(4))
        if name == "code":
            return " ".join(rng.choice(LETTERS) for _ in range(6))
        if name == "room":
            return str(rng.randint(101, 640))
        if name == "version":
            return f"{rng.randint(2, 9)}.{rng.randint(0, 12)}"
        return str(rng.choice(slots[name]))

    def draw_amount(self, name: str) -> str:
        """Draw an amount of money as people say it; the second is always the smaller."""
        low, high = self.reason.get("amount_from_to", (20, 300))
        if name == "amount2":
            low, high = max(5, low // 4), max(8, low * 3 // 4)
        whole = self.rng.randint(low, high)
        written = self.rng.choice(self.phrases.texts["slots"]["amount"])
        if whole > 999:
            written = written.replace("{spelled_amount}", "{whole}")
        whole_text = f"{whole:,}" if "$" in written else str(whole)
        cents = f"{self.rng.randint(1, 99):02d}"
        return str(written).format(whole=whole_text, cents=cents, spelled_amount=spell(whole) if whole < 1000 else "")

    def draw_date(self) -> str:
        """Draw a day of the year as people say it."""
        slots = self.phrases.texts["slots"]
        number = self.rng.randint(1, 28)
        written = self.rng.choice(slots["date"])
        month = self.rng.choice(slots["months"])
        return str(written).format(month=month, number=number, ordinal=ordinal(number))


def spell(number: int) -> str:
    """Spell a whole number below a thousand in English."""
    ones, tens = ONES.split(), TENS.split()
    if number < 20:
        return ones[number]
    if number < 100:
        return tens[number // 10 - 2] + (f"-{ones[number % 10]}" if number % 10 else "")
    return f"{ones[number // 100]} hundred" + (f" {spell(number % 100)}" if number % 100 else "")


def ordinal(number: int) -> str:
    """Write 1st, 2nd, 3rd, 4th."""
    ending = "th" if 10 < number % 100 < 14 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def polish(line: str) -> str:
    """Give every sentence a capital letter and one full stop."""
    line = line if line.endswith((".", "?", "!", "-")) else f"{line}."
    return SENTENCE_START.sub(lambda match: match[1] + match[2].upper(), STOPS.sub(r"\1", line))
