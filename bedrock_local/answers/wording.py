"""English sentences in the first and second person, told in the third."""

from __future__ import annotations

import re

from bedrock_local.answers.transcript import Sentence

FILLER = re.compile(r"\b(?:u+m+|u+h+|erm?|hm+|mm-hmm|mhm)\b[,.]?\s*", re.IGNORECASE)
OPENING = re.compile(
    r"(?:(?:oh|okay|ok|alright|all right|well|yeah|yes|no|so|right|sure|hi there|hi|hello|hey|great|perfect|ugh|hmm|look|"
    r"listen|actually|and|but|thank you(?: so much)?|thanks|absolutely|of course|good (?:morning|afternoon|evening)|now|"
    r"(?:mr|mrs|ms)\.? [\w{}]+|sir|ma'am|i see|i understand|got it|no problem|you know|like|basically|wait)\b[,.!]?[\s–—-]+)+",
    re.IGNORECASE,
)
CLOSING = re.compile(r",? (?:sir|ma'am|please|(?:mr|mrs|ms)\.? [\w{}]+|okay|right)(?=[.!?]?$)", re.IGNORECASE)
CONTRACTIONS = {
    "'m": " am", "'re": " are", "'ve": " have", "'ll": " will", "'d": " would",
}  # fmt: skip
SPLIT = re.compile(r"\b(I|you|we)('m|'re|'ve|'ll|'d)(?!\w)", re.IGNORECASE)
PERSON = re.compile(
    r"(?:\b(?P<before>let|help|make|do|did|does|can|could|will|would|should|may|are|were|have|is|to|for|with|of|on|at|give|"
    r"send|sent|gave|offer|tell|told|get|got|call|thank|show|ask|see|from|by|transfer|charge|charged|refund|assist|email)\s+)?"
    r"\b(?P<person>I|you|we|my|your|our|me|us|myself|yourself|mine|yours|ours)\b(?!')(?:\s+(?P<verb>[a-z]+(?:n't)?))?",
    re.IGNORECASE,
)
SINGULAR = {"am": "is", "are": "is", "have": "has", "were": "was", "do": "does", "don't": "doesn't", "haven't": "hasn't",
            "aren't": "isn't", "weren't": "wasn't"}  # fmt: skip
SINGULAR |= {
    verb: verb + "s"
    for verb in "want need see think know believe understand apologize appreciate live work get receive "
    "call pay use keep like love feel hope recommend suggest suppose guess realize remember look show own drive".split()
}
PLURAL = {"am": "are", "was": "were"}
OWN = {"my": "'s", "your": "'s", "mine": "'s", "yours": "'s"}


def retell(sentence: Sentence) -> str:
    """Tell a sentence in the third person: "I've sent you a label" becomes "The agent has sent the customer a label"."""
    text = tidy(sentence.text)
    if sentence.role:
        text = SPLIT.sub(lambda match: match[1] + CONTRACTIONS[match[2].lower()], text.replace("’", "'"))
        text = PERSON.sub(Teller(sentence), text)
    return finish(text)


def tidy(text: str) -> str:
    """Drop fillers, and the words a spoken sentence opens and closes with."""
    text = " ".join(text.split())
    text = FILLER.sub("", text)
    text = OPENING.sub("", text, count=1) if OPENING.match(text) else text
    return CLOSING.sub("", text).strip(" ,-–—")


def finish(text: str) -> str:
    """Begin with a capital letter and end with a full stop."""
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?", "。", "؟", "…")) or not text else text.rstrip(",;:") + "."


class Teller:
    """Puts persons into the third, one after the other: the first time by role, then `they` for the customer."""

    def __init__(self, sentence: Sentence) -> None:
        self.role, self.speaker, self.was_named = sentence.role, sentence.speaker, False

    def __call__(self, match: re.Match[str]) -> str:
        before, person, verb = match["before"], match["person"], match["verb"]
        lead = f"{before} " if before else ""
        tail = f" {verb}" if verb else ""
        low = person.lower()
        if low in {"we", "us", "our", "ours"} and self.role == "customer":
            return match[0]
        if low in {"we", "us"}:
            return lead + "the company" + self.conjugated(verb, before)
        if low in {"our", "ours"}:
            return lead + "the company's" + tail
        is_speaker = low in {"i", "me", "my", "mine", "myself"}
        if self.role == "customer" and low in {"your", "yours"}:
            return lead + "the" + tail
        if is_speaker == (self.role == "customer"):
            return lead + self.customer(low, verb, before, tail)
        name = f"the {self.speaker if self.role == 'agent' else 'agent'}"
        return lead + name + (f"'s{tail}" if low in OWN else self.conjugated(verb, before))

    def customer(self, low: str, verb: str | None, before: str | None, tail: str) -> str:
        """Name the customer once, then say they, them and their."""
        name = (
            f"the {self.speaker if self.role == 'customer' else 'patient' if self.speaker == 'doctor' else 'customer'}"
        )
        was_named, self.was_named = self.was_named, True
        if low in {"myself", "yourself"}:
            return "themselves" + tail
        if was_named:
            is_subject = low == "i" or (low == "you" and verb in SINGULAR and not before)
            plural = f" {PLURAL.get(verb, verb)}" if verb else ""
            return (
                "they" + plural if is_subject else "their" + tail if low in OWN else ("they" if verb else "them") + tail
            )
        return name + (f"'s{tail}" if low in OWN else self.conjugated(verb, before) if low != "me" else tail)

    def conjugated(self, verb: str | None, before: str | None) -> str:
        """Give the verb that follows one person, unless an auxiliary before it has taken the ending."""
        if not verb:
            return ""
        return f" {verb if before and before.lower() not in {'and'} else SINGULAR.get(verb.lower(), verb)}"
