"""A call from greeting to goodbye: which exchanges it has, in which order, until it is long enough."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from analysis.synthetic.phrases import APART, Matter, Phrases, exchanges_of, polish

OUTCOMES = {"resolved": 50, "pending": 20, "escalated": 12, "declined": 13, "disconnected": 5}
# How many promises an outcome comes with, from and to.
PROMISES = {"resolved": (0, 1), "pending": (1, 3), "escalated": (1, 2), "declined": (0, 0), "disconnected": (0, 0)}
PARTS = ("opening", "questions", "work", "finding", "outcome", "rest", "closing")
SPEAKERS = {"A": "Agent", "C": "Customer"}
SHORTEST_CALL, SHORT_CALL, LONG_CALL = 60, 110, 1200
SHORTEST, LONGEST = 40, 2500
WORDS_PER_S = (2.2, 2.9)
HOLD_S = (20, 240)


class SyntheticCall(NamedTuple):
    """A transcript and the facts it was made from."""

    transcript: str
    industry: str
    reason: str
    outcome: str
    mood: str
    amounts: list[str]
    promised_actions: list[str]
    duration_s: int
    words: int


@dataclass
class Script:
    """The lines of a call, part by part, and how many words they have."""

    matter: Matter
    outcome: str
    mood: str
    promises: list[str]
    parts: dict[str, list[str]] = field(default_factory=lambda: {part: [] for part in PARTS})
    words: int = 0
    matters: list[Matter] = field(default_factory=list)

    def add(self, part: str, text: str) -> None:
        """Put an exchange at the end of a part."""
        self.parts[part].append(text)
        self.words += words_of(text)


def write_call(rng: random.Random, phrases: Phrases, target: int) -> SyntheticCall:
    """Write a call of about as many words as the target."""
    matter = Matter(rng, phrases, rng.choice(phrases.texts["reasons"]), {})
    (outcome,) = rng.choices(list(OUTCOMES), list(OUTCOMES.values()))
    mood = rng.choice(list(phrases.texts["mood"]))
    script = Script(matter, outcome, mood, draw_promises(matter, outcome, target), matters=[matter])
    write_frame(script, target)
    for part, text in extras(script, target):
        if script.words >= target:
            break
        if script.words < SHORTEST or script.words + words_of(text) <= min(target * 1.08 + 12, LONGEST):
            script.add(part, text)
    return finish_call(script)


def draw_promises(matter: Matter, outcome: str, target: int) -> list[str]:
    """Draw what the agent promises; a short call has room for one promise."""
    fewest, most = PROMISES[outcome]
    count = matter.rng.randint(fewest, most if target >= SHORT_CALL else fewest)
    known = matter.reason["promise"]
    return [matter.say(promise, APART) for promise in matter.rng.sample(known, min(count, len(known)))]


def write_frame(script: Script, target: int) -> None:
    """Write what every call has: greeting, reason, outcome, goodbye; a short one no more than that."""
    matter, texts = script.matter, script.matter.phrases.texts
    choose, mood, outcome = matter.rng.choice, texts["mood"][script.mood], texts["outcome"][script.outcome]
    matter.values |= {name: matter.say(matter.reason[name]) for name in ("fixed", "find", "declined")}
    script.add("opening", f"A: {matter.say(choose(texts['greetings']))}")
    script.add("opening", f"C: {matter.say(choose(mood['start']))}")
    if target >= SHORT_CALL and script.outcome != "disconnected":
        script.add("finding", f"A: {matter.say('{find}')}\nC: {matter.say(choose(mood['react']))}")
    script.add("outcome", matter.say(choose(outcome["lines"])))
    for promise in script.promises:
        said = say_promise(matter, f"A: {choose(texts['promise'])}", promise)
        script.add("outcome", f"{said}\nC: {matter.say(choose(texts['accept']))}")
    matter.values["end"] = matter.say(choose(mood["end"]))
    script.add(
        "closing", matter.say(choose(outcome["close"])) if target >= SHORTEST_CALL else f"C: {matter.values['end']}"
    )


def extras(script: Script, target: int) -> Iterator[tuple[str, str]]:
    """Offer exchanges with the part each belongs to, the most telling first, for as long as somebody wants more."""
    matter, phrases, rng = script.matter, script.matter.phrases, script.matter.rng
    yield "questions", matter.say(rng.choice(phrases.exchanges("verify")))
    for exchange in exchanges_of(matter.reason["details"]):
        yield "questions", matter.say(exchange)
    while True:
        if script.promises:
            yield "rest", say_promise(matter, f"A: {rng.choice(phrases.texts['recap'])}", script.promises[0])
        offers = small_talk(script, target)
        for kind, text in rng.sample(offers, len(offers)):
            yield small_talk_part(rng, kind), matter.say(text, APART)
        # Only the longest calls come back to what was said, in other words.
        if target < LONG_CALL:
            return


def small_talk(script: Script, target: int) -> list[tuple[str, str]]:
    """List what may come up in any call, with its kind; a further matter for every 400 words, while there are some."""
    matter, phrases = script.matter, script.matter.phrases
    offers = [(kind, text) for kind in ("filler", "hold") for text in phrases.exchanges(kind)]
    offers.append(("transfer", matter.rng.choice(phrases.exchanges("transfer"))))
    told = [other.reason["reason"] for other in script.matters]
    fresh = [
        reason
        for reason in phrases.texts["reasons"]
        if reason["industry"] == matter.reason["industry"] and reason["reason"] not in told
    ]
    return offers + [("matter", further_matter(script, reason)) for reason in fresh[: target // 400]]


def small_talk_part(rng: random.Random, kind: str) -> str:
    """Say where in a call an exchange belongs."""
    if kind == "filler":
        return rng.choice(("questions", "work", "work", "rest"))
    return "rest" if kind == "matter" else "work"


def say_promise(matter: Matter, phrase: str, promise: str) -> str:
    """Say a promise word for word; the choices are in the phrase around it."""
    return matter.say(phrase.replace("{promise}", "\0")).replace("\0", promise)


def further_matter(script: Script, reason: dict[str, Any]) -> str:
    """Bring up something else, look at it and settle it."""
    other, texts = script.matter.about(reason), script.matter.phrases.texts
    script.matters.append(other)
    choose = other.rng.choice
    mood = texts["mood"][script.mood]
    lines = [f"C: {other.say(choose(texts['more']))}", f"A: {other.say(choose(texts['say_more']))}"]
    lines += [other.say(exchange) for exchange in exchanges_of(other.reason["details"])]
    lines += [f"A: {other.say(other.reason['find'])}", f"C: {other.say(choose(mood['react']))}"]
    return "\n".join([*lines, f"A: {other.say(other.reason['fixed'])}", f"C: {other.say(choose(texts['accept']))}"])


def finish_call(script: Script) -> SyntheticCall:
    """Put the parts together and read the facts off the finished text."""
    lines = [line for part in PARTS for text in script.parts[part] for line in text.split("\n")]
    turns = [(who, " ".join(polish(line[3:]) for line in said)) for who, said in groupby(lines, key=itemgetter(0))]
    transcript = "\n".join(f"{SPEAKERS[who]}: {text}" for who, text in turns)
    words = sum(len(text.split()) for _, text in turns)
    rng, reason = script.matter.rng, script.matter.reason
    hold_s = rng.randint(*HOLD_S) * len(script.parts["work"]) // 4
    amounts = [
        matter.values[name] for matter in script.matters for name in ("amount", "amount2") if name in matter.values
    ]
    return SyntheticCall(
        transcript,
        reason["industry"],
        reason["reason"],
        script.outcome,
        script.mood,
        as_said(amounts, transcript),
        as_said(script.promises, transcript),
        round(words / rng.uniform(*WORDS_PER_S)) + hold_s,
        words,
    )


def as_said(facts: list[str], transcript: str) -> list[str]:
    """Keep the facts that are in the transcript, as they stand there, in the order first said."""
    places: dict[str, int] = {}
    for fact in facts:
        # Not inside a longer number: $45 is not said where $45.99 is.
        found = re.search(rf"(?<![\w.,$])(?i:{re.escape(fact)})(?!\d|[.,]\d)", transcript)
        if found:
            places.setdefault(found[0], found.start())
    return sorted(places, key=places.__getitem__)


def words_of(text: str) -> int:
    """Count the words of an exchange, without the letters that stand for the speakers."""
    return len(text.split()) - text.count("\n") - 1
