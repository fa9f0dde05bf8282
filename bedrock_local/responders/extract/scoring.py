"""Scores of the sentences of a call, by topic: from position, cue words, numbers and frequency.

The method is that of H. P. Edmundson, "New methods in automatic extracting", Journal of the ACM 16(2),
1969, with cue words of service calls.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from typing import NamedTuple

from bedrock_local.responders.extract.lexicon import COMMON, CUES, IDENTITY, MONEY_WORDS, RESOLUTIONS, split_words
from bedrock_local.responders.extract.transcript import Sentence, split_sentences

WORD = re.compile(r"[\w'$£€]+")
MONEY = re.compile(
    r"[$£€]\s?\d|\d\s?(?:%|€|£|dollars?|euros?|pounds?|cents?|usd|eur)\b|\b(?:dollars?|euros?|pounds?|cents?)\b",
    re.IGNORECASE,
)
AUXILIARY = r"(?:do|does|did|is|are|was|were|can|could|would|will|have|has|should|may|wo)(?:n?'t)?"
QUESTION = re.compile(
    r"(?:(?:u[hm]|so|and|but|okay|ok|well|now)[ ,]+)*"
    rf"(?:{AUXILIARY} (?:i|you|we|he|she|it|they|there|this|that|my|your)\b"
    rf"|(?:what|which|when|where|who|why|how)\b[^,.;]{{0,24}}? {AUXILIARY} (?:i|you|we|he|she|it|they)\b)",
    re.IGNORECASE,
)
COURTESY = re.compile(
    r"(?:thanks?|please)\b|i'm (?:just |so |really |very )*(?:glad|happy|sorry to hear)\b|my name is [\w{} ]{1,25}\.?$",
    re.IGNORECASE,
)
# The first words of questions and courtesies: looking one up is cheaper than both patterns.
FIRST_WORDS = split_words("""
    uh um so and but okay ok well now thank thanks please i'm my what which when where who why how
    do does did is are was were can could would will have has should may
    don't doesn't didn't isn't aren't wasn't weren't can't couldn't wouldn't won't haven't hasn't shouldn't
""")
THANKS = re.compile(r"thanks?\b|my name is\b", re.IGNORECASE)
CLOSING_MARKS, QUESTION_MARKS = " \"'\u201d", ("?", "\u061f", "\uff1f")
MIN_SCORE = 1.0
# In an English call less than this share of the words is uncommon, however short it is; in other languages it is more.
ENGLISH_SHARE = 0.85
MAX_CUES, MAX_REPEATS = 4, 6
# Sentences with fewer characters are thanks and the like, and are skipped in a call of many sentences.
MIN_CHARACTERS, MANY_SENTENCES = 24, 20
SHORT_SCORE = -5.0
NO_WORDS: frozenset[str] = frozenset()
# Marks of a sentence that was interrupted.
BREAK_MARKS = ("--", "\u2014", "\u2013")
# Added to the customer's first sentence as the reason; each further sentence gets this share of what the last one got.
FIRST_SCORE, FADING = 8.0, 0.8
# Added to questions, courtesies and halves of sentences; as the reason they get part of it back, since a customer may
# well ask for what the call is about.
NON_STATEMENT_SCORE, ASKED_REASON_SCORE = -5.0, 3.5
# Only the last sentences can mean that the call breaks off; as its outcome they get this added.
LAST_SENTENCES, BROKEN_OFF_SCORE = 6, 5.0
TOPICS = ("reason", "actions", "outcome", "follow_up", "amounts", "dates")


class WordCharacters(dict[int, str]):
    """A table for `str.translate` that turns all but words into spaces; it classifies each character once."""

    def __missing__(self, code: int) -> str:
        """Keep letters, digits, marks of words and money, and line ends."""
        character = chr(code)
        self[code] = character if character.isalnum() or character in "_'$£€\n" else " "
        return self[code]


WORD_CHARACTERS = WordCharacters()


class TopicWeights(NamedTuple):
    """What counts for a topic: each cue word, the speaker, and the position from early to late in the call."""

    cue: float
    agent: float
    customer: float
    early: float
    late: float


TOPIC_WEIGHTS = {
    "reason": TopicWeights(1.2, 0.0, 0.0, 0.0, 0.0),
    "actions": TopicWeights(1.2, 1.5, -3.0, 0.0, 0.5),
    "outcome": TopicWeights(1.2, 0.5, -4.0, 0.0, 3.0),
    "follow_up": TopicWeights(1.2, 1.5, -3.0, 0.0, 2.0),
    "amounts": TopicWeights(1.2, 0.0, 0.0, 0.0, 0.3),
    "dates": TopicWeights(1.2, 0.0, 0.0, 0.0, 0.3),
    "general": TopicWeights(0.2, 0.0, -0.75, 0.7, 1.0),
}


@dataclass(frozen=True)
class ScoredCall:
    """The sentences of a call, in the order said, with their scores.

    Attributes
    ----------
    words
        The words of each sentence without the common ones; empty for short sentences that are skipped.
    figures
        All words that begin with a digit or a currency sign.
    scores
        Part of the score of each sentence that is the same for every topic.
    cues
        By topic, the number of its cue words by sentence; `general` has those of all topics.
    non_statements
        Questions, courtesies, and sentences that were broken off.
    rankings
        By topic, scores and their sentences, the highest first; filled by `rank_sentences`.
    """

    sentences: list[Sentence]
    words: list[frozenset[str]]
    figures: frozenset[str]
    scores: list[float]
    cues: dict[str, dict[int, int]]
    non_statements: set[int]
    is_english: bool
    rankings: dict[str, list[tuple[float, int]]] = field(default_factory=dict)


def build_cue_table() -> dict[str, tuple[str, ...]]:
    """List the topics that each cue word points to."""
    table: dict[str, tuple[str, ...]] = {}
    for topic, words in CUES.items():
        for word in words:
            table[word] = (*table.get(word, ()), topic, *(["general"] if topic in TOPICS else []))
    return table


CUE_TABLE = build_cue_table()
CUE_WORDS = frozenset(CUE_TABLE)


@dataclass(frozen=True)
class MeasuredCall:
    """What the scores of a call are made of that no instruction changes; attributes as of `ScoredCall`.

    Attributes
    ----------
    merits
        Of each sentence that is not skipped: how often its words are repeated, by the number of them; a bonus for
        numbers; and penalties for manners, for what is no statement, and for length.
    """

    sentences: list[Sentence]
    words: list[frozenset[str]]
    figures: frozenset[str]
    cues: dict[str, dict[int, int]]
    non_statements: set[int]
    merits: dict[int, float]
    is_english: bool


@lru_cache(maxsize=4)  # the prompts of a run ask for one call after the other
def measure_call(transcript: str) -> MeasuredCall:
    """Split a call into sentences, and measure each by all that does not depend on the instructions."""
    sentences = split_sentences(transcript)
    words_said = list_words(sentences)
    words = [line - COMMON for line in words_said]
    places = [index for index, line in enumerate(words_said) if line]
    non_statements = {index for index in places if is_non_statement(sentences[index].text)}
    counts = Counter(chain.from_iterable(words))
    more = {word: min(count, MAX_REPEATS) - 1 for word, count in counts.items() if count > 1}
    repeated = frozenset(more)
    # ":" is the first character after the digits.
    figures = frozenset([word for word in counts if word < ":" or word[0] in "£€"])
    cues = count_cues(sentences, words_said, places, figures | MONEY_WORDS)
    amounts, polite, angry = cues["amounts"], cues["polite"], cues["angry"]
    merits = {}
    for index in places:
        said, line = words_said[index], words[index]
        times = len(line) + sum(map(more.__getitem__, repeated & line))
        numbers = 1.8 if index in amounts else 0.0 if figures.isdisjoint(line) else 1.0
        penalty = NON_STATEMENT_SCORE if index in non_statements else 0.0
        # Most lengths are ordinary, and a comparison is cheaper than a call.
        length = 0.0 if len(line) > 2 and 5 < len(said) <= 35 else score_length(len(said), len(line))
        manners = polite.get(index, 0) + angry.get(index, 0)
        merits[index] = times / (len(line) + 4) + numbers + penalty + length - manners
    is_english = sum(map(len, words)) < ENGLISH_SHARE * sum(map(len, words_said))
    return MeasuredCall(sentences, words, figures, cues, non_statements, merits, is_english)


def score_call(transcript: str, focus: frozenset[str], seed: int) -> ScoredCall:
    """Score every sentence of a call.

    Parameters
    ----------
    transcript
        The call.
    focus
        Words of the instructions; sentences that share them score a little higher.
    seed
        A number from the instructions: another wording of them picks differently among near equals, as with a model.
    """
    call = measure_call(transcript)
    scores = [SHORT_SCORE] * len(call.sentences)
    for index, merit in call.merits.items():
        jitter = (seed * (index + 7) >> 5) % 32 / 64
        scores[index] = merit + 0.3 * len(focus & call.words[index]) + jitter
    return ScoredCall(call.sentences, call.words, call.figures, scores, call.cues, call.non_statements, call.is_english)


def list_words(sentences: list[Sentence]) -> list[frozenset[str]]:
    """List the words of every sentence; none for the short sentences of a long call."""
    least = MIN_CHARACTERS if len(sentences) > MANY_SENTENCES else 0
    text = "\n".join([sentence.text for sentence in sentences]).lower().replace("\u2019", "'")
    lines = text.translate(WORD_CHARACTERS).split("\n") if sentences else []
    return [frozenset(line.split()) if len(line) >= least else NO_WORDS for line in lines]


def is_non_statement(text: str) -> bool:
    """Return whether a sentence is a question or a courtesy, or was broken off."""
    if text[-1:] != "." and (text.rstrip(CLOSING_MARKS).endswith(QUESTION_MARKS) or text.endswith(BREAK_MARKS)):
        return True
    return text.partition(" ")[0].rstrip(",").lower() in FIRST_WORDS and bool(
        QUESTION.match(text) or COURTESY.match(text)
    )


def score_length(words: int, uncommon: int) -> float:
    """Return the penalty of a sentence with few words, with few uncommon words, or with very many."""
    return -1.6 * max(0, 6 - words) - max(0, 3 - uncommon) - 0.1 * max(0, words - 35)


def count_cues(
    sentences: list[Sentence], words_said: list[frozenset[str]], places: list[int], money: frozenset[str]
) -> dict[str, dict[int, int]]:
    """Count the cue words of every topic in every sentence; an amount of money counts as two.

    `money` holds the words that amounts are made of: only sentences with one are searched by the pattern.
    """
    cues: dict[str, dict[int, int]] = {topic: {} for topic in (*CUES, "amounts", "general")}
    for index in places:
        for topic in chain.from_iterable(map(CUE_TABLE.__getitem__, CUE_WORDS & words_said[index])):
            found = cues[topic]
            found[index] = found.get(index, 0) + 1
        if not money.isdisjoint(words_said[index]) and MONEY.search(sentences[index].text):
            cues["amounts"][index] = 2
            cues["general"][index] = cues["general"].get(index, 0) + 2
    return cues


def pick_best(call: ScoredCall, topic: str, limit: int, taken: set[int]) -> list[int]:
    """Pick the sentences with the highest scores for a topic that say something new, and add them to `taken`.

    Where the topic has too few, the best sentences of the call fill up.
    """
    chosen = pick_new(call, [index for _, index in rank_sentences(call, topic)], limit, taken)
    if len(chosen) == limit:
        return chosen
    others = sorted(range(len(call.sentences)), key=call.scores.__getitem__, reverse=True)
    return sorted(chosen + pick_new(call, others, limit - len(chosen), taken))


def pick_relevant(call: ScoredCall, topic: str, limit: int, taken: set[int], *, share: float = 0.0) -> list[int]:
    """Pick as `pick_best` does, but only sentences that have a cue word of the topic and a sufficient score.

    Sufficient is more than MIN_SCORE and than `share` of the highest score.
    """
    cues, ranked = call.cues[topic], rank_sentences(call, topic)
    minimum = max(MIN_SCORE, share * ranked[0][0]) if ranked else MIN_SCORE
    places = [index for score, index in ranked if score > minimum and index in cues]
    return pick_new(call, places, limit, taken)


def rank_sentences(call: ScoredCall, topic: str) -> list[tuple[float, int]]:
    """Score the sentences that may belong to a topic, and sort them by score, the highest first."""
    if topic not in call.rankings:
        scored = score_reasons(call) if topic == "reason" else score_cues(call, topic)
        call.rankings[topic] = sorted(scored, key=itemgetter(0), reverse=True)
    return call.rankings[topic]


def score_reasons(call: ScoredCall) -> Iterator[tuple[float, int]]:
    """Score the caller's sentences as the reason: earlier ones higher; polite phrases do not count as a beginning."""
    weights, first = TOPIC_WEIGHTS["reason"], FIRST_SCORE
    cues, polite = call.cues["reason"], call.cues["polite"]
    # Without a known customer, the caller is whoever has no known role.
    caller = "customer" if any(sentence.role == "customer" for sentence in call.sentences) else ""
    for index, (sentence, words) in enumerate(zip(call.sentences, call.words, strict=True)):
        if sentence.role != caller or not words or (cues.get(index, 0) < 2 and is_identity(words, call.figures)):
            continue
        score = call.scores[index] + weights.cue * min(cues.get(index, 0), MAX_CUES) + first
        # One polite word is a greeting, and its penalty is given back: "Hi, I want to return a lamp."
        greeting = polite.get(index, 0) == 1
        asks_reason = index in call.non_statements and not THANKS.match(sentence.text)
        score += ASKED_REASON_SCORE * asks_reason + greeting
        yield score, index
        if len(words) > 1 and polite.get(index, 0) < 2:
            first *= FADING


def is_identity(words: frozenset[str], figures: frozenset[str]) -> bool:
    """Return whether a sentence is mostly a name, a date or a number, as an answer to an agent who asks for them."""
    return len(words & IDENTITY) + len(words & figures) > len(words) / 2


def score_cues(call: ScoredCall, topic: str) -> Iterator[tuple[float, int]]:
    """Score statements with a cue word of a topic by their speaker, position, and words shared with the reason."""
    weights = TOPIC_WEIGHTS[topic]
    sides = {"agent": weights.agent, "customer": weights.customer, "": 0.0}
    per_sentence = (weights.late - weights.early) / max(1, len(call.sentences) - 1)
    reasons = rank_sentences(call, "reason")
    reason_words = call.words[reasons[0][1]] if reasons else frozenset()
    # A call that breaks off ends with that, whatever was settled before.
    last = len(call.sentences) - LAST_SENTENCES
    broken_off = {index for index in call.cues["broken_off"] if index >= last} if topic == "outcome" else set()
    for index, count in call.cues[topic].items():
        if index not in call.non_statements:
            score = call.scores[index] + sides[call.sentences[index].role] + weights.early + per_sentence * index
            score += BROKEN_OFF_SCORE * (index in broken_off)
            yield score + weights.cue * min(count, MAX_CUES) + 0.5 * len(call.words[index] & reason_words), index


def pick_new(call: ScoredCall, places: list[int], limit: int, taken: set[int]) -> list[int]:
    """Pick ranked sentences that repeat none of `taken`."""
    chosen: list[int] = []
    # A limit, as the comparisons of a long call would take quadratic time.
    for index in places[: limit * 8 + 16 + len(taken)]:
        if len(chosen) == limit:
            break
        if index not in taken and not any(is_duplicate(call.words[index], call.words[other]) for other in taken):
            chosen.append(index)
            taken.add(index)
    return sorted(chosen)


def is_duplicate(words: frozenset[str], others: frozenset[str]) -> bool:
    """Return whether most words of the shorter of two sentences are also in the longer."""
    return len(words & others) >= 0.7 * max(1, min(len(words), len(others)))


def find_mood(call: ScoredCall) -> str:
    """Find the customer's mood: `negative`, `neutral` or `positive`."""
    words_said = [set(WORD.findall(text.lower())) for text, _, role in call.sentences if role != "agent"]
    angry = sum(len(words & CUES["angry"]) for words in words_said)
    happy = sum(len(words & CUES["happy"]) for words in words_said)
    return "negative" if angry > happy else "positive" if happy > angry else "neutral"


def find_resolution(call: ScoredCall) -> str:
    """Find whether the call ended `resolved`, `pending` or `unresolved`, by the agent's last word on it; else empty."""
    found = (read_resolution(text) for text, _, role in reversed(call.sentences) if role != "customer")
    return next(filter(None, found), "")


def read_resolution(text: str) -> str:
    """Read how a call ended from one text; empty when the text does not say."""
    words = set(WORD.findall(text.lower()))
    return next((resolution for resolution, cues in RESOLUTIONS.items() if not words.isdisjoint(cues)), "")
