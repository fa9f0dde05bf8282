"""Which sentences of a call matter, and for what: position, cue words, numbers and frequency.

The scoring is the classic one of H. P. Edmundson, "New methods in automatic extracting", Journal of the ACM 16(2),
1969, with cue words of service calls.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from operator import itemgetter
from typing import NamedTuple

from bedrock_local.responders.extract.lexicon import COMMON, CUES, ENDINGS, IDENTITY, MONEY_WORDS, words_of
from bedrock_local.responders.extract.transcript import Sentence

WORD = re.compile(r"[\w'$£€]+")
MONEY = re.compile(
    r"[$£€]\s?\d|\d\s?(?:%|€|£|dollars?|euros?|pounds?|cents?|usd|eur)\b|\b(?:dollars?|euros?|pounds?|cents?)\b",
    re.IGNORECASE,
)
AUXILIARY = r"(?:do|does|did|is|are|was|were|can|could|would|will|have|has|should|may|wo)(?:n?'t)?"
ASKS = re.compile(
    r"(?:(?:u[hm]|so|and|but|okay|ok|well|now)[ ,]+)*"
    rf"(?:{AUXILIARY} (?:i|you|we|he|she|it|they|there|this|that|my|your)\b"
    rf"|(?:what|which|when|where|who|why|how)\b[^,.;]{{0,24}}? {AUXILIARY} (?:i|you|we|he|she|it|they)\b)",
    re.IGNORECASE,
)
COURTESY = re.compile(
    r"(?:thanks?|please)\b|i'm (?:just |so |really |very )*(?:glad|happy|sorry to hear)\b|my name is [\w{} ]{1,25}\.?$",
    re.IGNORECASE,
)
# The first words of those; all else need not be looked at.
BEGINNINGS = words_of("""
    uh um so and but okay ok well now thank thanks please i'm my what which when where who why how
    do does did is are was were can could would will have has should may
    don't doesn't didn't isn't aren't wasn't weren't can't couldn't wouldn't won't haven't hasn't shouldn't
""")
THANKS = re.compile(r"thanks?\b|my name is\b", re.IGNORECASE)
CLOSING_MARKS, QUESTION_MARKS = " \"'\u201d", ("?", "\u061f", "\uff1f")
LEAST_WEIGHT = 1.0
# Of the words of an English call fewer are uncommon, however short it is; of calls in other languages more.
ENGLISH = 0.85
MOST_CUES, MOST_TIMES = 4, 6
# Shorter texts are thanks and the like, and not looked at further where there are enough others.
SHORT, ENOUGH = 24, 20
SHORT_WEIGHT = -5.0
NOTHING: frozenset[str] = frozenset()
# What ends in the middle: the speaker was interrupted.
BROKEN = ("--", "\u2014", "\u2013")
# How much heavier the customer's first words weigh as the reason, and what is left of it with every further sentence.
FIRST, FADING = 8.0, 0.8
# What questions, courtesies and halves of sentences weigh less, and what they get back where the reason is sought: a
# customer may well ask for what the call is about.
ASKED, WISHED = -5.0, 3.5
# So many sentences at the end may say that the call breaks off, and so much heavier they are as its outcome.
LAST_WORDS, BROKEN_OFF = 6, 5.0
TOPICS = ("reason", "actions", "outcome", "follow_up", "amounts", "dates")


class Spaces(dict[int, str]):
    """A table for `str.translate` by which all but words becomes spaces; a character is looked at once."""

    def __missing__(self, code: int) -> str:
        """Keep what words are made of, and the ends of lines."""
        character = chr(code)
        self[code] = character if character.isalnum() or character in "_'$£€\n" else " "
        return self[code]


BETWEEN_WORDS = Spaces()


class Place(NamedTuple):
    """What counts for a topic: each cue word, who says it, and to be said early or late."""

    cue: float
    agent: float
    customer: float
    early: float
    late: float


PLACES = {
    "reason": Place(1.2, 0.0, 0.0, 0.0, 0.0),
    "actions": Place(1.2, 1.5, -3.0, 0.0, 0.5),
    "outcome": Place(1.2, 0.5, -4.0, 0.0, 3.0),
    "follow_up": Place(1.2, 1.5, -3.0, 0.0, 2.0),
    "amounts": Place(1.2, 0.0, 0.0, 0.0, 0.3),
    "dates": Place(1.2, 0.0, 0.0, 0.0, 0.3),
    "general": Place(0.2, 0.0, -0.75, 0.7, 1.0),
}


@dataclass(frozen=True)
class Weighed:
    """The sentences of a call in the order said, with what each weighs whatever the topic.

    Attributes
    ----------
    words
        The words of each sentence but the common ones; none where it is short.
    figures
        Those of them that begin with a digit or a sign of money.
    weights
        What each weighs for every topic.
    cues
        By topic, how many of its cue words stand in which sentence; `general` has those of all topics.
    empty
        Which ones state nothing: questions, courtesies, and what was broken off.
    rankings
        By topic, weights with the sentences that have them, the heaviest first, once they were asked for.
    """

    sentences: list[Sentence]
    words: list[frozenset[str]]
    figures: frozenset[str]
    weights: list[float]
    cues: dict[str, dict[int, int]]
    empty: set[int]
    is_english: bool
    rankings: dict[str, list[tuple[float, int]]] = field(default_factory=dict)


def cue_table() -> dict[str, tuple[str, ...]]:
    """List the topics that each cue word points to."""
    table: dict[str, tuple[str, ...]] = {}
    for topic, words in CUES.items():
        for word in words:
            table[word] = (*table.get(word, ()), topic, *(["general"] if topic in TOPICS else []))
    return table


CUE_TABLE = cue_table()
CUE_WORDS = frozenset(CUE_TABLE)


def weigh(sentences: list[Sentence], focus: frozenset[str], seed: int) -> Weighed:
    """Weigh every sentence.

    Parameters
    ----------
    sentences
        The call, in the order said.
    focus
        Words of the instructions; sentences that share them weigh a little more.
    seed
        A number from the instructions: other words get another choice among near equals, as they do from a model.
    """
    said = read_words(sentences)
    words = [line - COMMON for line in said]
    places = [at for at, line in enumerate(said) if line]
    empty = {at for at in places if is_empty(sentences[at].text)}
    counts = Counter(chain.from_iterable(words))
    more = {word: min(count, MOST_TIMES) - 1 for word, count in counts.items() if count > 1}
    repeated = frozenset(more)
    # Digits stand before all letters.
    figures = frozenset([word for word in counts if word < ":" or word[0] in "£€"])
    cues = count_cues(sentences, said, places, figures | MONEY_WORDS)
    amounts, polite, angry = cues["amounts"], cues["polite"], cues["angry"]
    weights = [SHORT_WEIGHT] * len(sentences)
    for at in places:
        line = words[at]
        times = len(line) + sum(map(more.__getitem__, repeated & line))
        frequent = times / (len(line) + 4) + 0.3 * len(focus & line)
        numbers = 1.8 if at in amounts else 0.0 if figures.isdisjoint(line) else 1.0
        fault = ASKED if at in empty else 0.0
        nudge = (seed * (at + 7) >> 5) % 32 / 64
        length = 0.0 if len(line) > 2 and 5 < len(said[at]) <= 35 else length_weight(len(said[at]), len(line))
        weights[at] = frequent + numbers + fault + nudge + length
        weights[at] -= polite.get(at, 0) + angry.get(at, 0)
    english = sum(map(len, words)) < ENGLISH * sum(map(len, said))
    return Weighed(sentences, words, figures, weights, cues, empty, english)


def read_words(sentences: list[Sentence]) -> list[frozenset[str]]:
    """List the words of every sentence; none of a short one in a call of many."""
    least = SHORT if len(sentences) > ENOUGH else 0
    text = "\n".join([sentence.text for sentence in sentences]).lower().replace("\u2019", "'")
    lines = text.translate(BETWEEN_WORDS).split("\n") if sentences else []
    return [frozenset(line.split()) if len(line) >= least else NOTHING for line in lines]


def is_empty(text: str) -> bool:
    """Tell whether a sentence asks, is a courtesy, or was broken off."""
    if text[-1:] != "." and (text.rstrip(CLOSING_MARKS).endswith(QUESTION_MARKS) or text.endswith(BROKEN)):
        return True
    return text.partition(" ")[0].rstrip(",").lower() in BEGINNINGS and bool(ASKS.match(text) or COURTESY.match(text))


def length_weight(words: int, telling: int) -> float:
    """Take from what is too short to say much, or says it in common words, and from what goes on."""
    return -1.6 * max(0, 6 - words) - max(0, 3 - telling) - 0.1 * max(0, words - 35)


def count_cues(
    sentences: list[Sentence], said: list[frozenset[str]], places: list[int], money: frozenset[str]
) -> dict[str, dict[int, int]]:
    """Count the cue words of every topic in every sentence; an amount of money, which has a word of `money`, is two."""
    cues: dict[str, dict[int, int]] = {topic: {} for topic in (*CUES, "amounts", "general")}
    for at in places:
        for topic in chain.from_iterable(map(CUE_TABLE.__getitem__, CUE_WORDS & said[at])):
            found = cues[topic]
            found[at] = found.get(at, 0) + 1
        if not money.isdisjoint(said[at]) and MONEY.search(sentences[at].text):
            cues["amounts"][at] = 2
            cues["general"][at] = cues["general"].get(at, 0) + 2
    return cues


def pick(call: Weighed, topic: str, limit: int, taken: set[int]) -> list[int]:
    """Pick the heaviest sentences for a topic that say something new, of all if need be, and mark them as taken."""
    chosen = pick_among(call, [at for _, at in rank(call, topic)], limit, taken)
    if len(chosen) == limit:
        return chosen
    others = sorted(range(len(call.sentences)), key=call.weights.__getitem__, reverse=True)
    return sorted(chosen + pick_among(call, others, limit - len(chosen), taken))


def pick_certain(call: Weighed, topic: str, limit: int, taken: set[int], *, share: float = 0.0) -> list[int]:
    """Pick as `pick` does, but only what has a cue word of the topic and is worth saying.

    A sentence is worth it that weighs so much, and so great a share of the heaviest.
    """
    cues, ranked = call.cues[topic], rank(call, topic)
    least = max(LEAST_WEIGHT, share * ranked[0][0]) if ranked else LEAST_WEIGHT
    places = [at for weight, at in ranked if weight > least and at in cues]
    return pick_among(call, places, limit, taken)


def rank(call: Weighed, topic: str) -> list[tuple[float, int]]:
    """Weigh the sentences that may say something about a topic, the heaviest first."""
    if topic not in call.rankings:
        weighed = weigh_reasons(call) if topic == "reason" else weigh_cues(call, topic)
        call.rankings[topic] = sorted(weighed, key=itemgetter(0), reverse=True)
    return call.rankings[topic]


def weigh_reasons(call: Weighed) -> Iterator[tuple[float, int]]:
    """Weigh what whoever called says: the earlier the heavier, though politeness does not count as a beginning."""
    place, first = PLACES["reason"], FIRST
    cues, polite = call.cues["reason"], call.cues["polite"]
    # Where nobody is known as the customer, whoever is not the agent is.
    caller = "customer" if any(sentence.role == "customer" for sentence in call.sentences) else ""
    for at, (sentence, words) in enumerate(zip(call.sentences, call.words, strict=True)):
        if sentence.role != caller or not words or (cues.get(at, 0) < 2 and is_identity(words, call.figures)):
            continue
        weight = call.weights[at] + place.cue * min(cues.get(at, 0), MOST_CUES) + first
        # A greeting takes nothing away: "Hi, I want to return a lamp."
        greeting = polite.get(at, 0) == 1
        wished = at in call.empty and not THANKS.match(sentence.text)
        weight += WISHED * wished + greeting
        yield weight, at
        if len(words) > 1 and polite.get(at, 0) < 2:
            first *= FADING


def is_identity(words: frozenset[str], figures: frozenset[str]) -> bool:
    """Tell whether a sentence says little but a name, a date or a number, as when somebody is asked for them."""
    return len(words & IDENTITY) + len(words & figures) > len(words) / 2


def weigh_cues(call: Weighed, topic: str) -> Iterator[tuple[float, int]]:
    """Weigh statements with a cue word of a topic: who makes them, when, and what they share with the reason."""
    place = PLACES[topic]
    sides = {"agent": place.agent, "customer": place.customer, "": 0.0}
    step = (place.late - place.early) / max(1, len(call.sentences) - 1)
    reasons = rank(call, "reason")
    matter = call.words[reasons[0][1]] if reasons else frozenset()
    # A call that breaks off ends with that, whatever was settled before.
    last = len(call.sentences) - LAST_WORDS
    broken_off = {at for at in call.cues["broken_off"] if at >= last} if topic == "outcome" else NOTHING
    for at, count in call.cues[topic].items():
        if at not in call.empty:
            weight = call.weights[at] + sides[call.sentences[at].role] + place.early + step * at
            weight += BROKEN_OFF * (at in broken_off)
            yield weight + place.cue * min(count, MOST_CUES) + 0.5 * len(call.words[at] & matter), at


def pick_among(call: Weighed, places: list[int], limit: int, taken: set[int]) -> list[int]:
    """Pick from ranked sentences; in a long call only the heaviest are compared with what is taken."""
    chosen: list[int] = []
    for at in places[: limit * 8 + 16 + len(taken)]:
        if len(chosen) == limit:
            break
        if at not in taken and not any(says_the_same(call.words[at], call.words[other]) for other in taken):
            chosen.append(at)
            taken.add(at)
    return sorted(chosen)


def says_the_same(words: frozenset[str], others: frozenset[str]) -> bool:
    """Hold two sentences for the same when most words of the shorter stand in the longer."""
    return len(words & others) >= 0.7 * max(1, min(len(words), len(others)))


def mood(call: Weighed) -> str:
    """Name the customer's mood in one word."""
    said = [set(WORD.findall(text.lower())) for text, _, role in call.sentences if role != "agent"]
    angry = sum(len(words & CUES["angry"]) for words in said)
    happy = sum(len(words & CUES["happy"]) for words in said)
    return "negative" if angry > happy else "positive" if happy > angry else "neutral"


def find_end(call: Weighed) -> str:
    """Say `resolved`, `pending` or `unresolved` by the agent's last word on it; nothing where there is none."""
    said = (end_of(text) for text, _, role in reversed(call.sentences) if role != "customer")
    return next(filter(None, said), "")


def end_of(text: str) -> str:
    """Say how a call ended where this is said of it; nothing where this says nothing."""
    words = set(WORD.findall(text.lower()))
    return next((end for end, telling in ENDINGS.items() if not words.isdisjoint(telling)), "")
