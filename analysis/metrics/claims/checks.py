"""Checks: how many claims each answer makes, and which of them its call does not support."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

import polars as pl

from analysis.metrics.claims.mentions import find_places, list_mentions, lower
from analysis.metrics.claims.names import CallNames, NamesOfRuns, find_names, find_runs, learn_words, list_runs
from analysis.metrics.claims.support import CallValues, Readings

CALLS_AT_ONCE = 2_000


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
    """An answer with its mentions and runs of capitals, and the numbers of those that its call does not support."""

    row: int
    call: Call
    mentions: list[str]
    runs: list[str]
    claims: int
    unsupported_mentions: list[int]
    unsupported_runs: list[int]

    @property
    def unsupported(self) -> int:
        """How many claims the call does not support."""
        return len(self.unsupported_mentions) + len(self.unsupported_runs)


class AnswerCheck:
    """Answers beside their calls, checked some thousand calls at a time.

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

    def check(self) -> Iterator[CheckedAnswer]:
        """Check every answer, call by call."""
        order = self.call_numbers.arg_sort()
        numbers = self.call_numbers.gather(order)
        for first in range(0, len(self.calls), CALLS_AT_ONCE):
            begin, end = (numbers.search_sorted(number, "left") for number in (first, first + CALLS_AT_ONCE))
            yield from self.check_calls(first, order[begin:end], numbers[begin:end])

    def check_calls(self, first: int, rows: pl.Series, numbers: pl.Series) -> Iterator[CheckedAnswer]:
        """Check the answers to some calls that follow each other."""
        answers, calls = self.answers.gather(rows), self.calls[first : first + CALLS_AT_ONCE]
        found = zip(rows.to_list(), list_mentions(answers).to_list(), list_runs(answers).to_list(), strict=True)
        call_mentions = list_mentions(calls).to_list()
        for number, group in groupby(zip(numbers.to_list(), found, strict=True), key=itemgetter(0)):
            call = Call(calls[number - first], call_mentions[number - first], self.readings)
            for _, (row, mentions, runs) in group:
                yield self.check_answer(row, call, mentions, runs)

    def check_answer(self, row: int, call: Call, mentions: list[str], runs: list[str]) -> CheckedAnswer:
        """Check one answer."""
        claims, unsupported_mentions, unsupported_runs = 0, [], []
        for place, mention in enumerate(mentions):
            reading = self.readings[mention]
            if reading.options:
                claims += 1
                if not call.values.supports(reading):
                    unsupported_mentions.append(place)
        for place, run in enumerate(runs):
            if names := self.names[run]:
                claims += 1
                if not all(map(call.names.has, names)):
                    unsupported_runs.append(place)
        return CheckedAnswer(row, call, mentions, runs, claims, unsupported_mentions, unsupported_runs)

    def list_claims(self, checked: CheckedAnswer) -> list[Claim]:
        """List the unsupported claims of an answer by their places."""
        claims = [*self.list_mentions(checked), *self.list_names(checked)]
        return sorted(claims, key=lambda claim: (claim.begin, claim.end))

    def list_mentions(self, checked: CheckedAnswer) -> Iterator[Claim]:
        """Yield the unsupported amounts, numbers, percents, dates, times and codes of an answer."""
        text, mentions = self.answers[checked.row], checked.mentions
        places = find_places(lower(text), mentions) if checked.unsupported_mentions else []
        for number in checked.unsupported_mentions:
            reading, (begin, end) = self.readings[mentions[number]], places[number]
            yield Claim(reading.kind, text[begin:end], begin, end, checked.call.values.find_nearest(reading))

    def list_names(self, checked: CheckedAnswer) -> Iterator[Claim]:
        """Yield the unsupported names of an answer."""
        text, runs, known = self.answers[checked.row], checked.runs, checked.call.names
        places = find_runs(text, runs) if checked.unsupported_runs else []
        for number in checked.unsupported_runs:
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
