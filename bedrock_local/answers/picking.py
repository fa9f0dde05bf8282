"""Which sentences of a call matter, and for what: position, cue words, numbers and frequency.

The scoring is the classic one of H. P. Edmundson, "New methods in automatic extracting", Journal of the ACM 16(2),
1969, with cue words of service calls.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from bedrock_local.answers.transcript import Sentence

TOPICS = ("reason", "actions", "outcome", "follow_up", "amounts", "dates")
WORD = re.compile(r"[\w'’$£€]+")
MONEY = re.compile(
    r"[$£€]\s?\d|\d\s?(?:%|€|£|dollars?|euros?|pounds?|cents?|usd|eur)\b|\b(?:dollars?|euros?|pounds?|cents?)\b",
    re.IGNORECASE,
)
CUES = {
    "reason": "calling called call about because problem issue wrong broken charged charge bill billed cancel cancelled "
    "return refund want wanted need needed trying tried like'd i'd like order ordered booking booked missing lost stolen "
    "damaged late delayed outage down error working stopped overcharged dispute unauthorized fraud claim appointment "
    "pain symptoms prescription upgrade change reschedule update renew renewal question locked password complaint "
    "received never noticed why twice double fee deposit leak internet slow policy book find looking weather reserve "
    "llamo porque problema factura pedido anrufe weil rechnung problem bestellung appelle parce problème facture commande",
    "actions": "i've i'll we've we'll processed processing issued issue sent sending send updated updating applied apply "
    "credited credit escalate escalated escalating transfer transferred transferring scheduled schedule opened created "
    "ticket reset resetting removed waived refunded cancelled cancel booked booking ordered replaced replacement submit "
    "submitted filed blocked changed adjusted arranged arrange prescribe recommend antibiotics test tests refer checked "
    "activated added extended he vamos enviado abierto habe erstatten geschickt j'ai envoyé ouvert rembourser found",
    "outcome": "resolved fixed approved declined confirmed confirm set complete completed done successfully works working "
    "refunded unable unfortunately cannot can't accepted agreed agree perfect booked final reversed reference number "
    "denied refused rejected active credited scheduled solved restored waived confirmado confirmada resuelto erledigt "
    "gelöst bestätigt confirmé réglé happy great plan options option available",
    "follow_up": "within days hours tomorrow monday tuesday wednesday thursday friday saturday sunday week weeks receive "
    "will you'll we'll i'll callback email follow next until deadline please arrive soon shortly once expect back contact "
    "días mañana semana tagen morgen woche jours demain semaine if come days' later review",
    "dates": "monday tuesday wednesday thursday friday saturday sunday january february march april may june july august "
    "september october november december tomorrow today yesterday days weeks months am pm o'clock week month ago",
    "polite": "thank thanks welcome goodbye bye hello hi hey assist help anything else pleasure apologize apologise sorry "
    "understand frustration patience appreciate day moment hold verify verification name email password birth spell great "
    "good morning afternoon evening wonderful okay alright yes no yeah sure gracias hola danke hallo merci bonjour please "
    "contacting choosing rest assured absolutely apologies inconvenience hear patient bear digits security",
    "angry": "frustrated frustrating angry upset unacceptable ridiculous terrible awful annoyed annoying disappointed "
    "disappointing worst furious complaint fed sick incompetent waste never inaceptable unverschämt inadmissible",
    "happy": "great wonderful perfect excellent awesome appreciate happy glad amazing fantastic helpful relief lovely "
    "perfecto genial super parfait",
}  # fmt: skip
COMMON = frozenset(
    "a an the and or but if of to in on at for from with by is are was were be been being am do does did have has had i "
    "you he she it we they me him her us them my your his its our their this that these those there here so not no yes as "
    "just can could will would should i'm it's that's i'll i've you're don't okay ok um uh yeah well what how when which "
    "who up out get got let all any more some very really about then now one know go sir ma'am".split()
)
LONGEST_COUNTED = 20_000


@dataclass(frozen=True)
class Weighed:
    """The sentences of a call and what each weighs for each topic, in the order said."""

    sentences: list[Sentence]
    words: list[list[str]]
    weights: dict[str, list[float]]
    cues: dict[str, list[int]]
    is_english: bool


def cue_table() -> dict[str, tuple[str, ...]]:
    table: dict[str, tuple[str, ...]] = {}
    for topic, words in CUES.items():
        for word in set(words.split()):
            table[word] = (*table.get(word, ()), topic)
    return table


CUE_TABLE = cue_table()


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
    words = [WORD.findall(sentence.text.lower().replace("’", "'")) for sentence in sentences]
    flat = [word for line in words for word in line]
    content = [word for word in flat if word not in COMMON]
    counts = Counter(content)
    cues: dict[str, list[int]] = {topic: [0] * len(words) for topic in CUES}
    general = []
    for at, (sentence, line) in enumerate(zip(sentences, words, strict=True)):
        for word in line:
            if word in CUE_TABLE:
                for topic in CUE_TABLE[word]:
                    cues[topic][at] += 1
        nudge = (seed * (at + 7) >> 5) % 32 / 64
        general.append(general_weight(sentence.text, line, counts, focus) - cues["polite"][at] * 0.7 + nudge)
    cues["amounts"] = [2 * bool(MONEY.search(sentence.text)) for sentence in sentences]
    weights = {topic: topic_weights(topic, sentences, general, cues[topic]) for topic in TOPICS}
    weights["general"] = [sum(column) / 6 for column in zip(*weights.values(), strict=True)]
    return Weighed(sentences, words, weights, cues, is_english=len(content) < 0.72 * len(flat))


def general_weight(text: str, words: list[str], counts: Counter[str], focus: frozenset[str]) -> float:
    """Weigh what counts for every topic: frequent words, numbers, length, and no question."""
    content = [word for word in words if word not in COMMON]
    frequent = sum(min(counts[word], 6) for word in content) / (len(content) + 4)
    shared = len(focus.intersection(content)) * 0.3
    has_number = any(char.isdigit() for char in text)
    short = max(0, 6 - len(words)) * 0.7
    long = max(0, len(words) - 35) * 0.1
    return frequent + shared + has_number - short - long - 3 * text.rstrip(" \"'”").endswith(("?", "؟"))


def topic_weights(topic: str, sentences: list[Sentence], general: list[float], cues: list[int]) -> list[float]:
    """Add to the general weights what counts for a topic: its cue words, who speaks, and when."""
    last = max(1, len(sentences) - 1)
    side, early, late = PLACES[topic]
    weights = []
    for at, sentence in enumerate(sentences):
        place = at / last
        spoken = 1.5 if sentence.role == side else 0 if not sentence.role or not side else -1.5
        weights.append(general[at] + 1.2 * min(cues[at], 4) + spoken + early * (1 - place) + late * place)
    return weights


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
    weights = call.weights[topic]
    chosen: list[int] = []
    for at in sorted(range(len(weights)), key=weights.__getitem__, reverse=True)[: limit * 8 + 16]:
        if len(chosen) == limit:
            break
        if at not in taken and not any(says_the_same(call.words[at], call.words[other]) for other in taken):
            chosen.append(at)
            taken.add(at)
    return sorted(chosen)


def pick_certain(call: Weighed, topic: str, limit: int, taken: set[int]) -> list[int]:
    """Pick as `pick` does, but only sentences with a cue word of the topic."""
    cues = call.cues[topic] if topic in call.cues else [1] * len(call.words)
    return [at for at in pick(call, topic, limit, taken) if cues[at]]


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
