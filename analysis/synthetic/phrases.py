"""Read the phrases of a language and fill their choices and slots.

In a phrase, `[this|that]` is a choice and `{amount}` a slot. The phrases are in the TOML files of this folder.
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
# Drawn again for every phrase: a reference number is not the account number.
PASSING = frozenset({"digits"})
# Drawn again for a sentence that is not about the topic before it.
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
    """The phrases of a language; `texts` is the content of its TOML file."""

    texts: dict[str, Any]
    words_at_most: int

    def exchanges(self, name: str) -> list[str]:
        """List the exchanges of one kind, such as `hold`."""
        return split_exchanges(self.texts[name])


@cache
def read_phrases(language: str) -> Phrases:
    """Read the phrases of a language, once per process."""
    texts = tomllib.loads((files("analysis.synthetic") / f"{language}.toml").read_text(encoding="utf-8"))
    return Phrases(texts, texts["words_at_most"])


def split_exchanges(text: str) -> list[str]:
    """Split a text at its blank lines."""
    return [part.strip() for part in text.split("\n\n")]


class Topic:
    """A topic of a call: its reason, and the names, amounts and dates that belong to it.

    A slot is drawn at its first use and keeps its value.
    """

    def __init__(self, rng: random.Random, phrases: Phrases, reason: dict[str, Any], known: dict[str, str]) -> None:
        self.rng, self.phrases, self.reason = rng, phrases, reason
        self.values = dict(known)
        if "name" not in self.values:
            self.values |= self.draw_people()

    def draw_people(self) -> dict[str, str]:
        """Draw the names, the company and the phone number of a call."""
        slots, rng = self.phrases.texts["slots"], self.rng
        first, last = rng.choice(slots["first"]), rng.choice(slots["last"])
        company = rng.choice(self.phrases.texts["companies"][self.reason["industry"]])
        people = {"first": first, "last": last, "name": f"{first} {last}", "company": company}
        people |= {name: rng.choice(slots[name]) for name in ("agent", "agent2")}
        return people | {"phone": f"555-01{rng.randrange(100):02d}", "spelled": ", ".join(last.upper())}

    def about(self, reason: dict[str, Any]) -> Topic:
        """Make another topic with the same people."""
        return Topic(self.rng, self.phrases, reason, {name: self.values[name] for name in PEOPLE})

    def say(self, phrase: str, apart: frozenset[str] = PASSING) -> str:
        """Resolve the choices of a phrase and fill its slots; those in `apart` are drawn for this phrase only."""
        own: dict[str, str] = {}
        while "[" in phrase:
            phrase = CHOICE.sub(lambda match: self.rng.choice(match[1].split("|")), phrase)
        return SLOT.sub(lambda match: self.find_value(match[1], own if match[1] in apart else self.values), phrase)

    def find_value(self, name: str, values: dict[str, str]) -> str:
        """Return the value of a slot, drawn at its first use."""
        if name == "say":
            return self.say(self.reason["say"])
        if name not in values:
            values[name] = self.draw(name)
        return values[name]

    def draw(self, name: str) -> str:
        """Draw a value for a slot."""
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
        """Draw an amount of money in a spoken form; `amount2` is smaller than `amount`."""
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
        """Draw a day of the year in a spoken form."""
        slots = self.phrases.texts["slots"]
        number = self.rng.randint(1, 28)
        written = self.rng.choice(slots["date"])
        month = self.rng.choice(slots["months"])
        return str(written).format(month=month, number=number, ordinal=format_ordinal(number))


def spell(number: int) -> str:
    """Spell a whole number below a thousand in English."""
    ones, tens = ONES.split(), TENS.split()
    if number < 20:
        return ones[number]
    if number < 100:
        return tens[number // 10 - 2] + (f"-{ones[number % 10]}" if number % 10 else "")
    return f"{ones[number // 100]} hundred" + (f" {spell(number % 100)}" if number % 100 else "")


def format_ordinal(number: int) -> str:
    """Format an ordinal number: 1st, 2nd, 3rd, 4th."""
    ending = "th" if 10 < number % 100 < 14 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def polish(line: str) -> str:
    """Capitalize every sentence and end it with one punctuation mark."""
    line = line if line.endswith((".", "?", "!", "-")) else f"{line}."
    return SENTENCE_START.sub(lambda match: match[1] + match[2].upper(), STOPS.sub(r"\1", line))
