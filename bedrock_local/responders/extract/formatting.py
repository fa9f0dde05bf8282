"""Picking sentences for the requested format, and writing them in it."""

from __future__ import annotations

import json
import re
from typing import Any

from bedrock_local.responders.extract.instructions import Instructions, find_topic
from bedrock_local.responders.extract.json_schema import Choice
from bedrock_local.responders.extract.lexicon import COMMON, split_words
from bedrock_local.responders.extract.scoring import (
    MONEY,
    ScoredCall,
    find_mood,
    find_resolution,
    pick_best,
    pick_relevant,
    read_resolution,
)
from bedrock_local.responders.extract.third_person import clean_speech, punctuate, retell

EMPTY_TRANSCRIPT = "The transcript is empty."
NOT_MENTIONED = "Not mentioned."
# A summary has one sentence for each of these topics, then the sentences with the highest scores.
TOPIC_ORDER = ("reason", "outcome", "actions", "follow_up", "amounts")
AMOUNT = re.compile(
    r"[$£€]\s?\d+(?:,\d+)*(?:\.\d+)?|\d[\d,.]*\s?(?:%|€|£|(?:dollars|euros|pounds)(?: and \d+ cents)?)"
    r"|\b(?:(?:and|a|hundred|thousand|ten|eleven|twelve|\w{2,5}ty(?:-\w{3,5})?|\w{3,5}teen|one|two|three|four|five|six"
    r"|seven|eight|nine) ){1,8}(?:dollars|euros|pounds)",
    re.IGNORECASE,
)
DEFAULT_WORDS = 120
# The value of a JSON key that asks how the call ended, as in "resolved, unresolved or pending, and why".
RESOLUTION_REQUEST = re.compile(r"(?=.*\bpending\b)(?=.*\bunresolved\b)resolved\b.*\bwhy\b", re.IGNORECASE)
# Minimum score of a second and third sentence on a topic, as a share of the highest.
FURTHER_SHARE = 0.6
CONJUNCTIONS = split_words("once since other unfortunately before after while until because then as based")


def write_answer(instructions: Instructions, call: ScoredCall) -> str:
    """Write the answer in the requested format."""
    if instructions.form == "json":
        return json.dumps(fill_value(instructions.keys, "", call, set()), ensure_ascii=False, indent=2)
    if instructions.form == "headings":
        return write_headings(instructions, call)
    if not call.sentences:
        return EMPTY_TRANSCRIPT
    if instructions.form == "bullets":
        return write_bullets(instructions, call)
    return write_paragraph(instructions, call)


def write_bullets(instructions: Instructions, call: ScoredCall) -> str:
    """Write sentences as a list with dashes or numbers."""
    texts = fit_words(call, pick_summary(call, instructions.bullets or 4), instructions.words)
    marks = [f"{number}." if instructions.is_numbered else "-" for number in range(1, len(texts) + 1)]
    return "\n".join(f"{mark} {text}" for mark, text in zip(marks, texts, strict=True))


def write_paragraph(instructions: Instructions, call: ScoredCall) -> str:
    """Write sentences in the order said; one sentence alone joins the reason and the outcome."""
    if instructions.sentences == 1:
        first, *others = fit_words(call, pick_summary(call, 2), None)
        text = "; ".join([first.rstrip(".!?"), lower_first(others[0])]) if others else first
        return cut_words(text, instructions.words)
    if instructions.sentences:
        return " ".join(fit_words(call, pick_summary(call, instructions.sentences), instructions.words))
    words = instructions.words or DEFAULT_WORDS
    # About 12 words a sentence, and at most a third of a short call.
    count = min(max(2, words // 12), 8, 1 + len(call.sentences) // 3)
    return " ".join(fit_words(call, pick_summary_relevant(call, count), words))


def lower_first(text: str) -> str:
    """Lower the first letter of a sentence that follows a semicolon, unless its first word may be a name."""
    return text[0].lower() + text[1:] if text.partition(" ")[0].lower() in COMMON | CONJUNCTIONS else text


def pick_summary(call: ScoredCall, count: int) -> list[int]:
    """Pick as many sentences for a summary as requested, the most important first, relevant or not."""
    indexes = pick_summary_relevant(call, count)
    return indexes + pick_best(call, "general", count - len(indexes), set(indexes))


def pick_summary_relevant(call: ScoredCall, count: int) -> list[int]:
    """Pick the relevant sentences of a summary: one for each topic, then those with the highest scores."""
    taken: set[int] = set()
    indexes = pick_best(call, "reason", 1, taken)
    # Actions and promises get a second sentence.
    for topic in (*TOPIC_ORDER[1:], "actions", "follow_up"):
        indexes += pick_relevant(call, topic, 1, taken)
    return (indexes + pick_relevant(call, "general", max(0, count - len(indexes)), taken))[:count]


def fit_words(call: ScoredCall, indexes: list[int], words: int | None) -> list[str]:
    """Retell sentences in the order said; where words are limited, the first of `indexes` are preferred."""
    texts = dict(zip(indexes, retell_sentences(call, indexes), strict=True))
    left = words if words is not None else sum(len(text.split()) for text in texts.values())
    kept = []
    for index, text in texts.items():
        if text and len(text.split()) <= left:
            left -= len(text.split())
            kept.append(index)
    return [texts[index] for index in sorted(kept)] or [cut_words(text, words) for text in texts.values() if text][:1]


def cut_words(text: str, words: int | None) -> str:
    """Truncate a text after a number of words."""
    return text if words is None or len(text.split()) <= words else punctuate(" ".join(text.split()[:words]))


def retell_sentences(call: ScoredCall, indexes: list[int]) -> list[str]:
    """Retell sentences in the third person if the call is English, else as they were said."""
    if call.is_english:
        return [retell(call.sentences[index]) for index in indexes]
    return [punctuate(clean_speech(call.sentences[index].text)) for index in indexes]


def write_headings(instructions: Instructions, call: ScoredCall) -> str:
    """Write the text of each heading, on its line after a colon, or below a Markdown heading."""
    share = max(5, instructions.words // len(instructions.headings)) if instructions.words else None
    topics = [heading.topic for heading in instructions.headings]
    parts = []
    assigned = assign_sentences(call, topics, instructions.sentences)
    for heading, indexes in zip(instructions.headings, assigned, strict=True):
        text = punctuate(find_mood(call)) if heading.topic == "mood" else " ".join(fit_words(call, indexes, share))
        between = "\n" if heading.line.startswith("#") else " "
        parts.append(f"{heading.line}{between}{text or NOT_MENTIONED}" + between.strip(" "))
    return "\n".join(parts).rstrip()


def assign_sentences(call: ScoredCall, topics: list[str], most: int | None) -> list[list[int]]:
    """Assign each topic its best sentence, by priority, and only then second and third ones."""
    taken: set[int] = set()
    assigned: list[list[int]] = [[] for _ in topics]
    for turn in range(most or 2):
        for position in sorted(range(len(topics)), key=lambda position: topic_priority(topics[position])):
            topic = topics[position]
            # Without a requested number only actions get a second sentence.
            if turn == 0 or most or topic == "actions":
                if topic == "reason" and turn == 0:
                    assigned[position] += pick_best(call, topic, 1, taken)
                elif topic != "mood":
                    assigned[position] += pick_relevant(call, topic, 1, taken, share=FURTHER_SHARE if turn else 0.0)
    return [sorted(indexes) for indexes in assigned]


def topic_priority(topic: str) -> int:
    """Return the rank of a topic in the order in which sentences are picked."""
    return TOPIC_ORDER.index(topic) if topic in TOPIC_ORDER else len(TOPIC_ORDER)


def write_topic(call: ScoredCall, topic: str, taken: set[int]) -> str:
    """Write the best sentence on a topic; empty when there is none."""
    if topic == "mood":
        return find_mood(call)
    choose = pick_best if topic == "reason" else pick_relevant
    return " ".join(retell_sentences(call, choose(call, topic, 1, taken)))


def fill_value(skeleton: Any, name: str, call: ScoredCall, taken: set[int]) -> Any:
    """Replace a value of a JSON skeleton by one of the same type about its key."""
    topic = find_topic(name)
    if isinstance(skeleton, Choice):
        return next((word for word in (find_mood(call), find_resolution(call)) if word in skeleton), skeleton[0])
    if isinstance(skeleton, dict):
        return fill_object(skeleton, call, taken)
    if isinstance(skeleton, list):
        return fill_list(skeleton, name, call, taken)
    # Before numbers, as a bool is an int in Python.
    if isinstance(skeleton, bool):
        return find_resolution(call) == "resolved" if topic in {"outcome", "general"} else bool(call.cues.get(topic))
    if isinstance(skeleton, int | float):
        # A number is taken for a score from 1 to 5.
        return {"negative": 2, "neutral": 3, "positive": 4}[find_mood(call)]
    if isinstance(skeleton, str) and (options := read_options(skeleton)):
        return find_mood(call) if find_mood(call) in options else options[0]
    text = write_topic(call, topic, taken)
    if isinstance(skeleton, str) and RESOLUTION_REQUEST.match(skeleton):
        text = prefix_resolution(call, text)
    return text or (None if skeleton is None or "null" in skeleton else NOT_MENTIONED)


def fill_object(skeleton: dict[str, Any], call: ScoredCall, taken: set[int]) -> dict[str, Any]:
    """Fill every key with the best sentence on it, by priority, and lists with up to two more in the end."""
    filled, lists = {}, {}
    for key in sorted(skeleton, key=lambda key: topic_priority(find_topic(key))):
        if is_sentence_list(skeleton[key], key):
            lists[key] = pick_relevant(call, find_topic(key), 1, taken)
        else:
            filled[key] = fill_value(skeleton[key], key, call, taken)
    # Only now, when every key has its best sentence.
    for key, first in lists.items():
        indexes = sorted(first + pick_relevant(call, find_topic(key), 2, taken))
        filled[key] = [text for text in retell_sentences(call, indexes) if text]
    return {key: filled[key] for key in skeleton}


def is_sentence_list(skeleton: Any, name: str) -> bool:
    """Return whether a value of a skeleton is a list of sentences."""
    is_of_texts = isinstance(skeleton, list) and not (skeleton and not isinstance(skeleton[0], str))
    return is_of_texts and find_topic(name) not in {"amounts", "mood"}


def prefix_resolution(call: ScoredCall, text: str) -> str:
    """Prefix the outcome with `resolved`, `pending` or `unresolved`, by its own words where they say so."""
    return punctuate(": ".join(filter(None, (read_resolution(text) or find_resolution(call), text))))


def fill_list(skeleton: list[Any], name: str, call: ScoredCall, taken: set[int]) -> list[Any]:
    """Fill a list with all amounts as said, one object or number, or up to three sentences."""
    if skeleton and not isinstance(skeleton[0], str):
        return [fill_value(skeleton[0], name, call, taken)]
    topic = find_topic(name)
    if topic == "amounts":
        # The scoring skips short sentences, which may be an amount alone.
        said = [
            match[0]
            for index, sentence in enumerate(call.sentences)
            if index in call.cues["amounts"] or (not call.words[index] and MONEY.search(sentence.text))
            for match in AMOUNT.finditer(sentence.text)
        ]
        return list(dict.fromkeys(said))
    if topic == "mood":
        return [find_mood(call)]
    return [text for text in retell_sentences(call, pick_relevant(call, topic, 3, taken)) if text]


def read_options(text: str) -> list[str]:
    """Read the options of `positive | neutral | negative` or `yes or no`."""
    options = [part.strip(" .\"'`") for part in re.split(r"\||,| or ", text)]
    return options if len(options) > 1 and all(len(option.split()) == 1 for option in options) else []
