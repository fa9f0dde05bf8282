"""Compose a call from greeting to goodbye: its exchanges and their order, up to a target length."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from analysis.synthetic.phrases import APART, Phrases, Topic, polish, split_exchanges

OUTCOMES = {"resolved": 50, "pending": 20, "escalated": 12, "declined": 13, "disconnected": 5}
# Fewest and most promises of a call with this outcome.
PROMISES = {"resolved": (0, 1), "pending": (1, 3), "escalated": (1, 2), "declined": (0, 0), "disconnected": (0, 0)}
PARTS = ("opening", "questions", "work", "finding", "outcome", "rest", "closing")
SPEAKERS = {"A": "Agent", "C": "Customer"}
SHORTEST_CALL, SHORT_CALL, LONG_CALL = 60, 110, 1200
SHORTEST, LONGEST = 40, 2500
WORDS_PER_S = (2.2, 2.9)
HOLD_S = (20, 240)


class SyntheticCall(NamedTuple):
    """A transcript and the details that it was made from."""

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
    """The exchanges of a call by part, and their number of words."""

    topic: Topic
    outcome: str
    mood: str
    promises: list[str]
    parts: dict[str, list[str]] = field(default_factory=lambda: {part: [] for part in PARTS})
    words: int = 0
    topics: list[Topic] = field(default_factory=list)

    def add(self, part: str, text: str) -> None:
        """Append an exchange to a part."""
        self.parts[part].append(text)
        self.words += count_words(text)


def write_call(rng: random.Random, phrases: Phrases, target: int) -> SyntheticCall:
    """Compose a call of about the target number of words."""
    topic = Topic(rng, phrases, rng.choice(phrases.texts["reasons"]), {})
    (outcome,) = rng.choices(list(OUTCOMES), list(OUTCOMES.values()))
    mood = rng.choice(list(phrases.texts["mood"]))
    script = Script(topic, outcome, mood, draw_promises(topic, outcome, target), topics=[topic])
    write_core(script, target)
    for part, text in list_extras(script, target):
        if script.words >= target:
            break
        if script.words < SHORTEST or script.words + count_words(text) <= min(target * 1.08 + 12, LONGEST):
            script.add(part, text)
    return finish_call(script)


def draw_promises(topic: Topic, outcome: str, target: int) -> list[str]:
    """Draw the promises of the agent; a short call gets the fewest of its outcome."""
    fewest, most = PROMISES[outcome]
    count = topic.rng.randint(fewest, most if target >= SHORT_CALL else fewest)
    known = topic.reason["promise"]
    return [topic.say(promise, APART) for promise in topic.rng.sample(known, min(count, len(known)))]


def write_core(script: Script, target: int) -> None:
    """Add what every call has: greeting, reason, outcome and goodbye; a short call has nothing else."""
    topic, texts = script.topic, script.topic.phrases.texts
    choose, mood, outcome = topic.rng.choice, texts["mood"][script.mood], texts["outcome"][script.outcome]
    topic.values |= {name: topic.say(topic.reason[name]) for name in ("fixed", "find", "declined")}
    script.add("opening", f"A: {topic.say(choose(texts['greetings']))}")
    script.add("opening", f"C: {topic.say(choose(mood['start']))}")
    if target >= SHORT_CALL and script.outcome != "disconnected":
        script.add("finding", f"A: {topic.say('{find}')}\nC: {topic.say(choose(mood['react']))}")
    script.add("outcome", topic.say(choose(outcome["lines"])))
    for promise in script.promises:
        said = say_promise(topic, f"A: {choose(texts['promise'])}", promise)
        script.add("outcome", f"{said}\nC: {topic.say(choose(texts['accept']))}")
    topic.values["end"] = topic.say(choose(mood["end"]))
    script.add(
        "closing", topic.say(choose(outcome["close"])) if target >= SHORTEST_CALL else f"C: {topic.values['end']}"
    )


def list_extras(script: Script, target: int) -> Iterator[tuple[str, str]]:
    """Yield further exchanges with the part each belongs to, the most important first; for a long call without end."""
    topic, phrases, rng = script.topic, script.topic.phrases, script.topic.rng
    yield "questions", topic.say(rng.choice(phrases.exchanges("verify")))
    for exchange in split_exchanges(topic.reason["details"]):
        yield "questions", topic.say(exchange)
    while True:
        if script.promises:
            yield "rest", say_promise(topic, f"A: {rng.choice(phrases.texts['recap'])}", script.promises[0])
        offers = list_side_exchanges(script, target)
        for kind, text in rng.sample(offers, len(offers)):
            yield choose_part(rng, kind), topic.say(text, APART)
        # Only the longest calls repeat themselves, in other words.
        if target < LONG_CALL:
            return


def list_side_exchanges(script: Script, target: int) -> list[tuple[str, str]]:
    """List exchanges that fit any call, with their kind; among them one further topic per 400 words."""
    topic, phrases = script.topic, script.topic.phrases
    offers = [(kind, text) for kind in ("filler", "hold") for text in phrases.exchanges(kind)]
    offers.append(("transfer", topic.rng.choice(phrases.exchanges("transfer"))))
    used = [other.reason["reason"] for other in script.topics]
    fresh = [
        reason
        for reason in phrases.texts["reasons"]
        if reason["industry"] == topic.reason["industry"] and reason["reason"] not in used
    ]
    return offers + [("topic", write_further_topic(script, reason)) for reason in fresh[: target // 400]]


def choose_part(rng: random.Random, kind: str) -> str:
    """Return the part of a call that a kind of exchange belongs to."""
    if kind == "filler":
        return rng.choice(("questions", "work", "work", "rest"))
    return "rest" if kind == "topic" else "work"


def say_promise(topic: Topic, phrase: str, promise: str) -> str:
    """Fill a phrase around a promise, which stays word for word as it is."""
    return topic.say(phrase.replace("{promise}", "\0")).replace("\0", promise)


def write_further_topic(script: Script, reason: dict[str, Any]) -> str:
    """Compose an exchange about another topic, from its question to its solution."""
    other, texts = script.topic.about(reason), script.topic.phrases.texts
    script.topics.append(other)
    choose = other.rng.choice
    mood = texts["mood"][script.mood]
    lines = [f"C: {other.say(choose(texts['more']))}", f"A: {other.say(choose(texts['say_more']))}"]
    lines += [other.say(exchange) for exchange in split_exchanges(other.reason["details"])]
    lines += [f"A: {other.say(other.reason['find'])}", f"C: {other.say(choose(mood['react']))}"]
    return "\n".join([*lines, f"A: {other.say(other.reason['fixed'])}", f"C: {other.say(choose(texts['accept']))}"])


def finish_call(script: Script) -> SyntheticCall:
    """Join the parts to a transcript and read the details from the finished text."""
    lines = [line for part in PARTS for text in script.parts[part] for line in text.split("\n")]
    turns = [(who, " ".join(polish(line[3:]) for line in said)) for who, said in groupby(lines, key=itemgetter(0))]
    transcript = "\n".join(f"{SPEAKERS[who]}: {text}" for who, text in turns)
    words = sum(len(text.split()) for _, text in turns)
    rng, reason = script.topic.rng, script.topic.reason
    hold_s = rng.randint(*HOLD_S) * len(script.parts["work"]) // 4
    amounts = [topic.values[name] for topic in script.topics for name in ("amount", "amount2") if name in topic.values]
    return SyntheticCall(
        transcript,
        reason["industry"],
        reason["reason"],
        script.outcome,
        script.mood,
        find_in_transcript(amounts, transcript),
        find_in_transcript(script.promises, transcript),
        round(words / rng.uniform(*WORDS_PER_S)) + hold_s,
        words,
    )


def find_in_transcript(details: list[str], transcript: str) -> list[str]:
    """Return the details that occur in the transcript, spelled as there, in the order of first occurrence."""
    places: dict[str, int] = {}
    for detail in details:
        # Not within a longer number: $45 does not occur in $45.99.
        found = re.search(rf"(?<![\w.,$])(?i:{re.escape(detail)})(?!\d|[.,]\d)", transcript)
        if found:
            places.setdefault(found[0], found.start())
    return sorted(places, key=places.__getitem__)


def count_words(text: str) -> int:
    """Count the words of an exchange, without the letters `A:` and `C:` of the speakers."""
    return len(text.split()) - text.count("\n") - 1
