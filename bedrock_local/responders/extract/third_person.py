"""English sentences in the first and second person, told in the third."""

from __future__ import annotations

import re
from functools import partial
from operator import eq

from bedrock_local.responders.extract.lexicon import words_of
from bedrock_local.responders.extract.transcript import Sentence

# Sounds, words that fill a pause, and words said twice; numbers are not among these, which are said digit by digit.
NOISE = re.compile(
    r"(?:,? (?:you know|i mean)|, (?:like|(?:sort|kind) of|u+[mh]+|erm?|hm+)),(?= )"
    r"|\b(?:(?:u+m+|u+h+|erm?|hm+|mm-hmm|mhm)\b[,.]?\s*|(?:(?<=s )like|you know|i mean), "
    r"|(I|I'm|I've|it|it's|the|a|an|and|to|so|we|we'll|you|you're|they|he|she|in|of|on|at|for|is|was|has|have|had|with|but"
    r"|or|my|your|just|if|when|that|that's|this|because|not|do|can|there|[a-z]+ (?:a|the|I|it|to|of))"
    r"(?:,? (?:u[mh],? )?\1\b)+)",
    re.IGNORECASE,
)
PAUSES = words_of("um umm ummm uh uhh uhhh er erm hm hmm hmmm mhm mm-hmm like know mean sort kind")
# Words that speech recognition and some corpora put apart.
APART = re.compile(r" (?=[,.](?: |$)|'(?:s|re|ve|ll|d|m)\b|n't\b)|(?<=\bgon|\bwan) (?=na\b)|,(?= ?,)")
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
LONGEST_CLOSING = 40
AUXILIARIES = "do|does|did|is|are|was|were|can|could|would|will|have|has|should|may"
ASKED = re.compile(
    rf"(?P<auxiliary>{AUXILIARIES}) (?P<who>i|you|we|he|she|it|they|there|this|that)\b(?P<rest>[^?]*)\?*", re.IGNORECASE
)
ASKING = words_of(f"{AUXILIARIES} what which when where who why how what's where's who's how's".replace("|", " "))
# Not "please let me know" and "it won't let me".
LET_ME = re.compile(
    r"(?:^|(?<=[,.:;] )|(?<=\band )|(?<=\bso )|(?<=\bthen ))let(?: me|'s)\b(?: just)?(?: go ahead and)?", re.IGNORECASE
)
CONTRACTION = re.compile(r"\b(I|you|we)'(m|re|ve|ll|d)\b", re.IGNORECASE)
LONG_FORMS = {"m": "am", "re": "are", "ve": "have", "ll": "will", "d": "would"}
PERSONS = "I|you(?: guys)?|we|my|your|our|me|us|myself|yourself|ourselves|mine|yours|ours"
ADVERBS = "just|really|also|still|only|always|actually|usually|typically|never|truly"
# The first letters come first because that is quick.
PERSON = re.compile(
    rf"\b(?=[iywmoudha])(?:(?P<lead>do|have|am|are|were|don't|haven't|aren't|weren't) )?(?P<person>{PERSONS})\b(?!')"
    rf"(?: (?!(?:{PERSONS})\b)(?P<verb>(?:(?:{ADVERBS}) )?[a-z]+(?:'t)?))?",
    re.IGNORECASE,
)
OBJECT_AFTER = words_of("""
    to for with by of on at from about give gives send sends sent gave offer tell told get gets got call thank show ask
    see transfer charge charged charging assist email let help helping giving sending make cost owe cover refund remind
    contact reach notify inform connect bothering bother walk bring brings
""")
# What may stand before a clause: "I hope you can", "that you can".
CLAUSE_AFTER = words_of("""
    think hope know see believe guess understand mean wish suppose say that if when because so as what where how whether
    and but while once until before after since unless though
""")
BARE_AFTER = words_of("do did does can could will would should may might let help make to didn't don't can't won't")
# An auxiliary before one person that stood before "I" or "you".
LEADS = {"do": "does", "have": "has", "am": "is", "are": "is", "were": "was", "don't": "doesn't"}
LEADS |= {"haven't": "hasn't", "aren't": "isn't", "weren't": "wasn't"}
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
SINGULAR |= {verb: f"{verb}es" for verb in words_of("catch process watch fix miss pass wish finish reach switch push")}
SINGULAR |= {
    verb: f"{verb}s"
    for verb in words_of("""
        want need see think know believe understand apologize appreciate live work get receive call pay use keep like
        love feel hope recommend suggest suppose guess realize remember look show own drive value offer take make send
        charge require provide expect return say find owe agree start stop ask mean request forget buy order book cancel
        move lose check pick turn close open write speak talk sit stand walk run eat drink sleep wake wonder rely plan
        play wear change prescribe assure promise confirm ensure notice prefer seem help give tell hear bring come leave
        wait hold travel spend trust suspect doubt struggle suffer smoke care deal plan insist mention support
        place treat accept reserve pull figure roll experience develop include handle
    """)
}
# "The customer is moving and need": the second verb of one person, where it is none of "will go and get".
SECOND_VERB = re.compile(
    r"(the (?:customer|agent|company|patient|doctor)\b([^,;.?!]*?) and )(\w+(?:'t)?)\b", re.IGNORECASE
)
NO_FIRST_VERB = words_of("""
    they to can could will would should may might must do does did can't couldn't won't wouldn't don't doesn't didn't
""")
PLURAL = {"am": "are", "was": "were"}
SPEAKER = words_of("i me my mine myself we us our ours ourselves")
COMPANY = words_of("we us our ours ourselves")
OWNERS = words_of("my your mine yours our ours")
OBJECTS = words_of("me us")
SUBJECTS = words_of("i we you")
REFLEXIVE = words_of("myself yourself ourselves")
NO_VERBS = words_of("to with in on at for by from about into a an the this")
TOOK = words_of("sent took gave told said made put sold lost left")
# Of the words after which "you" is an object, those that are nouns too: "the offer you received".
NOUNS = words_of("offer email charge transfer call refund cover show contact")
HAD = TOOK | words_of("got saw had have are were")


def retell(sentence: Sentence) -> str:
    """Tell a sentence in the third person: "I've sent you it" becomes "The agent has sent the customer it"."""
    text = tidy(sentence.text)
    if sentence.role:
        text = text.replace("\u2019", "'")
        text = report_question(text)
        text = LET_ME.sub("I will", text) if sentence.role == "agent" else text
        text = CONTRACTION.sub(lambda match: f"{match[1]} {LONG_FORMS[match[2].lower()]}", text)
        text = PERSON.sub(Teller(sentence), text)
        text = end_second_verb(text).rstrip("!")
    return finish(text)


def report_question(text: str) -> str:
    """Say that something is asked: "Can I have it?" becomes "I ask whether I can have it"."""
    if text.partition(" ")[0].lower() not in ASKING:
        return text
    if asked := ASKED.fullmatch(text):
        auxiliary = "" if asked["auxiliary"].lower() == "do" else f" {asked['auxiliary'].lower()}"
        return f"I ask whether {asked['who']}{auxiliary}{asked['rest']}"
    return f"I ask: {text[0].lower()}{text[1:]}" if text.endswith("?") else text


def end_second_verb(text: str) -> str:
    """Give the verb after "and" the ending for one person, where nothing before it takes the bare verb."""
    match = SECOND_VERB.match(text) if " and " in text else None
    if not match or not NO_FIRST_VERB.isdisjoint(match[2].lower().split()):
        return text
    return match[1] + singular(match[3]) + text[match.end() :]


def tidy(text: str) -> str:
    """Drop fillers, and the words a spoken sentence opens and closes with."""
    words = text.lower().replace(",", " ").replace(".", " ").split()
    text = APART.sub("", " ".join(text.split()))
    # Most sentences have none of it, which is quickly seen: a word again after itself or after one other.
    if any(map(eq, words, words[1:])) or any(map(eq, words, words[2:])) or not PAUSES.isdisjoint(words):
        text = NOISE.sub(r"\1", text)
    if match := OPENING.match(text):
        text = text[match.end() :]
    text = text[:-LONGEST_CLOSING] + CLOSING.sub("", text[-LONGEST_CLOSING:])
    return text.strip(" ,-\u2013\u2014")


def singular(verb: str) -> str:
    """Give a verb, with an adverb before it or not, the ending for one person."""
    *adverb, last = verb.split() or [""]
    return " ".join([*adverb, SINGULAR.get(last.lower(), last)])


def finish(text: str) -> str:
    """Begin with a capital letter and end with a full stop."""
    text = text[:1].upper() + text[1:]
    if text.endswith("..") and not text.endswith("..."):
        text = text[:-1]
    ends = (".", "!", "?", "\u3002", "\uff01", "\uff1f", "\u061f", "\u2026")
    return text if text.endswith(ends) or not text else text.rstrip(",;:") + "."


class Teller:
    """Puts persons into the third, one after the other: the first time by role, then one of them as `they`."""

    def __init__(self, sentence: Sentence) -> None:
        self.role, self.was_named = sentence.role, False
        # An agent who speaks of himself alone is "they" the second time; else the customer is.
        self.is_alone = sentence.role == "agent" and "you" not in sentence.text.lower()
        self.end, self.is_after_verb = -1, False
        other = {"doctor": "patient", "patient": "doctor"}.get(sentence.speaker)
        self.customer = sentence.speaker if self.role == "customer" else other or "customer"
        self.agent = sentence.speaker if self.role == "agent" else other or "agent"
        self.company = self.agent if self.agent == "doctor" else "company"

    def __call__(self, match: re.Match[str]) -> str:
        """Rewrite one person with the auxiliary before it and the verb after it."""
        person, lead, verb = match["person"].lower().removesuffix(" guys"), match["lead"] or "", match["verb"] or ""
        before = lead.lower() or match.string[: match.start()].rstrip().rpartition(" ")[2].lower()
        self.is_after_verb = not lead and match.start() == self.end + 1
        self.end = match.end()
        was_named = self.was_named
        told = self.tell(person, before, verb)
        if lead and verb and person in SUBJECTS and not (was_named and told.startswith("they")):
            lead = LEADS[before]
        return f"{lead} {told}".lstrip()

    def tell(self, person: str, before: str, verb: str) -> str:
        """Tell one person and the verb."""
        if (person in SPEAKER) == (self.role == "customer"):
            return self.name(self.customer, person, before, verb)
        if self.is_alone and person not in COMPANY:
            return self.name(self.agent, person, before, verb)
        if person in OWNERS and self.role == "customer":
            return f"the {verb}".rstrip()
        is_past = verb.endswith("ed") or verb in TOOK
        is_company = person in COMPANY or (self.role == "customer" and self.agent == "agent" and is_past)
        return self.one(self.company if is_company else self.agent, person, before, verb)

    def name(self, name: str, person: str, before: str, verb: str) -> str:
        """Name somebody the first time, and say `they` the next."""
        told = self.again if self.was_named else partial(self.one, name)
        self.was_named = True
        return told(person, before, verb)

    def one(self, name: str, person: str, before: str, verb: str) -> str:
        """Name somebody, and give the verb its ending where the name is its subject."""
        if person in OWNERS:
            return f"the {name}'s {verb}".rstrip()
        is_subject = person not in OBJECTS and before not in BARE_AFTER and before not in OBJECT_AFTER
        return f"the {name} {singular(verb) if is_subject else verb}".rstrip()

    def again(self, person: str, before: str, verb: str) -> str:
        """Say they, them or their."""
        if person in OWNERS:
            return f"their {verb}".rstrip()
        if person in REFLEXIVE:
            return f"themselves {verb}".rstrip()
        is_object = not verb or verb.lower() in NO_VERBS or self.is_object_after(before, verb)
        if person in OBJECTS or (person == "you" and is_object):
            return f"them {verb}".rstrip()
        return f"they {PLURAL.get(verb.lower(), verb)}".rstrip()

    def is_object_after(self, before: str, verb: str) -> bool:
        """Tell whether "you" after this word is who something is done to, as after a verb that takes no clause."""
        if before in NOUNS and (verb.endswith("ed") or verb in HAD):
            return False
        return before in OBJECT_AFTER or before.endswith("ed") or (self.is_after_verb and before not in CLAUSE_AFTER)
