"""Synthetic calls, made from a seed, with the details that each was made from."""

from __future__ import annotations

import random

import polars as pl

from analysis.errors import CallsError
from analysis.synthetic.phrases import read_phrases
from analysis.synthetic.script import write_call

__all__ = ["make_calls"]

COLUMNS: dict[str, pl.DataType | type[pl.DataType]] = {
    "call_id": pl.String,
    "transcript": pl.String,
    "industry": pl.String,
    "reason": pl.String,
    "outcome": pl.String,
    "mood": pl.String,
    "language": pl.String,
    "amounts": pl.List(pl.String),
    "promised_actions": pl.List(pl.String),
    "duration_s": pl.Int64,
    "words": pl.Int64,
}
# Shares of the languages in percent.
LANGUAGES = {"english": 95, "spanish": 2, "german": 1.5, "french": 1.5}
CODES = {"english": "en", "spanish": "es", "german": "de", "french": "fr"}
SHORTEST, LONGEST = 40, 2500
MOST_CALLS = 10_000_000  # some 30 GB of talk


def make_calls(calls: int, *, seed: int = 0) -> pl.DataFrame:
    """Make synthetic support calls, one row per call.

    A call depends on the seed and its number only: the seventh of ten is the seventh of a thousand, on any machine.
    Names, companies and numbers are invented; phone numbers are from the range 555-01, reserved for fiction.

    Parameters
    ----------
    calls
        The number of calls, 0 to ten million.
    seed
        The seed of the random choices.

    Returns
    -------
    frame
        `call_id` and `transcript` (lines `Agent: ...` and `Customer: ...`), then the details: `industry`, `reason`,
        `outcome` (resolved, pending, escalated, declined, disconnected), `mood` of the customer, `language` (en, es,
        de, fr), `amounts` and `promised_actions` as worded in the call, `duration_s` (seconds), `words` (without
        the speakers; 40 to 2,500, half of the calls above about 500).

    Raises
    ------
    CallsError
        `calls` is below 0, or above ten million.
    """
    if not 0 <= calls <= MOST_CALLS:
        raise CallsError("make_calls", f"cannot make {calls:,} calls", f"give 0 to {MOST_CALLS:,}")
    return pl.DataFrame([make_call(number, seed) for number in range(1, calls + 1)], schema=COLUMNS, orient="row")


def make_call(number: int, seed: int) -> tuple[object, ...]:
    """Make the call of one number, as a row of `COLUMNS`."""
    # random hashes a string seed itself, so the result does not depend on PYTHONHASHSEED.
    rng = random.Random(f"{seed}:{number}")  # noqa: S311
    (language,) = rng.choices(list(LANGUAGES), list(LANGUAGES.values()))
    phrases = read_phrases(language)
    call = write_call(rng, phrases, min(draw_length(rng), phrases.words_at_most))
    return (
        f"call-{number:05d}",
        call.transcript,
        call.industry,
        call.reason,
        call.outcome,
        call.mood,
        CODES[language],
        call.amounts,
        call.promised_actions,
        call.duration_s,
        call.words,
    )


def draw_length(rng: random.Random) -> int:
    """Draw a number of words: most calls have around 500, 4 % at most 80, and 2 % 1,900 or more."""
    kind = rng.random()
    if kind < 0.04:
        return rng.randint(SHORTEST, 80)
    if kind < 0.06:
        return rng.randint(1900, LONGEST)
    return min(LONGEST, max(SHORTEST, round(rng.lognormvariate(6.24, 0.55))))
