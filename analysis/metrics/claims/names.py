"""Names: capitalized words that nobody writes small, and whether a call has them, also misspelt or spelled out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from itertools import chain, islice
from typing import NamedTuple

import polars as pl

from analysis.metrics.claims.vocabulary import MONTH_NUMBERS, WEEKDAY_NUMBERS

WORD = r"\p{Lu}\p{L}*\p{Ll}\p{L}*(?:['\u2019-]\p{L}+)*"
# What precedes says whether a sentence begins; a colon behind, that this is a label and no name.
RUN = rf"""(?:[.!?:;\n"“”()\[*#>•|-][ *"_]*)?\b{WORD}(?: {WORD})*(?:["*_]*:)?"""
SMALL_WORD = r"(?-u:\b)\p{Ll}[\p{L}'\u2019-]+"
SPLIT = re.compile(r"[\s'\u2019-]+")
POSSESSIVE = re.compile(r"['\u2019]s$")
AROUND = '.!?:;\n"“”()[*#>•|-_ '
WORDS = re.compile(r"[^\W\d_]{3,}")
INSIDE_WORD = re.compile(r"\w\w")
SPELLED = re.compile(r"\b\w\b(?:[ ,.-]{1,2}\w\b){2,}")
LEAST_LETTERS = 3
MOST_WORDS = 50_000  # of a call, the longest of which have half as many
MOST_RUNS = 100_000  # kept at a time
LIKENESS = 82  # of 100, by rapidfuzz: Jon and John, Smith and Smyth
LEAST_LIKENESS = 60  # of what is shown as nearest
VOCABULARY_BYTES = 4_000_000  # of answers and of transcripts; a usual word stands in so much text
DATES = frozenset({*MONTH_NUMBERS, *WEEKDAY_NUMBERS})


class Vocabulary(NamedTuple):
    """Words that are written small somewhere, and words that are capitalized within a sentence."""

    small: frozenset[str]
    capitalized: frozenset[str]

    def is_name(self, word: str) -> bool:
        """Return whether a capitalized word is none that is written small, nor a month or weekday."""
        small = word.lower()
        if len(word) < LEAST_LETTERS or small in DATES or small.removesuffix("s") in DATES:
            return False
        return not any(part in self.small for part in SPLIT.split(small) if len(part) > 1)


class NamesOfRuns(dict[str, list[str]]):
    """The names in each run of capitalized words, read as `Readings` are."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.vocabulary = vocabulary

    def __missing__(self, run: str) -> list[str]:
        if len(self) >= MOST_RUNS:
            self.clear()
        names = self[run] = list_names(run, self.vocabulary)
        return names


def list_names(run: str, vocabulary: Vocabulary) -> list[str]:
    """List the words of a run that are names; the first word of a sentence only where it is one elsewhere."""
    if run.endswith(":"):
        return []
    words = [POSSESSIVE.sub("", word) for word in strip_run(run).split(" ")]
    if not run[0].isalpha() and words[0] not in vocabulary.capitalized:
        words = words[1:]
    return [word for word in words if vocabulary.is_name(word)]


def find_names(run: str, names: Sequence[str]) -> tuple[int, int]:
    """Return where in a run its first name begins and its last ends."""
    begin = re.search(rf"\b{re.escape(names[0])}\b", run)
    *_, end = re.finditer(rf"\b{re.escape(names[-1])}\b", run)
    return (begin.start() if begin else 0), end.end()


def strip_run(run: str) -> str:
    """Return the words of a run without what stands around them."""
    return run.strip(AROUND)


def list_runs(texts: pl.Series) -> pl.Series:
    """List the runs of capitalized words of each text, with what shows that a sentence begins or a label ends."""
    return ("\n" + texts).str.extract_all(RUN)


def find_runs(text: str, runs: Sequence[str]) -> list[int]:
    """Find where all runs of a text begin."""
    places, end, whole = [], 0, f"\n{text}"
    for run in runs:
        begin = whole.index(run, end)
        while run[0].isalpha() and is_inside_word(whole[begin - 1 : begin + 1]):
            begin = whole.index(run, begin + 1)
        end = begin + len(run)
        places.append(begin - 1)
    return places


def is_inside_word(two: str) -> bool:
    """Return whether two characters stand in one word; a fraction stands in none, as in expressions of polars."""
    return INSIDE_WORD.fullmatch(two) is not None and not (two[0].isnumeric() and not two[0].isdecimal())


def learn_words(answers: pl.Series, transcripts: pl.Series) -> Vocabulary:
    """Learn from texts which words are usual; transcripts without capitals say nothing of names."""
    texts = pl.concat([take_bytes(answers), take_bytes(transcripts.filter(has_capitals(transcripts)))])
    small = texts.str.extract_all(SMALL_WORD).explode().drop_nulls().unique().to_list()
    runs = list_runs(texts).explode().drop_nulls().unique().to_list()
    inner = chain.from_iterable(strip_run(run).split(" ")[not run[0].isalpha() :] for run in runs if run[-1] != ":")
    return Vocabulary(frozenset(chain.from_iterable(SPLIT.split(word) for word in small)), frozenset(inner))


def has_capitals(texts: pl.Series) -> pl.Series:
    """Return which texts have capitals within a sentence, other than I and what ends with a colon."""
    return texts.str.contains(r"\p{Ll},? \p{Lu}\p{Ll}+[ .,?!]")


def take_bytes(texts: pl.Series) -> pl.Series:
    """Take evenly spread texts of about a number of bytes."""
    total = texts.str.len_bytes().sum() or 0
    return texts.gather_every(max(1, -(-int(total) // VOCABULARY_BYTES))).drop_nulls()


class CallNames:
    """The words of a call, for looking up names."""

    def __init__(self, transcript: str) -> None:
        self.transcript, self.text = transcript, transcript.lower()
        self.known: dict[str, bool] = {}

    @cached_property
    def words(self) -> dict[str, str]:
        """The words of the call, small and as they are written there."""
        return dict(islice(((word.lower(), word) for word in WORDS.findall(self.transcript)), MOST_WORDS))

    @cached_property
    def spelled(self) -> str:
        """All names that are spelled letter by letter, as words."""
        return " ".join("".join(filter(str.isalnum, letters)) for letters in SPELLED.findall(self.text))

    def has(self, name: str) -> bool:
        """Return whether a word of the call begins like a name or is spelled much like it, or its letters are."""
        if name not in self.known:
            small = name.lower()
            alike = self.has_word(small) or small in self.spelled or self.find_alike(name, LIKENESS)
            self.known[name] = bool(alike)
        return self.known[name]

    def has_word(self, word: str) -> bool:
        """Return whether a word of the call begins with these letters."""
        place = self.text.find(word)
        while place > 0 and self.text[place - 1].isalpha():
            place = self.text.find(word, place + 1)
        return place >= 0

    def find_alike(self, name: str, likeness: float) -> str | None:
        """Find the word that is spelled most like a name; None where none is as like as asked."""
        from rapidfuzz import fuzz, process

        found = process.extractOne(name.lower(), self.words.keys(), scorer=fuzz.ratio, score_cutoff=likeness)
        return self.words[found[0]] if found else None

    def find_nearest(self, name: str) -> str | None:
        """Find the word that is spelled most like a name, if at all."""
        return self.find_alike(name, LEAST_LIKENESS)
