"""Verdicts: what a judge said of answers, read from the answers of its own run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from math import isfinite
from typing import Any

import narwhals as nw
import polars as pl
from narwhals.typing import IntoDataFrameT

from analysis.columns import read_columns
from analysis.errors import AnalysisError, ColumnError
from analysis.files import replace_lone_surrogates
from analysis.judging.cases import restore
from analysis.metrics.json_answers import MOST_TRIALS, list_bodies, refuse_constant

VERDICTS = {
    "call_id": pl.String,
    "variant": pl.String,
    "sample": pl.Int16,
    "kind": pl.String,
    "score": pl.Float64,
    "other_variant": pl.String,
    "position": pl.Int8,
    "wins": pl.Float64,
    "reason": pl.String,
    "judge": pl.String,
    "error_kind": pl.String,
}
SCORE, PAIR = "score", "pair"
UNREADABLE = "unreadable"
# Quotes are often forgotten around a number.
WINNERS = {"1": 1.0, "2": 0.0, "tie": 0.5, 1: 1.0, 2: 0.0}
SCALE = (1, 5)


def read_verdicts(judged: IntoDataFrameT, *, scale: tuple[float, float] = SCALE) -> IntoDataFrameT:
    """Read what a judge said, from the answers of a run over `present_answers` or `pair_answers`.

    Parameters
    ----------
    judged
        One row per answer of the judge, from `load_answers`: `variant`, `text` and the columns that say whose answers
        were judged are read, and `tool_calls` and `error_kind` where they are there.
    scale
        The lowest and the highest score that the judge may give.

    Returns
    -------
    frame
        One row per answer of the judge; of pairs two, one for each variant.

        - `call_id`, `variant`, `sample`: whose answer was judged; `kind`: `score` or `pair`;
        - `score` (missing for pairs);
        - `other_variant`, `position` (1 or 2: where the answer stood) and `wins` (1, 0, or 0.5 for a tie); missing for
          scores;
        - `reason`, the judge's own words; `judge`, the name of its prompt;
        - `error_kind`: `unreadable` where the judge's answer is no verdict, that of its record where there is none.

    Raises
    ------
    ColumnError
        The columns that say whose answers were judged are not there.
    AnalysisError
        The scale is none.

    Notes
    -----
    A verdict is a JSON object with `score`, a number of the scale, or `winner`, which is "1", "2" or "tie". Fences and
    sentences around it do not count. Nothing is guessed: no object, two that contradict each other, a score beyond the
    scale or another word is missing.
    """
    check_scale(scale)
    frame = read_columns(judged, ("variant", "text", "judged_call", "judged_sample"), of="judged")
    kind = find_kind(frame.columns)
    rows = (read_pair if kind == PAIR else read_score)(frame, scale)
    return restore(pl.DataFrame(list(rows), schema=VERDICTS, orient="row"), like=frame)


def check_scale(scale: tuple[float, float]) -> None:
    """Raise for a scale that is none."""
    if len(scale) != 2 or not scale[0] < scale[1]:
        raise AnalysisError("scale", f"{scale!r} is no scale", "give the lowest and the highest score, as (1, 5)")


def find_kind(columns: list[str]) -> str:
    """Find which kind of verdicts a judge was asked for, by the columns of its calls."""
    if {"first", "second"} <= {*columns}:
        return PAIR
    if "judged_variant" in columns:
        return SCORE
    cure = "pass load_answers of a run over present_answers(answers) or pair_answers(answers, variants)"
    raise ColumnError("judged", "no columns say whose answers were judged", cure)


def read_score(frame: nw.DataFrame[Any], scale: tuple[float, float]) -> Iterator[tuple[Any, ...]]:
    """Yield a row for each answer of a judge that scores."""
    for call, sample, variant, judge, body, error in list_judged(frame, "judged_variant"):
        score, reason = find_score(body, scale)
        failed = explain(error, body, score)
        yield call, variant, sample, SCORE, score, None, None, None, reason, judge, failed


def read_pair(frame: nw.DataFrame[Any], _: tuple[float, float]) -> Iterator[tuple[Any, ...]]:
    """Yield a row for each variant of a pair that a judge compared."""
    for call, sample, first, second, judge, body, error in list_judged(frame, "first", "second"):
        wins, reason = find_winner(body)
        failed = explain(error, body, wins)
        yield call, first, sample, PAIR, None, second, 1, wins, reason, judge, failed
        lost = None if wins is None else 1 - wins
        yield call, second, sample, PAIR, None, first, 2, lost, reason, judge, failed


def list_judged(frame: nw.DataFrame[Any], *whose: str) -> Iterator[tuple[Any, ...]]:
    """List whose answers were judged, by which prompt, and what the judge answered."""
    names = ["judged_call", "judged_sample", *whose, "variant"]
    table = frame.select(*names).to_polars()
    errors = frame["error_kind"].to_list() if "error_kind" in frame.columns else [None] * len(table)
    for row, body, error in zip(table.iter_rows(), list_bodies(frame), errors, strict=True):
        # In pandas a missing text is NaN.
        yield *row, body, error if isinstance(error, str) else None


def explain(error: str | None, body: str | None, value: float | None) -> str | None:
    """Return why there is no verdict; None where there is one."""
    if value is not None:
        return None
    return error or (UNREADABLE if body else "missing")


def find_score(body: str | None, scale: tuple[float, float]) -> tuple[float | None, str | None]:
    """Find the score and its reason; neither where they cannot be read for certain."""
    found = find_verdict(body, "score")
    if found is None:
        return None, None
    score = found["score"]
    is_number = isinstance(score, int | float) and not isinstance(score, bool)
    # First the scale: a whole number of hundreds of digits is no float, and raises.
    if not is_number or not scale[0] <= score <= scale[1] or not isfinite(score):
        return None, None
    return float(score), find_reason(found)


def find_winner(body: str | None) -> tuple[float | None, str | None]:
    """Find what the first answer of a pair wins and its reason; neither where they cannot be read for certain."""
    found = find_verdict(body, "winner")
    winner = None if found is None else found["winner"]
    if found is None or not isinstance(winner, str | int) or isinstance(winner, bool) or winner not in WINNERS:
        return None, None
    return WINNERS[winner], find_reason(found)


def find_reason(found: dict[str, Any]) -> str | None:
    """Return the reason of a verdict, where it is text."""
    reason = found.get("reason")
    return replace_lone_surrogates(reason) if isinstance(reason, str) else None


def find_verdict(body: str | None, key: str) -> dict[str, Any] | None:
    """Find the object of a text that has a key; None where there is none, or two say different things."""
    found = [each for each in list_objects(body or "") if key in each]
    # 1 and "1" are the same, 1 and true are not.
    said = {json.dumps(each[key]).strip('"') for each in found}
    return found[-1] if len(said) == 1 else None


def list_objects(text: str) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects that a text has one after another, read from its first braces."""
    decoder = json.JSONDecoder(parse_constant=refuse_constant, object_pairs_hook=collect_once)
    start = text.find("{")
    for _ in range(MOST_TRIALS):
        if start < 0:
            return
        try:
            value, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            end = start + 1
        else:
            yield value
        start = text.find("{", end)


def collect_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Collect the keys of an object; one that is given twice may contradict itself."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError
    return found
