"""The picked sentences, written in the form that was asked for."""

from __future__ import annotations

import json
import re
from typing import Any

from bedrock_local.answers.picking import MONEY, Weighed, mood, pick, pick_certain
from bedrock_local.answers.wishes import Wishes, topic_of
from bedrock_local.answers.wording import finish, retell, tidy

NOTHING_SAID = "The transcript is empty."
NOT_MENTIONED = "Not mentioned."
# What a summary says first: one sentence for each of these, then whatever weighs most.
ORDER = ("reason", "outcome", "actions", "follow_up", "amounts")
AMOUNT = re.compile(r"[$£€]\s?\d[\d,]*(?:\.\d+)?|\d[\d,.]*\s?(?:%|€|£|dollars|euros|pounds)", re.IGNORECASE)
DEFAULT_WORDS = 120


def write_answer(wishes: Wishes, call: Weighed) -> str:
    """Write the answer about one call."""
    if wishes.form == "json":
        return json.dumps(fill(wishes.keys, "", call, set()), ensure_ascii=False, indent=2)
    if wishes.form == "headings":
        return under_headings(wishes, call)
    if not call.sentences:
        return NOTHING_SAID
    if wishes.form == "bullets":
        chosen = summary(call, wishes.bullets or 4)
        return "\n".join(f"- {text}" for text in within(told(call, chosen), wishes.words))
    return paragraph(wishes, call)


def paragraph(wishes: Wishes, call: Weighed) -> str:
    """Write sentences in the order said; one sentence alone joins the reason and the outcome."""
    if wishes.sentences == 1:
        texts = told(call, summary(call, 2))
        joined = "; ".join(text.rstrip(".!?") for text in texts).replace("; The ", "; the ")
        return " ".join(within([finish(joined)], wishes.words))
    usual = min(6, 3 + len(call.sentences) // 30)
    count = wishes.sentences or (max(2, wishes.words // 14) if wishes.words else usual)
    limit = wishes.words or (None if wishes.sentences else DEFAULT_WORDS)
    return " ".join(within(told(call, summary(call, count)), limit))


def summary(call: Weighed, count: int) -> list[int]:
    """Pick the sentences of a summary: the reason, the outcome, what was done, what follows, then the heaviest."""
    taken: set[int] = set()
    for topic in ORDER[:count]:
        pick_certain(call, topic, 1, taken) if topic != "reason" else pick(call, topic, 1, taken)
    if len(taken) < count:
        pick(call, "general", count - len(taken), taken)
    return sorted(taken)[:count]


def told(call: Weighed, places: list[int]) -> list[str]:
    """Tell sentences in the third person where the call is English, as they were said where it is not."""
    if call.is_english:
        texts = [retell(call.sentences[at]) for at in places]
    else:
        texts = [finish(tidy(call.sentences[at].text)) for at in places]
    return [text for text in texts if text]


def within(texts: list[str], words: int | None) -> list[str]:
    """Keep whole sentences while they fit into a number of words; the first is cut when it alone does not."""
    if words is None:
        return texts
    kept: list[str] = []
    for text in texts:
        size = len(text.split())
        if size <= words:
            kept.append(text)
            words -= size
    return kept or [finish(" ".join(texts[0].split()[:words]))] if texts else []


def under_headings(wishes: Wishes, call: Weighed) -> str:
    """Write what belongs under each heading, on its line after a colon, or below a Markdown heading."""
    taken: set[int] = set()
    share = max(5, wishes.words // len(wishes.headings)) if wishes.words else None
    parts = []
    for heading in wishes.headings:
        count = wishes.sentences or (2 if heading.topic == "actions" else 1)
        text = topic_text(call, heading.topic, count, taken, share)
        parts.append(f"{heading.line}\n{text}\n" if heading.line.startswith("#") else f"{heading.line} {text}")
    return "\n".join(parts).rstrip()


def topic_text(call: Weighed, topic: str, count: int, taken: set[int], words: int | None) -> str:
    """Tell what the call says about a topic, or that it says nothing."""
    if not call.sentences:
        return NOT_MENTIONED
    if topic == "mood":
        return finish(mood(call))
    choose = pick if topic == "reason" else pick_certain
    texts = told(call, choose(call, topic, count, taken))
    return " ".join(within(texts, words)) or NOT_MENTIONED


def fill(skeleton: Any, name: str, call: Weighed, taken: set[int]) -> Any:
    """Fill a skeleton of JSON: every value is replaced by one of the same kind about its key."""
    topic = topic_of(name)
    if isinstance(skeleton, dict):
        return {key: fill(value, key, call, taken) for key, value in skeleton.items()}
    if isinstance(skeleton, list):
        return fill_list(skeleton, name, call, taken)
    if isinstance(skeleton, bool):
        return any(call.cues.get("outcome" if topic == "general" else topic, ()))
    if isinstance(skeleton, int | float):
        return {"negative": 2, "neutral": 3, "positive": 4}[mood(call)]
    if isinstance(skeleton, str) and (options := options_of(skeleton)):
        return mood(call) if mood(call) in options else options[0]
    text = topic_text(call, topic, 1, taken, None)
    return text.rstrip(".").lower() if topic == "mood" else text


def fill_list(skeleton: list[Any], name: str, call: Weighed, taken: set[int]) -> list[Any]:
    """Fill a list: amounts as said, objects once, else up to three sentences."""
    if skeleton and isinstance(skeleton[0], dict):
        return [fill(skeleton[0], name, call, taken)]
    topic = topic_of(name)
    if topic == "amounts":
        said = [
            match[0]
            for sentence in call.sentences
            if MONEY.search(sentence.text)
            for match in AMOUNT.finditer(sentence.text)
        ]
        return list(dict.fromkeys(said))
    return told(call, pick_certain(call, topic, 3, taken)) if topic != "mood" else [mood(call)]


def options_of(text: str) -> list[str]:
    """Read the choices of `positive | neutral | negative` or `yes or no`."""
    options = [part.strip(" .\"'`") for part in re.split(r"\||,| or ", text)]
    return options if len(options) > 1 and all(len(option.split()) == 1 for option in options) else []
