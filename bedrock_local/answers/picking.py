"""Which sentences of a call matter, and for what: position, cue words, numbers and frequency.

The scoring is the classic one of H. P. Edmundson, "New methods in automatic extracting", Journal of the ACM 16(2),
1969, with cue words of service calls.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import nlargest

from bedrock_local.answers.lexicon import COMMON, CUES, SETTLING
from bedrock_local.answers.transcript import Sentence

TOPICS = ("reason", "actions", "outcome", "follow_up", "amounts", "dates")
WORD = re.compile(r"[\w'$£€]+")
MONEY = re.compile(
    r"[$£€]\s?\d|\d\s?(?:%|€|£|dollars?|euros?|pounds?|cents?|usd|eur)\b|\b(?:dollars?|euros?|pounds?|cents?)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Weighed:
    """The sentences of a call and what each weighs for each topic, in the order said."""

    sentences: list[Sentence]
    words: list[list[str]]
    weights: dict[str, list[float]]
    cues: dict[str, list[int]]
    is_english: bool


def cue_table() -> dict[str, tuple[str, ...]]:
    """List the topics that each cue word points to."""
    table: dict[str, tuple[str, ...]] = {}
    for topic, words in CUES.items():
        for word in words:
            table[word] = (*table.get(word, ()), topic)
    return table


CUE_TABLE = cue_table()
LEAST_WEIGHT = 1.0
DIGIT = re.compile(r"\d")
CLOSING_MARKS = " \"'\u201d"


def weigh(sentences: list[Sentence], focus: frozenset[str], seed: int) -> Weighed:
    """Weigh every sentence for every topic.

    Parameters
    ----------
    sentences
        The call, in the order said.
    focus
        Words of the instructions; sentences that share them weigh a little more.
    seed
        A number from the instructions: other words get another choice among near equals, as they do from a model.
    """
    words = [WORD.findall(sentence.text.lower().replace("\u2019", "'")) for sentence in sentences]
    content = [[word for word in line if word not in COMMON] for line in words]
    counts = Counter(word for line in content for word in line)
    cues = count_cues(sentences, words)
    general = []
    for at, (sentence, line) in enumerate(zip(sentences, content, strict=True)):
        nudge = (seed * (at + 7) >> 5) % 32 / 64
        weight = (
            general_weight(sentence.text, line, counts, focus) + length_weight(len(words[at])) + asked_weight(sentence)
        )
        general.append(weight + 0.8 * bool(cues["amounts"][at]) - cues["polite"][at] + nudge)
    weights = {topic: topic_weights(topic, sentences, general, cues[topic]) for topic in TOPICS}
    weights["general"] = [sum(column) / len(TOPICS) for column in zip(*weights.values(), strict=True)]
    return Weighed(sentences, words, weights, cues, is_english(words, content))


def count_cues(sentences: list[Sentence], words: list[list[str]]) -> dict[str, list[int]]:
    """Count the cue words of every topic in every sentence; an amount of money counts as two."""
    cues: dict[str, list[int]] = {topic: [0] * len(words) for topic in CUES}
    for at, line in enumerate(words):
        for word in line:
            for topic in CUE_TABLE.get(word, ()):
                cues[topic][at] += 1
    cues["amounts"] = [2 * bool(MONEY.search(sentence.text)) for sentence in sentences]
    return cues


def is_english(words: list[list[str]], content: list[list[str]]) -> bool:
    """Hold a call for English when common English words are at least 28 of 100."""
    return sum(map(len, content)) < 0.72 * sum(map(len, words))


def general_weight(text: str, content: list[str], counts: Counter[str], focus: frozenset[str]) -> float:
    """Weigh what counts for every topic: frequent words, the words of the instructions, digits."""
    frequent = sum(min(counts[word], 6) for word in content) / (len(content) + 4)
    has_digit = DIGIT.search(text) is not None
    return frequent + 0.3 * len(focus.intersection(content)) + has_digit


def length_weight(words: int) -> float:
    """Take from what is too short to say much, and from what goes on."""
    return -1.2 * max(0, 6 - words) - 0.1 * max(0, words - 35)


def topic_weights(topic: str, sentences: list[Sentence], general: list[float], cues: list[int]) -> list[float]:
    """Add to the general weights what counts for a topic: its cue words, who speaks, and when."""
    side, early, late = PLACES[topic]
    spoken = {"agent": -3.0, "customer": -3.0, "": 0.0} if side else {"agent": 0.0, "customer": 0.0, "": 0.0}
    spoken[side] = 1.5 if side else 0.0
    step = (late - early) / max(1, len(sentences) - 1)
    return [
        weight + 1.2 * (count if count < 4 else 4) + spoken[sentence.role] + early + step * at
        for at, (weight, count, sentence) in enumerate(zip(general, cues, sentences, strict=True))
    ]


def asked_weight(sentence: Sentence) -> float:
    """Take from questions; little from the customer's, who may well ask for what the call is about."""
    if not sentence.text.rstrip(CLOSING_MARKS).endswith(("?", "\u061f")):
        return 0.0
    return -1.5 if sentence.role == "customer" else -5.0


# Who tells it, and how much it counts to be said early and late.
PLACES = {
    "reason": ("customer", 4.0, 0.0),
    "actions": ("agent", 0.0, 0.5),
    "outcome": ("", 0.0, 3.0),
    "follow_up": ("agent", 0.0, 2.0),
    "amounts": ("", 0.0, 0.3),
    "dates": ("", 0.0, 0.3),
}


def pick(call: Weighed, topic: str, limit: int, taken: set[int]) -> list[int]:
    """Pick the heaviest sentences for a topic that say something new, and mark them as taken."""
    return pick_among(call, range(len(call.words)), topic, limit, taken)


def pick_certain(call: Weighed, topic: str, limit: int, taken: set[int]) -> list[int]:
    """Pick as `pick` does, but only statements with a cue word of the topic."""
    cues = call.cues.get(topic, [1] * len(call.words))
    places = [at for at, count in enumerate(cues) if count and call.weights[topic][at] > LEAST_WEIGHT]
    return pick_among(call, places, topic, limit, taken)


def pick_among(call: Weighed, places: Sequence[int], topic: str, limit: int, taken: set[int]) -> list[int]:
    """Pick from some of the sentences; in a long call only the heaviest are compared with one another."""
    weights = call.weights[topic]
    chosen: list[int] = []
    for at in nlargest(limit * 8 + 16, places, key=weights.__getitem__):
        if len(chosen) == limit:
            break
        if at not in taken and not any(says_the_same(call.words[at], call.words[other]) for other in taken):
            chosen.append(at)
            taken.add(at)
    return sorted(chosen)


def says_the_same(words: list[str], others: list[str]) -> bool:
    """Hold two sentences for the same when most words of the shorter stand in the longer."""
    mine, theirs = set(words) - COMMON, set(others) - COMMON
    return len(mine & theirs) >= 0.7 * max(1, min(len(mine), len(theirs)))


def mood(call: Weighed) -> str:
    """Name the customer's mood in one word."""
    of_customer = [at for at, sentence in enumerate(call.sentences) if sentence.role != "agent"]
    angry = sum(call.cues["angry"][at] for at in of_customer)
    happy = sum(call.cues["happy"][at] for at in of_customer)
    return "negative" if angry > happy else "positive" if happy > angry else "neutral"


def is_settled(call: Weighed) -> bool:
    """Hold a call for settled when the agent's last word on it says so."""
    last = dict.fromkeys(SETTLING, -1)
    for at, (sentence, words) in enumerate(zip(call.sentences, call.words, strict=True)):
        for kind, cues in SETTLING.items():
            if sentence.role != "customer" and not cues.isdisjoint(words):
                last[kind] = at
    return last["settled"] > last["open"]
