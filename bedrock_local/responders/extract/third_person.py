"""Rewriting of English sentences from the first and second person into the third."""

from __future__ import annotations

import re
from functools import partial
from operator import eq

from bedrock_local.responders.extract.lexicon import split_words
from bedrock_local.responders.extract.transcript import Sentence

# Sounds, words that fill a pause, and words said twice; not numbers, as those are read out digit by digit.
NOISE = re.compile(
    r"(?:,? (?:you know|i mean)|, (?:like|(?:sort|kind) of|u+[mh]+|erm?|hm+)),(?= )"
    r"|\b(?:(?:u+m+|u+h+|erm?|hm+|mm-hmm|mhm)\b[,.]?\s*|(?:(?<=s )like|you know|i mean), "
    r"|(I|I'm|I've|it|it's|the|a|an|and|to|so|we|we'll|you|you're|they|he|she|in|of|on|at|for|is|was|has|have|had|with|but"
    r"|or|my|your|just|if|when|that|that's|this|because|not|do|can|there|[a-z]+ (?:a|the|I|it|to|of))"
    r"(?:,? (?:u[mh],? )?\1\b)+)",
    re.IGNORECASE,
)
PAUSES = split_words("um umm ummm uh uhh uhhh er erm hm hmm hmmm mhm mm-hmm like know mean sort kind")
# Parts of words and commas that speech recognition and some corpora separate by a space.
DETACHED = re.compile(r" (?=[,.](?: |$)|'(?:s|re|ve|ll|d|m)\b|n't\b)|(?<=\bgon|\bwan) (?=na\b)|,(?= ?,)")
OPENING = re.compile(
    r"(?:(?:oh|ah|okay|ok|alright|all right|well|yeah|so|hi there|hi|hello|hey|ugh|whoa|wow|actually|and|but|'cause"
    r"|basically|you know|good (?:morning|afternoon)|(?:mr|mrs|ms)\.? [\w{}]+"
    r"|i'm (?:very |really |so |truly )?sorry,? but|sorry,? but"
    # Only before a comma or the like: "right away" and "no one" stay.
    r"|(?:yes|no|right|sure|great|perfect|look|listen|thank you(?: so much)?|thanks|absolutely|of course|now|sir|ma'am"
    r"|i see|you see|i understand|\{[a-z]{2,20}\}|got it|no problem|like|wait|excellent|wonderful|certainly|first|hmm"
    r"|good news|honestly|sorry"
    r"|i'm (?:very |really |so |truly )?sorry|i mean|i said|what i said was|in short|in plain words|to be honest"
    r"|if i'm being honest|as i (?:was saying|said(?: before)?)|like i (?:said(?: before)?|told your colleague)"
    r"|where was i|before i forget|while (?:you're there|i have you)|one more thing|just so i have this right"
    r"|there's (?:something else|another thing[^,.:]{0,30})|let me (?:see|sum up)|here's what i'll do"
    r"|(?:just )?to (?:recap|confirm|summarize|sum up)[^,.:]{0,30}|what i can do is this)(?=[,.!:]))"
    r"[,.!:]?[\s\u2013\u2014-]+)+",
    re.IGNORECASE,
)
CLOSING = re.compile(
    r",? (?:sir|ma'am|please|(?:mr|mrs|ms)\.? [\w{}]+|okay|right|i (?:think|guess|suppose)|you know)(?=[.!?]?$)",
    re.IGNORECASE,
)
MAX_CLOSING_CHARACTERS = 40
AUXILIARIES = "do|does|did|is|are|was|were|can|could|would|will|have|has|should|may"
YES_NO_QUESTION = re.compile(
    rf"(?P<auxiliary>{AUXILIARIES}) (?P<who>i|you|we|he|she|it|they|there|this|that)\b(?P<rest>[^?]*)\?*", re.IGNORECASE
)
QUESTION_WORDS = split_words(
    f"{AUXILIARIES} what which when where who why how what's where's who's how's".replace("|", " ")
)
# Not "please let me know" and "it won't let me".
LET_ME = re.compile(
    r"(?:^|(?<=[,.:;] )|(?<=\band )|(?<=\bso )|(?<=\bthen ))let(?: me|'s)\b(?: just)?(?: go ahead and)?", re.IGNORECASE
)
CONTRACTION = re.compile(r"\b(I|you|we)'(m|re|ve|ll|d)\b", re.IGNORECASE)
LONG_FORMS = {"m": "am", "re": "are", "ve": "have", "ll": "will", "d": "would"}
PERSONS = "I|you(?: guys)?|we|my|your|our|me|us|myself|yourself|ourselves|mine|yours|ours"
ADVERBS = "just|really|also|still|only|always|actually|usually|typically|never|truly"
# The lookahead at the first letter makes the search about as fast as one for a letter.
PERSON = re.compile(
    rf"\b(?=[iywmoudha])(?:(?P<lead>do|have|am|are|were|don't|haven't|aren't|weren't) )?(?P<person>{PERSONS})\b(?!')"
    rf"(?: (?!(?:{PERSONS})\b)(?P<verb>(?:(?:{ADVERBS}) )?[a-z]+(?:'t)?))?",
    re.IGNORECASE,
)
OBJECT_AFTER = split_words("""
    to for with by of on at from about give gives send sends sent gave offer tell told get gets got call thank show ask
    see transfer charge charged charging assist email let help helping giving sending make cost owe cover refund remind
    contact reach notify inform connect bothering bother walk bring brings
""")
# Words before a clause: "I hope you can", "that you can".
CLAUSE_AFTER = split_words("""
    think hope know see believe guess understand mean wish suppose say that if when because so as what where how whether
    and but while once until before after since unless though
""")
BARE_AFTER = split_words("do did does can could will would should may might let help make to didn't don't can't won't")
# What becomes of an auxiliary before "I" or "you" when a noun takes their place.
SINGULAR_AUXILIARIES = {"do": "does", "have": "has", "am": "is", "are": "is", "were": "was", "don't": "doesn't"}
SINGULAR_AUXILIARIES |= {"haven't": "hasn't", "aren't": "isn't", "weren't": "wasn't"}
SINGULAR = {
    "am": "is",
    "are": "is",
    "have": "has",
    "were": "was",
    "do": "does",
    "don't": "doesn't",
    "try": "tries",
    "apply": "applies",
}
SINGULAR |= {"haven't": "hasn't", "aren't": "isn't", "weren't": "wasn't", "worry": "worries", "go": "goes"}
SINGULAR |= {
    verb: f"{verb}es" for verb in split_words("catch process watch fix miss pass wish finish reach switch push")
}
SINGULAR |= {
    verb: f"{verb}s"
    for verb in split_words("""
        want need see think know believe understand apologize appreciate live work get receive call pay use keep like
        love feel hope recommend suggest suppose guess realize remember look show own drive value offer take make send
        charge require provide expect return say find owe agree start stop ask mean request forget buy order book cancel
        move lose check pick turn close open write speak talk sit stand walk run eat drink sleep wake wonder rely plan
        play wear change prescribe assure promise confirm ensure notice prefer seem help give tell hear bring come leave
        wait hold travel spend trust suspect doubt struggle suffer smoke care deal plan insist mention support
        place treat accept reserve pull figure roll experience develop include handle
    """)
}
# "The customer is moving and need": a second verb that needs an ending, unlike that of "will go and get".
SECOND_VERB = re.compile(
    r"(the (?:customer|agent|company|patient|doctor)\b([^,;.?!]*?) and )(\w+(?:'t)?)\b", re.IGNORECASE
)
NO_FIRST_VERB = split_words("""
    they to can could will would should may might must do does did can't couldn't won't wouldn't don't doesn't didn't
""")
PLURAL = {"am": "are", "was": "were"}
SPEAKER = split_words("i me my mine myself we us our ours ourselves")
COMPANY = split_words("we us our ours ourselves")
OWNERS = split_words("my your mine yours our ours")
OBJECTS = split_words("me us")
SUBJECTS = split_words("i we you")
REFLEXIVE = split_words("myself yourself ourselves")
NO_VERBS = split_words("to with in on at for by from about into a an the this")
TOOK = split_words("sent took gave told said made put sold lost left")
# Of the words after which "you" is an object, those that are nouns too: "the offer you received".
NOUNS = split_words("offer email charge transfer call refund cover show contact")
HAD = TOOK | split_words("got saw had have are were")


def retell(sentence: Sentence) -> str:
    """Rewrite a sentence in the third person: "I've sent you it" becomes "The agent has sent the customer it"."""
    text = clean_speech(sentence.text)
    if sentence.role:
        text = text.replace("\u2019", "'")
        text = report_question(text)
        text = LET_ME.sub("I will", text) if sentence.role == "agent" else text
        text = CONTRACTION.sub(lambda match: f"{match[1]} {LONG_FORMS[match[2].lower()]}", text)
        text = PERSON.sub(PersonRewriter(sentence), text)
        text = inflect_second_verb(text).rstrip("!")
    return punctuate(text)


def report_question(text: str) -> str:
    """Turn a question into a statement: "Can I have it?" becomes "I ask whether I can have it"."""
    if text.partition(" ")[0].lower() not in QUESTION_WORDS:
        return text
    if asked := YES_NO_QUESTION.fullmatch(text):
        auxiliary = "" if asked["auxiliary"].lower() == "do" else f" {asked['auxiliary'].lower()}"
        return f"I ask whether {asked['who']}{auxiliary}{asked['rest']}"
    return f"I ask: {text[0].lower()}{text[1:]}" if text.endswith("?") else text


def inflect_second_verb(text: str) -> str:
    """Inflect the verb after "and" for a singular subject, unless a word before it takes the bare verb."""
    match = SECOND_VERB.match(text) if " and " in text else None
    if not match or not NO_FIRST_VERB.isdisjoint(match[2].lower().split()):
        return text
    return match[1] + inflect(match[3]) + text[match.end() :]


def clean_speech(text: str) -> str:
    """Drop fillers, and the words that spoken sentences open and close with."""
    words = text.lower().replace(",", " ").replace(".", " ").split()
    text = DETACHED.sub("", " ".join(text.split()))
    # The pattern is slow, and only matches where a word comes again after itself or after one other.
    if any(map(eq, words, words[1:])) or any(map(eq, words, words[2:])) or not PAUSES.isdisjoint(words):
        text = NOISE.sub(r"\1", text)
    if match := OPENING.match(text):
        text = text[match.end() :]
    text = text[:-MAX_CLOSING_CHARACTERS] + CLOSING.sub("", text[-MAX_CLOSING_CHARACTERS:])
    return text.strip(" ,-\u2013\u2014")


def inflect(verb: str) -> str:
    """Inflect a verb, which may follow an adverb, for a singular subject."""
    *adverb, last = verb.split() or [""]
    return " ".join([*adverb, SINGULAR.get(last.lower(), last)])


def punctuate(text: str) -> str:
    """Begin with a capital letter and end with a full stop."""
    text = text[:1].upper() + text[1:]
    if text.endswith("..") and not text.endswith("..."):
        text = text[:-1]
    ends = (".", "!", "?", "\u3002", "\uff01", "\uff1f", "\u061f", "\u2026")
    return text if text.endswith(ends) or not text else text.rstrip(",;:") + "."


class PersonRewriter:
    """Replaces the pronouns of a sentence in order: by role the first time, one of the two by `they` from then on."""

    def __init__(self, sentence: Sentence) -> None:
        self.role, self.was_named = sentence.role, False
        # `they` is the agent in a sentence about the agent alone, else the customer.
        self.is_alone = sentence.role == "agent" and "you" not in sentence.text.lower()
        self.end, self.is_after_verb = -1, False
        other = {"doctor": "patient", "patient": "doctor"}.get(sentence.speaker)
        self.customer = sentence.speaker if self.role == "customer" else other or "customer"
        self.agent = sentence.speaker if self.role == "agent" else other or "agent"
        self.company = self.agent if self.agent == "doctor" else "company"

    def __call__(self, match: re.Match[str]) -> str:
        """Rewrite one pronoun with the auxiliary before it and the verb after it."""
        person, lead, verb = match["person"].lower().removesuffix(" guys"), match["lead"] or "", match["verb"] or ""
        before = lead.lower() or match.string[: match.start()].rstrip().rpartition(" ")[2].lower()
        self.is_after_verb = not lead and match.start() == self.end + 1
        self.end = match.end()
        was_named = self.was_named
        rewritten = self.rewrite_person(person, before, verb)
        if lead and verb and person in SUBJECTS and not (was_named and rewritten.startswith("they")):
            lead = SINGULAR_AUXILIARIES[before]
        return f"{lead} {rewritten}".lstrip()

    def rewrite_person(self, person: str, before: str, verb: str) -> str:
        """Rewrite a pronoun and its verb by who it refers to."""
        if (person in SPEAKER) == (self.role == "customer"):
            return self.use_noun_once(self.customer, person, before, verb)
        if self.is_alone and person not in COMPANY:
            return self.use_noun_once(self.agent, person, before, verb)
        if person in OWNERS and self.role == "customer":
            return f"the {verb}".rstrip()
        is_past = verb.endswith("ed") or verb in TOOK
        is_company = person in COMPANY or (self.role == "customer" and self.agent == "agent" and is_past)
        return self.use_noun(self.company if is_company else self.agent, person, before, verb)

    def use_noun_once(self, noun: str, person: str, before: str, verb: str) -> str:
        """Use the noun the first time, and a form of `they` from then on."""
        rewrite = self.use_pronoun if self.was_named else partial(self.use_noun, noun)
        self.was_named = True
        return rewrite(person, before, verb)

    def use_noun(self, noun: str, person: str, before: str, verb: str) -> str:
        """Use the noun, and inflect the verb where the noun is its subject."""
        if person in OWNERS:
            return f"the {noun}'s {verb}".rstrip()
        is_subject = person not in OBJECTS and before not in BARE_AFTER and before not in OBJECT_AFTER
        return f"the {noun} {inflect(verb) if is_subject else verb}".rstrip()

    def use_pronoun(self, person: str, before: str, verb: str) -> str:
        """Use they, them, their or themselves."""
        if person in OWNERS:
            return f"their {verb}".rstrip()
        if person in REFLEXIVE:
            return f"themselves {verb}".rstrip()
        is_object = not verb or verb.lower() in NO_VERBS or self.is_object_after(before, verb)
        if person in OBJECTS or (person == "you" and is_object):
            return f"them {verb}".rstrip()
        return f"they {PLURAL.get(verb.lower(), verb)}".rstrip()

    def is_object_after(self, before: str, verb: str) -> bool:
        """Return whether "you" after this word is an object, as it is after verbs that no clause follows."""
        if before in NOUNS and (verb.endswith("ed") or verb in HAD):
            return False
        return before in OBJECT_AFTER or before.endswith("ed") or (self.is_after_verb and before not in CLAUSE_AFTER)
