"""English sentences in the first and second person, told in the third."""

from __future__ import annotations

import re

from bedrock_local.answers.lexicon import words_of
from bedrock_local.answers.transcript import Sentence

FILLER = re.compile(r"\b(?:u+m+|u+h+|erm?|hm+|mm-hmm|mhm)\b[,.]?\s*", re.IGNORECASE)
OPENING = re.compile(
    r"(?:(?:oh|okay|ok|alright|all right|well|yeah|so|hi there|hi|hello|hey|ugh|actually|and|but|basically|you know"
    r"|good (?:morning|afternoon)|(?:mr|mrs|ms)\.? [\w{}]+"
    # Only before a comma or the like: "right away" and "no one" stay.
    r"|(?:yes|no|right|sure|great|perfect|look|listen|thank you(?: so much)?|thanks|absolutely|of course|now|sir|ma'am"
    r"|i see|i understand|got it|no problem|like|wait|excellent|wonderful|certainly|first|hmm|good news|to recap"
    r"|let me sum up|just to confirm|just so i have this right|here's what i'll do|what i can do is this)(?=[,.!:]))"
    r"[,.!:]?[\s\u2013\u2014-]+)+",
    re.IGNORECASE,
)
CLOSING = re.compile(r",? (?:sir|ma'am|please|(?:mr|mrs|ms)\.? [\w{}]+|okay|right)(?=[.!?]?$)", re.IGNORECASE)
# Not of numbers, which are said digit by digit.
STUTTER = re.compile(
    r"\b(I|I'm|it|it's|the|a|and|to|so|we|you|they|in|of|is|with|but|or|my|just)(?:,? \1\b)+", re.IGNORECASE
)
LET_ME = re.compile(r"(?<!please )\b(?:let me|let's)(?: just)?(?: go ahead and)?\b", re.IGNORECASE)
CONTRACTION = re.compile(r"\b(I|you|we)'(m|re|ve|ll|d)\b", re.IGNORECASE)
LONG_FORMS = {"m": "am", "re": "are", "ve": "have", "ll": "will", "d": "would"}
PERSON = re.compile(
    r"(?:\b(?P<before>[a-z]+) )?\b(?P<person>I|you|we|my|your|our|me|us|myself|yourself|mine|yours|ours)\b(?!')"
    r"(?: (?P<verb>(?:(?:just|really|also|still|only|always|actually|usually) )?[a-z]+(?:'t)?))?",
    re.IGNORECASE,
)
OBJECT_AFTER = words_of("""
    to for with by of on at from about give gives send sends sent gave offer tell told get gets got call thank show ask
    see transfer charge charged charging assist email let help helping giving sending make cost owe cover refund remind
    contact reach notify inform connect bothering bother walk
""")
BARE_AFTER = words_of("do did does can could will would should may might let help make to didn't don't can't won't")
SINGULAR = {"am": "is", "are": "is", "have": "has", "were": "was", "do": "does", "don't": "doesn't"}
SINGULAR |= {"haven't": "hasn't", "aren't": "isn't", "weren't": "wasn't"}
SINGULAR |= {
    verb: f"{verb}s"
    for verb in words_of("""
        want need see think know believe understand apologize appreciate live work get receive call pay use keep like
        love feel hope recommend suggest suppose guess realize remember look show own drive value offer take make send
        charge require provide expect return say find owe agree start stop ask mean request
    """)
}
PLURAL = {"am": "are", "was": "were"}
SPEAKER = words_of("i me my mine myself")
COMPANY = words_of("we us our ours")
OWNERS = words_of("my your mine yours our ours")


def retell(sentence: Sentence) -> str:
    """Tell a sentence in the third person: "I've sent you it" becomes "The agent has sent the customer it"."""
    text = tidy(sentence.text)
    if sentence.role:
        text = text.replace("\u2019", "'")
        text = LET_ME.sub("I will", text) if sentence.role == "agent" else text
        text = CONTRACTION.sub(lambda match: f"{match[1]} {LONG_FORMS[match[2].lower()]}", text)
        text = PERSON.sub(Teller(sentence), text)
    return finish(text)


def tidy(text: str) -> str:
    """Drop fillers, and the words a spoken sentence opens and closes with."""
    text = STUTTER.sub(r"\1", FILLER.sub("", " ".join(text.split())))
    text = OPENING.sub("", text, count=1) if OPENING.match(text) else text
    return CLOSING.sub("", text).strip(" ,-\u2013\u2014")


def singular(verb: str) -> str:
    """Give a verb, with an adverb before it or not, the ending for one person."""
    *adverb, last = verb.split() or [""]
    return " ".join([*adverb, SINGULAR.get(last.lower(), last)])


def finish(text: str) -> str:
    """Begin with a capital letter and end with a full stop."""
    text = text[:1].upper() + text[1:]
    return (
        text if text.endswith((".", "!", "?", "\u3002", "\u061f", "\u2026")) or not text else text.rstrip(",;:") + "."
    )


class Teller:
    """Puts persons into the third, one after the other: the first time by role, then `they` for the customer."""

    def __init__(self, sentence: Sentence) -> None:
        self.role, self.was_named = sentence.role, False
        self.end, self.last_word = -1, ""
        other = {"doctor": "patient", "patient": "doctor"}.get(sentence.speaker)
        self.customer = sentence.speaker if self.role == "customer" else other or "customer"
        self.agent = sentence.speaker if self.role == "agent" else other or "agent"

    def __call__(self, match: re.Match[str]) -> str:
        """Rewrite one person with the word before it and the verb after it."""
        person, before, verb = match["person"].lower(), (match["before"] or "").lower(), match["verb"] or ""
        lead = f"{match['before']} " if before else ""
        # "we emailed you": the word before this person was the verb of the last.
        before = before or (self.last_word if match.start() == self.end + 1 else "")
        self.end, self.last_word = match.end(), verb.lower().rpartition(" ")[2]
        if person in COMPANY:
            told = (
                match["person"] + (verb and f" {verb}")
                if self.role == "customer"
                else self.one("company", person, before, verb)
            )
        elif (person in SPEAKER) == (self.role == "customer"):
            told = (
                self.customer_again(person, before, verb)
                if self.was_named
                else self.one(self.customer, person, before, verb)
            )
            self.was_named = True
        elif self.role == "customer" and person in OWNERS:
            told = f"the {verb}".rstrip()
        else:
            told = self.one(self.agent, person, before, verb)
        return lead + told

    def one(self, name: str, person: str, before: str, verb: str) -> str:
        """Name somebody, and give the verb its ending where the name is its subject."""
        if person in OWNERS:
            return f"the {name}'s {verb}".rstrip()
        is_subject = person not in {"me", "us"} and before not in BARE_AFTER
        return f"the {name} {singular(verb) if is_subject else verb}".rstrip()

    def customer_again(self, person: str, before: str, verb: str) -> str:
        """Say they, them or their."""
        if person in OWNERS:
            return f"their {verb}".rstrip()
        if person in {"myself", "yourself"}:
            return f"themselves {verb}".rstrip()
        is_object = person == "me" or (
            person == "you" and (before in OBJECT_AFTER or before.endswith("ed") or not verb)
        )
        return f"{'them' if is_object else 'they'} {verb if is_object else PLURAL.get(verb.lower(), verb)}".rstrip()
