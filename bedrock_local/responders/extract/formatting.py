"""The picked sentences, written in the form that was asked for."""

from __future__ import annotations

import json
import re
from typing import Any

from bedrock_local.responders.extract.instructions import Wishes, topic_of
from bedrock_local.responders.extract.lexicon import COMMON, words_of
from bedrock_local.responders.extract.scoring import MONEY, Weighed, end_of, find_end, mood, pick, pick_certain
from bedrock_local.responders.extract.third_person import finish, retell, tidy

NOTHING_SAID = "The transcript is empty."
NOT_MENTIONED = "Not mentioned."
# What a summary says first: one sentence for each of these, then whatever weighs most.
ORDER = ("reason", "outcome", "actions", "follow_up", "amounts")
AMOUNT = re.compile(
    r"[$£€]\s?\d+(?:,\d+)*(?:\.\d+)?|\d[\d,.]*\s?(?:%|€|£|(?:dollars|euros|pounds)(?: and \d+ cents)?)"
    r"|\b(?:(?:and|a|hundred|thousand|ten|eleven|twelve|\w{2,5}ty(?:-\w{3,5})?|\w{3,5}teen|one|two|three|four|five|six"
    r"|seven|eight|nine) ){1,8}(?:dollars|euros|pounds)",
    re.IGNORECASE,
)
DEFAULT_WORDS = 120
# A prompt that wants to hear first how a call ended, as in "resolved, unresolved or pending, and why".
NAMED_END = re.compile(r"(?=.*\bpending\b)(?=.*\bunresolved\b)resolved\b.*\bwhy\b", re.IGNORECASE)
# What a second and a third sentence on a topic weigh at least, as a share of the heaviest.
FURTHER = 0.6
BEGINNINGS = words_of("once since other unfortunately before after while until because then as based")


def write_answer(wishes: Wishes, call: Weighed) -> str:
    """Write the answer about one call."""
    if wishes.form == "json":
        return json.dumps(fill(wishes.keys, "", call, set()), ensure_ascii=False, indent=2)
    if wishes.form == "headings":
        return under_headings(wishes, call)
    if not call.sentences:
        return NOTHING_SAID
    if wishes.form == "bullets":
        return bullets(wishes, call)
    return paragraph(wishes, call)


def bullets(wishes: Wishes, call: Weighed) -> str:
    """Write sentences one below the other, with a dash or a number."""
    texts = fitting(call, ranked(call, wishes.bullets or 4), wishes.words)
    marks = [f"{number}." if wishes.is_numbered else "-" for number in range(1, len(texts) + 1)]
    return "\n".join(f"{mark} {text}" for mark, text in zip(marks, texts, strict=True))


def paragraph(wishes: Wishes, call: Weighed) -> str:
    """Write sentences in the order said; one sentence alone joins the reason and the outcome."""
    if wishes.sentences == 1:
        texts = fitting(call, ranked(call, 2), None)
        return cut_words("; ".join([texts[0].rstrip(".!?"), go_on(texts[1])]) if texts[1:] else texts[0], wishes.words)
    if wishes.sentences:
        return " ".join(fitting(call, ranked(call, wishes.sentences), wishes.words))
    words = wishes.words or DEFAULT_WORDS
    count = min(max(2, words // 12), 8, 1 + len(call.sentences) // 3)
    return " ".join(fitting(call, ranked_certain(call, count), words))


def go_on(text: str) -> str:
    """Let a sentence go on after another: the first word is small, unless it may be a name."""
    return text[0].lower() + text[1:] if text.partition(" ")[0].lower() in COMMON | BEGINNINGS else text


def ranked(call: Weighed, count: int) -> list[int]:
    """Pick the sentences of a summary, as many as there are to have, by importance."""
    places = ranked_certain(call, count)
    return places + pick(call, "general", count - len(places), set(places))


def ranked_certain(call: Weighed, count: int) -> list[int]:
    """Pick the reason, the outcome, what was done and what follows, then the heaviest of what says enough."""
    taken: set[int] = set()
    places = pick(call, "reason", 1, taken)
    for topic in (*ORDER[1:], "actions", "follow_up"):
        places += pick_certain(call, topic, 1, taken)
    return (places + pick_certain(call, "general", max(0, count - len(places)), taken))[:count]


def fitting(call: Weighed, places: list[int], words: int | None) -> list[str]:
    """Tell sentences in the order said; where words are limited, the important ones come in first."""
    texts = dict(zip(places, told(call, places), strict=True))
    left = words if words is not None else sum(len(text.split()) for text in texts.values())
    kept = []
    for at, text in texts.items():
        if text and len(text.split()) <= left:
            left -= len(text.split())
            kept.append(at)
    return [texts[at] for at in sorted(kept)] or [cut_words(text, words) for text in texts.values() if text][:1]


def cut_words(text: str, words: int | None) -> str:
    """Cut a text after a number of words."""
    return text if words is None or len(text.split()) <= words else finish(" ".join(text.split()[:words]))


def told(call: Weighed, places: list[int]) -> list[str]:
    """Tell sentences in the third person where the call is English, as they were said where it is not."""
    if call.is_english:
        texts = [retell(call.sentences[at]) for at in places]
    else:
        texts = [finish(tidy(call.sentences[at].text)) for at in places]
    return texts


def under_headings(wishes: Wishes, call: Weighed) -> str:
    """Write what belongs under each heading, on its line after a colon, or below a Markdown heading."""
    share = max(5, wishes.words // len(wishes.headings)) if wishes.words else None
    topics = [heading.topic for heading in wishes.headings]
    parts = []
    for heading, places in zip(wishes.headings, deal(call, topics, wishes.sentences), strict=True):
        text = finish(mood(call)) if heading.topic == "mood" else " ".join(fitting(call, places, share))
        between = "\n" if heading.line.startswith("#") else " "
        parts.append(f"{heading.line}{between}{text or NOT_MENTIONED}" + between.strip(" "))
    return "\n".join(parts).rstrip()


def deal(call: Weighed, topics: list[str], most: int | None) -> list[list[int]]:
    """Give each topic its best sentence, in the order of what matters, and only then a second one and a third."""
    taken: set[int] = set()
    dealt: list[list[int]] = [[] for _ in topics]
    for turn in range(most or 2):
        for place in sorted(range(len(topics)), key=lambda place: place_of(topics[place])):
            topic = topics[place]
            if turn == 0 or most or topic == "actions":
                if topic == "reason" and turn == 0:
                    dealt[place] += pick(call, topic, 1, taken)
                elif topic != "mood":
                    dealt[place] += pick_certain(call, topic, 1, taken, share=FURTHER if turn else 0.0)
    return [sorted(places) for places in dealt]


def place_of(topic: str) -> int:
    """Say how early a topic chooses its sentences."""
    return ORDER.index(topic) if topic in ORDER else len(ORDER)


def topic_text(call: Weighed, topic: str, taken: set[int]) -> str:
    """Tell the one sentence that says most about a topic; nothing when none does."""
    if topic == "mood":
        return mood(call)
    choose = pick if topic == "reason" else pick_certain
    return " ".join(told(call, choose(call, topic, 1, taken)))


def fill(skeleton: Any, name: str, call: Weighed, taken: set[int]) -> Any:
    """Fill a skeleton of JSON: every value is replaced by one of the same kind about its key."""
    topic = topic_of(name)
    if isinstance(skeleton, dict):
        return fill_object(skeleton, call, taken)
    if isinstance(skeleton, list):
        return fill_list(skeleton, name, call, taken)
    if isinstance(skeleton, bool):
        return find_end(call) == "resolved" if topic in {"outcome", "general"} else bool(call.cues.get(topic))
    if isinstance(skeleton, int | float):
        return {"negative": 2, "neutral": 3, "positive": 4}[mood(call)]
    if isinstance(skeleton, str) and (options := options_of(skeleton)):
        return mood(call) if mood(call) in options else options[0]
    text = topic_text(call, topic, taken)
    if isinstance(skeleton, str) and NAMED_END.match(skeleton):
        text = name_end(call, text)
    return text or (None if skeleton is None or "null" in skeleton else NOT_MENTIONED)


def fill_object(skeleton: dict[str, Any], call: Weighed, taken: set[int]) -> dict[str, Any]:
    """Fill every key with what says most about it, in the order of what matters, and lists with two sentences more."""
    filled, lists = {}, {}
    for key in sorted(skeleton, key=lambda key: place_of(topic_of(key))):
        if is_of_sentences(skeleton[key], key):
            lists[key] = pick_certain(call, topic_of(key), 1, taken)
        else:
            filled[key] = fill(skeleton[key], key, call, taken)
    for key, first in lists.items():
        places = sorted(first + pick_certain(call, topic_of(key), 2, taken))
        filled[key] = [text for text in told(call, places) if text]
    return {key: filled[key] for key in skeleton}


def is_of_sentences(skeleton: Any, name: str) -> bool:
    """Tell whether a list is to be filled with sentences."""
    is_of_objects = isinstance(skeleton, list) and bool(skeleton) and isinstance(skeleton[0], dict)
    return isinstance(skeleton, list) and not is_of_objects and topic_of(name) not in {"amounts", "mood"}


def name_end(call: Weighed, text: str) -> str:
    """Put before the outcome how the call ended, by the outcome itself where it says so."""
    return finish(": ".join(filter(None, (end_of(text) or find_end(call), text))))


def fill_list(skeleton: list[Any], name: str, call: Weighed, taken: set[int]) -> list[Any]:
    """Fill a list: amounts as said, objects once, else up to three sentences."""
    if skeleton and isinstance(skeleton[0], dict):
        return [fill(skeleton[0], name, call, taken)]
    topic = topic_of(name)
    if topic == "amounts":
        # Short sentences were not looked at.
        said = [
            match[0]
            for at, sentence in enumerate(call.sentences)
            if at in call.cues["amounts"] or (not call.words[at] and MONEY.search(sentence.text))
            for match in AMOUNT.finditer(sentence.text)
        ]
        return list(dict.fromkeys(said))
    return (
        [text for text in told(call, pick_certain(call, topic, 3, taken)) if text] if topic != "mood" else [mood(call)]
    )


def options_of(text: str) -> list[str]:
    """Read the choices of `positive | neutral | negative` or `yes or no`."""
    options = [part.strip(" .\"'`") for part in re.split(r"\||,| or ", text)]
    return options if len(options) > 1 and all(len(option.split()) == 1 for option in options) else []
