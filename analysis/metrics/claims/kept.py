"""Kept: which share of the amounts, dates and codes of a call, and of known facts about it, an answer has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

import polars as pl
from narwhals.typing import IntoDataFrameT

from analysis.columns import FRACTION, list_keys, read_columns
from analysis.metrics.claims.checks import number_calls
from analysis.metrics.claims.mentions import list_mentions
from analysis.metrics.claims.readings import Reading
from analysis.metrics.claims.support import CallValues, Readings, squeeze
from analysis.metrics.texts import add_columns, read_texts, rename_clashes

KINDS = {"kept_amounts": "amount", "kept_dates": "date", "kept_codes": "code"}
ALL = "kept_all"


def measure_kept(answers: IntoDataFrameT, columns: str | Sequence[str] = ()) -> IntoDataFrameT:
    """Measure which share of what each call says, or is known to say, its answer keeps.

    Parameters
    ----------
    answers
        One row per answer, from `load_answers`; `text`, `transcript` and `columns` are read.
    columns
        Columns of the calls with what is known of them, a text or a list of texts: `amounts` of `make_calls`.

    Returns
    -------
    frame
        The rows of `answers` in their order, and last, as shares from 0 to 1; a column of the call that has one of
        these names is called `<name>_call`:

        - `kept_amounts`, `kept_dates`, `kept_codes`: of the different amounts, dates and codes in the transcript, and
          `kept_all` of these together;
        - `kept_<column>_known` for each of `columns`: of its values. A value with amounts, numbers, dates, times or
          codes is kept when the answer has all of these, in digits or words; another when its words stand in the
          answer, whatever their case.

        Missing without an answer or a transcript, and where the call has nothing of the kind.

    Raises
    ------
    ColumnError
        `answers` lacks a column, or was measured before.
    """
    known = {f"kept_{name}_known": name for name in list_keys(columns)}
    frame = read_columns(answers, ["text", "transcript", *known.values()], of="answers")
    dtypes = dict.fromkeys([*KINDS, ALL, *known], FRACTION)
    frame = rename_clashes(rename_clashes(frame, [*KINDS, ALL]), list(known))
    texts = read_texts(frame, "text", "transcript")
    measured = measure_said(texts)
    for name, column in known.items():
        values = [list_values(value) for value in frame[column].to_list()]
        measured[name] = measure_values(texts["text"], values)
    return add_columns(frame, measured, dtypes)


def measure_said(texts: pl.DataFrame) -> dict[str, pl.Series]:
    """Measure which share of what transcripts say answers keep, by kind."""
    readings = Readings()
    calls, numbers = number_calls(texts["transcript"])
    claims = [sort_claims(mentions or (), readings) for mentions in list_mentions(calls).to_list()]
    rows = zip(numbers.to_list(), texts["text"].to_list(), list_mentions(texts["text"]).to_list(), strict=True)
    shares = [
        None if text is None else count_kept(claims[number], CallValues(text, mentions, readings))
        for number, text, mentions in rows
    ]
    return {
        name: pl.Series([share and share[kind] for share in shares], dtype=pl.Float64)
        for name, kind in (KINDS | {ALL: ALL}).items()
    }


def sort_claims(mentions: Iterable[str], readings: Readings) -> dict[str, list[Reading]]:
    """Sort the different claims of a text by kind."""
    different = {
        (reading.kind, reading.value): reading for mention in mentions if (reading := readings[mention]).options
    }
    return {kind: [reading for reading in different.values() if reading.kind == kind] for kind in KINDS.values()}


def count_kept(claims: Mapping[str, list[Reading]], answer: CallValues) -> dict[str, float | None]:
    """Return the share of the claims of each kind that an answer has, and of all."""
    kept = {kind: [answer.keeps(claim) for claim in several] for kind, several in claims.items()}
    return {kind: find_share(several) for kind, several in kept.items()} | {ALL: find_share(chain(*kept.values()))}


def find_share(kept: Iterable[bool]) -> float | None:
    """Return the share that is true; None of nothing."""
    listed = list(kept)
    return sum(listed) / len(listed) if listed else None


def list_values(value: Any) -> list[str]:
    """List the values of a cell as texts: a list's entries, or the one value; none of a missing one."""
    if isinstance(value, list | tuple) or hasattr(value, "tolist"):
        return [text for entry in value for text in list_values(entry)]
    # pandas writes missing values as None, NaN or NA, of which only None equals itself.
    return [] if value is None or str(value) in {"nan", "<NA>"} or not str(value).strip() else [str(value)]


def measure_values(texts: pl.Series, values: Sequence[Sequence[str]]) -> pl.Series:
    """Measure which share of known values each answer keeps."""
    readings = Readings()
    flat = pl.Series([value for several in values for value in several], dtype=pl.String)
    said = dict(zip(flat.to_list(), list_mentions(flat).to_list(), strict=True))
    shares = []
    for text, mentions, several in zip(texts.to_list(), list_mentions(texts).to_list(), values, strict=True):
        answer = None if text is None else CallValues(text, mentions, readings)
        shares.append(answer and find_share(keeps(answer, value, said[value]) for value in several))
    return pl.Series(shares, dtype=pl.Float64)


def keeps(answer: CallValues, value: str, mentions: Iterable[str]) -> bool:
    """Return whether an answer has all that a value states, or where it states nothing, its words."""
    stated = [reading for mention in mentions if (reading := answer.readings[mention]).options]
    return all(map(answer.keeps, stated)) if stated else answer.has_words(squeeze(value))
