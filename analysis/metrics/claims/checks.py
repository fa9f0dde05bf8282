"""Checks: how many claims each answer makes, and which of them its call does not support."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import groupby
from typing import NamedTuple

import polars as pl

from analysis.metrics.claims.mentions import find_places, list_mentions, lower
from analysis.metrics.claims.names import CallNames, NamesOfRuns, find_names, find_runs, learn_words, list_runs
from analysis.metrics.claims.support import CallValues, Readings


class Claim(NamedTuple):
    """A claim that the call does not support, its place in the text, and the nearest thing that the call says."""

    kind: str
    mention: str
    begin: int
    end: int
    nearest: str | None


class Call:
    """What a call says; its names are looked for when an answer has any."""

    def __init__(self, transcript: str, mentions: Sequence[str], readings: Readings) -> None:
        self.transcript = transcript
        self.values = CallValues(transcript, mentions, readings)

    @cached_property
    def names(self) -> CallNames:
        """The words of the call."""
        return CallNames(self.transcript)


class CheckedAnswer(NamedTuple):
    """The claims of an answer: how many, and the numbers of the mentions and names that its call does not support."""

    row: int
    claims: int
    mentions: list[int]
    names: list[int]
    call: Call

    @property
    def unsupported(self) -> int:
        """How many claims the call does not support."""
        return len(self.mentions) + len(self.names)


class AnswerCheck:
    """Answers beside their calls, and what is found in both.

    Parameters
    ----------
    answers, transcripts
        Of the same length, without missing values.
    """

    def __init__(self, answers: pl.Series, transcripts: pl.Series) -> None:
        self.answers = answers
        self.calls, self.call_numbers = number_calls(transcripts)
        self.readings = Readings()
        self.names = NamesOfRuns(learn_words(answers, self.calls))
        self.mentions: list[list[str]] = list_mentions(answers).to_list()
        self.runs: list[list[str]] = list_runs(answers).to_list()

    def check(self) -> Iterator[CheckedAnswer]:
        """Check every answer, call by call."""
        numbers = self.call_numbers
        rows = numbers.arg_sort().to_list()
        call_mentions = list_mentions(self.calls).to_list()
        for number, group in groupby(rows, key=numbers.to_list().__getitem__):
            call = Call(self.calls[number], call_mentions[number], self.readings)
            for row in group:
                yield self.check_answer(row, call)

    def check_answer(self, row: int, call: Call) -> CheckedAnswer:
        """Check one answer."""
        claims, mentions, names = 0, [], []
        for place, mention in enumerate(self.mentions[row]):
            reading = self.readings[mention]
            if reading.options:
                claims += 1
                if not call.values.supports(reading):
                    mentions.append(place)
        for place, run in enumerate(self.runs[row]):
            if words := self.names[run]:
                claims += 1
                if not all(map(call.names.has, words)):
                    names.append(place)
        return CheckedAnswer(row, claims, mentions, names, call)

    def list_claims(self, checked: CheckedAnswer) -> list[Claim]:
        """List the unsupported claims of an answer by their places."""
        claims = [*self.list_mentions(checked), *self.list_names(checked)]
        return sorted(claims, key=lambda claim: (claim.begin, claim.end))

    def list_mentions(self, checked: CheckedAnswer) -> Iterator[Claim]:
        """Yield the unsupported amounts, numbers, percents, dates, times and codes of an answer."""
        text, mentions = self.answers[checked.row], self.mentions[checked.row]
        places = find_places(lower(text), mentions)
        for number in checked.mentions:
            reading, (begin, end) = self.readings[mentions[number]], places[number]
            yield Claim(reading.kind, text[begin:end], begin, end, checked.call.values.find_nearest(reading))

    def list_names(self, checked: CheckedAnswer) -> Iterator[Claim]:
        """Yield the unsupported names of an answer."""
        text, runs, known = self.answers[checked.row], self.runs[checked.row], checked.call.names
        places = find_runs(text, runs)
        for number in checked.names:
            names = self.names[runs[number]]
            begin, end = (places[number] + place for place in find_names(runs[number], names))
            missing = next(name for name in names if not known.has(name))
            yield Claim("name", text[begin:end], begin, end, known.find_nearest(missing))


def number_calls(transcripts: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Return the distinct transcripts, and for each row the number of its own among them."""
    hashes = pl.DataFrame({"hash": transcripts.hash()}).with_row_index("row")
    firsts = hashes.unique("hash", keep="first", maintain_order=True).with_row_index("call")
    numbers = hashes.join(firsts.select("hash", "call"), on="hash", how="left", maintain_order="left")["call"]
    return transcripts.gather(firsts["row"]), numbers
