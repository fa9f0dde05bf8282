"""Examples: answers of a sample that are worth reading, beside their calls, as HTML that is escaped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
from markupsafe import Markup

from analysis.comparison.side_by_side import find_own_words, mark
from analysis.display import count
from analysis.metrics.claims import find_unsupported_claims
from analysis.reports.variant_rows import name_unmet

EACH = 2  # answers of each kind
DIFFERENT = 3  # calls on which the variants differ most
# Kinds in the order in which they are shown: a heading, and which answers are of the kind.
KINDS = (
    ("Cut off", pl.col("truncated")),
    ("Refused", pl.col("stop") == "filtered"),
    ("With claims that the call does not support", pl.col("has_unsupported")),
    ("Longest", pl.col("words") > 0),
)


@dataclass(frozen=True)
class Example:
    """A call and answers to it; `call` and the texts of `answers` are HTML that is escaped.

    Attributes
    ----------
    call_id, words
        Of the call.
    call
        Its transcript.
    answers
        For each a heading and a text.
    """

    call_id: str
    words: str
    call: Markup
    answers: list[tuple[str, Markup]]


def list_examples(answers: pl.DataFrame, variants: Sequence[str]) -> dict[str, list[Example]]:
    """List answers that are worth reading, by kind; a kind that has none is left out.

    Parameters
    ----------
    answers
        Measured, one row per answer.
    variants
        In the order in which they are shown; the first is what the others are compared with.
    """
    shown = answers.filter(pl.col("text").is_not_null())
    examples = {}
    if len(variants) > 1 and (different := find_different(shown, variants)):
        rows = [shown.filter(pl.col("call_id") == call).unique("variant", keep="first") for call in different]
        examples["Where the prompts differ most"] = [show_call(row, variants) for row in rows]
    for heading, is_kind in KINDS:
        if picked := list(pick_kind(shown.filter(is_kind), variants)):
            examples[heading] = [show_call(row, variants) for row in picked]
    return examples


def find_different(answers: pl.DataFrame, variants: Sequence[str]) -> list[str]:
    """Find the calls on which answers of all variants differ most: in what they keep, claim and cut off, and in length.

    Each of these counts from 0 to 1.
    """
    spans = [span(pl.col(name).cast(pl.Float64)) for name in ("kept_all", "has_unsupported", "truncated")]
    length = span(pl.col("words")) / pl.col("words").max().clip(lower_bound=1)
    by_call = answers.group_by("call_id", maintain_order=True).agg(
        variants=pl.col("variant").n_unique(), different=pl.sum_horizontal(*spans, length.fill_null(0))
    )
    whole = by_call.filter(pl.col("variants") == len(variants), pl.col("different") > 0)
    return whole.sort("different", descending=True, maintain_order=True).head(DIFFERENT)["call_id"].to_list()


def span(column: pl.Expr) -> pl.Expr:
    """Return the largest value of a column minus the smallest, 0 where none is known."""
    return (column.max() - column.min()).fill_null(0)


def pick_kind(answers: pl.DataFrame, variants: Sequence[str]) -> Iterator[pl.DataFrame]:
    """Yield the longest answers of a kind, of the variant that has most of them first, each as a row."""
    counts = dict(answers.group_by("variant").len().iter_rows())
    order = sorted(variants, key=lambda name: -counts.get(name, 0))
    longest = answers.sort("words", descending=True, nulls_last=True, maintain_order=True)
    first = [longest.filter(pl.col("variant") == name) for name in order]
    # One of each variant before a second one of any.
    turns = [frame[place : place + 1] for place in range(EACH) for frame in first if place < len(frame)]
    yield from turns[:EACH]


def show_call(answers: pl.DataFrame, variants: Sequence[str]) -> Example:
    """Show a call and its answers: words that an answer does not share with the first are marked, and claims."""
    claims = find_claims(answers)
    rows = {row["variant"]: row for row in answers.iter_rows(named=True)}
    shown = [rows[name] for name in variants if name in rows]
    first, said = shown[0], shown[0]["transcript"]
    texts = []
    for row in shown:
        own = [] if row is first else find_own_words(first["text"], row["text"])[1]
        texts.append((describe_answer(row), Markup(mark(row["text"], own, claims.get(row["variant"], [])))))  # noqa: S704 -- escaped by mark
    words = count(len((said or "").split()), "word")
    return Example(str(first["call_id"]), words, Markup(mark(said, [], [])), texts)  # noqa: S704 -- escaped by mark


def find_claims(answers: pl.DataFrame) -> dict[str, list[tuple[int, int]]]:
    """Find where answers say what their calls do not, by variant."""
    places: dict[str, list[tuple[int, int]]] = {}
    for row in find_unsupported_claims(answers).iter_rows(named=True):
        places.setdefault(row["variant"], []).append((row["begin"], row["end"]))
    return places


def describe_answer(row: Mapping[str, Any]) -> str:
    """Describe an answer: its variant, its length, and what is wrong with it."""
    told = [row["variant"], count(row["words"] or 0, "word")]
    told += ["cut off"] if row["truncated"] else []
    told += ["refused"] if row["stop"] == "filtered" else []
    told += [name_unmet(unmet) for unmet in (row["unmet"] or "").split("; ") if unmet]
    return " · ".join(told)
